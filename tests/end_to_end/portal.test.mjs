// A Cloudflare MCP portal in front of this server: how it probes, connects, lists and calls, as its documentation says.
// Holds: it is registered dynamically or by hand, has the redirect URIs of a portal, and goes on to another transport after
// 404, 405 and 406 alone; its administrator's credential lists tools, each person's own credential calls them.
// Must never: use what a portal does not have, such as a session of a person's at this server.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { address, openSession, post, request, toolCall, toolResult, traces } from "./client.mjs";
import { startStack } from "./harness.mjs";
import { oauth } from "./oauth_client.mjs";

const callbacks = [
  "https://portal.example.com/servers-callback",
  "https://oauth-callbacks.cloudflareaccess.com/cdn-cgi/access/outbound-oauth-callback",
];
const byHand = {
  client_id: "portal", client_name: "Our portal", redirect_uris: callbacks,
  client_secret: "a-secret-that-an-operator-typed-in-twice",
};
const serverId = "m365";
const fallsBackOn = [404, 405, 406];
let stack;
before(async () => void (stack = await startStack({ settings: { CLIENTS: JSON.stringify([byHand]) } })));
after(() => stack?.stop());

const initialize = request(0, "initialize", {
  protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "portal", version: "1" },
});

/** The ways in which a portal tries to reach a server, in order: by streams over HTTP, then by server-sent events. */
function strategies(url) {
  const { pathname } = new URL(url);
  const [http, events] = [{ method: "POST" }, { method: "GET" }];
  if (pathname.endsWith("/mcp")) return [{ ...http, url }];
  if (pathname.endsWith("/sse")) return [{ ...events, url }];
  const below = (path) => new URL(path, url).href;
  return [{ ...http, url }, { ...http, url: below("/mcp") }, { ...events, url }, { ...events, url: below("/sse") }];
}

/** Tries one way after the other: every status but those that it falls back on ends the search. */
async function probe(url) {
  const tried = [];
  for (const { method, url: at } of strategies(url)) {
    const accept = method === "POST" ? "application/json, text/event-stream" : "text/event-stream";
    const headers = { accept, ...(method === "POST" && { "content-type": "application/json" }) };
    const body = method === "POST" ? JSON.stringify(initialize) : undefined;
    const response = await fetch(at, { method, headers, body, redirect: "manual" });
    await response.body?.cancel();
    tried.push([method, new URL(at).pathname, response.status]);
    if (!fallsBackOn.includes(response.status)) return { response, at, tried };
  }
  return { tried };
}

/** What the challenge leads to: the authorization server's document. */
async function discover(response) {
  const [, document] = response.headers.get("www-authenticate").match(/resource_metadata="([^"]*)"/);
  const { authorization_servers: [issuer], resource } = await (await fetch(document)).json();
  const server = await (await fetch(`${issuer}/.well-known/oauth-authorization-server`)).json();
  assert.equal(server.issuer, issuer);
  return { server, resource };
}

/** Signs one person in for the portal; the way back leads to the portal and is not walked. */
async function connect(client, person, redirectUri) {
  const { begin, token } = oauth(stack);
  const authorize = { redirect_uri: redirectUri, resource: stack.mcpUrl };
  const begun = await begin({ user: address(person), registered: client, authorize });
  assert.equal(begun.back.origin + begun.back.pathname, redirectUri);
  assert.equal(begun.back.searchParams.get("iss"), stack.origin);
  const { client_secret: secret } = client;
  const proof = secret && { client_secret: secret };
  const tokens = await begun.token({ redirect_uri: redirectUri, resource: stack.mcpUrl, ...proof });
  assert.equal(tokens.status, 200, tokens.text);
  const renew = (refresh) =>
    token({ grant_type: "refresh_token", client_id: client.client_id, refresh_token: refresh, ...proof });
  return { tokens, renew };
}

