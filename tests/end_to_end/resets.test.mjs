// Ten thousand clients that reset their connection, in the middle of what they send or while they wait.
// Holds: the instance keeps nothing of them: its memory stays where it was after the warm-up, and it serves on.
// Must never: close a connection in good order instead, because that is another path through the runtime.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { addFault, clearFaults, openSession, openWarmSession, records, toolCall, until } from "./client.mjs";
import { startStack } from "./harness.mjs";

const warmUp = 400;
const resets = 10_000;
const atOnce = 40;
const allowed = 2 * 1024 * 1024;

let stack, token, session;
before(async () => {
  stack = await startStack();
  token = await stack.connect("alice");
  session = await openWarmSession(stack, token);
});
after(() => stack?.stop());

const wasmMemory = async () => (await (await fetch(`${stack.origin}/healthz`)).json()).wasmMemoryBytes;

function head(length, extra = "") {
  const { host } = new URL(stack.origin);
  return (
    `POST /mcp HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${token}\r\nMcp-Session-Id: ${session.id}\r\n` +
    `Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n${extra}` +
    `${length === undefined ? "Transfer-Encoding: chunked" : `Content-Length: ${length}`}\r\n\r\n`
  );
}

/** What is sent before the reset: a body without its end, in three ways, or a whole call whose upstream hangs. */
function unfinished(number) {
  const block = "x".repeat(16 * 1024);
  switch (number % 4) {
    case 0:
      return head(2 * 1024 * 1024) + block;
    case 1:
      return `${head()}4000\r\n${block}\r\n`;
    case 2:
      return head(500) + '{"jsonrpc":"2.0",';
    default: {
      const body = JSON.stringify(toolCall(`reset ${number}`, "getEmails", { count: 1 + (number % 50) }));
      return head(Buffer.byteLength(body)) + body;
    }
  }
}

/** Sends, lets the worker begin, and resets. Rejects if the server was not even there. */
function resetOne(number) {
  const { hostname, port } = new URL(stack.origin);
  return new Promise((done, failed) => {
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    socket.once("error", failed);
    socket.once("close", done);
    socket.on("data", () => {}); // a refusal (the queue is full) may come before the reset
    socket.write(unfinished(number), () => setTimeout(() => socket.resetAndDestroy(), number % 5));
  });
}

async function resetMany(count, from) {
  let next = from;
  const lane = async () => {
    while (next < from + count) await resetOne(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
}

test(`${resets} requests that the client resets leave the wasm memory within 2 MiB of the start`, async (t) => {
  await addFault(stack, { service: "graph", method: "GET", action: { hang: true } });
  await resetMany(warmUp, 0);
  const start = await wasmMemory();
  await resetMany(resets, warmUp);
  const end = await wasmMemory();
  t.diagnostic(
    `wasm memory: ${start} bytes after ${warmUp} resets, ${end} bytes after ${resets} more (${(end - start) / 1024} KiB)`,
  );
  assert.ok((await records(stack, "graph")).length >= 4, "no call was under way");
  assert.ok(end - start <= allowed, `it grew by ${end - start} bytes`);
});

test("then the same process serves everyone as before", async () => {
  await clearFaults(stack);
  const bob = await openSession(stack, await stack.connect("bob"));
  assert.equal((await bob.call("getEmails", { count: 1 })).isError, false);
  // What hangs still holds alice's places until its own time is over; her session answers in the meantime.
  assert.equal((await session.send({ jsonrpc: "2.0", id: "after", method: "ping" })).status, 200);
  await until(
    "alice's mailbox is free again",
    async () => !(await session.call("getEmails", { count: 1 })).isError,
    120_000,
  );
  assert.deepEqual(
    stack.logLines().filter(({ event }) => event === "fault"),
    [],
  );
  assert.doesNotMatch(stack.output(), /panicked|unreachable/);
});
