// A new encryption key in front of the old one, then the old one gone, on the same rows.
// Holds: while the old key is in the ring nobody is signed out and nothing is done twice; what is sealed from then on
// names the new key; once the old key is gone, what it sealed is refused with the way to sign in again.
// Must never: look at rows that the old key sealed after it is gone; that is a matter of sealing them again.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { address, mailTo, openSession, post, recordMark, refreshes, request, toolCall, traces } from "./client.mjs";
import { startStack } from "./harness.mjs";
import { assertError, assertPage, sender } from "./oauth_answers.mjs";
import { asForm, oauth } from "./oauth_client.mjs";
import { Browser, hiddenFields, signIn } from "./sign_in.mjs";
import { decodeCbor, rowsOf } from "./rows.mjs";

const key = (kid) => `${kid}:${randomBytes(32).toString("base64")}`;
const [oldKey, newKey] = [key("2026a"), key("2026b")];
/** The name of the key that sealed a value: a format byte, a length and the name stand before the rest. */
const kidIn = (sealed) => sealed.subarray(2, 2 + sealed[1]).toString();
const kidOf = (text) => kidIn(Buffer.from(text.slice(text.indexOf("_") + 1), "base64url"));

let stack, register, begin, renew, token, authorizeUrl;
/** What there was before the rotation: clients, tokens, a session and what it was told. */
const old = {};
/** The same of a person who came when both keys were there. */
const late = {};
const send = sender(() => stack);
const mail = mailTo("bob", "Before the rotation", { idempotencyKey: "once" });

before(async () => {
  stack = await startStack({ settings: { ENCRYPTION_KEY: oldKey } });
  ({ register, begin, renew, token, authorizeUrl } = oauth(stack));
  const since = stack.logMark();
  const first = await begin({ user: address("alice") });
  old.client = first.client;
  old.tokens = await first.token();
  ({ userKey: old.userKey } = await stack.waitForLog(({ tool }) => tool === "connect", { since }));
  old.session = await openSession(stack, old.tokens.access_token);
  old.sent = await old.session.call("sendEmail", mail);
  old.confidential = await register({ token_endpoint_auth_method: "client_secret_post" });
  old.other = await begin({ user: address("dave") });
  old.browser = new Browser();
  old.page = await old.browser.open(authorizeUrl(old.client).href);
  ({ connectUrl: old.connectUrl } = await stack.mintToken("carol"));
  await stack.restart({ ENCRYPTION_KEY: `${newKey},${oldKey}` });
  await signInLate();
});
after(() => stack?.stop());

async function signInLate() {
  const since = stack.logMark();
  const scene = await begin({ user: address("carol") });
  const tokens = await scene.token();
  const { userKey } = await stack.waitForLog(({ tool }) => tool === "connect", { since });
  const session = await openSession(stack, tokens.access_token);
  const sent = await session.call("sendEmail", { ...mail, subject: "After the rotation" });
  Object.assign(late, { client: scene.client, code: scene.form.code, tokens, session, sent, userKey });
}

const isGood = async (accessToken) =>
  (await post(stack, { token: accessToken, body: request(1, "ping"), revision: "2025-11-25" })).status !== 401;

test("before it everything names the old key", () => {
  assert.equal(old.sent.isError, false, old.sent.message);
  const values = [old.tokens.access_token, old.tokens.refresh_token, old.client.client_id, old.other.form.code];
  assert.deepEqual(values.map(kidOf), values.map(() => "2026a"));
});

