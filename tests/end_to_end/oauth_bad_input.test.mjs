// What the authorization server's pages, registration and documents say to everything that is not right.
// Holds: each answer is the one that its RFC names; nothing is redirected but to the client's registered place or to
// Microsoft; no answer can be cached, shows a secret or repeats what was sent.
// Must never: be loosened to what the worker happens to answer. What ends by time is tested where the time is chosen,
// beside the code: the page, the state, the client.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { recordMark, records } from "./client.mjs";
import { startStack } from "./harness.mjs";
import { assertError, assertPage, assertSentBack as sentBack, canary, changed, sender } from "./oauth_answers.mjs";
import { asForm, asJson, oauth, pkce, redirectUri } from "./oauth_client.mjs";
import { Browser, hiddenFields, signIn, unescape } from "./sign_in.mjs";

let stack, client, register, authorizeUrl;
before(async () => {
  stack = await startStack();
  ({ register, authorizeUrl } = oauth(stack));
  client = await register();
});
after(() => stack?.stop());

const send = sender(() => stack);
const assertSentBack = (...how) => sentBack(stack, ...how);

describe("wrong verbs", () => {
  const served = {
    "/register": "POST, OPTIONS", "/token": "POST, OPTIONS", "/revoke": "POST, OPTIONS",
    "/authorize": "GET, HEAD, POST", "/callback": "GET, HEAD", "/connect": "GET, HEAD",
    "/.well-known/oauth-authorization-server": "GET, HEAD, OPTIONS",
    "/.well-known/openid-configuration": "GET, HEAD, OPTIONS",
    "/.well-known/oauth-protected-resource": "GET, HEAD, OPTIONS",
    "/.well-known/oauth-protected-resource/mcp": "GET, HEAD, OPTIONS",
  };
  for (const [path, allow] of Object.entries(served)) {
    test(`${path} serves ${allow} alone`, async () => {
      for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"].filter((verb) => !allow.includes(verb))) {
        const answer = await send(path, { method, body: method === "GET" ? undefined : canary });
        assert.deepEqual([answer.status, answer.headers.get("allow")], [405, allow], method);
      }
    });
  }

  test("a path beside those that are served is 404", async () => {
    for (const path of ["/token/", "/Token", "/oauth/token", "/.well-known/oauth-authorization-server/", "/register/x"]) {
      assert.equal((await send(path, asForm({ a: canary }))).status, 404, path);
    }
  });
});

