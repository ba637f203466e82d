// The attacks that succeeded against earlier servers of this kind, each by its name, each failing closed here.
// Holds: what counts is what the emulated Microsoft was asked, and nothing more; an answer says what to change and
// shows neither a stack nor a secret. Paths and queries have their own file, injection.test.mjs.
// Must never: look at a status alone where it can be asked what was sent, stored or logged.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { addFault, address, clearFaults, openSession, openWarmSession, recordMark, records, request } from "./client.mjs";
import { startStack } from "./harness.mjs";
import { assertPage, changed, sender } from "./oauth_answers.mjs";
import { asForm, asJson, oauth, pkce, redirectUri } from "./oauth_client.mjs";
import { Browser, hiddenFields, signIn } from "./sign_in.mjs";

let stack, register, authorizeUrl, begin, ask;
before(async () => {
  stack = await startStack();
  ({ register, authorizeUrl, begin, ask } = oauth(stack));
});
after(() => stack?.stop());

const send = sender(() => stack);
/** What Microsoft was asked, by any of its services, since a mark. */
const outbound = async (mark) =>
  (await Promise.all(["graph", "gateway", "entra"].map((service) => records(stack, service, mark)))).flat();

/** Does something and proves that nothing left the worker. */
async function withoutOutbound(action) {
  const mark = await recordMark(stack);
  const answer = await action();
  assert.deepEqual(await outbound(mark), []);
  return answer;
}

describe("a forged state takes over no account", () => {
  const attacker = { clientId: "m365c_x", redirectUri: "https://attacker.example/steal", scope: ["mail.read"] };
  const states = {
    "JSON in base64": () => btoa(JSON.stringify({ ...attacker, responseType: "code" })),
    "JSON that asks for a token": () => btoa(JSON.stringify({ ...attacker, responseType: "token" })),
    "JSON in base64url": () => Buffer.from(JSON.stringify(attacker)).toString("base64url"),
    "JSON in clear": () => JSON.stringify(attacker),
    "nothing": () => "",
    "another sealed value": async () => (await register()).client_id,
    "a code": async () => (await begin()).form.code,
  };
  for (const [title, make] of Object.entries(states)) {
    test(`${title}: a page, no redirect, Microsoft's code is not spent`, async () => {
      const state = encodeURIComponent(await make());
      for (const parameters of [`code=x&state=${state}`, `code=x&error=access_denied&state=${state}`]) {
        assertPage(await withoutOutbound(() => send(`/callback?${parameters}`)));
      }
    });
  }

  test("a state of the attacker's own journey is worth nothing in the victim's browser", async () => {
    const journey = async () => {
      const browser = new Browser();
      const page = await browser.open(authorizeUrl(await register()).href);
      const action = `${stack.origin}/authorize`;
      const decided = await browser.open(action, { form: { ...hiddenFields(page.text), decision: "allow" } });
      return { state: new URL(decided.next).searchParams.get("state"), cookie: browser.jar.header(stack.origin) };
    };
    const [attackers, victims] = [await journey(), await journey()];
    const url = `/callback?code=x&state=${encodeURIComponent(attackers.state)}`;
    for (const cookie of [victims.cookie, "", "m365-sign-in", "m365-sign-in=;m365-sign-in=x"]) {
      assertPage(await withoutOutbound(() => send(url, { headers: { cookie } })));
    }
  });
});

