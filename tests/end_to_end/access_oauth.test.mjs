// Access beside this server's own authorization: in front of the consent page, or as the first step of a sign-in.
// Holds: without a valid assertion, or a sign-in at Access, nobody comes to Microsoft; the subject is in every line that
// follows; an account of another address is refused by the policy; each way back takes its own journey alone.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { accessMode, assertion, audience, header, person } from "./access.mjs";
import { address, openSession, recordMark, records, setEmulator } from "./client.mjs";
import { startStack } from "./harness.mjs";
import { oauth } from "./oauth_client.mjs";
import { Browser, hiddenFields } from "./sign_in.mjs";

const saas = { ACCESS_CLIENT_ID: "emulator-access-client", ACCESS_CLIENT_SECRET: "emulator-access-secret" };
let stack;
const start = (more) => async () => void (stack = await startStack({ settings: accessMode("oauth", more) }));
const stop = () => stack?.stop();
const tokenCalls = async (mark) =>
  (await records(stack, "entra", mark)).filter(({ path }) => path.endsWith("/token")).length;

async function assertNamed(tokens, subject) {
  const session = await openSession(stack, tokens.access_token);
  const since = stack.logMark();
  assert.equal((await session.call("getEmails", { count: 1 })).isError, false);
  const line = await stack.waitForLog(({ event, tool }) => event === "request" && tool === "getEmails", { since });
  assert.equal(line.accessIdentity, subject);
  assert.ok(!stack.output().includes("@contoso.example"), "an address is in the log");
}

describe("an application in front of /authorize and /ops", () => {
  before(start({ ACCESS_AUD: audience, POLICY: JSON.stringify({ serviceTokens: ["operator.access"] }) }));
  after(stop);

  test("the consent page is for those whom Access knows, as is the decision", async () => {
    const { register, authorizeUrl } = oauth(stack);
    const url = authorizeUrl(await register()).href;
    const alice = await person(stack, { email: address("alice") });
    const browser = alice.browser();
    const consent = await browser.open(url);
    assert.equal(consent.status, 200, consent.text);
    const bad = [undefined, await assertion(stack, { flaw: "expired" }), await assertion(stack, { flaw: "wrongAud" }),
      await assertion(stack, { kind: "service", commonName: "operator.access" }), await assertion(stack, { kind: "org" })];
    for (const value of bad) {
      const stranger = new Browser(value && { origin: stack.origin, headers: { [header]: value } });
      const page = await stranger.open(url);
      assert.deepEqual([page.status, page.next], [403, null]);
      stranger.jar = browser.jar;
      const form = { ...hiddenFields(consent.text), decision: "allow" };
      const decided = await stranger.open(new URL("/authorize", url).href, { form });
      assert.deepEqual([decided.status, decided.next], [403, null]);
    }
  });

  test("who signs in is named in every line, also after a renewal", async () => {
    const { begin, renew } = oauth(stack);
    const alice = await person(stack, { email: address("alice") });
    const { client, token } = await begin({ user: address("alice"), browser: alice.browser() });
    const tokens = await token();
    assert.equal(tokens.status, 200, tokens.text);
    await assertNamed(tokens, alice.subject);
    await assertNamed(await renew(client, tokens.refresh_token), alice.subject);
  });

  test("a Microsoft account of another address is refused, and no grant is stored", async () => {
    const { begin } = oauth(stack);
    const bob = await person(stack, { email: address("bob") });
    const { back } = await begin({ user: address("alice"), browser: bob.browser() });
    assert.equal(back.searchParams.get("error"), "access_denied");
    assert.equal(back.searchParams.get("code"), null);
  });

  test("the other endpoints need no assertion, and one gives nobody a mailbox", async () => {
    const alice = await assertion(stack);
    const answer = await fetch(stack.mcpUrl, { method: "POST", headers: { [header]: alice }, body: "{}" });
    assert.equal(answer.status, 401);
    assert.match(answer.headers.get("www-authenticate"), /resource_metadata/);
    const ops = async (wanted) => {
      const headers = { [header]: await assertion(stack, wanted) };
      return (await fetch(`${stack.origin}/ops`, { headers })).status;
    };
    assert.equal(await ops({ kind: "service", commonName: "operator.access" }), 200);
    assert.equal(await ops({ kind: "service", commonName: "stranger.access" }), 403);
    assert.equal(await ops({ email: address("alice") }), 403);
  });
});