describe("POST /register (RFC 7591, section 3.2.2)", () => {
  const with_ = (more) => JSON.stringify({ client_name: canary, redirect_uris: [redirectUri], ...more });
  const deep = "[".repeat(30_000) + "]".repeat(30_000);
  const long = Array.from({ length: 10 }, (_, at) => `https://app.example/${at}${"x".repeat(480)}`);
  const cases = [
    ["an empty body", "", "invalid_client_metadata"],
    ["no JSON", canary, "invalid_client_metadata"],
    ["half of an object", '{"redirect_uris":["https://', "invalid_client_metadata"],
    ["a list", "[]", "invalid_client_metadata"],
    ["null", "null", "invalid_client_metadata"],
    ["bytes that are no UTF-8", Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), "invalid_client_metadata"],
    ["a member twice", `{"client_name":"a","client_name":"b","redirect_uris":["${redirectUri}"]}`, "invalid_client_metadata"],
    ["30,000 levels", `{"redirect_uris":${deep}}`, "invalid_client_metadata"],
    ["a name that is a number", with_({ client_name: 7 }), "invalid_client_metadata"],
    ["redirect URIs that are a text", with_({ redirect_uris: redirectUri }), "invalid_client_metadata"],
    ["redirect URIs that are numbers", with_({ redirect_uris: [1] }), "invalid_client_metadata"],
    ["metadata that no identifier can hold", with_({ redirect_uris: long }), "invalid_client_metadata"],
    ["a signature of its own", with_({ token_endpoint_auth_method: "private_key_jwt" }), "invalid_client_metadata"],
    ["the implicit grant", with_({ grant_types: ["authorization_code", "implicit"] }), "invalid_client_metadata"],
    ["passwords", with_({ grant_types: ["password"] }), "invalid_client_metadata"],
    ["no grant at all", with_({ grant_types: [] }), "invalid_client_metadata"],
    ["a token for an answer", with_({ response_types: ["token"] }), "invalid_client_metadata"],
    ["no redirect URI", with_({ redirect_uris: [] }), "invalid_redirect_uri"],
    ["redirect URIs left out", "{}", "invalid_redirect_uri"],
    ["eleven redirect URIs", with_({ redirect_uris: Array(11).fill(redirectUri) }), "invalid_redirect_uri"],
    ["an overlong redirect URI", with_({ redirect_uris: [`https://app.example/${"x".repeat(600)}`] }), "invalid_redirect_uri"],
  ];
  for (const [title, body, error] of cases) {
    test(`${title}: 400 ${error}`, async () => {
      const init = { method: "POST", headers: { "content-type": "application/json" }, body };
      assertError(await send("/register", init), 400, error);
    });
  }

  for (const type of [undefined, "text/plain", "application/x-www-form-urlencoded", "application/jsonp"]) {
    test(`as ${type ?? "bytes of no type"}: 400 invalid_client_metadata`, async () => {
      const body = new TextEncoder().encode(with_({}));
      const init = { method: "POST", headers: type ? { "content-type": type } : {}, body };
      assertError(await send("/register", init), 400, "invalid_client_metadata");
    });
  }

  test("64 KiB are the bound, and the answer names it", async () => {
    const init = (length) => ({ ...asJson({}), body: with_({ client_name: "Test" }).padEnd(length, " ") });
    assert.equal((await send("/register", init(65_536))).status, 201);
    const refused = await send("/register", init(65_537));
    assert.equal(refused.status, 413);
    assert.match(refused.json.error_description, /65536/);
  });

  test("what is not known is ignored and not given back (section 2)", async () => {
    const more = { software_statement: canary, scope: canary, contacts: [canary], jwks_uri: `https://${canary}/` };
    const { status, json } = await send("/register", asJson({ redirect_uris: [redirectUri], ...more }));
    assert.equal(status, 201);
    assert.deepEqual(json.redirect_uris, [redirectUri]);
    assert.equal(json.token_endpoint_auth_method, "none");
    assert.ok(!("client_secret" in json));
  });
});

