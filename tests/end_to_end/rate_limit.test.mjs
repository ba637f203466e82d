// A client that asks too often is told when to come back, in both eras, and nobody else pays for it.
// Holds: what was refused reached neither Microsoft nor the ledger, and the log says it once.
// Must never: wait for a time; how fast the bucket fills is tested without a platform.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openSession, post, recordMark, records, request, toolCall } from "./client.mjs";
import { startStack } from "./harness.mjs";

const limit = 10;
/** In a zone that is named, so that the mailbox is not asked for its own: one call of Graph, whatever came before. */
const mail = { timeZone: "UTC" };
let stack;
before(async () => { stack = await startStack({ settings: { RATE_LIMIT_PER_MINUTE: String(limit) } }); });
after(() => stack?.stop());

/** More than the bucket can hold, also on a machine on which this takes seconds. */
const tooMany = Array.from({ length: 4 * limit }, (_, number) => number + 1);
const lines = (event, user) => stack.logLines().filter((line) => line.event === event && line.userKey === user);

function assertRefused({ status, headers, json }) {
  assert.equal(status, 429);
  const seconds = Number(headers.get("retry-after"));
  assert.ok(seconds >= 1 && seconds <= 6, String(seconds));
  assert.equal(json.error.data.retryAfterSeconds, seconds);
  assert.match(json.error.message, new RegExp(`Try again in ${seconds} seconds`));
}

/** Some are served, the others are refused, and only those that were served left anything behind. */
async function counted(send) {
  const mark = await recordMark(stack);
  const answers = await Promise.all(tooMany.map(send));
  const served = answers.filter(({ status }) => status === 200);
  const refused = answers.filter(({ status }) => status !== 200);
  refused.forEach(assertRefused);
  assert.ok(served.length >= limit && refused.length > 0, `${served.length} served, ${refused.length} refused`);
  for (const { json, text } of served) assert.ok(json?.result && !json.result.isError, text);
  assert.equal((await records(stack, "graph", mark)).length, served.length);
  const [{ userKey }] = stack.logLines().filter(({ event }) => event === "rate_limited").slice(-1);
  assert.equal(lines("rate_limited", userKey).length, 1);
  assert.equal(lines("request", userKey).filter(({ tool }) => tool === "getEmails").length, served.length);
}

test("in a session", async () => {
  const session = await openSession(stack, await stack.connect("alice"));
  // The person's other requests are not what is limited.
  await counted((id) => session.send(toolCall(id, "getEmails", { ...mail, count: 1 })));
  assert.equal((await session.send(request(0, "ping"))).status, 200);
  assert.equal((await session.send({ jsonrpc: "2.0", method: "notifications/initialized" })).status, 202);
});

test("without a session", async () => {
  const token = await stack.connect("bob");
  const meta = { "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {} };
  const headers = { "mcp-method": "tools/call", "mcp-name": "getEmails" };
  await counted((id) => {
    const body = toolCall(id, "getEmails", { ...mail, count: 1 + (id % 50) });
    body.params._meta = meta;
    return post(stack, { token, revision: "2026-07-28", headers, body });
  });
});
