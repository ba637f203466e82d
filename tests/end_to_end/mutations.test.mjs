// Two thousand requests that are wrong in ways that nobody thought of.
// Holds: each is answered, none with a 5xx; afterwards the same process serves as before and its log has no fault.
// Must never: depend on luck; the seed is fixed and printed, and M365_TEST_SEED picks another one.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { mailTo, openSession, request, toolCall } from "./client.mjs";
import { startStack } from "./harness.mjs";

const rounds = 2000;
const atOnce = 12;
const seed = Number(process.env.M365_TEST_SEED ?? 20260728);

let stack, token, session;
before(async () => {
  stack = await startStack();
  token = await stack.connect("alice");
  session = await openSession(stack, token, "2025-03-26");
});
after(() => stack?.stop());

/** mulberry32: small, and the same everywhere. */
function generator(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

const random = generator(seed);
const below = (count) => Math.floor(random() * count);
const pick = (list) => list[below(list.length)];

const opening = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "m", version: "1" } };
const sources = [
  () => request(below(50), "initialize", opening),
  () => request(below(50), "ping"),
  () => request(`s${below(50)}`, "tools/list", { cursor: "x" }),
  () => toolCall(below(500), "getEmails", { folder: pick(["inbox", "drafts"]), count: 1 + below(60) }),
  () =>
    toolCall(
      below(500),
      "sendEmail",
      mailTo(pick(["bob", "carol"]), `Mutated ${below(40)}`, { bodyType: "html", idempotencyKey: `k${below(9)}` }),
    ),
  () => ({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: below(50), reason: "r" } }),
  () => ({ jsonrpc: "2.0", id: below(9), result: { content: [] } }),
  () => Array.from({ length: 1 + below(18) }, () => request(below(9), pick(["ping", "tools/list", "initialize"]))),
];
const words = [
  "null",
  "true",
  "[]",
  "{}",
  "1e999",
  "-0",
  "18446744073709551616",
  '"\\ud800"',
  '"\\u0000"',
  "\u2028",
  '"__proto__"',
  "\\",
  '"',
  ",",
  "[[[[",
  "}}}}",
];

function mutated(bytes) {
  const [from, length] = [below(bytes.length), 1 + below(12)];
  const cut = (insert) => Buffer.concat([bytes.subarray(0, from), insert, bytes.subarray(from + length)]);
  switch (below(6)) {
    case 0: {
      const copy = Buffer.from(bytes);
      copy[from] ^= 1 << below(8);
      return copy;
    }
    case 1:
      return cut(Buffer.alloc(0));
    case 2:
      return cut(Buffer.from(Array.from({ length }, () => below(256))));
    case 3:
      return cut(Buffer.from(pick(words)));
    case 4:
      return bytes.subarray(0, from);
    default:
      return cut(Buffer.concat([bytes.subarray(from, from + length), bytes.subarray(from, from + length * 20)]));
  }
}

/** Texts that HTTP allows in a header, which is less than what there is. */
const headerText = (length) =>
  Array.from({ length }, () => String.fromCharCode(pick([32, 33, 34, 44, 59, 61, 92, 126, 163, 255, 65 + below(26)]))).join(
    "",
  );

function headers() {
  const all = { "content-type": "application/json", authorization: `Bearer ${token}`, "mcp-session-id": session.id };
  const wild = () =>
    pick([
      headerText(below(40)),
      "x".repeat(below(6000)),
      "0",
      "null",
      "%00",
      session.id.slice(1),
      session.id.toUpperCase(),
    ]);
  if (random() < 0.25)
    all[
      pick(["mcp-session-id", "mcp-protocol-version", "content-type", "accept", "cookie", "last-event-id", "x-request-id"])
    ] = wild();
  if (random() < 0.05)
    all.authorization = pick([wild(), `Bearer ${wild()}`, `Bearer ${token.slice(0, below(token.length))}`]);
  if (random() < 0.05) delete all[pick(Object.keys(all))];
  return all;
}

function oneRequest() {
  let body = Buffer.from(JSON.stringify(pick(sources)()));
  for (let count = below(3); count > 0 && body.length > 0; count -= 1) body = mutated(body);
  const [method, path] =
    random() < 0.05
      ? [
          pick(["POST", "DELETE", "PUT", "GET"]),
          pick([
            "/mcp",
            "/connect?ticket=" + encodeURIComponent(headerText(20)),
            "/callback?state=x&code=%ff%00",
            "/healthz",
          ]),
        ]
      : ["POST", "/mcp"];
  // The one session of all requests must not be ended on the way.
  const who = method === "DELETE" ? { "mcp-session-id": "0".repeat(32) } : {};
  return { method, path, headers: { ...headers(), ...who }, ...(method !== "GET" && { body }) };
}

test(`${rounds} mutated requests (seed ${seed}): no 5xx, and the same process goes on`, async (t) => {
  const pid = stack.pid();
  const statuses = {};
  const pending = Array.from({ length: rounds }, oneRequest);
  const worker = async () => {
    for (let next = pending.pop(); next; next = pending.pop()) {
      const { path, ...init } = next;
      const response = await fetch(stack.origin + path, { ...init, redirect: "manual" });
      const text = await response.text();
      statuses[response.status] = (statuses[response.status] ?? 0) + 1;
      assert.ok(
        response.status < 500,
        `${response.status} ${text} to ${init.body?.toString("latin1")} ${JSON.stringify(init.headers)}`,
      );
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  t.diagnostic(`statuses: ${JSON.stringify(statuses)}`);
  assert.ok(statuses[200] > 100 && statuses[400] > 100, "the mutations are too wild or too tame");
  assert.equal((await fetch(`${stack.origin}/healthz`)).status, 200);
  assert.equal(stack.pid(), pid);
  assert.deepEqual(
    stack.logLines().filter(({ event }) => event === "fault"),
    [],
  );
  assert.doesNotMatch(stack.output(), /panicked|unreachable/);
  const mails = await (await openSession(stack, token)).call("getEmails", { count: 1 });
  assert.equal(mails.isError, false, mails.message);
});