describe("GET /authorize (RFC 6749, section 4.1.2.1)", () => {
  const open = (url) => send(url.pathname + url.search);
  const ask_ = (changes, secret) => open(authorizeUrl(client, secret, changes));
  const twice = (name, value) => {
    const url = authorizeUrl(client);
    url.searchParams.append(name, value ?? url.searchParams.get(name));
    return open(url);
  };

  const pages = {
    "no parameters": () => send("/authorize"),
    "no client": () => ask_({ client_id: undefined }),
    "a client nobody registered": () => ask_({ client_id: `m365c_${canary}` }),
    "a changed client": () => ask_({ client_id: changed(client.client_id) }),
    "an overlong client": () => ask_({ client_id: `m365c_${"A".repeat(9000)}` }),
    "two clients": () => twice("client_id"),
    "another place": () => ask_({ redirect_uri: `https://evil.example/${canary}` }),
    "another path": () => ask_({ redirect_uri: `${redirectUri}/` }),
    "another scheme": () => ask_({ redirect_uri: redirectUri.replace("http:", "https:") }),
    "a place with a user": () => ask_({ redirect_uri: "http://127.0.0.1:53682@evil.example/callback" }),
    "a script as the place": () => ask_({ redirect_uri: "javascript:alert(1)" }),
    "two places": () => twice("redirect_uri"),
    "a registered and another place": () => twice("redirect_uri", "https://evil.example/"),
    "no place where two are registered": async () => {
      const two = await register({ redirect_uris: [redirectUri, "https://app.example/cb"] });
      return open(authorizeUrl(two, pkce(), { redirect_uri: undefined }));
    },
  };
  for (const [title, go] of Object.entries(pages)) {
    test(`${title}: a page, and nobody is sent anywhere`, async () => assertPage(await go()));
  }

  const challenge = (text) => () => ask_({ code_challenge: text });
  const back = {
    "no response type": [() => ask_({ response_type: undefined }), "invalid_request"],
    "a token as the response": [() => ask_({ response_type: "token" }), "unsupported_response_type"],
    "code and token as the response": [() => ask_({ response_type: "code token" }), "unsupported_response_type"],
    "two response types": [() => twice("response_type"), "invalid_request"],
    "no challenge (RFC 7636, 4.4.1)": [challenge(undefined), "invalid_request"],
    "a short challenge": [challenge("x".repeat(42)), "invalid_request"],
    "a long challenge": [challenge("x".repeat(44)), "invalid_request"],
    "a challenge that is no base64url": [challenge("+".repeat(43)), "invalid_request"],
    "two challenges": [() => twice("code_challenge"), "invalid_request"],
    "the plain method": [() => ask_({ code_challenge_method: "plain" }), "invalid_request"],
    "no method, which means plain": [() => ask_({ code_challenge_method: undefined }), "invalid_request"],
    "an unknown scope": [() => ask_({ scope: `${canary} admin` }), "invalid_scope"],
    "two scopes parameters": [() => two("scope", "mail.read", "mail.send"), "invalid_request"],
    "another resource (RFC 8707)": [() => ask_({ resource: "https://other.example/mcp" }), "invalid_target"],
    "our resource and another one": [() => two("resource", stack.mcpUrl, "https://other.example/"), "invalid_target"],
    "an unknown parameter twice": [() => two("x", canary, canary), "invalid_request"],
    "seventy parameters": [() => open(padded(70)), "invalid_request"],
  };
  const two = (name, first, second) => {
    const url = authorizeUrl(client);
    url.searchParams.append(name, first);
    url.searchParams.append(name, second);
    return open(url);
  };
  const padded = (count) => {
    const url = authorizeUrl(client);
    for (let at = 0; at < count; at += 1) url.searchParams.append(`p${at}`, canary);
    return url;
  };
  for (const [title, [go, error]] of Object.entries(back)) {
    test(`${title}: back to the client with ${error}`, async () => assertSentBack(await go(), error));
  }

  test("a state that is too long comes back as it was, and one that stands twice does not", async () => {
    const long = "s".repeat(1025);
    assertSentBack(await ask_({ state: long }), "invalid_request", long);
    assertSentBack(await twice("state"), "invalid_request", null);
  });

  test("a state in any script comes back as it was", async () => {
    const state = "日本 💥 &=+%20\"'<b>";
    assertSentBack(await ask_({ state, response_type: "token" }), "unsupported_response_type", state);
  });

  test("none of these asked Microsoft anything", async () => {
    const mark = await recordMark(stack);
    for (const [go] of Object.values(back)) await go();
    assert.deepEqual(await records(stack, "entra", mark), []);
  });
});

/** A consent page in a browser of its own: what the page would send, and the cookie without which it is worth nothing. */
async function consentPage() {
  const browser = new Browser();
  const page = await browser.open(authorizeUrl(client).href);
  assert.equal(page.status, 200);
  return { browser, fields: { ...hiddenFields(page.text), decision: "allow" }, cookie: browser.jar.header(stack.origin) };
}