describe("nobody consents in a person's place", () => {
  const consentPage = async () => {
    const browser = new Browser();
    const page = await browser.open(authorizeUrl(await register()).href);
    return { page, fields: { ...hiddenFields(page.text), decision: "allow" }, cookie: browser.jar.header(stack.origin) };
  };

  test("a page of another origin, or of none, is refused, even with the cookie", async () => {
    const { fields, cookie } = await consentPage();
    for (const origin of ["https://evil.example", "null", "http://127.0.0.1:1", `${stack.origin}.evil.example`]) {
      const answer = await withoutOutbound(() => send("/authorize", asForm(fields, { cookie, origin })));
      assert.deepEqual([answer.status, answer.location], [403, null], origin);
    }
  });

  test("a request that another browser was shown is refused, and sets no cookie", async () => {
    const { fields } = await consentPage();
    for (const cookie of ["", (await consentPage()).cookie, "m365-sign-in=approved"]) {
      const answer = await withoutOutbound(() => send("/authorize", asForm(fields, { cookie, origin: stack.origin })));
      assertPage(answer);
      assert.equal(answer.headers.get("set-cookie"), null);
    }
  });

  test("a link cannot decide, and for a program on the own machine no earlier consent counts", async () => {
    const client = await register();
    const browser = new Browser();
    await signIn(authorizeUrl(client).href, { browser });
    const url = authorizeUrl(client, pkce(), { decision: "allow", request: "x", prompt: "none" });
    const again = await browser.open(url.href);
    assert.deepEqual([again.status, again.next], [200, null]);
    assert.match(again.text, /Continue to Microsoft/);
  });

  test("the page cannot be framed, scripted or sent elsewhere, and its cookie is this journey's alone", async () => {
    const { page } = await consentPage();
    const policy = page.headers.get("content-security-policy");
    for (const part of ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self' "]) {
      assert.ok(policy.includes(part), policy);
    }
    assert.equal(page.headers.get("x-frame-options"), "DENY");
    const cookie = page.headers.get("set-cookie");
    for (const part of ["HttpOnly", "SameSite=Lax", "Max-Age=600", "Path=/"]) assert.ok(cookie.includes(part), cookie);
  });
});

describe("towards Microsoft", () => {
  test("each journey has its own PKCE, nonce and state, and nothing of the client's is handed on", async () => {
    const mark = await recordMark(stack);
    const client = await register();
    const secrets = [pkce(), pkce()];
    const resource = stack.mcpUrl;
    for (const secret of secrets) await signIn(authorizeUrl(client, secret, { resource, prompt: "consent" }).href);
    const seen = await records(stack, "entra", mark);
    const asked = seen.filter(({ method, path }) => method === "GET" && path.includes("/authorize?"))
      .map(({ path }) => new URLSearchParams(path.split("?")[1]));
    assert.equal(asked.length, 2);
    for (const name of ["code_challenge", "nonce", "state"]) assert.notEqual(asked[0].get(name), asked[1].get(name), name);
    for (const query of asked) {
      assert.deepEqual([query.get("response_type"), query.get("code_challenge_method")], ["code", "S256"]);
      assert.match(query.get("scope"), /(^| )openid( |$)/);
      assert.ok(!secrets.some(({ challenge }) => challenge === query.get("code_challenge")));
      assert.deepEqual([query.get("resource"), query.getAll("prompt").includes("consent")], [null, false]);
      assert.ok(!query.get("state").includes("state-1"));
    }
    const exchanged = seen.filter(({ body }) => body?.grant_type === "authorization_code");
    assert.equal(exchanged.length, 2);
    for (const { body } of exchanged) assert.ok(body.code_verifier && !body.resource);
  });

  test("no permission is asked for that only an administrator can give", async () => {
    const mark = await recordMark(stack);
    await signIn(authorizeUrl(await register()).href);
    const { path } = (await records(stack, "entra", mark)).find((one) => one.path.includes("/authorize?"));
    const scopes = new URLSearchParams(path.split("?")[1]).get("scope").split(" ");
    assert.ok(scopes.length > 5);
    // These are what a person may consent to by Microsoft's defaults; most others of that ending need an administrator.
    const known = ["Channel.ReadBasic.All", "Files.ReadWrite.All", "Sites.Read.All", "Team.ReadBasic.All", "User.ReadBasic.All"];
    assert.deepEqual(scopes.filter((scope) => scope.endsWith(".All")).sort(), known);
  });

  test("what Microsoft says of a failure reaches neither client nor log", async () => {
    const text = "AADSTS7000215: canary of tenant 1234, trace 5678";
    const error = { error: "invalid_client", error_description: text, trace_id: "0c1d2e3f-0000-4000-8000-000000000000" };
    await addFault(stack, {
      service: "entra", method: "POST", pathContains: "/token", times: 1, action: { respond: { status: 401, body: error } },
    });
    const { redirect } = await signIn(authorizeUrl(await register()).href);
    await clearFaults(stack);
    const back = new URL(redirect);
    assert.deepEqual([back.searchParams.get("error"), back.searchParams.get("code")], ["temporarily_unavailable", null]);
    assert.doesNotMatch(redirect + stack.output(), /AADSTS|canary/);
  });
});

