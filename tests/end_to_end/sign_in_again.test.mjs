// What Microsoft demands of a person beyond the first sign-in, and who has to act on each of its refusals.
// Holds: clients are OAuth clients that registered and signed people in; Microsoft's refusals are set by their number.
// Must never: count a sign-in by its pages; what the token endpoint and Graph recorded is what counts.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { address, openSession, recordMark, records, refreshes, setEmulator, toolCall, until } from "./client.mjs";
import { startStack } from "./harness.mjs";
import { signIn } from "./sign_in.mjs";

const redirectUri = "http://127.0.0.1:53682/callback";
let stack;
before(async () => void (stack = await startStack()));
after(() => stack?.stop());

const json = (body) => ({ method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
const form = (fields) => ({ method: "POST", body: new URLSearchParams(fields) });

/** A client that registered; `connect` signs a person in with it and opens a session. */
async function newClient() {
  const registration = json({ client_name: "Steps up", redirect_uris: [redirectUri] });
  const { client_id: id } = await (await fetch(`${stack.origin}/register`, registration)).json();
  const token = async (fields) => {
    const response = await fetch(`${stack.origin}/token`, form({ client_id: id, ...fields }));
    return { status: response.status, ...(await response.json()) };
  };
  const authorize = async (user) => {
    const verifier = randomBytes(32).toString("base64url");
    const url = new URL(`${stack.origin}/authorize`);
    url.search = new URLSearchParams({
      client_id: id, redirect_uri: redirectUri, response_type: "code", state: "s", code_challenge_method: "S256",
      code_challenge: createHash("sha256").update(verifier).digest("base64url"),
    });
    const { redirect, journeys } = await signIn(url.href, { user });
    return { back: new URL(redirect).searchParams, verifier, journeys };
  };
  const connect = async (user) => {
    const { back, verifier, journeys } = await authorize(user);
    const fields = { grant_type: "authorization_code", code: back.get("code"), code_verifier: verifier, redirect_uri: redirectUri };
    const tokens = await token(fields);
    assert.equal(tokens.status, 200, JSON.stringify([tokens, [...back]]));
    return { tokens, journeys, session: await openSession(stack, tokens.access_token) };
  };
  const renew = (tokens) => token({ grant_type: "refresh_token", refresh_token: tokens.refresh_token });
  return { authorize, connect, renew };
}

const revoke = (user, what) => stack.emulator.post("/_emulator/revoke", { user, what });
/** In a zone that is named, so that the mailbox is not asked for its own: one call of Graph, whatever came before. */
const mail = { count: 1, timeZone: "UTC" };
const reads = (session) => session.call("getEmails", mail);
const readsRaw = (session) => session.send(toolCall(`raw ${randomBytes(4).toString("hex")}`, "getEmails", mail));

/** The endpoint answers 401 with a challenge from which a client begins to sign the person in. */
async function assertSentToSignIn(session) {
  const refused = await readsRaw(session);
  assert.equal(refused.status, 401, refused.text);
  const challenge = refused.headers.get("www-authenticate");
  assert.match(challenge, /error="invalid_token"/);
  assert.match(challenge, /resource_metadata="[^"]*\/\.well-known\/oauth-protected-resource\/mcp"/);
}

test("a dead refresh token ends in a 401, in a refused renewal, and in a new sign-in that mends it", async () => {
  const user = address("alice");
  const client = await newClient();
  const { tokens, session } = await client.connect(user);
  assert.equal((await reads(session)).isError, false);
  await revoke(user, "all");
  const mark = await recordMark(stack);
  const first = await reads(session);
  assert.match(first.message, /sign in again/);
  await assertSentToSignIn(session);
  assert.equal((await session.call("authenticate", {})).structuredContent.connected, false);
  assert.equal((await client.renew(tokens)).error, "invalid_grant");
  assert.equal((await refreshes(stack, mark)).length, 1, "a dead refresh token was tried again");
  const again = await client.connect(user);
  assert.equal((await reads(again.session)).isError, false);
  assert.equal((await client.renew(again.tokens)).status, 200);
});

test("a claims challenge of Graph is met in silence where Microsoft allows it", async () => {
  const user = address("bob");
  const { session } = await (await newClient()).connect(user);
  await setEmulator(stack, { graphStepUp: [user], silentStepUp: true });
  const mark = await recordMark(stack);
  const result = await reads(session);
  assert.equal(result.isError, false, result.message);
  assert.deepEqual((await records(stack, "graph", mark)).map(({ status }) => status), [401, 200]);
  const [refresh, ...more] = await refreshes(stack, mark);
  assert.equal(more.length, 0);
  const claims = JSON.parse(refresh.body.claims).access_token;
  assert.ok(claims.capolids && claims.xms_cc.values.includes("cp1"), refresh.body.claims);
  await setEmulator(stack, { graphStepUp: [], silentStepUp: false });
});

test("a claims challenge that needs the person travels to the next sign-in, which goes to Microsoft twice and no more", async () => {
  const user = address("carol");
  const client = await newClient();
  const { session, journeys } = await client.connect(user);
  assert.equal(journeys.length, 1);
  await setEmulator(stack, { graphStepUp: [user] });
  const mark = await recordMark(stack);
  assert.match((await reads(session)).message, /sign in again/);
  await assertSentToSignIn(session);
  assert.equal((await refreshes(stack, mark)).length, 1);
  // The demand is sealed in the object and outlives it.
  await stack.restart();
  await assertSentToSignIn(session);
  const again = await client.connect(user);
  assert.equal(again.journeys.length, 2);
  const claims = again.journeys.map((url) => JSON.parse(new URL(url).searchParams.get("claims")).access_token);
  assert.deepEqual(claims.map(({ capolids }) => Boolean(capolids)), [false, true]);
  assert.ok(claims.every(({ xms_cc: capability }) => capability.values.includes("cp1")));
  assert.equal(new URL(again.journeys[1]).searchParams.get("login_hint"), user, "the person has to choose twice");
  assert.equal((await reads(again.session)).isError, false);
  // It was met: another client's sign-in is a plain one.
  assert.equal((await (await newClient()).connect(user)).journeys.length, 1);
  await setEmulator(stack, { graphStepUp: [] });
  assert.doesNotMatch(stack.output(), /capolids/);
});

test("a second factor that the token endpoint demands is asked for once, at the sign-in itself", async () => {
  const user = address("dave");
  await setEmulator(stack, { tokenRefusals: { [user]: 50079 } });
  const { session, journeys } = await (await newClient()).connect(user);
  assert.equal(journeys.length, 2);
  assert.equal((await reads(session)).isError, false);
  await setEmulator(stack, { tokenRefusals: {} });
});

test("a demand that no sign-in meets goes back to the client and not round in a circle", async () => {
  const user = address("dave");
  const client = await newClient();
  await stack.emulator.post("/_emulator/faults", {
    service: "entra", method: "POST", pathContains: "/token",
    action: { respond: { status: 400, body: { error: "interaction_required", claims: '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}' } } },
  });
  const { back, journeys } = await client.authorize(user);
  assert.equal(journeys.length, 2);
  assert.deepEqual([back.get("error"), back.get("state")], ["access_denied", "s"]);
  await stack.emulator.post("/_emulator/faults/clear");
});

test("missing consent is named, and the sign-in that follows asks for it", async () => {
  const user = address("alice");
  const client = await newClient();
  const { session } = await client.connect(user);
  await setEmulator(stack, { tokenRefusals: { [user]: 65001 } });
  await revoke(user, "access");
  assert.match((await reads(session)).message, /permission Mail\.Read /);
  await assertSentToSignIn(session);
  await setEmulator(stack, { tokenRefusals: {} });
  assert.equal((await reads((await client.connect(user)).session)).isError, false);
});

test("our own credential is the operators' business: users keep their tokens, and a line of its own says so", async () => {
  for (const number of [7000215, 7000222, 700016]) {
    const user = address("bob");
    const client = await newClient();
    const { tokens, session } = await client.connect(user);
    await setEmulator(stack, { tokenRefusals: { "*": number } });
    await revoke(user, "access");
    const since = stack.logMark();
    const refused = await reads(session);
    assert.match(refused.message, /operators/);
    assert.doesNotMatch(refused.message, /sign in/i);
    const line = await stack.waitForLog(({ event }) => event === "own_credential_refused", { since });
    assert.deepEqual([line.code, line.errorCodes], ["own_credential", [number]]);
    assert.ok(line.traceId && line.correlationId && line.requestId);
    // The grant stands, so that nobody is sent to sign in for nothing.
    assert.equal((await client.renew(tokens)).status, 200);
    const { back } = await (await newClient()).authorize(user);
    assert.equal(back.get("error"), "temporarily_unavailable");
    const health = await (await fetch(`${stack.origin}/healthz`)).json();
    assert.match(health.microsoftCredentialRefusedAt ?? "", /^\d{4}-/);
    await setEmulator(stack, { tokenRefusals: {} });
    await until("it works again", async () => (await reads(session)).isError === false);
  }
});

test("an account that may not use the application is told so and is not sent round", async () => {
  const user = address("dave");
  const { session } = await (await newClient()).connect(user);
  await setEmulator(stack, { tokenRefusals: { [user]: 50105 } });
  await revoke(user, "access");
  const refused = await reads(session);
  assert.match(refused.message, /administrators/);
  assert.equal((await readsRaw(session)).status, 200);
  await setEmulator(stack, { tokenRefusals: {} });
  await until("it works again", async () => (await reads(session)).isError === false);
});

test("a passing refusal is waited for, and the client sees nothing of it", async () => {
  const user = address("carol");
  const { session } = await (await newClient()).connect(user);
  for (const number of [90033, 90006]) {
    await setEmulator(stack, { tokenRefusals: { [user]: number } });
    await revoke(user, "access");
    const mark = await recordMark(stack);
    const waiting = reads(session);
    await until("a first attempt", async () => (await refreshes(stack, mark)).length > 0);
    await setEmulator(stack, { tokenRefusals: {} });
    const result = await waiting;
    assert.equal(result.isError, false, result.message);
  }
});
