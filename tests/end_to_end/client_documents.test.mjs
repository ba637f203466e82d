// Clients that are named by the URL of their own description, from the document to a tool, and every way to go wrong.
// Holds: documents come from the emulator, at the one local origin that is excepted; what was fetched is counted there.
// Must never: reach another machine. That a URL of the web is refused before it is fetched is proved by what was not fetched.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { addFault, clearFaults, recordMark, records } from "./client.mjs";
import { startStack } from "./harness.mjs";
import { assertPage, sender } from "./oauth_answers.mjs";
import { oauth, pkce, redirectUri } from "./oauth_client.mjs";

let stack, authorizeUrl, begin, renew, ask;
before(async () => {
  stack = await startStack();
  ({ authorizeUrl, begin, renew, ask } = oauth(stack));
});
after(() => stack?.stop());

const send = sender(() => stack);
const named = (name) => ({ client_id: `${stack.emulator.url}/documents/${name}` });
const consent = ({ client_id }, changes = {}) => {
  const { pathname, search } = authorizeUrl({ client_id }, pkce(), changes);
  return send(pathname + search);
};
const fetchedOf = async (mark, name) =>
  (await records(stack, "documents", mark)).filter(({ path }) => path.endsWith(`/${name}`)).length;
/** Lets the client's server answer otherwise, for one document. */
const publish = (name, answer) => addFault(stack, {
  service: "documents", method: "GET", pathContains: `/${name}`, action: { respond: { status: 200, ...answer } },
});
const document = (name, changes = {}) => ({
  client_id: named(name).client_id, client_name: "Published", redirect_uris: [redirectUri], ...changes,
});

test("is advertised, and leads from the document to a tool, a renewal and a revoked client", async () => {
  const metadata = await (await fetch(`${stack.origin}/.well-known/oauth-authorization-server`)).json();
  assert.equal(metadata.client_id_metadata_document_supported, true);
  const client = named("app.json");
  const { consent: page, token } = await begin({ registered: client });
  assert.match(page, /Emulated client/);
  assert.match(page, new RegExp(`described at <code>${new URL(stack.emulator.url).host}</code>`));
  const tokens = await token();
  assert.equal(tokens.status, 200, tokens.text);
  assert.equal((await ask(tokens.access_token)).status, 200);
  assert.equal((await renew(client, tokens.refresh_token)).status, 200);
});

test("a loopback redirect may have any port, and every other one must be listed", async () => {
  assert.equal((await consent(named("ports.json"), { redirect_uri: "http://127.0.0.1:1/callback" })).status, 200);
  assert.equal((await consent(named("ports.json"), { redirect_uri: "https://client.example/callback" })).status, 200);
  for (const redirect_uri of ["https://client.example/callback/", "https://client.example:444/callback", "https://evil.example/"]) {
    assertPage(await consent(named("ports.json"), { redirect_uri }));
  }
});

test("is fetched once while it is fresh, and again when its headers say so", async () => {
  const mark = await recordMark(stack);
  for (let round = 0; round < 3; round += 1) assert.equal((await consent(named("kept.json"))).status, 200);
  assert.equal(await fetchedOf(mark, "kept.json"), 1);
  await publish("fleeting.json", { headers: { "cache-control": "no-store" }, body: document("fleeting.json") });
  for (let round = 0; round < 2; round += 1) assert.equal((await consent(named("fleeting.json"))).status, 200);
  assert.equal(await fetchedOf(mark, "fleeting.json"), 2);
  await clearFaults(stack);
});

test("one in the shape of ChatGPT's is taken without a secret", async () => {
  const body = document("chatgpt.json", {
    token_endpoint_auth_method: "private_key_jwt", token_endpoint_auth_methods_supported: ["none", "private_key_jwt"],
    token_endpoint_auth_signing_alg: "RS256", jwks_uri: "https://client.example/jwks.json", client_uri: "https://client.example/",
    grant_types: ["authorization_code", "refresh_token"], response_types: ["code"],
  });
  await publish("chatgpt.json", { body });
  const { token } = await begin({ registered: named("chatgpt.json") });
  assert.equal((await token({ client_secret: "x" })).error, "invalid_client");
  assert.equal((await token()).status, 200);
  await clearFaults(stack);
});

