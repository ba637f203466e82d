// Signing in: the official client discovers, registers, sends a person through consent and Microsoft, and calls tools.
// Holds: each client and person is its own; a code, a refresh token and a page work once and for whom they were made.
// Must never: use a token that was not issued by the token endpoint.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { startStack } from "./harness.mjs";
import { oauth, redirectUri } from "./oauth_client.mjs";
import { signIn } from "./sign_in.mjs";

let stack, register, begin, renew, revoke, ask;
before(async () => {
  stack = await startStack();
  ({ register, begin, renew, revoke, ask } = oauth(stack));
});
after(() => stack?.stop());

/** The official client's view of a person who signs in when asked. */
class HeadlessProvider {
  redirectUrl = redirectUri;
  clientMetadata = { client_name: "Official client", redirect_uris: [redirectUri], token_endpoint_auth_method: "none" };
  constructor(user) {
    this.user = user;
  }
  state = () => randomBytes(8).toString("hex");
  clientInformation = () => this.registered;
  saveClientInformation = (registered) => { this.registered = registered; };
  tokens = () => this.kept;
  saveTokens = (tokens) => { this.kept = tokens; };
  saveCodeVerifier = (verifier) => { this.verifier = verifier; };
  codeVerifier = () => this.verifier;
  async redirectToAuthorization(url) {
    const { redirect } = await signIn(url.href, { user: this.user });
    this.code = new URL(redirect).searchParams.get("code");
  }
}

async function connect(user) {
  const provider = new HeadlessProvider(user);
  const transport = () => new StreamableHTTPClientTransport(new URL(stack.mcpUrl), { authProvider: provider });
  const first = transport();
  const client = new Client({ name: "end-to-end", version: "1" });
  await assert.rejects(client.connect(first), UnauthorizedError);
  await first.finishAuth(provider.code);
  const signedIn = new Client({ name: "end-to-end", version: "1" });
  await signedIn.connect(transport());
  return { client: signedIn, provider };
}

test("the official client discovers, registers, signs in and calls a tool, for two people", async () => {
  for (const user of ["alice@contoso.example", "bob@contoso.example"]) {
    const { client, provider } = await connect(user);
    const { tools } = await client.listTools();
    assert.ok(tools.some(({ name }) => name === "getEmails"));
    const answer = await client.callTool({ name: "getEmails", arguments: { count: 2 } });
    assert.equal(answer.structuredContent.messages.length, 2);
    assert.ok(provider.kept.refresh_token);
    await client.close();
  }
});

test("the consent page names the client, the host that gets the answer, and each permission", async () => {
  const { consent } = await begin({ registered: await register({ client_name: "Eve <script>" }) });
  assert.match(consent, /Eve &lt;script&gt;/);
  assert.match(consent, /<code>127\.0\.0\.1:53682<\/code>/);
  assert.match(consent, /Read your mail/);
  assert.doesNotMatch(consent, /<script/);
});

test("a code is good once, and a second attempt withdraws what the first one got", async () => {
  const { token } = await begin();
  const first = await token();
  assert.equal(first.status, 200, JSON.stringify(first));
  assert.equal(first.headers.get("cache-control"), "no-store");
  assert.equal((await ask(first.access_token)).status, 200);
  assert.equal((await token()).error, "invalid_grant");
  assert.equal((await ask(first.access_token)).status, 401);
});

test("a wrong verifier, redirect or client does not consume the code", async () => {
  const { token } = await begin();
  const other = await register();
  assert.equal((await token({ code_verifier: "x".repeat(43) })).error, "invalid_grant");
  assert.equal((await token({ redirect_uri: "http://127.0.0.1:1/callback" })).error, "invalid_grant");
  assert.equal((await token({ client_id: other.client_id })).error, "invalid_grant");
  assert.equal((await token({ resource: "https://other.example/mcp" })).error, "invalid_target");
  assert.equal((await token()).status, 200);
});

test("refresh tokens rotate, forgive one lost answer, and betray a thief", async () => {
  const { client, token } = await begin();
  const first = await token();
  const [one, two] = await Promise.all([renew(client, first.refresh_token), renew(client, first.refresh_token)]);
  assert.deepEqual([one.status, two.status], [200, 200]);
  const next = await renew(client, two.refresh_token);
  assert.equal(next.status, 200);
  assert.equal((await renew(client, first.refresh_token)).error, "invalid_grant");
  assert.equal((await ask(next.access_token)).status, 401, "reuse was not noticed");
});

test("a revoked refresh token ends the grant at once, and another client cannot revoke it", async () => {
  const { client, token } = await begin();
  const tokens = await token();
  const stranger = await register();
  assert.equal((await revoke(stranger, tokens.refresh_token)).status, 200);
  assert.equal((await ask(tokens.access_token)).status, 200);
  assert.equal((await revoke(client, tokens.refresh_token)).status, 200);
  assert.equal((await ask(tokens.access_token)).status, 401);
});

test("declining, here or at Microsoft, goes back to the client with state and issuer", async () => {
  for (const how of [{ decision: "deny" }, { user: "" }]) {
    const { back } = await begin(how);
    assert.equal(back.searchParams.get("error"), "access_denied");
    assert.equal(back.searchParams.get("state"), "state-1");
    assert.equal(back.searchParams.get("iss"), stack.origin);
    assert.equal(back.searchParams.get("code"), null);
  }
});

test("the documents that clients discover agree with each other", async () => {
  const read = async (path) => (await fetch(`${stack.origin}${path}`)).json();
  const challenge = (await fetch(stack.mcpUrl, { method: "POST" })).headers.get("www-authenticate");
  const [, metadata] = challenge.match(/resource_metadata="([^"]*)"/);
  const resource = await (await fetch(metadata)).json();
  assert.equal(resource.resource, stack.mcpUrl);
  assert.deepEqual(await read("/.well-known/oauth-protected-resource"), resource);
  const server = await read("/.well-known/oauth-authorization-server");
  assert.equal(server.issuer, resource.authorization_servers[0]);
  assert.deepEqual(server.code_challenge_methods_supported, ["S256"]);
  assert.equal(server.authorization_response_iss_parameter_supported, true);
});
