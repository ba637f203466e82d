// What the token and the revocation endpoint say to everything that is not right.
// Holds: each answer is the one that its RFC names, can not be cached and tells no more than that; what was refused
// changed nothing, so that the right request still works afterwards.
// Must never: be loosened to what the worker happens to answer. What ends by time is tested where the time is chosen,
// beside the code: the code, the grace of a refresh token, the access token.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startStack } from "./harness.mjs";
import { assertError, canary, changed, sender } from "./oauth_answers.mjs";
import { asForm, oauth } from "./oauth_client.mjs";

let stack, client, register, begin, renew, revoke, ask;
/** A client with a secret, and the tokens of a person who signed in with `client`. */
let confidential, tokens;
before(async () => {
  stack = await startStack();
  ({ register, begin, renew, revoke, ask } = oauth(stack));
  client = await register();
  confidential = await register({ token_endpoint_auth_method: "client_secret_basic" });
  tokens = await (await begin({ registered: client })).token();
});
after(() => stack?.stop());

const send = sender(() => stack);
const basic = (id, secret) =>
  `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString("base64")}`;

describe("POST /token: the client (RFC 6749, section 5.2)", () => {
  const grant = { grant_type: "refresh_token", refresh_token: "m365rt_x" };
  const id = () => ({ client_id: client.client_id });
  const cases = {
    "nothing at all": [() => ({}), 401, "invalid_client"],
    "no client": [() => grant, 401, "invalid_client"],
    "an empty client": [() => ({ ...grant, client_id: "" }), 401, "invalid_client"],
    "an unknown client": [() => ({ ...grant, client_id: `m365c_${canary}` }), 401, "invalid_client"],
    "a changed client": [() => ({ ...grant, client_id: changed(client.client_id) }), 401, "invalid_client"],
    "an overlong client": [() => ({ ...grant, client_id: `m365c_${"A".repeat(9000)}` }), 401, "invalid_client"],
    "two clients": [() => [...Object.entries(grant), ["client_id", client.client_id], ["client_id", client.client_id]], 400, "invalid_request"],
    "no secret": [() => ({ ...grant, client_id: confidential.client_id }), 401, "invalid_client"],
    "a wrong secret": [() => ({ ...grant, client_id: confidential.client_id, client_secret: canary }), 401, "invalid_client"],
    "seventy parameters": [() => ({ ...id(), ...Object.fromEntries(Array.from({ length: 70 }, (_, at) => [`p${at}`, canary])) }), 400, "invalid_request"],
    "no grant type": [id, 400, "invalid_request"],
    "two grant types": [() => [...Object.entries({ ...id(), ...grant }), ["grant_type", "refresh_token"]], 400, "invalid_request"],
    "a password": [() => ({ ...id(), grant_type: "password", username: canary, password: canary }), 400, "unsupported_grant_type"],
    "the client's own credentials": [() => ({ ...id(), grant_type: "client_credentials" }), 400, "unsupported_grant_type"],
    "a grant type in capitals": [() => ({ ...id(), ...grant, grant_type: "REFRESH_TOKEN" }), 400, "unsupported_grant_type"],
  };
  for (const [title, [fields, status, error]] of Object.entries(cases)) {
    test(`${title}: ${status} ${error}`, async () => assertError(await send("/token", asForm(fields())), status, error));
  }

  const headers = {
    "no base64": [() => "Basic !!!", 401, "invalid_client"],
    "no colon": [() => `Basic ${Buffer.from("abc").toString("base64")}`, 401, "invalid_client"],
    "no UTF-8": [() => `Basic ${Buffer.from([0xff, 0x3a, 0xfe]).toString("base64")}`, 401, "invalid_client"],
    "half of an escape": [() => `Basic ${Buffer.from("%2:x").toString("base64")}`, 401, "invalid_client"],
    "another scheme": [() => `Bearer ${tokens.access_token}`, 401, "invalid_client"],
    "a scheme without a value": [() => "Basic", 401, "invalid_client"],
    "a wrong secret": [() => basic(confidential.client_id, canary), 401, "invalid_client"],
    "another client than the form": [() => basic(confidential.client_id, confidential.client_secret), 400, "invalid_request", id],
    "a secret here and in the form": [
      () => basic(confidential.client_id, confidential.client_secret), 400, "invalid_request",
      () => ({ client_secret: confidential.client_secret }),
    ],
  };
  for (const [title, [authorization, status, error, more = () => ({})]] of Object.entries(headers)) {
    test(`an Authorization header with ${title}: ${status} ${error}`, async () => {
      const init = asForm({ ...grant, ...more() }, { authorization: authorization() });
      assertError(await send("/token", init), status, error);
    });
  }

  test("a secret is accepted in the registered way alone, and the scheme in any case", async () => {
    for (const scheme of ["Basic ", "basic "]) {
      const authorization = basic(confidential.client_id, confidential.client_secret).replace("Basic ", scheme);
      assertError(await send("/token", asForm(grant, { authorization })), 400, "invalid_grant");
    }
    const { client_id, client_secret } = confidential;
    assertError(await send("/token", asForm({ ...grant, client_id, client_secret })), 401, "invalid_client");
  });

  test("parameters in the address are none (section 3.2)", async () => {
    const query = new URLSearchParams({ ...id(), ...grant });
    assertError(await send(`/token?${query}`, asForm({})), 401, "invalid_client");
  });
});