describe("POST /authorize", () => {
  const decide = (fields, headers = {}) => send("/authorize", asForm(fields, headers));
  const pages = {
    "nothing": () => decide({}),
    "a decision about nothing": ({ cookie }) => decide({ decision: "allow" }, { cookie }),
    "a forged request": ({ cookie }) => decide({ request: canary, decision: "allow" }, { cookie }),
    "a changed request": ({ cookie, fields }) => decide({ ...fields, request: changed(fields.request) }, { cookie }),
    "a cut request": ({ cookie, fields }) => decide({ ...fields, request: fields.request.slice(0, -2) }, { cookie }),
    "an overlong request": ({ cookie }) => decide({ request: "A".repeat(20_000), decision: "allow" }, { cookie }),
    "a client in place of the request": ({ cookie }) => decide({ request: client.client_id, decision: "allow" }, { cookie }),
    "the parameters themselves": ({ cookie }) =>
      decide([...authorizeUrl(client).searchParams, ["decision", "allow"]], { cookie }),
    "no cookie": ({ fields }) => decide(fields),
    "an empty cookie": ({ fields }) => decide(fields, { cookie: "m365-sign-in=" }),
    "a malformed cookie": ({ fields }) => decide(fields, { cookie: ";;=;m365-sign-in;\t=%00" }),
    "another browser's cookie": async ({ fields }) => decide(fields, { cookie: (await consentPage()).cookie }),
    "two requests": ({ cookie, fields }) => decide([...Object.entries(fields), ["request", fields.request]], { cookie }),
    "two decisions": ({ cookie, fields }) => decide([...Object.entries(fields), ["decision", "deny"]], { cookie }),
    "JSON": ({ cookie, fields }) => {
      const { headers, ...init } = asJson(fields);
      return send("/authorize", { ...init, headers: { ...headers, cookie } });
    },
    "plain text": ({ cookie, fields }) =>
      send("/authorize", { method: "POST", headers: { cookie, "content-type": "text/plain" }, body: new URLSearchParams(fields).toString() }),
    "no UTF-8": ({ cookie }) => send("/authorize", {
      method: "POST", headers: { cookie, "content-type": "application/x-www-form-urlencoded" }, body: Buffer.from([0xff, 0xfe]),
    }),
  };
  for (const [title, go] of Object.entries(pages)) {
    test(`${title}: a page, and nobody is sent to Microsoft`, async () => assertPage(await go(await consentPage())));
  }

  test("more than 64 KiB: 413", async () => {
    assert.equal((await decide({ request: "A".repeat(70_000) })).status, 413);
  });

  test("any decision but the one word goes back as declined", async () => {
    for (const decision of ["", "ALLOW", "allow ", canary]) {
      const { fields, cookie } = await consentPage();
      assertSentBack(await decide({ ...fields, decision }, { cookie }), "access_denied");
    }
  });
});