describe("with the new key in front of the old one", () => {
  test("the session goes on with its old access token, and Microsoft is not asked to sign anybody in", async () => {
    const mark = await recordMark(stack);
    const { isError, message } = await old.session.call("getEmails", { count: 1 });
    assert.equal(isError, false, message);
    assert.deepEqual(await refreshes(stack, mark), []);
  });

  test("a repeat under the same name gets the kept answer, and no second mail leaves", async () => {
    const again = await old.session.call("sendEmail", mail);
    assert.deepEqual(again.structuredContent, old.sent.structuredContent);
    const other = await openSession(stack, old.tokens.access_token);
    assert.deepEqual((await other.call("sendEmail", mail)).structuredContent, old.sent.structuredContent);
    assert.deepEqual(await traces(stack, mail.subject), { sent: 1, arrived: 1, drafts: 0 });
  });

  test("the same name with another mail is still an error", async () => {
    const { json } = await old.session.send(toolCall("other", "sendEmail", { ...mail, subject: "Another" }));
    assert.equal(json.error?.code, -32602);
  });

  test("the old refresh token is renewed, and its successors name the new key", async () => {
    const next = await renew(old.client, old.tokens.refresh_token);
    assert.equal(next.status, 200, next.text);
    assert.deepEqual([kidOf(next.access_token), kidOf(next.refresh_token)], ["2026b", "2026b"]);
    assert.ok(await isGood(next.access_token));
    assert.ok(await isGood(old.tokens.access_token), "the old one was good for its time");
  });

  test("a code that was on its way is redeemed", async () => {
    const tokens = await old.other.token();
    assert.equal(tokens.status, 200, tokens.text);
    assert.ok(await isGood(tokens.access_token));
  });

  test("a consent page that was open is answered, and a link that was sent leads on", async () => {
    const form = { ...hiddenFields(old.page.text), decision: "allow" };
    const decided = await old.browser.open(`${stack.origin}/authorize`, { form });
    assert.ok(decided.next.startsWith(stack.settings.MICROSOFT_LOGIN_URL), decided.text);
    assert.equal((await send(new URL(old.connectUrl).pathname + new URL(old.connectUrl).search)).status, 302);
  });

  test("a client keeps its identifier and its secret", async () => {
    assert.ok((await signIn(authorizeUrl(old.client).href, { user: address("bob") })).redirect.includes("code="));
    const { client_id, client_secret } = old.confidential;
    const form = { client_id, client_secret, grant_type: "refresh_token", refresh_token: "m365rt_x" };
    assert.equal((await token(form)).error, "invalid_grant", "the client was not recognised");
  });

  test("who signs in now is sealed under the new key alone", () => {
    assert.equal(late.sent.isError, false, late.sent.message);
    const values = [late.tokens.access_token, late.tokens.refresh_token, late.client.client_id, late.code];
    assert.deepEqual(values.map(kidOf), values.map(() => "2026b"));
  });

  test("Microsoft's tokens move to the new key when they are renewed", async () => {
    await stack.emulator.post("/_emulator/revoke", { user: address("alice"), what: "access" });
    assert.equal((await old.session.call("getEmails", { count: 2 })).isError, false);
    await stack.kill();
    for (const userKey of [old.userKey, late.userKey]) {
      const row = rowsOf(stack, userKey).find((text) => text.startsWith("tokens "));
      const { t } = decodeCbor(Buffer.from(row.split(" ")[2], "hex"));
      assert.equal(kidIn(t), "2026b");
    }
    await stack.restart();
  });
});

describe("with the new key alone", () => {
  before(() => stack.restart({ ENCRYPTION_KEY: newKey }));

  test("an old access token: 401 that says where to sign in again", async () => {
    const { headers, status, text } = await post(stack, { token: old.tokens.access_token, body: request(1, "tools/list") });
    assert.equal(status, 401, text);
    assert.match(headers.get("www-authenticate"), /^Bearer resource_metadata="[^"]+".*error="invalid_token".*Sign in again/);
  });

  test("an old refresh token: invalid_grant; an old client: invalid_client, and a page for its person", async () => {
    const { client_id } = late.client;
    const form = { grant_type: "refresh_token", client_id, refresh_token: old.tokens.refresh_token };
    assertError(await send("/token", asForm(form)), 400, "invalid_grant");
    assertError(await send("/token", asForm({ ...form, client_id: old.client.client_id })), 401, "invalid_client");
    const { pathname, search } = authorizeUrl(old.client);
    const page = await send(pathname + search);
    assertPage(page);
    assert.match(page.text, /not registered here any more/);
  });

  test("an old link, an old page and an old code lead nowhere", async () => {
    const link = new URL(old.connectUrl);
    assertPage(await send(link.pathname + link.search));
    const form = { ...hiddenFields(old.page.text), decision: "allow" };
    assertPage(await send("/authorize", asForm(form, { cookie: old.browser.jar.header(stack.origin) })));
    const redeem = { ...old.other.form, client_id: late.client.client_id };
    assertError(await send("/token", asForm(redeem)), 400, "invalid_grant");
  });

  test("who signed in after the rotation goes on without noticing", async () => {
    const { client, tokens, session, sent, userKey } = late;
    assert.equal((await session.call("getEmails", { count: 1 })).isError, false);
    const again = await session.call("sendEmail", { ...mail, subject: "After the rotation" });
    assert.deepEqual(again.structuredContent, sent.structuredContent);
    assert.equal((await renew(client, tokens.refresh_token)).status, 200);
    assert.ok(stack.logLines().some((line) => line.userKey === userKey));
  });

  test("nothing of this was a fault of ours", () => {
    assert.doesNotMatch(stack.output(), /panicked|RuntimeError/);
    for (const secret of [oldKey, newKey]) assert.ok(!stack.output().includes(secret.split(":")[1]));
  });
});

describe("with the old key as the key of registrations", () => {
  before(() => stack.restart({ REGISTRATION_KEY: oldKey }));

  test("an old client need not be added again, and keeps its secret", async () => {
    const { redirect } = await signIn(authorizeUrl(old.client).href, { user: address("carol") });
    assert.ok(new URL(redirect).searchParams.get("code"));
    const { client_id, client_secret } = old.confidential;
    const form = { client_id, client_secret, grant_type: "refresh_token", refresh_token: "m365rt_x" };
    assert.equal((await token(form)).error, "invalid_grant", "the client was not recognised");
  });
});