for (const path of ["/token", "/revoke"]) {
  describe(`POST ${path}: the form of the body`, () => {
    const good = () => new URLSearchParams({ client_id: client.client_id, grant_type: "refresh_token", token: "x" }).toString();
    for (const type of [undefined, "text/plain", "application/json", "multipart/form-data; boundary=x"]) {
      test(`as ${type ?? "bytes of no type"}: 400 invalid_request`, async () => {
        const init = { method: "POST", headers: type ? { "content-type": type } : {}, body: new TextEncoder().encode(good()) };
        assertError(await send(path, init), 400, "invalid_request");
      });
    }

    test("bytes that are no UTF-8: 400 invalid_request; more than 64 KiB: 413", async () => {
      const headers = { "content-type": "application/x-www-form-urlencoded" };
      assertError(await send(path, { method: "POST", headers, body: Buffer.from([0x61, 0x3d, 0xff]) }), 400, "invalid_request");
      const large = await send(path, { method: "POST", headers, body: good().padEnd(65_537, "&") });
      assert.equal(large.status, 413);
      assert.match(large.json.error_description, /65536/);
    });
  });
}

describe("POST /token: codes", () => {
  let signedIn;
  before(async () => void (signedIn = await begin()));
  const cases = {
    "no code": [{ code: "" }, "invalid_request"],
    "no verifier (RFC 7636, 4.5)": [{ code_verifier: "" }, "invalid_request"],
    "a word as the code": [{ code: canary }, "invalid_grant"],
    "an overlong code": [{ code: `m365k_${"A".repeat(5000)}` }, "invalid_grant"],
    "a changed code": [() => ({ code: changed(signedIn.form.code) }), "invalid_grant"],
    "a refresh token as the code": [() => ({ code: tokens.refresh_token }), "invalid_grant"],
    "a refresh token that calls itself a code": [() => ({ code: tokens.refresh_token.replace("m365rt_", "m365k_") }), "invalid_grant"],
    "another verifier (RFC 7636, 4.6)": [{ code_verifier: "v".repeat(43) }, "invalid_grant"],
    "an overlong verifier": [{ code_verifier: "v".repeat(20_000) }, "invalid_grant"],
    "the challenge as the verifier": [() => ({ code_verifier: signedIn.url.searchParams.get("code_challenge") }), "invalid_grant"],
    "another place": [{ redirect_uri: "https://evil.example/" }, "invalid_grant"],
    "another client": [() => ({ client_id: client.client_id }), "invalid_grant"],
    "another resource": [{ resource: "https://other.example/mcp" }, "invalid_target"],
  };
  for (const [title, [changes, error]] of Object.entries(cases)) {
    test(`${title}: 400 ${error}`, async () => {
      const all = { ...signedIn.form, ...(typeof changes === "function" ? changes() : changes) };
      assertError(await send("/token", asForm(all)), 400, error);
    });
  }

  test("none of these consumed the code; its answer is the one of section 5.1", async () => {
    const answer = await signedIn.token();
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual([answer.headers.get("cache-control"), answer.headers.get("pragma")], ["no-store", "no-cache"]);
    assert.equal(answer.token_type, "Bearer");
    assert.ok(answer.expires_in > 0 && answer.scope.includes("mail.read"));
  });

  test("a code is no access token, and no code opens a session", async () => {
    for (const presented of [signedIn.form.code, tokens.refresh_token, client.client_id]) {
      assert.equal((await ask(presented)).status, 401);
    }
  });
});

