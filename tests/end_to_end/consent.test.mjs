// Consent: once for each client and person and browser, and again for whatever is more or elsewhere.
// Holds: a question is left out only where this browser proves that this person agreed, and Microsoft signed the same
// person in; the keys of cookies may change in the middle.
// Must never: follow the redirect to the client.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { address } from "./client.mjs";
import { startStack } from "./harness.mjs";
import { assertPage, sender } from "./oauth_answers.mjs";
import { oauth, pkce } from "./oauth_client.mjs";
import { atMicrosoft, Browser, hiddenFields, signIn } from "./sign_in.mjs";

const place = "https://client.example/callback";
const elsewhere = "https://other.example/callback";
const key = (kid) => `${kid}:${randomBytes(32).toString("base64")}`;

describe("what a browser remembers", () => {
  let stack, register, authorizeUrl, token, revoke;
  before(async () => {
    stack = await startStack();
    ({ register, authorizeUrl, token, revoke } = oauth(stack));
  });
  after(() => stack?.stop());

  const onTheWeb = () => register({ client_name: "Web", redirect_uris: [place, elsewhere] });
  const url = (client, changes = {}, secret = pkce()) =>
    authorizeUrl(client, secret, { redirect_uri: place, scope: "mail.read mail.send", ...changes }).href;

  /** A client to which a person agreed in a browser, with its tokens. */
  async function agreed(user = "alice") {
    const client = await onTheWeb();
    const [browser, secret] = [new Browser(), pkce()];
    const { redirect } = await signIn(url(client, {}, secret), { browser, user: address(user) });
    const tokens = await token({
      grant_type: "authorization_code", client_id: client.client_id, code_verifier: secret.verifier,
      code: new URL(redirect).searchParams.get("code"), redirect_uri: place,
    });
    assert.equal(tokens.status, 200, tokens.text);
    return { client, browser, tokens };
  }

  const isAsked = async (browser, address) => {
    const { status, next } = await browser.open(address);
    assert.ok(status === 200 || new URL(next).pathname.endsWith("/oauth2/v2.0/authorize"), `${status} ${next}`);
    return status === 200;
  };

  test("the same client, place and person: Microsoft is next, and the code comes as ever", async () => {
    const { client, browser } = await agreed();
    const { status, next } = await browser.open(url(client));
    assert.equal(status, 303);
    const back = await browser.open((await atMicrosoft(browser, next, address("alice"))).next);
    const { searchParams } = new URL(back.next);
    assert.ok(back.next.startsWith(`${place}?`) && searchParams.get("code"), back.next);
    assert.deepEqual([searchParams.get("state"), searchParams.get("iss")], ["state-1", stack.origin]);
  });

  test("fewer scopes are covered; more, another place or client, and a wish to be asked are not", async () => {
    const { client, browser } = await agreed();
    assert.equal(await isAsked(browser, url(client, { scope: "mail.read" })), false);
    for (const changes of [{ scope: "mail.read teams.send" }, { scope: undefined }, { redirect_uri: elsewhere }, { prompt: "consent" }]) {
      assert.equal(await isAsked(browser, url(client, changes)), true, JSON.stringify(changes));
    }
    assert.equal(await isAsked(browser, url(await onTheWeb())), true, "another client of the same name");
    assert.equal(await isAsked(new Browser(), url(client)), true, "another browser");
  });

  test("a program on the person's own machine is asked about each time", async () => {
    const client = await register();
    const browser = new Browser();
    await signIn(authorizeUrl(client).href, { browser });
    assert.equal(await isAsked(browser, authorizeUrl(client).href), true);
  });

  test("a consent ends with its grant", async () => {
    const { client, browser, tokens } = await agreed();
    assert.equal((await revoke(client, tokens.refresh_token)).status, 200);
    assert.equal(await isAsked(browser, url(client)), true);
  });

  test("whoever else signs in at Microsoft gets nothing, and the next attempt asks", async () => {
    const { client, browser } = await agreed("alice");
    const { next } = await browser.open(url(client));
    const back = await browser.open((await atMicrosoft(browser, next, address("bob"))).next);
    const { searchParams } = new URL(back.next);
    assert.deepEqual([searchParams.get("error"), searchParams.get("code")], ["access_denied", null]);
    assert.equal(await isAsked(browser, url(client)), true);
  });

  test("a cookie of another browser's journey, tossed in beside, changes nothing", async () => {
    const { client, browser } = await agreed("alice");
    const stranger = await agreed("bob");
    const send = sender(() => stack);
    const { pathname, search } = new URL(url(client));
    const cookie = `${stranger.browser.jar.header(stack.origin)}; ${browser.jar.header(stack.origin)}`;
    assert.equal((await send(pathname + search, { headers: { cookie } })).status, 200, "the stranger's consent counted");
  });
});

test("both rings of the cookies' keys change in the middle of a sign-in, and it ends with a code", async () => {
  const old = { COOKIE_ENCRYPTION_KEY: key("c1"), COOKIE_SECRET: key("s1") };
  const rotated = {
    COOKIE_ENCRYPTION_KEY: `${key("c2")},${old.COOKIE_ENCRYPTION_KEY}`, COOKIE_SECRET: `${key("s2")},${old.COOKIE_SECRET}`,
  };
  const stack = await startStack({ settings: old });
  const { register, authorizeUrl } = oauth(stack);
  const [client, browser] = [await register(), new Browser()];
  const page = await browser.open(authorizeUrl(client).href);
  const held = browser.jar.header(stack.origin);
  assert.match(held, /^m365-sign-in=[\w-]+\.s1\.[\w-]+$/);
  await stack.restart(rotated);
  const decided = await browser.open(`${stack.origin}/authorize`, { form: { ...hiddenFields(page.text), decision: "allow" } });
  const back = await browser.open((await atMicrosoft(browser, decided.next, address("alice"))).next);
  assert.ok(new URL(back.next).searchParams.get("code"), back.next);
  // Without the old keys the same cookie is worth nothing, whichever of the two is gone.
  for (const name of Object.keys(old)) {
    await stack.restart({ ...rotated, [name]: rotated[name].split(",")[0] });
    const body = new URLSearchParams({ ...hiddenFields(page.text), decision: "allow" });
    const headers = { cookie: held, origin: stack.origin };
    assertPage(await sender(() => stack)("/authorize", { method: "POST", headers, body }));
  }
  await stack.stop();
});