/** A browser that stands before the way back from Microsoft: what it would open, and its cookie. */
async function returning() {
  const { browser, fields } = await consentPage();
  const decided = await browser.open(`${stack.origin}/authorize`, { form: fields });
  const accounts = await browser.open(decided.next);
  const target = new URL(unescape(accounts.text.match(/<form method="post" action="([^"]*)"/)[1]), decided.next).href;
  const chosen = await browser.open(target, { form: { ...hiddenFields(accounts.text), user: "alice@contoso.example" } });
  return { back: new URL(chosen.next), cookie: browser.jar.header(stack.origin) };
}

describe("GET /callback", () => {
  const open = (url, cookie) => send(url.pathname + url.search, { headers: cookie ? { cookie } : {} });
  const alter = (change) => async ({ back, cookie }) => {
    change(back.searchParams);
    return open(back, cookie);
  };
  const pages = {
    "no parameters": () => send("/callback"),
    "a code without a state": alter((query) => query.delete("state")),
    "a forged state": alter((query) => query.set("state", canary)),
    "a changed state": alter((query) => query.set("state", changed(query.get("state")))),
    "an overlong state": alter((query) => query.set("state", "A".repeat(9000))),
    "two states": alter((query) => query.append("state", query.get("state"))),
    "two codes": alter((query) => query.append("code", canary)),
    "no cookie": ({ back }) => open(back),
    "another browser's cookie": async ({ back }) => open(back, (await returning()).cookie),
    "the cookie of a link": ({ back, cookie }) => open(back, cookie.replace("m365-sign-in", "m365-connect")),
    "a consent page's request as the state": async ({ cookie }) => {
      const { fields } = await consentPage();
      return send(`/callback?code=x&state=${fields.request}`, { headers: { cookie } });
    },
  };
  for (const [title, go] of Object.entries(pages)) {
    test(`${title}: a page, and Microsoft's code is not spent`, async () => {
      const scene = await returning();
      const mark = await recordMark(stack);
      assertPage(await go(scene));
      const spent = (await records(stack, "entra", mark)).filter(({ body }) => body?.grant_type);
      assert.deepEqual(spent, []);
    });
  }

  const errors = {
    "neither code nor error": [(query) => query.delete("code"), "access_denied"],
    "a code that Microsoft does not know": [(query) => query.set("code", canary), "access_denied"],
    "an overlong code": [(query) => query.set("code", "c".repeat(9000)), "access_denied"],
    "a code and an error": [(query) => query.set("error", "access_denied"), "access_denied"],
    "an error with a text": [(query) => {
      query.set("error", "invalid_request");
      query.set("error_description", `<script>${canary}</script>`);
    }, "access_denied"],
    "a fault of Microsoft": [(query) => query.set("error", "temporarily_unavailable"), "temporarily_unavailable"],
  };
  for (const [title, [change, error]] of Object.entries(errors)) {
    test(`${title}: back to the client with ${error}`, async () => {
      assertSentBack(await alter(change)(await returning()), error);
    });
  }

  test("a return that is repeated gets an error and no second code", async () => {
    const { back, cookie } = await returning();
    const first = await open(back, cookie);
    assert.ok(new URL(first.location).searchParams.get("code"));
    assert.match(first.headers.get("set-cookie"), /m365-sign-in=;.*Max-Age=0/);
    assertSentBack(await open(back, cookie), "access_denied");
    assertPage(await open(back));
  });
});

describe("the documents", () => {
  const read = async (path, init) => (await send(path, init)).json;

  test("the authorization server's says what is served, under its own issuer (RFC 8414, section 3.3)", async () => {
    const document = await read("/.well-known/oauth-authorization-server");
    assert.equal(document.issuer, stack.origin);
    for (const [name, path] of Object.entries({ token: "/token", registration: "/register", revocation: "/revoke", authorization: "/authorize" })) {
      assert.equal(document[`${name}_endpoint`], stack.origin + path);
    }
    assert.deepEqual(document.response_types_supported, ["code"]);
    assert.deepEqual(document.code_challenge_methods_supported, ["S256"]);
    assert.deepEqual(await read("/.well-known/openid-configuration"), document);
  });

  test("the resource's names itself to the letter (RFC 9728, section 3.3)", async () => {
    const document = await read("/.well-known/oauth-protected-resource/mcp");
    assert.deepEqual([document.resource, document.authorization_servers], [stack.mcpUrl, [stack.origin]]);
  });

  test("neither follows a header or a query, and any page may read both", async () => {
    for (const path of ["/.well-known/oauth-authorization-server", "/.well-known/oauth-protected-resource"]) {
      const plain = await send(path);
      const headers = { "x-forwarded-host": "evil.example", forwarded: "host=evil.example", origin: "https://page.example" };
      const led = await send(`${path}?issuer=https://evil.example`, { headers });
      assert.equal(led.text, plain.text);
      assert.equal(led.headers.get("access-control-allow-origin"), "*");
      assert.equal(led.headers.get("access-control-allow-credentials"), null);
    }
  });
});

test("a good sign-in still ends with a code after all this, and nothing was logged as a fault", async () => {
  const { redirect } = await signIn(authorizeUrl(client).href);
  assert.ok(new URL(redirect).searchParams.get("code"));
  assert.ok(!stack.output().includes(canary), "the log repeats what was sent");
  assert.doesNotMatch(stack.output(), /panicked|RuntimeError|"event":"fault"/);
});