describe("is refused, with a page and never a redirect,", () => {
  const answers = {
    "when it speaks for another URL": (name) => ({ body: document(name, { client_id: `${named(name).client_id}/` }) }),
    "when it speaks for nobody": (name) => ({ body: document(name, { client_id: undefined }) }),
    "without a name": (name) => ({ body: document(name, { client_name: undefined }) }),
    "without a redirect URI": (name) => ({ body: document(name, { redirect_uris: [] }) }),
    "with a secret": (name) => ({ body: document(name, { client_secret: "s" }) }),
    "with a method that rests on a secret": (name) => ({ body: document(name, { token_endpoint_auth_method: "client_secret_post" }) }),
    "with a method that is not served": (name) => ({ body: document(name, { token_endpoint_auth_method: "private_key_jwt" }) }),
    "with more than 5 KB": (name) => ({ body: document(name, { padding: "x".repeat(5200) }) }),
    "as HTML": (name) => ({ headers: { "content-type": "text/html" }, body: JSON.stringify(document(name)) }),
    "as text that is no JSON": () => ({ headers: { "content-type": "application/json" }, body: "{" }),
    "with status 404": (name) => ({ status: 404, body: document(name) }),
    "with status 206": (name) => ({ status: 206, body: document(name) }),
    "behind a redirect": () => ({ status: 302, headers: { location: `${stack.emulator.url}/documents/app.json` }, body: "" }),
    "behind a redirect into the own network": () => ({ status: 307, headers: { location: "http://169.254.169.254/latest/meta-data" }, body: "" }),
  };
  for (const [title, answer] of Object.entries(answers)) {
    test(title, async () => {
      const name = `${title.replaceAll(" ", "-")}.json`;
      await publish(name, answer(name));
      const mark = await recordMark(stack);
      assertPage(await consent(named(name)));
      assert.equal((await records(stack, "documents", mark)).length, 1, "something else was fetched");
      await clearFaults(stack);
    });
  }

  test("when its server hangs up", async () => {
    await addFault(stack, { service: "documents", method: "GET", pathContains: "/gone.json", action: { dropBefore: true } });
    assertPage(await consent(named("gone.json")));
    await clearFaults(stack);
  });

  test("when its server failed a moment ago, without asking it again", async () => {
    await publish("failed.json", { status: 503, body: "" });
    const mark = await recordMark(stack);
    for (let round = 0; round < 3; round += 1) assertPage(await consent(named("failed.json")));
    assert.equal(await fetchedOf(mark, "failed.json"), 1);
    await clearFaults(stack);
  });
});

test("no URL that leads elsewhere than to the public web is fetched, however it is spelt", async () => {
  const { port } = new URL(stack.emulator.url);
  const mark = await recordMark(stack);
  const urls = [
    `http://localhost:${port}/documents/x`, `https://127.0.0.1:${port}/documents/x`, `http://127.1:${port}/documents/x`,
    `http://2130706433:${port}/documents/x`, `http://0x7f000001:${port}/documents/x`, `http://0177.0.0.1:${port}/documents/x`,
    `http://[::1]:${port}/documents/x`, `http://[::ffff:127.0.0.1]:${port}/documents/x`, `http://127.0.0.1.:${port}/documents/x`,
    `http://user@127.0.0.1:${port}/documents/x`, `http://127.0.0.1:${port}/documents/../documents/x`,
    `http://127.0.0.1:${port}/documents/%2e%2e/x`, `http://127.0.0.1:${port}/documents/x#y`, `http://127.0.0.1:${port}`,
    `http://127.0.0.1:${port}\\@evil.example/documents/x`, "https://169.254.169.254/latest/meta-data", "https://metadata.google.internal/x",
    "https://localhost/x", "https://10.0.0.1/x", "https://[fd00::1]/x", "file:///etc/passwd", "data:application/json,{}",
  ];
  for (const client_id of urls) assertPage(await consent({ client_id }));
  assert.deepEqual(await records(stack, "documents", mark), []);
});

test("without the binding nothing is advertised, and no such client is known", async () => {
  const alone = await startStack({ without: ["METADATA"] });
  const metadata = await (await fetch(`${alone.origin}/.well-known/oauth-authorization-server`)).json();
  assert.equal("client_id_metadata_document_supported" in metadata, false);
  const url = new URL(oauth(alone).authorizeUrl({ client_id: `${alone.emulator.url}/documents/app.json` }));
  assert.equal((await fetch(url, { redirect: "manual" })).status, 400);
  await alone.stop();
});