describe("script links", () => {
  const links = [
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\nscript:alert(1)", " javascript:alert(1)", "javascript://a.example/%0aalert(1)",
    "data:text/html,<script>alert(1)</script>", "data:text/html;base64,PHNjcmlwdD4=", "vbscript:msgbox(1)", "blob:https://a.example/x",
    "file:///etc/passwd", "about:blank", "filesystem:https://a.example/x", "view-source:https://a.example/", "http://evil.example/cb",
    "https://a@b.example/", "https://a.example/#x", "https://a.example\\@evil.example/", "//evil.example/", "/callback", "evil.example",
    "https://claude.ai%2f.evil.example/", "https://a.example;script-src/", "https://a.example/\"onload=\"", "https://a.example/<script>",
  ];
  test(`none of ${links.length} can be registered as a redirect URI, alone or behind a good one`, async () => {
    for (const link of links) {
      for (const redirect_uris of [[link], [redirectUri, link]]) {
        const answer = await send("/register", asJson({ redirect_uris }));
        assert.deepEqual([answer.status, answer.json.error], [400, "invalid_redirect_uri"], link);
        assert.ok(!answer.text.includes(link), "the answer repeats the link");
      }
    }
  });

  test("in any other member they are not kept, and the consent page has no link and no image at all", async () => {
    const members = ["client_uri", "logo_uri", "tos_uri", "policy_uri", "jwks_uri", "software_id"];
    for (const link of links) {
      const client = await register(Object.fromEntries(members.map((name) => [name, link])));
      assert.equal(client.status, 201, link);
      for (const name of members) assert.ok(!(name in client), name);
    }
    const client = await register({ client_name: `<a href="javascript:alert(1)">Claude</a><img src=x onerror=alert(1)>` });
    const { text } = await new Browser().open(authorizeUrl(client).href);
    assert.doesNotMatch(text, /<a\b|<img|<script|<iframe|<svg|<link|<[^>]*\s(href|src|on\w+)=/i);
    assert.match(text, /&lt;a href=&quot;javascript:alert\(1\)&quot;&gt;Claude/);
  });

  test("a name cannot hide where the answer goes", async () => {
    const client = await register({ client_name: "Claude\u202e\u0000\r\n, by claude.ai", redirect_uris: ["https://evil.example/cb"] });
    const { text } = await new Browser().open(authorizeUrl(client, pkce(), { redirect_uri: "https://evil.example/cb" }).href);
    assert.match(text, /<code>evil\.example<\/code>/);
    assert.doesNotMatch(text, /\u0000|\u202e/);
  });
});