describe("POST /token: refresh tokens", () => {
  const cases = {
    "none": [{ refresh_token: "" }, "invalid_request"],
    "a word": [{ refresh_token: canary }, "invalid_grant"],
    "an overlong one": [{ refresh_token: `m365rt_${"A".repeat(5000)}` }, "invalid_grant"],
    "a changed one": [() => ({ refresh_token: changed(tokens.refresh_token) }), "invalid_grant"],
    "an access token": [() => ({ refresh_token: tokens.access_token }), "invalid_grant"],
    "another client's": [async () => ({ client_id: (await register()).client_id }), "invalid_grant"],
    "a scope that was not granted": [{ scope: "mail.read admin" }, "invalid_scope"],
    "another resource": [{ resource: "https://other.example/mcp" }, "invalid_target"],
  };
  for (const [title, [changes, error]] of Object.entries(cases)) {
    test(`${title}: 400 ${error}`, async () => {
      const form = { grant_type: "refresh_token", client_id: client.client_id, refresh_token: tokens.refresh_token };
      const all = { ...form, ...(typeof changes === "function" ? await changes() : changes) };
      assertError(await send("/token", asForm(all)), 400, error);
    });
  }

  test("none of these used the token up; it may narrow the scope and say nothing of it", async () => {
    const narrow = await renew(client, tokens.refresh_token, { scope: "mail.read offline_access" });
    assert.deepEqual([narrow.status, narrow.scope], [200, "mail.read"], narrow.text);
    const same = await renew(client, narrow.refresh_token, { scope: "offline_access" });
    assert.deepEqual([same.status, same.scope], [200, tokens.scope], same.text);
    tokens = same;
  });
});

describe("POST /revoke (RFC 7009, section 2.2)", () => {
  const cases = {
    "no client": [{ token: "m365rt_x" }, 401, "invalid_client"],
    "an unknown client": [{ token: "m365rt_x", client_id: canary }, 401, "invalid_client"],
    "no token": [() => ({ client_id: client.client_id }), 400, "invalid_request"],
    "two tokens": [() => [["client_id", client.client_id], ["token", "a"], ["token", "b"]], 400, "invalid_request"],
    "a wrong secret": [() => ({ client_id: confidential.client_id, client_secret: canary, token: "x" }), 401, "invalid_client"],
  };
  for (const [title, [fields, status, error]] of Object.entries(cases)) {
    test(`${title}: ${status} ${error}`, async () => {
      assertError(await send("/revoke", asForm(typeof fields === "function" ? fields() : fields)), status, error);
    });
  }

  test("what is no token of ours, or not any more, is 200 without a word", async () => {
    const { accessToken: expired } = await stack.mintToken("alice", { args: ["--lifetime-seconds", "0"] });
    for (const value of [canary, "m365rt_", changed(tokens.refresh_token), `m365at_${"A".repeat(9000)}`, expired]) {
      for (const token_type_hint of ["access_token", "refresh_token", canary]) {
        const answer = await send("/revoke", asForm({ client_id: client.client_id, token: value, token_type_hint }));
        assert.deepEqual([answer.status, answer.text], [200, ""]);
      }
    }
    assert.equal((await ask(tokens.access_token)).status, 200);
  });

  test("an access token ends with its grant, at its own client's wish and not at another's", async () => {
    const { client: own, token: redeem } = await begin();
    const granted = await redeem();
    assert.equal((await revoke(client, granted.access_token)).status, 200);
    assert.equal((await ask(granted.access_token)).status, 200);
    assert.equal((await revoke(own, granted.access_token)).status, 200);
    assert.equal((await ask(granted.access_token)).status, 401);
    assert.equal((await renew(own, granted.refresh_token)).error, "invalid_grant");
    assert.equal((await revoke(own, granted.refresh_token)).status, 200, "a second time is no error");
  });
});

test("nothing of this was logged as a fault or in clear", () => {
  assert.ok(!stack.output().includes(canary), "the log repeats what was sent");
  assert.doesNotMatch(stack.output(), /panicked|RuntimeError|"event":"fault"/);
});