describe("a sign-in through Access for SaaS", () => {
  before(start(saas));
  after(stop);

  test("leads over Access to Microsoft, and names the person in every line", async () => {
    await setEmulator(stack, { accessPerson: address("bob") });
    const { begin } = oauth(stack);
    const { consent, token } = await begin({ user: address("bob") });
    assert.match(consent, /Continue/);
    const tokens = await token();
    assert.equal(tokens.status, 200, tokens.text);
    await assertNamed(tokens, (await person(stack, { email: address("bob") })).subject);
  });

  test("whoever does not sign in at Access, or as somebody else, gets no code", async () => {
    const { begin } = oauth(stack);
    for (const accessPerson of [null, address("carol")]) {
      await setEmulator(stack, { accessPerson });
      const { back } = await begin({ user: address("alice") });
      assert.deepEqual([back.searchParams.get("error"), back.searchParams.get("code")], ["access_denied", null]);
    }
  });

  test("each way back takes its own journey, in its own browser, once", async () => {
    await setEmulator(stack, { accessPerson: address("alice") });
    const { register, authorizeUrl } = oauth(stack);
    const browser = new Browser();
    const url = authorizeUrl(await register()).href;
    const consent = await browser.open(url);
    const decide = () =>
      browser.open(new URL("/authorize", url).href, { form: { ...hiddenFields(consent.text), decision: "allow" } });
    const toAccess = (await decide()).next;
    assert.match(toAccess, /\/sso\/oidc\/emulator-access-client\/authorization\?/);
    const back = new URL((await browser.open(toAccess)).next);
    assert.equal(back.pathname, "/callback/access");
    const mark = await recordMark(stack);
    const moved = (path, change = {}) => {
      const other = new URL(back);
      other.pathname = path;
      for (const [name, value] of Object.entries(change)) other.searchParams.set(name, value);
      return other.href;
    };
    assert.equal((await new Browser().open(back.href)).status, 400, "another browser");
    assert.equal((await browser.open(moved("/callback"))).status, 400, "the way back from Microsoft");
    assert.equal((await browser.open(moved("/callback/access", { state: "x" }))).status, 400, "a made-up state");
    const refused = new URL((await browser.open(moved("/callback/access", { code: "x" }))).next);
    assert.equal(refused.searchParams.get("error"), "access_denied");
    assert.equal(await tokenCalls(mark), 0);
  });

  test("the journey to Microsoft does not end at the way back from Access", async () => {
    await setEmulator(stack, { accessPerson: address("alice") });
    const { register, authorizeUrl } = oauth(stack);
    const browser = new Browser();
    const url = authorizeUrl(await register()).href;
    const consent = await browser.open(url);
    const form = { ...hiddenFields(consent.text), decision: "allow" };
    const toAccess = (await browser.open(new URL("/authorize", url).href, { form })).next;
    const toMicrosoft = new URL((await browser.open((await browser.open(toAccess)).next)).next);
    toMicrosoft.searchParams.set("login_hint", address("alice"));
    const back = new URL((await browser.open(toMicrosoft.href)).next);
    assert.equal(back.pathname, "/callback");
    back.pathname = "/callback/access";
    assert.equal((await browser.open(back.href)).status, 400);
  });

  test("tokens that Access did not sign, or for somebody else, are not believed", async () => {
    await setEmulator(stack, { accessPerson: address("alice") });
    const { begin } = oauth(stack);
    const forged = "eyJhbGciOiJub25lIiwia2lkIjoieCJ9.e30.";
    for (const body of [{ id_token: forged }, { id_token: await assertion(stack) }, {}]) {
      await stack.emulator.post("/_emulator/faults", {
        service: "access", method: "POST", pathContains: "/token", times: 1, action: { respond: { status: 200, body } },
      });
      const { back } = await begin({ user: address("alice") });
      assert.equal(back.searchParams.get("error"), "access_denied");
    }
  });
});