describe("there is no way around the token", () => {
  const call = (headers) => fetch(stack.mcpUrl, {
    ...asJson(request(1, "tools/call", { name: "getEmails", arguments: {} })),
    headers: { "content-type": "application/json", "mcp-session-id": "discovery-session", ...headers },
  });
  const attempts = {
    "no token": {}, "a token without colons": { authorization: "Bearer abc" }, "a token with colons": { authorization: "Bearer a:b:c" },
    "a word of another server": { "x-mcp-mode": "handshake" }, "an empty token": { authorization: "Bearer " },
    "an unsigned JWT": { authorization: `Bearer ${btoa('{"alg":"none"}')}.${btoa('{"sub":"alice"}')}.` },
    "a cookie": { cookie: "m365-sign-in=approved" }, "an API key": { "x-api-key": "abc" },
  };
  for (const [title, headers] of Object.entries(attempts)) {
    test(`${title}: 401 that says where to sign in, and nobody is asked anything`, async () => {
      const answer = await withoutOutbound(() => call(headers));
      assert.equal(answer.status, 401);
      assert.match(answer.headers.get("www-authenticate"), /^Bearer resource_metadata="/);
    });
  }

  test("a changed access token opens nothing, wherever it was changed", async () => {
    const token = await stack.connect("alice");
    for (const value of [changed(token), `${token}A`, token.slice(0, -1), token.toUpperCase(), token.replace("m365at_", "m365rt_")]) {
      assert.equal((await withoutOutbound(() => call({ authorization: `Bearer ${value}` }))).status, 401);
    }
  });
});

describe("who somebody is", () => {
  const userKeyOf = async (user) => {
    const since = stack.logMark();
    const { token } = await begin({ user: address(user) });
    await token();
    return (await stack.waitForLog(({ tool }) => tool === "connect", { since })).userKey;
  };

  test("is the same with each sign-in, and no two people are one", async () => {
    const [first, second, bob] = [await userKeyOf("alice"), await userKeyOf("alice"), await userKeyOf("bob")];
    assert.equal(first, second);
    assert.notEqual(first, bob);
    assert.match(first, /^[0-9a-f]{32}$/);
  });

  test("is in the gateway's metadata and in the log as the same key, and nowhere as an address", async () => {
    const since = stack.logMark();
    const session = await openSession(stack, await stack.connect("carol"));
    await session.call("getEmails", { count: 1 });
    const { userKey } = await stack.waitForLog(({ tool }) => tool === "getEmails", { since });
    const { logs } = await stack.emulator.get("/_emulator/gateway-log");
    assert.equal(logs.at(-1).metadata.userId, userKey);
    assert.doesNotMatch(JSON.stringify(logs) + stack.output(), /carol@|anonymous/);
  });

  test("is not what a header claims", async () => {
    const token = await stack.connect("alice");
    const since = stack.logMark();
    const session = await openSession(stack, token);
    const headers = {
      "cf-access-authenticated-user-email": "ceo@contoso.example", "cf-access-jwt-assertion": "e30.e30.e30",
      "x-forwarded-user": "ceo@contoso.example", "x-user-id": "ceo", "x-ms-client-principal": btoa('{"userId":"ceo"}'),
    };
    const plain = await session.send(request(1, "tools/call", { name: "authenticate", arguments: {} }));
    const claimed = await session.send(request(2, "tools/call", { name: "authenticate", arguments: {} }), { headers });
    assert.deepEqual(claimed.json.result.structuredContent, plain.json.result.structuredContent);
    await stack.waitForLog(({ tool }) => tool === "authenticate", { since });
    assert.doesNotMatch(stack.output(), /ceo/);
  });
});

test("the gateway is told to cache nothing and to log no payload, and its log holds no bearer", async () => {
  const session = await openWarmSession(stack, await stack.connect("alice"));
  const mark = await recordMark(stack);
  for (let round = 0; round < 2; round += 1) assert.equal((await session.call("getEmails", { count: 1 })).isError, false);
  assert.equal((await records(stack, "graph", mark)).length, 2, "an answer came from a cache");
  const { logs } = await stack.emulator.get("/_emulator/gateway-log");
  for (const { cached, payloadLogged } of logs) assert.deepEqual([cached, payloadLogged], [false, false]);
  assert.doesNotMatch(JSON.stringify(logs), /Bearer|m365at_|eyJ/);
});

test("cookies and queries of any shape are answered, never with a fault of ours", async () => {
  for (const cookie of ["=", ";", "m365-sign-in", "m365-sign-in=%", "a=b; =c; m365-sign-in=\"", "x".repeat(6000)]) {
    for (const path of ["/callback", "/callback?state=%", "/callback?%00=%ff", "/authorize?client_id=%e0%a4", "/connect?ticket=%"]) {
      assert.equal((await send(path, { headers: { cookie } })).status, 400, `${path} ${cookie}`);
    }
  }
  assert.equal((await ask((await (await begin()).token()).access_token)).status, 200);
});
