// Attacks on codes, tokens and redirects by those who hold something genuine: another client, another person, another
// server, or an earlier version of the same thing.
// Holds: what is refused leaves what it aimed at as it was, unless the standard wants it withdrawn.
// Must never: use a value that the server did not issue where the attack needs one that it did.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { address, recordMark, records } from "./client.mjs";
import { startStack } from "./harness.mjs";
import { assertError, assertPage, assertSentBack, sender } from "./oauth_answers.mjs";
import { asForm, oauth, pkce, redirectUri } from "./oauth_client.mjs";
import { atMicrosoft, Browser, hiddenFields } from "./sign_in.mjs";

let stack, register, authorizeUrl, begin, token, renew, revoke, ask;
before(async () => {
  stack = await startStack();
  ({ register, authorizeUrl, begin, token, renew, revoke, ask } = oauth(stack));
});
after(() => stack?.stop());

const send = sender(() => stack);
const open = (client, changes = {}, secret = pkce()) => {
  const { pathname, search } = authorizeUrl(client, secret, changes);
  return send(pathname + search);
};

describe("open redirects", () => {
  const tricks = {
    "a path behind the registered one": `${redirectUri}/..%2f..%2fevil`, "a registered prefix": `${redirectUri}.evil.example/`,
    "a user before the host": redirectUri.replace("http://", "http://127.0.0.1@evil.example/"),
    "a backslash": redirectUri.replace("/callback", "\\@evil.example/callback"), "a fragment": `${redirectUri}#https://evil.example`,
    "another case": redirectUri.replace("callback", "Callback"), "another scheme": redirectUri.replace("http:", "javascript:"),
    "a dot in the path": redirectUri.replace("/callback", "/./callback"), "an added query": `${redirectUri}?next=https://evil.example`,
    "an encoded slash": redirectUri.replace("/callback", "%2fcallback"), "a null byte": `${redirectUri}\u0000.evil.example`,
    "a tab in the scheme": redirectUri.replace("http:", "ht\ttp:"), "a protocol-relative address": "//evil.example/callback",
  };
  for (const [title, redirect_uri] of Object.entries(tricks)) {
    test(`${title}: a page, and nobody is sent anywhere`, async () => assertPage(await open(await register(), { redirect_uri })));
  }

  test("the second of two redirect URIs is not the one that counts", async () => {
    const url = authorizeUrl(await register());
    url.searchParams.append("redirect_uri", "https://evil.example/");
    assertPage(await send(url.pathname + url.search));
  });

  test("a line break in the state does not become a header", async () => {
    const answer = await open(await register(), { response_type: "token", state: "x\r\nset-cookie: a=b\r\n\r\n<script>" });
    assert.equal(answer.status, 303);
    assert.equal(answer.headers.get("set-cookie"), null);
    assert.doesNotMatch(answer.location, /[\r\n<]/);
  });
});

describe("mixed-up issuers", () => {
  test("every way back names this issuer, with a code and with an error", async () => {
    const { back } = await begin();
    assert.deepEqual(back.searchParams.getAll("iss"), [stack.origin]);
    assertSentBack(stack, await open(await register(), { response_type: "token" }), "unsupported_response_type");
  });

  test("an issuer that the client sends along is not repeated", async () => {
    const { back } = await begin({ authorize: { iss: "https://evil.example" } });
    assert.deepEqual(back.searchParams.getAll("iss"), [stack.origin]);
  });

  test("an issuer in Microsoft's answer is not taken for ours", async () => {
    const answer = await send("/callback?code=x&state=x&iss=https://evil.example");
    assertPage(answer);
  });
});

describe("downgrades of PKCE", () => {
  for (const [title, changes] of Object.entries({
    "plain": { code_challenge_method: "plain" }, "no method": { code_challenge_method: undefined },
    "no challenge": { code_challenge: undefined, code_challenge_method: undefined }, "another case": { code_challenge_method: "s256" },
    "an empty challenge": { code_challenge: "" }, "a short challenge": { code_challenge: "abc" },
  })) {
    test(`${title}: back to the client with invalid_request`, async () => {
      assertSentBack(stack, await open(await register(), changes), "invalid_request");
    });
  }

  test("a code is not redeemed without a verifier, with an empty one, or with the challenge itself", async () => {
    const secret = pkce();
    const { token: redeem, form } = await begin();
    for (const code_verifier of [undefined, "", secret.challenge]) {
      const fields = Object.fromEntries(Object.entries({ ...form, code_verifier }).filter(([, value]) => value !== undefined));
      assert.equal((await token(fields)).status, 400);
    }
    assert.equal((await redeem()).status, 200, "one of them consumed the code");
  });
});

