// The encryption key is rotated while people are connected: ring [a], then [b, a], then [b] alone.
// Holds: nobody is signed out, sessions and kept answers go on, nothing happens twice, and in the end no row names the old
// key; the log says when that is so, and nothing but the log is waited for.
// Must never: look into the rows while a worker runs.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import {
  address, mailTo, openSession, post, recordMark, refreshes, request, requestLines, toolCall, toolResult, traces,
} from "./client.mjs";
import { startStack } from "./harness.mjs";
import { decodeCbor, rowsOf } from "./rows.mjs";
import { signIn } from "./sign_in.mjs";

const [oldKey, newKey] = ["a", "b"].map((kid) => `${kid}:${randomBytes(32).toString("base64")}`);
const redirectUri = "http://127.0.0.1:53682/callback";
const revision = "2025-11-25";

let stack;
before(async () => {
  stack = await startStack({ settings: { ENCRYPTION_KEY: oldKey } });
});
after(() => stack?.stop());

const form = (fields) => ({ method: "POST", body: new URLSearchParams(fields) });

async function tokens(fields) {
  const response = await fetch(`${stack.origin}/token`, form(fields));
  const body = await response.json();
  assert.equal(response.status, 200, JSON.stringify(body));
  return body;
}

/** A client of one person, signed in. */
async function signedIn(name) {
  const metadata = JSON.stringify({ client_name: "Test", redirect_uris: [redirectUri] });
  const headers = { "content-type": "application/json" };
  const registered = await fetch(`${stack.origin}/register`, { method: "POST", headers, body: metadata });
  const { client_id } = await registered.json();
  const verifier = randomBytes(32).toString("base64url");
  const url = new URL(`${stack.origin}/authorize`);
  url.search = new URLSearchParams({
    client_id, redirect_uri: redirectUri, response_type: "code", state: "state", code_challenge_method: "S256",
    code_challenge: createHash("sha256").update(verifier).digest("base64url"),
  });
  const { redirect } = await signIn(url.href, { user: address(name) });
  const code = new URL(redirect).searchParams.get("code");
  const grant = { grant_type: "authorization_code", client_id, code, code_verifier: verifier, redirect_uri: redirectUri };
  return { client_id, ...(await tokens(grant)) };
}

/** Sends a message of a person's session with the access token that the person's client has now. */
const send = ({ held, session }, body) =>
  post(stack, { token: held.access_token, session, revision, body });

const renew = async ({ held }) => {
  const { client_id, refresh_token } = held;
  Object.assign(held, await tokens({ grant_type: "refresh_token", client_id, refresh_token }));
};

const keptRead = toolCall("kept read", "getEmails", { count: 2 });
const namedWrite = ({ name }) =>
  toolCall("named", "sendEmail", mailTo("carol", `From ${name}`, { idempotencyKey: `key of ${name}` }));

/** Connects a person and leaves something behind of every kind that is stored sealed. */
async function connected(name) {
  const held = await signedIn(name);
  const { id: session } = await openSession(stack, held.access_token, revision);
  const person = { name, held, session };
  const mark = stack.logMark();
  person.read = (await send(person, keptRead)).json;
  person.written = toolResult(await send(person, namedWrite(person))).structuredContent;
  ({ userKey: person.userKey } = await stack.waitForLog(({ tool }) => tool === "sendEmail", { since: mark }));
  return person;
}

const everything = (value) => (Buffer.isBuffer(value) || typeof value !== "object" || value === null
  ? [value]
  : Object.values(value).flatMap(everything));

/** The identifiers of the keys under which a person's rows are sealed, with their number; the worker must be dead. */
function keysInRows({ userKey }) {
  const counts = {};
  for (const row of rowsOf(stack, userKey)) {
    const values = everything(decodeCbor(Buffer.from(row.split(" ")[2], "hex"))).filter(Buffer.isBuffer);
    // Format 1, a name of one letter, that letter; then at least a nonce and a tag.
    for (const value of values.filter((bytes) => bytes.length >= 31 && bytes[0] === 1 && bytes[1] === 1)) {
      const kid = String.fromCharCode(value[2]);
      counts[kid] = (counts[kid] ?? 0) + 1;
    }
  }
  return counts;
}

async function restartWith(keys) {
  await stack.kill();
  stack.settings.ENCRYPTION_KEY = keys;
  await stack.restart();
}

/** The same requests again get the same answers, and no further mail. */
async function nothingChanged(person) {
  assert.equal((await send(person, request("alive", "ping"))).status, 200);
  assert.deepEqual((await send(person, keptRead)).json, person.read);
  const again = { ...namedWrite(person), id: `named ${stack.logMark()}` };
  assert.deepEqual(toolResult(await send(person, again)).structuredContent, person.written);
  assert.equal((await traces(stack, `From ${person.name}`, { from: person.name, to: "carol" })).arrived, 1);
}

test("a key is rotated and removed, and two people who are connected notice nothing", async (t) => {
  const people = [await connected("alice"), await connected("bob")];
  await stack.kill();
  for (const person of people) {
    const { a: sealed, ...others } = keysInRows(person);
    // The tokens, the key for digests, the answers of a read and of a write.
    assert.ok(sealed >= 4, `${sealed}`);
    assert.deepEqual(others, {});
  }

  const since = stack.logMark();
  // Clients keep their identifiers for ever, so what seals those stays when the encryption key goes.
  stack.settings.REGISTRATION_KEY = oldKey;
  await restartWith(`${newKey},${oldKey}`);
  for (const person of people) await nothingChanged(person);
  for (const person of people) {
    const { userKey } = person;
    const line = await stack.waitForLog((json) => json.event === "resealed" && json.userKey === userKey, {
      since, timeout: 60_000,
    });
    assert.equal(line.key, "b");
    t.diagnostic(`${person.name}: ${line.values} values sealed anew, ${line.ledgerEntries} ledger entries`);
    await renew(person);
    // A line is printed before its turn is on disk, an answer never.
    assert.equal((await send(person, request("on disk", "ping"))).status, 200);
  }
  assert.equal(stack.logLines().filter(({ event }) => event === "resealed").length, people.length);

  await restartWith(newKey);
  for (const person of people) {
    await nothingChanged(person);
    await renew(person);
    // The stored refresh token works: Microsoft ends the access token, and the next call brings another one.
    const mark = await recordMark(stack);
    await stack.emulator.post("/_emulator/revoke", { user: address(person.name), what: "access" });
    const read = toolResult(await send(person, toolCall("after", "getEmails", { count: 1 })));
    assert.equal(read.isError, false, read.message);
    assert.equal((await refreshes(stack, mark)).length, 1);
  }
  assert.equal(requestLines(stack).filter(({ outcome }) => outcome === "sign_in_again").length, 0);
  await stack.kill();
  for (const person of people) {
    const { b: sealed, ...others } = keysInRows(person);
    assert.ok(sealed >= 4, `${sealed}`);
    assert.deepEqual(others, {}, "a row names another key");
  }
  // Nothing was looked through when nothing had changed.
  assert.equal(stack.logLines().filter(({ event }) => event === "resealed").length, people.length);
});
