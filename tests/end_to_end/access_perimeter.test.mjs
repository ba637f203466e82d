// Cloudflare Access in front of everything: who gets in, by which assertion, and everybody who does not.
// Holds: the one header counts, checked by signature and claims with every request; a refusal is no challenge and reaches
// no object; keys are fetched a bounded number of times, whatever is presented.
import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import { after, before, test } from "node:test";
import { assertion, header, keyFetches, perimeter, person } from "./access.mjs";
import { addFault, address, clearFaults, post, request, requestLines, setEmulator } from "./client.mjs";
import { startStack } from "./harness.mjs";

const list = request(1, "tools/list");
const opening = request(0, "initialize", {
  protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "end-to-end", version: "1" },
});

let stack;
before(async () => {
  stack = await startStack({ settings: perimeter({ serviceTokens: ["operator.access"] }) });
});
after(() => stack?.stop());

const ask = (headers, at = stack) => post(at, { headers, body: opening });
const withAssertion = (value, at) => ask({ [header]: value }, at);

function assertRefused({ status, headers, json, text }, code, expected = 403) {
  assert.equal(status, expected, text);
  assert.equal(json?.error, code);
  assert.equal(headers.get("www-authenticate"), null, "nobody could meet a challenge here");
  assert.equal(headers.get("mcp-session-id"), null);
}

/** Refused, and by this very check: the log says which. */
async function assertNotBelieved(value, check) {
  const since = stack.logMark();
  assertRefused(await withAssertion(value), "access_assertion_invalid");
  const line = await stack.waitForLog(({ event }) => event === "access_refused", { since });
  assert.equal(line.check, check);
}