describe("injected codes", () => {
  test("a code of another journey of the same client fails for its verifier, and stays good for its own", async () => {
    const client = await register();
    const [victim, attacker] = [await begin({ registered: client }), await begin({ registered: client, user: address("bob") })];
    assert.equal((await attacker.token({ code: victim.form.code })).error, "invalid_grant");
    assert.equal((await victim.token()).status, 200);
  });

  test("a code of one client is worth nothing in another's hands, even with the verifier", async () => {
    const { token: redeem } = await begin();
    const { client_id } = await register();
    assert.equal((await redeem({ client_id })).error, "invalid_grant");
    assert.equal((await redeem()).status, 200);
  });

  test("a code is bound to its redirect URI where the client repeats it, and may be redeemed without", async () => {
    const { token: redeem, form } = await begin();
    for (const redirect_uri of ["http://127.0.0.1:53683/callback", `${redirectUri}/`, "https://evil.example/"]) {
      assert.equal((await redeem({ redirect_uri })).error, "invalid_grant");
    }
    const { redirect_uri, ...without } = form;
    assert.equal((await token(without)).status, 200, `without ${redirect_uri}`);
  });
});

describe("replays", () => {
  test("a code that is redeemed many times at once gives tokens once, and in the end none", async () => {
    const { token: redeem } = await begin();
    const answers = await Promise.all(Array.from({ length: 5 }, () => redeem()));
    const good = answers.filter(({ status }) => status === 200);
    assert.equal(good.length, 1);
    assert.equal((await ask(good[0].access_token)).status, 401);
  });

  test("a refresh token used by many at once signs nobody out, and an old one does", async () => {
    const { client, token: redeem } = await begin();
    const first = await redeem();
    const answers = await Promise.all(Array.from({ length: 5 }, () => renew(client, first.refresh_token)));
    assert.deepEqual(answers.map(({ status }) => status), [200, 200, 200, 200, 200]);
    assert.equal((await ask(answers[4].access_token)).status, 200);
    assert.equal((await renew(client, answers[0].refresh_token)).status, 200);
    assert.equal((await renew(client, first.refresh_token)).error, "invalid_grant");
    assert.equal((await ask(answers[4].access_token)).status, 401);
  });

  test("Microsoft's answer that is sent a second time gets no second code", async () => {
    const browser = new Browser();
    const page = await browser.open(authorizeUrl(await register()).href);
    const form = { ...hiddenFields(page.text), decision: "allow" };
    const decided = await browser.open(`${stack.origin}/authorize`, { form });
    const { next } = await atMicrosoft(browser, decided.next, address("alice"));
    const cookie = browser.jar.header(stack.origin);
    const codes = [];
    for (let round = 0; round < 2; round += 1) {
      const back = await fetch(next, { redirect: "manual", headers: { cookie } });
      codes.push(new URL(back.headers.get("location")).searchParams.get("code"));
    }
    assert.ok(codes[0]);
    assert.equal(codes[1], null);
  });
});

describe("tokens in the wrong hands", () => {
  test("a refresh token is worth nothing to another client, and stays good for its own", async () => {
    const { client, token: redeem } = await begin();
    const { refresh_token } = await redeem();
    assert.equal((await renew(await register(), refresh_token)).error, "invalid_grant");
    assert.equal((await renew(client, refresh_token)).status, 200);
  });

  test("a token acts for its own person alone, whichever session it names", async () => {
    const [alice, bob] = [await (await begin({ user: address("alice") })).token(), await (await begin({ user: address("bob") })).token()];
    const opened = await ask(alice.access_token);
    const session = opened.headers.get("mcp-session-id");
    assert.ok(session);
    const mark = await recordMark(stack);
    const body = JSON.stringify({ jsonrpc: "2.0", id: 2, method: "tools/call", params: { name: "getEmails", arguments: {} } });
    const headers = { "content-type": "application/json", authorization: `Bearer ${bob.access_token}`, "mcp-session-id": session };
    assert.equal((await fetch(stack.mcpUrl, { method: "POST", headers, body })).status, 404);
    assert.deepEqual(await records(stack, "graph", mark), []);
  });

  test("a token of another server is none, though it was sealed for the same path", async () => {
    const other = await startStack();
    const theirs = await (await oauth(other).begin()).token();
    assert.equal((await ask(theirs.access_token)).status, 401);
    await other.stop();
  });

  test("a token for another resource is none, though our own key sealed it", async () => {
    const { token: redeem } = await begin();
    const { access_token } = await redeem();
    assert.equal((await ask(access_token)).status, 200);
    const other = await startStack({ settings: { ENCRYPTION_KEY: stack.settings.ENCRYPTION_KEY } });
    const answer = await oauth(other).ask(access_token);
    assert.equal(answer.status, 401);
    assert.match(answer.headers.get("www-authenticate"), /error="invalid_token"/);
    await other.stop();
  });

  test("a refresh token, a code and a client's identifier open no session", async () => {
    const { client, token: redeem, form } = await begin();
    const { refresh_token } = await redeem();
    for (const value of [refresh_token, form.code, client.client_id]) assert.equal((await ask(value)).status, 401);
  });

  test("another client's wish revokes nothing, and a stranger to tokens is not told whether one was good", async () => {
    const { token: redeem } = await begin();
    const { access_token, refresh_token } = await redeem();
    const stranger = await register();
    const answers = await Promise.all([access_token, refresh_token, "m365rt_x"].map((value) => revoke(stranger, value)));
    assert.deepEqual(answers.map(({ status, text }) => [status, text]), [[200, ""], [200, ""], [200, ""]]);
    assert.equal((await ask(access_token)).status, 200);
  });
});

