// What fixtures say on the stream of their call, held to the letter where the official suite is content with less.
// Holds: messages come in order and only as far as they were asked for; a stream that the server closed is resumed and
// carries the answer once.
// Must never: judge by time.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { builtEntry } from "../tools/build.mjs";
import { openSession, request, toolCall } from "./client.mjs";
import { open } from "./event_stream.mjs";
import { startStack } from "./harness.mjs";

let stack, token;
before(async () => {
  stack = await startStack({ main: builtEntry("conformance") });
  token = await stack.connect("alice");
});
after(() => stack?.stop());

const messages = (events) => events.map(({ message }) => message).filter(Boolean);
const said = (events, method) => messages(events).filter((message) => message.method === method).map(({ params }) => params);

/** Everything that comes on the stream of a call: in a session, or without one under the given `_meta`. */
async function eventsOfCall(name, { session, meta = {} } = {}) {
  const body = toolCall(session ? 1 : 7, name);
  if (session) {
    body.params._meta = meta;
    const { stream } = await open(stack, { token, session: session.id, body });
    return stream.rest();
  }
  body.params._meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}, ...meta,
  };
  const headers = { "mcp-method": "tools/call", "mcp-name": name };
  const { stream } = await open(stack, { token, revision: "2026-07-28", headers, body });
  return stream.rest();
}

describe("progress", () => {
  for (const era of ["2025-11-25", "2026-07-28"]) {
    test(`rises in order before the answer, under its token, in ${era}`, async () => {
      const session = era === "2025-11-25" ? await openSession(stack, token) : undefined;
      const events = await eventsOfCall("test_tool_with_progress", { session, meta: { progressToken: "p" } });
      const told = said(events, "notifications/progress");
      assert.deepEqual(told, [0, 50, 100].map((progress) => ({ progressToken: "p", progress, total: 100 })));
      assert.ok(messages(events).at(-1).result, "the answer is the last event");
    });
  }

  test("is not told to a client that gave no token", async () => {
    assert.deepEqual(said(await eventsOfCall("test_tool_with_progress"), "notifications/progress"), []);
  });
});

describe("log messages", () => {
  const texts = ["Tool execution started", "Tool processing data", "Tool execution completed"];
  const logged = (events) => said(events, "notifications/message").map(({ level, data }) => [level, data]);
  const all = texts.map((text) => ["info", text]);

  for (const [level, expected] of [[undefined, all], ["debug", all], ["info", all], ["warning", []], ["emergency", []]]) {
    test(`a session that set ${level ?? "no level"} hears ${expected.length}`, async () => {
      const session = await openSession(stack, token);
      if (level) {
        const { json } = await session.send(request(90, "logging/setLevel", { level }));
        assert.deepEqual(json.result, {});
      }
      assert.deepEqual(logged(await eventsOfCall("test_tool_with_logging", { session })), expected);
    });
  }

  test("the level outlives the object's memory, and an unknown one is refused", async () => {
    const session = await openSession(stack, token);
    await session.send(request(90, "logging/setLevel", { level: "error" }));
    const { json } = await session.send(request(91, "logging/setLevel", { level: "loud" }));
    assert.equal(json.error.code, -32602);
    const { userKey } = await stack.waitForLog(({ tool }) => tool === "connect");
    await stack.evict(userKey);
    assert.deepEqual(logged(await eventsOfCall("test_tool_with_logging", { session })), []);
  });

  for (const [level, heard] of [[undefined, 0], ["info", 3], ["notice", 0]]) {
    test(`a request without a session that names ${level ?? "no level"} hears ${heard}`, async () => {
      const meta = level && { "io.modelcontextprotocol/logLevel": level };
      assert.equal(logged(await eventsOfCall("test_tool_with_logging", { meta })).length, heard);
    });
  }
});

describe("a stream that the server closes in the middle of a call", () => {
  test("is primed, ends without the answer, and is resumed with it, once", async () => {
    const session = await openSession(stack, token);
    const first = await open(stack, { token, session: session.id, body: toolCall(1, "test_reconnection") });
    const events = await first.stream.rest();
    assert.equal(events.length, 1, "the priming event alone");
    assert.ok(events[0].id && events[0].data === "" && events[0].retry);
    const again = await open(stack, { token, session: session.id, lastEventId: events[0].id });
    const [answer, ...more] = messages(await again.stream.rest());
    assert.equal(answer.result.content[0].text, "The stream was resumed.");
    assert.deepEqual([answer.id, more], [1, []]);
  });

  test("is resumed in its own session only", async () => {
    const [own, other] = [await openSession(stack, token), await openSession(stack, token)];
    const first = await open(stack, { token, session: own.id, body: toolCall(1, "test_reconnection") });
    const [{ id }] = await first.stream.rest();
    const { response } = await open(stack, { token, session: other.id, lastEventId: id });
    assert.equal(response.status, 404);
  });
});