test("whoever comes through Access is let in, in both eras and with every verb", async () => {
  const alice = await person(stack, { email: address("alice") });
  const session = await alice.session();
  assert.equal((await session.send(list)).status, 200);
  const meta = { "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {} };
  const modern = await post(stack, {
    revision: "2026-07-28", headers: { ...alice.headers, "mcp-method": "tools/list" },
    body: request(1, "tools/list", { _meta: meta }),
  });
  assert.equal(modern.status, 200, modern.text);
  assert.equal((await session.send(undefined, { method: "DELETE" })).status, 204);
});

test("without the header nobody gets in, whatever else is presented", async () => {
  const good = await assertion(stack);
  const minted = await stack.mintToken("alice");
  const others = {
    nothing: {},
    "an access token of this server": { authorization: `Bearer ${minted.accessToken}` },
    "the assertion as a bearer token": { authorization: `Bearer ${good}` },
    "the cookie alone": { cookie: `CF_Authorization=${good}` },
    "a plain identity": { "cf-access-authenticated-user-email": address("alice") },
    "a service token's secret": { "cf-access-client-id": "operator.access", "cf-access-client-secret": "x" },
    "an empty assertion": { [header]: "" },
    "another header": { "cf-access-token": good, "x-cf-access-jwt-assertion": good },
  };
  for (const [title, headers] of Object.entries(others)) {
    assertRefused(await ask(headers), "access_assertion_missing");
    for (const method of ["GET", "DELETE", "PUT"]) {
      assert.equal((await fetch(stack.mcpUrl, { method, headers })).status, 403, `${title}, ${method}`);
    }
  }
});

const flaws = {
  wrongAud: "audience", wrongIss: "issuer", expired: "expired", notYetValid: "not yet valid", algNone: "header",
  hs256: "algorithm", wrongKey: "signature", oversized: "size", unknownKid: "key", anotherTeam: "key",
};
for (const [flaw, check] of Object.entries(flaws)) {
  test(`an assertion with the flaw ${flaw} is refused by that check`, async () => {
    await assertNotBelieved(await assertion(stack, { flaw }), check);
  });
}

test("a key of Microsoft's signs no assertion, although all claims are right", async () => {
  const { claims } = await stack.emulator.post("/_emulator/access/assertion", {});
  await assertNotBelieved(await assertion(stack, { flaw: "anotherTeam", claims }), "key");
});

test("claims decide: a team's session, other types and forms, and sixty seconds of skew", async () => {
  const now = Math.floor(Date.now() / 1000);
  await assertNotBelieved(await assertion(stack, { kind: "org" }), "type");
  for (const [claims, check] of [
    [{ type: null }, "claims"], [{ aud: [] }, "audience"], [{ aud: { "0": "emulator-access-audience" } }, "claims"],
    [{ exp: now - 120 }, "expired"], [{ exp: "9999999999" }, "claims"], [{ nbf: now + 120 }, "not yet valid"],
    [{ iat: now + 120 }, "not yet valid"], [{ sub: "" }, "subject"], [{ sub: "a b" }, "subject"],
    [{ common_name: "operator.access" }, "subject"],
  ]) {
    await assertNotBelieved(await assertion(stack, { claims }), check);
  }
  for (const claims of [{ exp: now - 30 }, { nbf: now + 30, iat: now + 30 }, { aud: "emulator-access-audience" }]) {
    assert.equal((await withAssertion(await assertion(stack, { claims }))).status, 200, JSON.stringify(claims));
  }
});

test("what is no assertion is refused, and so is one that was changed anywhere", async () => {
  const good = await assertion(stack);
  const [head, body, signature] = good.split(".");
  const bob = (await assertion(stack, { email: address("bob") })).split(".");
  const none = Buffer.from('{"alg":"none","kid":"x"}').toString("base64url");
  const malformed = ["x", "..", "a.b.c", `${head}.${body}`, `${good}.x`, `.${body}.${signature}`, `${good}=`, "%00",
    `Bearer ${good}`, good.replaceAll(".", " ")];
  for (const value of malformed) assertRefused(await withAssertion(value), "access_assertion_invalid");
  for (const [value, check] of [
    [[head, bob[1], signature].join("."), "signature"],
    [[head, body, bob[2]].join("."), "signature"],
    [[head, body, ""].join("."), "signature"],
    [[none, body, ""].join("."), "algorithm"],
  ]) {
    await assertNotBelieved(value, check);
  }
});

/** Sends header lines as they are: `fetch` would join two of one name before they leave. */
function raw(lines) {
  return new Promise((done, failed) => {
    const headers = { "content-type": "application/json", accept: "application/json", ...lines };
    const sent = httpRequest(stack.mcpUrl, { method: "POST", headers }, (answer) => {
      answer.resume();
      answer.once("end", () => done(answer.statusCode));
    });
    sent.once("error", failed);
    sent.end(JSON.stringify(opening));
  });
}

test("two assertions in one request are none, in either order", async () => {
  const [alice, forged] = [await assertion(stack), await assertion(stack, { flaw: "wrongKey" })];
  assert.equal(await raw({ [header]: [alice] }), 200);
  for (const pair of [[alice, alice], [alice, forged], [forged, alice], [alice, ""], ["", alice]]) {
    assert.equal(await raw({ [header]: pair }), 403, pair.map((value) => value.slice(-8)).join());
  }
});

test("an identity that stands beside the assertion changes nothing", async () => {
  const [alice, bob] = [
    await person(stack, { email: address("alice") }), await person(stack, { email: address("bob") }),
  ];
  const since = stack.logMark();
  const smuggled = {
    ...alice.headers, "cf-access-authenticated-user-email": address("bob"), cookie: `CF_Authorization=${bob.headers[header]}`,
    authorization: `Bearer ${bob.headers[header]}`, "cf-access-user": bob.subject,
  };
  const opened = await ask(smuggled);
  const session = opened.headers.get("mcp-session-id");
  const body = request(1, "tools/call", { name: "authenticate", arguments: {} });
  assert.equal((await post(stack, { headers: smuggled, session, revision: "2025-11-25", body })).status, 200);
  const line = await stack.waitForLog(({ event, tool }) => event === "request" && tool === "authenticate", { since });
  assert.equal(line.accessIdentity, alice.subject);
  assert.equal(line.client, "end-to-end 1");
  // The session is hers, and bob's assertion does not find it.
  const foreign = await post(stack, { headers: bob.headers, session, revision: "2025-11-25", body });
  assert.equal(foreign.status, 404);
  assert.ok(!stack.output().includes("@contoso.example"), "an address is in the log");
  assert.ok(requestLines(stack).every(({ accessIdentity }) => accessIdentity));
});

test("a service token has no mailbox, and the operators' API only where the policy names it", async () => {
  const token = (commonName) => assertion(stack, { kind: "service", commonName });
  const [operator, stranger] = [await token("operator.access"), await token("stranger.access")];
  for (const value of [operator, stranger]) assertRefused(await withAssertion(value), "service_token_has_no_mailbox");
  const ops = async (value) => {
    const answer = await fetch(`${stack.origin}/ops/api/fleet`, { headers: value ? { [header]: value } : {} });
    return [answer.status, (await answer.json()).error];
  };
  assert.deepEqual(await ops(operator), [200, undefined]);
  assert.deepEqual(await ops(stranger), [403, "not_an_operator"]);
  assert.deepEqual(await ops(await assertion(stack)), [403, "not_an_operator"]);
  assert.deepEqual(await ops(), [403, "access_assertion_missing"]);
  const both = await assertion(stack, { kind: "service", commonName: "operator.access", claims: { sub: "someone" } });
  assert.deepEqual(await ops(both), [403, "access_assertion_invalid"]);
});

test("a rotation is seen at once, and made-up names of keys cost one look", async () => {
  const own = await startStack({ settings: perimeter() });
  const old = await assertion(own);
  assert.equal((await withAssertion(old, own)).status, 200);
  assert.equal(await keyFetches(own), 1);
  await setEmulator(own, { rotateAccessKeys: true });
  assert.equal((await withAssertion(await assertion(own), own)).status, 200, "the new key");
  assert.equal((await withAssertion(old, own)).status, 200, "the previous key");
  assert.equal(await keyFetches(own), 2);
  const unknown = await Promise.all(Array.from({ length: 30 }, () => assertion(own, { flaw: "unknownKid" })));
  for (const { status } of await Promise.all(unknown.map((value) => withAssertion(value, own)))) assert.equal(status, 403);
  assert.equal(await keyFetches(own), 2);
  await own.stop();
});

test("while the keys cannot be fetched nobody gets in, and afterwards everybody does", async () => {
  const own = await startStack({ settings: perimeter() });
  const good = await assertion(own);
  for (const action of [{ outage503: true }, { respond: { status: 200, body: { keys: "none" } } }, { dropBefore: true }]) {
    await addFault(own, { service: "access", action });
    assertRefused(await withAssertion(good, own), "access_keys_unavailable", 503);
    await clearFaults(own);
  }
  assert.equal((await withAssertion(good, own)).status, 200);
  await own.stop();
});
