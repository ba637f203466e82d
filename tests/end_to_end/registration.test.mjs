// How clients become known and stop being known: by registration, by operators' hand, and by their denial.
// Holds: a client that is not known is shown a page and gets no token; each way to prove itself is the registered one.
// Must never: wait for ninety days; how an identifier's age is judged is tested natively.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { startStack } from "./harness.mjs";
import { assertError, assertPage, sender } from "./oauth_answers.mjs";
import { asForm, asJson, oauth, pkce, redirectUri } from "./oauth_client.mjs";

const secret = "0123456789abcdef0123456789abcdef";
const listed = [
  { client_id: "hosted-app", client_name: "Hosted", redirect_uris: [redirectUri], client_secret: secret },
  { client_id: "desktop-app", client_name: "Desktop", redirect_uris: ["http://127.0.0.1/callback"] },
];
const basic = (id, password) => ({ authorization: `Basic ${btoa(`${encodeURIComponent(id)}:${password}`)}` });
const denialKey = (id) => `denied:${createHash("sha256").update(id).digest("hex").slice(0, 16)}`;

describe("registration", () => {
  let stack, register, begin, renew, token, ask, authorizeUrl;
  before(async () => {
    stack = await startStack({ settings: { CLIENTS: JSON.stringify(listed) } });
    ({ register, begin, renew, token, ask, authorizeUrl } = oauth(stack));
  });
  after(() => stack?.stop());
  const send = sender(() => stack);

  test("a public client has no secret, and presents none", async () => {
    const client = await register();
    assert.deepEqual([client.token_endpoint_auth_method, client.client_secret], ["none", undefined]);
    const scene = await begin({ registered: client });
    assert.equal((await scene.token({ client_secret: "x" })).error, "invalid_client");
    assert.equal((await scene.token()).status, 200);
  });

  for (const method of ["client_secret_post", "client_secret_basic"]) {
    test(`a confidential client proves itself by ${method} as it registered; the other way spends nothing`, async () => {
      const client = await register({ token_endpoint_auth_method: method });
      assert.equal(client.token_endpoint_auth_method, method);
      const { form } = await begin({ registered: client });
      const { client_id, ...rest } = form;
      const inForm = [{ ...form, client_secret: client.client_secret }, {}];
      const inHeader = [rest, basic(client_id, client.client_secret)];
      const [right, wrong] = method === "client_secret_post" ? [inForm, inHeader] : [inHeader, inForm];
      for (const [fields, headers] of [wrong, [form, {}], [rest, basic(client_id, "wrong")]]) {
        assertError(await send("/token", asForm(fields, headers)), 401, "invalid_client");
      }
      const tokens = await token(...right);
      assert.equal(tokens.status, 200, tokens.text);
      const fields = { token: tokens.refresh_token, client_id };
      assertError(await send("/revoke", asForm(fields)), 401, "invalid_client");
      assert.equal((await ask(tokens.access_token)).status, 200, "it was revoked before the client had proved itself");
    });
  }

  test("metadata whose identifier would be longer than 1,024 characters are refused", async () => {
    const redirect_uris = Array.from({ length: 10 }, (_, number) => `https://client.example/${number}${"x".repeat(100)}`);
    const answer = await send("/register", asJson({ redirect_uris }));
    assertError(answer, 400, "invalid_client_metadata");
    const { client_id } = await register({ redirect_uris: redirect_uris.slice(0, 4) });
    assert.ok(client_id.length <= 1024);
  });

  test("a registered loopback redirect may have any port, on its own host and path only", async () => {
    const client = await register({ redirect_uris: ["http://127.0.0.1:1/callback"] });
    const open = async (redirect_uri) => {
      const { pathname, search } = authorizeUrl(client, pkce(), { redirect_uri });
      return send(pathname + search);
    };
    assert.equal((await open("http://127.0.0.1:54321/callback")).status, 200);
    for (const other of ["http://localhost:1/callback", "http://127.0.0.1:1/other", "https://127.0.0.1:1/callback"]) {
      assertPage(await open(other));
    }
  });

  test("operators' own clients sign in with their static credentials", async () => {
    const scene = await begin({ registered: { client_id: "hosted-app" } });
    assert.equal((await scene.token()).error, "invalid_client");
    assert.equal((await scene.token({ client_secret: "wrong" })).error, "invalid_client");
    const tokens = await scene.token({ client_secret: secret });
    assert.equal(tokens.status, 200, tokens.text);
    assert.equal((await renew(scene.client, tokens.refresh_token)).error, "invalid_client");
    assert.equal((await renew(scene.client, tokens.refresh_token, { client_secret: secret })).status, 200);
    assert.equal((await (await begin({ registered: { client_id: "desktop-app" } })).token()).status, 200);
  });

  test("a client that operators denied is not known any more, and its grants are not renewed", async () => {
    const scene = await begin();
    const tokens = await scene.token();
    const bystander = await begin();
    const kv = await stack.kv();
    await kv.put(denialKey(scene.client.client_id), "1");
    const { pathname, search } = authorizeUrl(scene.client);
    assertPage(await send(pathname + search));
    assert.equal((await renew(scene.client, tokens.refresh_token)).error, "invalid_client");
    assert.equal((await bystander.token()).status, 200, "another client was denied too");
    await kv.delete(denialKey(scene.client.client_id));
    assert.equal((await renew(scene.client, tokens.refresh_token)).status, 200, "the grant was lost");
  });

  test("a client's code is of no use once it is denied, and the log says by which name to deny it", async () => {
    const since = stack.logMark();
    const scene = await begin();
    const line = await stack.waitForLog(({ tool }) => tool === "connect", { since });
    assert.ok(line.client.endsWith(`(${denialKey(scene.client.client_id).slice("denied:".length)})`), line.client);
    const kv = await stack.kv();
    await kv.put(denialKey(scene.client.client_id), "1");
    assert.equal((await scene.token()).error, "invalid_client");
    await kv.delete(denialKey(scene.client.client_id));
    assert.equal((await scene.token()).status, 200);
  });
});

test("with registration switched off, operators' clients alone sign in, and nothing else is advertised", async () => {
  const stack = await startStack({ settings: { CLIENTS: JSON.stringify(listed), REGISTRATION: "off" } });
  const { begin } = oauth(stack);
  const metadata = await (await fetch(`${stack.origin}/.well-known/oauth-authorization-server`)).json();
  assert.equal("registration_endpoint" in metadata, false);
  const refused = await fetch(`${stack.origin}/register`, asJson({ redirect_uris: [redirectUri] }));
  assert.deepEqual([refused.status, (await refused.json()).error], [403, "access_denied"]);
  const scene = await begin({ registered: { client_id: "hosted-app" } });
  assert.equal((await scene.token({ client_secret: secret })).status, 200);
  await stack.stop();
});

test("an address that registers too often is told to wait", async () => {
  const stack = await startStack({ settings: { REGISTRATIONS_PER_MINUTE: "3" } });
  const { register } = oauth(stack);
  const statuses = [];
  for (let round = 0; round < 5; round += 1) {
    const answer = await register();
    statuses.push(answer.status);
    if (answer.status === 429) assert.match(answer.headers.get("retry-after"), /^\d+$/);
  }
  assert.deepEqual(statuses, [201, 201, 201, 429, 429]);
  await stack.stop();
});