describe("what is too much", () => {
  test("oversized and malformed tokens are 401, and nobody is asked anything", async () => {
    const mark = await recordMark(stack);
    for (const value of ["x".repeat(8_000), `m365at_${"A".repeat(6_000)}`, "m365at_", "m365at_%%%", "m365at_=", "a b", "\t"]) {
      assert.equal((await ask(value)).status, 401, value.slice(0, 20));
    }
    assert.deepEqual(await records(stack, "graph", mark), []);
  });

  for (const [title, resource] of Object.entries({
    "another host": "https://other.example/mcp", "a fragment": "#x", "a query": "?x", "a longer path": "/admin", "a path before": null, "no URL": "mcp",
  })) {
    test(`resource with ${title}: invalid_target at both endpoints, and the code stays good`, async () => {
      const asked = resource === null ? stack.origin : /^[#?/]/.test(resource) ? stack.mcpUrl + resource : resource;
      assertSentBack(stack, await open(await register(), { resource: asked }), "invalid_target");
      const { token: redeem, form } = await begin();
      assertError(await send("/token", asForm({ ...form, resource: asked })), 400, "invalid_target");
      assert.equal((await redeem({ resource: stack.mcpUrl })).status, 200);
    });
  }
});

describe("scopes", () => {
  test("a client begins with the everyday scopes; a rarer tool is 403 with all that it needs; then it steps up", async () => {
    const challenge = (await fetch(stack.mcpUrl, { method: "POST" })).headers.get("www-authenticate");
    const base = challenge.match(/scope="([^"]*)"/)[1];
    assert.ok(base.includes("mail.read") && !base.includes("teams.send"), base);
    const client = await register();
    const first = await (await begin({ registered: client, authorize: { scope: base } })).token();
    assert.equal(first.scope, base);
    const params = { name: "sendTeamsMessage", arguments: { chatId: "x", message: "x" } };
    const call = async (accessToken) => {
      const session = (await ask(accessToken)).headers.get("mcp-session-id");
      const headers = { "content-type": "application/json", authorization: `Bearer ${accessToken}`, "mcp-session-id": session };
      const body = JSON.stringify({ jsonrpc: "2.0", id: 2, method: "tools/call", params });
      return fetch(stack.mcpUrl, { method: "POST", headers: { ...headers, accept: "application/json, text/event-stream" }, body });
    };
    const refused = await call(first.access_token);
    const demand = refused.headers.get("www-authenticate");
    assert.equal(refused.status, 403);
    for (const part of ['error="insufficient_scope"', `scope="teams.send ${base}"`, 'error_description="The access token lacks the scope teams.send,', "resource_metadata="]) {
      assert.ok(demand.includes(part), demand);
    }
    assert.doesNotMatch(refused.headers.get("content-type"), /event-stream/);
    assert.equal((await renew(client, first.refresh_token, { scope: `${base} teams.send` })).error, "invalid_scope");
    const wider = await (await begin({ registered: client, authorize: { scope: `${base} teams.send` } })).token();
    assert.equal((await call(wider.access_token)).status, 200);
  });

  test("a renewal may narrow, and the narrow token is refused what it left out", async () => {
    const { client, token: redeem } = await begin({ authorize: { scope: "mail.read mail.send" } });
    const { refresh_token } = await redeem();
    const narrow = await renew(client, refresh_token, { scope: "mail.read" });
    assert.equal(narrow.scope, "mail.read");
    const again = await renew(client, narrow.refresh_token);
    assert.equal(again.scope, "mail.read mail.send", "the grant itself was narrowed");
  });
});
