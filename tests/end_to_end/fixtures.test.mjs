// What fixtures say on streams and do as tasks, held to the letter where the official suite is content with less.
// Holds: messages come in order and only as far as they were asked for; a stream that the server closed is resumed and
// carries the answer once; a task asks until it is answered and ends once.
// Must never: judge by time.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { builtEntry } from "../tools/build.mjs";
import { openSession, post, request, toolCall, until } from "./client.mjs";
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

let id = 1_000;
/** One request of the revision without sessions, of a client that shows forms and knows tasks. */
function modern(method, params = {}) {
  const meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": { elicitation: {}, extensions: { "io.modelcontextprotocol/tasks": {} } },
  };
  const named = params.name ?? params.taskId;
  return {
    token, revision: "2026-07-28",
    headers: { "mcp-method": method, ...(named && { "mcp-name": named }) },
    body: request((id += 1), method, { ...params, _meta: meta }),
  };
}
const ask = async (method, params) => (await post(stack, modern(method, params))).json;

test("three calls at a time each hear of themselves on a stream of their own", async () => {
  const session = await openSession(stack, token);
  const heard = await Promise.all([1, 2, 3].map(async (number) => {
    const body = toolCall(number, "test_tool_with_progress");
    body.params._meta = { progressToken: `p${number}` };
    const { stream } = await open(stack, { token, session: session.id, body });
    return stream.rest();
  }));
  heard.forEach((events, at) => {
    const tokens = said(events, "notifications/progress").map(({ progressToken }) => progressToken);
    assert.deepEqual(tokens, Array(3).fill(`p${at + 1}`));
    const answers = messages(events).filter((message) => "result" in message);
    assert.deepEqual(answers.map((answer) => answer.id), [at + 1]);
  });
});

test("a question without a session is a result and no request on a stream", async () => {
  const { result } = await ask("tools/call", { name: "test_streaming_elicitation", arguments: {} });
  assert.equal(result.resultType, "input_required");
  assert.equal(result.inputRequests.user_name.method, "elicitation/create");
});

describe("a task", () => {
  const begin = async (name, args = {}) => {
    const { result } = await ask("tools/call", { name, arguments: args });
    assert.equal(result.resultType, "task", JSON.stringify(result));
    return result.taskId;
  };
  const get = async (taskId) => (await ask("tasks/get", { taskId })).result;
  const ended = (taskId) => until("the task ended", async () => {
    const task = await get(taskId);
    return !["working", "input_required"].includes(task.status) && task;
  });
  const update = async (taskId, inputResponses) => {
    const { result } = await ask("tasks/update", { taskId, inputResponses });
    assert.deepEqual(Object.keys(result).sort(), ["_meta", "resultType"]);
  };
  const accept = (content) => ({ action: "accept", content });

  test("asks for what is still open, over evictions, and takes only answers that fit", async () => {
    const { userKey } = await stack.waitForLog(({ tool }) => tool === "connect");
    const taskId = await begin("multi_input");
    const open = async () => {
      const task = await get(taskId);
      return [task.status, Object.keys(task.inputRequests ?? {}).sort()];
    };
    assert.deepEqual(await open(), ["input_required", ["consent", "name"]]);
    await stack.evict(userKey);
    assert.deepEqual(await open(), ["input_required", ["consent", "name"]]);
    await update(taskId, { name: accept({ name: 7 }), other: accept({}) });
    assert.deepEqual(await open(), ["input_required", ["consent", "name"]]);
    await update(taskId, { name: accept({ name: "Ann" }) });
    await stack.evict(userKey);
    assert.deepEqual(await open(), ["input_required", ["consent"]]);
    await update(taskId, { consent: accept({ confirm: true }) });
    const done = await ended(taskId);
    assert.deepEqual([done.status, done.result.content[0].text], ["completed", "Both were answered."]);
    assert.equal(done.inputRequests, undefined);
  });

  test("that asks can be called off, and then takes no answer any more", async () => {
    const taskId = await begin("confirm_delete", { filename: "a.txt" });
    await ask("tasks/cancel", { taskId });
    await update(taskId, { confirm: accept({ confirm: true }) });
    const { status, result } = await get(taskId);
    assert.deepEqual([status, result], ["cancelled", undefined]);
  });

  test("that is called off while it works is cancelled and nothing else", async () => {
    const taskId = await begin("slow_compute", { seconds: 60, label: "never" });
    await ask("tasks/cancel", { taskId });
    assert.equal((await get(taskId)).status, "cancelled");
  });

  test("ends by itself, and says how, once and for all", async () => {
    const [failing, broken, quick] = [
      await begin("failing_job"), await begin("protocol_error_job"), await begin("slow_compute", { seconds: 0, label: "x" }),
    ];
    const failed = await ended(failing);
    assert.deepEqual([failed.status, failed.result.isError, failed.error], ["completed", true, undefined]);
    const error = await ended(broken);
    assert.deepEqual([error.status, error.error.code, error.result], ["failed", -32603, undefined]);
    const done = await ended(quick);
    assert.deepEqual([done.status, done.result.content[0].text], ["completed", "Computed x in 0 s."]);
    await ask("tasks/cancel", { taskId: quick });
    assert.deepEqual(await get(quick), done);
    assert.ok(Date.parse(done.lastUpdatedAt) >= Date.parse(done.createdAt));
  });
});

// At the end, because the object is not evicted while a stream of theirs stands.
describe("a subscription to changed lists", () => {
  for (const [member, kind, other] of [["toolsListChanged", "tool", "prompt"], ["promptsListChanged", "prompt", "tool"]]) {
    test(`${member} hears of its own list, under its name, and of no other`, async () => {
      const wish = modern("subscriptions/listen", { notifications: { [member]: true } });
      const { stream } = await open(stack, wish);
      const named = { "io.modelcontextprotocol/subscriptionId": wish.body.id };
      const { message: first } = await stream.next();
      assert.equal(first.method, "notifications/subscriptions/acknowledged");
      assert.deepEqual(first.params, { _meta: named, notifications: { [member]: true } });
      await ask("tools/call", { name: `test_trigger_${other}_change`, arguments: {} });
      await ask("tools/call", { name: `test_trigger_${kind}_change`, arguments: {} });
      const { message } = await stream.next();
      assert.equal(message.method, `notifications/${kind}s/list_changed`);
      assert.deepEqual(message.params, { _meta: named });
      stream.drop();
    });
  }
});
