// The application proves itself with a certificate instead of a secret: at the sign-in, at each refresh, and wrongly.
// Holds: the emulator checks signature, audience, times, thumbprint and that no assertion comes twice.
// Must never: let a key, a certificate or an assertion be found in a log line.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, test } from "node:test";
import { address, openSession, recordMark, records, refreshes, toolCall, toolResult } from "./client.mjs";
import { startStack } from "./harness.mjs";
import { signIn } from "./sign_in.mjs";

const redirectUri = "http://127.0.0.1:53682/callback";
const stacks = new Set();
after(() => Promise.all([...stacks].map((stack) => stack.stop())));

/** A stack whose worker runs with a certificate of the application's, as `change` leaves it. */
async function prepared(change = (made) => made) {
  const stack = await startStack();
  stacks.add(stack);
  const made = change(await stack.emulator.post("/_emulator/certificate"), stack);
  // What an operator does who sets the certificate and takes the secret away.
  delete stack.settings.MICROSOFT_CLIENT_SECRET;
  stack.settings.MICROSOFT_CLIENT_CERTIFICATE = made.certificate;
  stack.settings.MICROSOFT_CLIENT_PRIVATE_KEY = made.privateKey;
  await stack.restart();
  return { stack, made };
}

async function signedIn(stack, user) {
  const json = (body) => ({ method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  const registered = await fetch(`${stack.origin}/register`, json({ client_name: "C", redirect_uris: [redirectUri] }));
  const { client_id: id } = await registered.json();
  const verifier = randomBytes(32).toString("base64url");
  const url = new URL(`${stack.origin}/authorize`);
  url.search = new URLSearchParams({
    client_id: id, redirect_uri: redirectUri, response_type: "code", code_challenge_method: "S256",
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
  });
  const { redirect } = await signIn(url.href, { user });
  const back = new URL(redirect).searchParams;
  if (back.get("error")) return { error: back.get("error") };
  const fields = { grant_type: "authorization_code", client_id: id, code: back.get("code"), code_verifier: verifier };
  const response = await fetch(`${stack.origin}/token`, { method: "POST", body: new URLSearchParams(fields) });
  return { token: (await response.json()).access_token };
}

const tokenCalls = async (stack) =>
  (await records(stack, "entra")).filter(({ method, path }) => method === "POST" && path.endsWith("/token"));

test("a person signs in, and tokens are refreshed, each time with a new assertion and never with a secret", async () => {
  const { stack, made } = await prepared();
  const { token } = await signedIn(stack, address("alice"));
  const session = await openSession(stack, token);
  for (const round of [1, 2]) {
    await stack.emulator.post("/_emulator/revoke", { user: address("alice"), what: "access" });
    const mark = await recordMark(stack);
    const read = toolResult(await session.send(toolCall(round, "getEmails", { count: 1 })));
    assert.equal(read.isError, false, read.message);
    assert.equal((await refreshes(stack, mark)).length, 1);
  }
  const calls = await tokenCalls(stack);
  assert.deepEqual(calls.map(({ status, body }) => [status, body.grant_type]),
    [[200, "authorization_code"], [200, "refresh_token"], [200, "refresh_token"]]);
  assert.ok(calls.every(({ body }) => body.client_secret === undefined));
  assert.equal(new Set(calls.map(({ body }) => body.client_assertion)).size, 3);
  const output = stack.output();
  const ofKey = made.privateKey.split("\n")[3];
  for (const secret of [ofKey, made.certificate.split("\n")[3], "client_assertion", "eyJhbGciOiJQUzI1NiI"]) {
    assert.ok(!output.includes(secret), "the log says too much");
  }
  await stack.stop();
});

test("a link connects an account with it too, from settings that stand in one line each", async () => {
  const inOneLine = (pem) => pem.trim().replaceAll("\n", " ");
  const { stack } = await prepared(({ certificate, privateKey }) => ({
    certificate: inOneLine(certificate), privateKey: inOneLine(privateKey),
  }));
  const session = await openSession(stack, await stack.connect("bob"));
  assert.equal((await session.call("getEmails", { count: 1 })).isError, false);
  await stack.stop();
});

test("a thumbprint stands for the certificate, and a wrong one is the operators' mistake", async () => {
  const thumbprint = ({ certificate }) =>
    createHash("sha256").update(Buffer.from(certificate.replace(/-----[^-]*-----|\s/g, ""), "base64")).digest("hex");
  const right = await prepared((made) => ({ ...made, certificate: thumbprint(made) }));
  assert.ok((await signedIn(right.stack, address("alice"))).token);
  await right.stack.stop();
  const wrong = await prepared((made) => ({ ...made, certificate: "00".repeat(32) }));
  assert.equal((await signedIn(wrong.stack, address("alice"))).error, "temporarily_unavailable");
  const line = await wrong.stack.waitForLog(({ event }) => event === "own_credential_refused");
  assert.deepEqual(line.errorCodes, [700027]);
  await wrong.stack.stop();
});

test("both credentials, half a certificate, or a key of another certificate are refused at the start, by name", async () => {
  const { stack, made } = await prepared();
  const other = await stack.emulator.post("/_emulator/certificate");
  const cases = [
    [{ MICROSOFT_CLIENT_SECRET: "emulator-secret" }, "MICROSOFT_CLIENT_SECRET"],
    [{ MICROSOFT_CLIENT_PRIVATE_KEY: "" }, "MICROSOFT_CLIENT_PRIVATE_KEY"],
    [{ MICROSOFT_CLIENT_CERTIFICATE: "" }, "MICROSOFT_CLIENT_CERTIFICATE"],
    [{ MICROSOFT_CLIENT_PRIVATE_KEY: other.privateKey }, "MICROSOFT_CLIENT_CERTIFICATE"],
  ];
  const right = { ...stack.settings };
  for (const [change, setting] of cases) {
    for (const name of Object.keys(stack.settings)) delete stack.settings[name];
    Object.assign(stack.settings, right, change);
    await stack.restart();
    const health = await fetch(`${stack.origin}/healthz`);
    assert.equal(health.status, 503);
    const text = await health.text();
    assert.deepEqual(JSON.parse(text).problems.map((problem) => problem.setting), [setting], text);
    assert.ok(!text.includes(made.privateKey.split("\n")[3]));
  }
  await stack.stop();
});