const shownBy = (tools) => tools.map(({ name }) => `${serverId}_${name}`);
/** A portal takes the server's name off at the first underscore. */
const meant = (name) => name.slice(name.indexOf("_") + 1);

async function list(token) {
  const session = await openSession(stack, token);
  return (await session.send(request(50, "tools/list"))).json.result.tools;
}

test("it finds the endpoint, whichever address it was given, and what is not there says so", async () => {
  for (const url of [stack.mcpUrl, stack.origin, `${stack.origin}/`]) {
    const { response, at, tried } = await probe(url);
    assert.equal(at, stack.mcpUrl, JSON.stringify(tried));
    assert.equal(response.status, 401);
    const { server, resource } = await discover(response);
    assert.equal(resource, stack.mcpUrl);
    assert.ok(server.registration_endpoint && server.code_challenge_methods_supported.includes("S256"));
  }
  const { response, tried } = await probe(`${stack.origin}/sse`);
  assert.equal(response, undefined);
  assert.deepEqual(tried, [["GET", "/sse", 404]]);
});

const ways = {
  "registered by itself": async () => {
    const { register } = oauth(stack);
    const more = { client_name: "Portal", redirect_uris: callbacks, token_endpoint_auth_method: "client_secret_post" };
    const client = await register({ ...more, grant_types: ["authorization_code", "refresh_token"] });
    assert.equal(client.status, 201, client.text);
    return client;
  },
  "registered by an operator": async () => byHand,
};

for (const [how, registration] of Object.entries(ways)) {
  describe(`a portal ${how}`, () => {
    let client;
    before(async () => void (client = await registration()));

    test("connects by either of its redirect URIs and by no other", async () => {
      for (const callback of callbacks) assert.ok((await connect(client, "alice", callback)).tokens.refresh_token);
      const { authorizeUrl } = oauth(stack);
      for (const other of ["https://portal.example.com/servers-callback/", "https://portal.example.org/servers-callback"]) {
        const page = await fetch(authorizeUrl(client, undefined, { redirect_uri: other }), { redirect: "manual" });
        assert.deepEqual([page.status, page.headers.get("location")], [400, null]);
      }
    });

    test("synchronises its list with the administrator's credential for as long as it renews it", async () => {
      const { tokens, renew } = await connect(client, "carol", callbacks[0]);
      const first = await list(tokens.access_token);
      let refresh = tokens.refresh_token;
      for (let sync = 0; sync < 3; sync += 1) {
        const renewed = await renew(refresh);
        assert.equal(renewed.status, 200, renewed.text);
        assert.deepEqual(await list(renewed.access_token), first, "the list changed");
        refresh = renewed.refresh_token;
      }
      for (const name of shownBy(first)) assert.ok(first.some((tool) => tool.name === meant(name)) && name.length <= 64, name);
      for (const { name, description, inputSchema } of first) assert.ok(description && inputSchema.type === "object", name);
    });

    test("calls tools under its own names for two people, who see their own mailboxes", async () => {
      for (const [person, other] of [["alice", "bob"], ["bob", "alice"]]) {
        const { tokens } = await connect(client, person, callbacks[0]);
        const session = await openSession(stack, tokens.access_token);
        const [who] = shownBy(await list(tokens.access_token)).filter((name) => name.endsWith("_authenticate"));
        const { structuredContent } = await session.call(meant(who));
        assert.equal(structuredContent.connected, true);
        assert.ok(JSON.stringify(structuredContent).includes(address(person)));
        // Larger than what portals once put into a header.
        const subject = `From ${person} by a portal ${how}`;
        const mail = { to: [address(other)], subject, body: "x".repeat(20_000) };
        const sent = toolResult(await post(stack, {
          token: tokens.access_token, session: session.id, revision: "2025-11-25",
          body: toolCall("portal-1", meant(`${serverId}_sendEmail`), mail),
        }));
        assert.equal(sent.isError, false, sent.message);
        assert.equal((await traces(stack, subject, { from: person, to: other })).arrived, 1);
      }
    });
  });
}
