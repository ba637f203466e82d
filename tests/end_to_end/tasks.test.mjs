// A search through many pages as a task, on the release: begun, carried over kills and an eviction, fetched,
// called off.
// Holds: what a client was promised is there until it is fetched, whatever becomes of the object in between; nobody else
// sees it.
// Must never: judge by time. A search is held up by the emulator, and goes on when the emulator lets it.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import {
  addFault, address, clearFaults, openSession, openWarmSession, post, recordMark, records, request, requestLines, toolResult, until,
} from "./client.mjs";
import { startStack } from "./harness.mjs";
import { filesOnDisk, ledgerOf } from "./rows.mjs";

const MAILS = 120;
const PAGES = 3;
const secondPage = { service: "graph", method: "GET", pathContains: "skiptoken=50" };

let stack, token, userKey;
before(async () => {
  stack = await startStack();
  token = await stack.connect("alice");
  ({ userKey } = await stack.waitForLog(({ tool }) => tool === "connect"));
  await openWarmSession(stack, token);
  for (let number = 1; number <= MAILS; number += 1) {
    const message = { subject: `Inventory ${number}` };
    await stack.emulator.post("/_emulator/mail", { user: address("alice"), minutesAgo: number, message });
  }
});
after(() => stack?.stop());
beforeEach(() => clearFaults(stack));

let id = 0;
/** One request of the revision without sessions, of a client that knows tasks unless said otherwise. */
async function modern(method, params, { as = token, knowsTasks = true } = {}) {
  const extensions = knowsTasks ? { "io.modelcontextprotocol/tasks": {} } : {};
  const meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": { extensions },
  };
  const headers = { "mcp-method": method, "mcp-name": params.name ?? params.taskId };
  const body = request((id += 1), method, { ...params, _meta: meta });
  return post(stack, { token: as, revision: "2026-07-28", headers, body });
}

const search = (more) => modern("tools/call", { name: "searchEmails", arguments: { subject: "Inventory", all: true } }, more);
const get = async (taskId, more) => (await modern("tasks/get", { taskId }, more)).json;

async function begin() {
  const { json } = await search();
  const { resultType, status, taskId, ttlMs } = json.result;
  assert.deepEqual([resultType, status, ttlMs], ["task", "working", 600_000]);
  return taskId;
}

/** Waits for a task's end, as a client does: by asking. */
async function ended(taskId) {
  return until("the task ended", async () => {
    const { result } = await get(taskId);
    return ["completed", "failed", "cancelled"].includes(result.status) && result;
  });
}

function assertFoundAll({ status, result }) {
  assert.equal(status, "completed");
  assert.equal(result.structuredContent.messages.length, MAILS);
  assert.equal(new Set(result.structuredContent.messages.map((mail) => mail.id)).size, MAILS);
  assert.equal(result.structuredContent.truncated, undefined);
}

const searches = async (after) =>
  (await records(stack, "graph", after)).filter(({ path }) => /messages.*search/.test(path));

/** A task whose second page does not come until the emulator is told otherwise. */
async function heldUp() {
  const mark = await recordMark(stack);
  await addFault(stack, { ...secondPage, action: { hang: true } });
  const taskId = await begin();
  await until("the second page was asked for", async () => (await searches(mark)).length >= 2);
  assert.equal((await get(taskId)).result.status, "working");
  return { taskId, mark };
}

describe("a search through many pages", () => {
  test("is answered with a task at once, and all that it found is fetched, as often as asked for", async () => {
    const mark = await recordMark(stack);
    const taskId = await begin();
    assertFoundAll(await ended(taskId));
    assertFoundAll((await get(taskId)).result);
    assert.equal((await searches(mark)).length, PAGES);
    const line = await stack.waitForRequest(taskId);
    assert.deepEqual([line.tool, line.outcome, line.calls], ["searchEmails", "ok", PAGES]);
  });

  test("goes on after the worker was killed, and is fetched after an eviction and after another kill", async () => {
    const { taskId, mark } = await heldUp();
    await stack.kill();
    await clearFaults(stack);
    await stack.restart();
    assertFoundAll(await ended(taskId));
    assert.equal((await searches(mark)).length, 2 + PAGES, "it began anew, once");
    await stack.evict(userKey);
    assertFoundAll((await get(taskId)).result);
    await stack.restart();
    assertFoundAll((await get(taskId)).result);
  });

  test("ends by itself after a kill, without anybody who asks", async () => {
    const { taskId } = await heldUp();
    await stack.kill();
    await clearFaults(stack);
    const since = stack.logMark();
    await stack.restart();
    // What wakes the object is its own alarm, at the latest when the lost call counts as lost.
    const line = await stack.waitForRequest(taskId, { since, timeout: 50_000 });
    assert.equal(line.outcome, "ok");
    assertFoundAll((await get(taskId)).result);
  });

  test("is called off, and nothing more is asked of Microsoft", async () => {
    const { taskId, mark } = await heldUp();
    const { json } = await modern("tasks/cancel", { taskId });
    assert.deepEqual(Object.keys(json.result).sort(), ["_meta", "resultType"]);
    assert.equal((await get(taskId)).result.status, "cancelled");
    await clearFaults(stack);
    await stack.restart();
    assert.equal((await get(taskId)).result.status, "cancelled");
    assert.equal((await searches(mark)).length, 2);
    assert.equal(requestLines(stack, "searchEmails").at(-1).state, "cancelled");
  });

  test("is seen by nobody else: neither another person nor another client of the same one", async () => {
    const taskId = await begin();
    for (const as of [await stack.connect("bob"), await stack.connect("alice")]) {
      for (const method of ["tasks/get", "tasks/update", "tasks/cancel"]) {
        const { json } = await modern(method, { taskId, inputResponses: {} }, { as });
        assert.equal(json.error.code, -32602, method);
      }
    }
    assertFoundAll(await ended(taskId));
  });

  test("is answered with its result where the client knows no tasks, in both eras", async () => {
    assertFoundAll({ status: "completed", result: toolResult(await search({ knowsTasks: false })) });
    const session = await openSession(stack, token);
    const result = await session.call("searchEmails", { subject: "Inventory", all: true });
    assertFoundAll({ status: "completed", result });
    const { status, json } = await modern("tasks/get", { taskId: "x" }, { knowsTasks: false });
    assert.deepEqual([status, json.error.code], [400, -32021]);
  });

  test("with a header that names another task is refused", async () => {
    const taskId = await begin();
    const meta = {
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientCapabilities": { extensions: { "io.modelcontextprotocol/tasks": {} } },
    };
    const body = request((id += 1), "tasks/get", { taskId, _meta: meta });
    for (const named of [{ "mcp-name": "another" }, {}]) {
      const headers = { "mcp-method": "tasks/get", ...named };
      const { status, json } = await post(stack, { token, revision: "2026-07-28", headers, body });
      assert.deepEqual([status, json.error.code], [400, -32020]);
    }
    assertFoundAll(await ended(taskId));
  });

  test("leaves neither what is searched for nor what was found in clear, on disk or in the log", async () => {
    assertFoundAll(await ended(await begin()));
    const { taskId } = await heldUp();
    await stack.kill();
    const files = filesOnDisk(stack);
    const kept = ledgerOf(stack, userKey);
    await clearFaults(stack);
    await stack.restart();
    assert.ok(files.length > 0 && kept.length > 0);
    for (const { path, bytes } of files) assert.ok(!bytes.includes("Inventory"), path);
    assert.ok(!stack.output().includes("Inventory"));
    assertFoundAll(await ended(taskId));
  });
});
