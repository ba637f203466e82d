// Answers that take longer than a moment: they come as a stream, with progress, and can be fetched after a break.
// Holds: an answer that is ready at once is plain JSON; a stream that broke is taken up where it was, by its own
// session alone; each id is answered once, and a write takes effect once, however often its stream breaks.
// Must never: wait for a time instead of for what the worker does.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import {
  addFault, clearFaults, mailTo, openSession, post, records, request, sdkClient, sendOfDraft, toolCall, traces, until,
} from "./client.mjs";
import { open } from "./event_stream.mjs";
import { startStack } from "./harness.mjs";

let stack, token, session;
before(async () => {
  stack = await startStack();
  token = await stack.connect("alice");
  session = await openSession(stack, token);
});
after(() => stack?.stop());
afterEach(() => clearFaults(stack));

const slowRead = { service: "graph", method: "GET", pathContains: "/messages", action: { delayMs: 700 } };
let id = 1_000;
const read = (meta) => {
  const message = toolCall((id += 1), "getEmails", { count: 1 });
  if (meta) message.params._meta = meta;
  return message;
};
const ask = (body, more = {}) => open(stack, { token, session: session.id, body, ...more });
const resume = (lastEventId, more = {}) => open(stack, { token, session: session.id, lastEventId, ...more });

describe("a late answer", () => {
  test("comes as a stream that begins with an ID, while a prompt one is plain JSON", async () => {
    await addFault(stack, slowRead);
    const body = read();
    const { response, stream } = await ask(body);
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("x-accel-buffering"), "no");
    assert.equal(response.headers.get("cache-control"), "no-store");
    const events = await stream.rest();
    assert.equal(events.length, 2, JSON.stringify(events));
    assert.ok(events[0].id && events[0].data === "" && Number(events[0].retry) > 0, JSON.stringify(events[0]));
    assert.equal(events[1].message.id, body.id);
    assert.equal(events[1].message.result.structuredContent.messages.length, 1);
    assert.notEqual(events[1].id, events[0].id);
    await clearFaults(stack);
    const prompt = await ask(request((id += 1), "tools/list"));
    assert.match(prompt.response.headers.get("content-type"), /^application\/json/);
    await prompt.response.arrayBuffer();
  });

  test("begins without an empty event where the revision does not know one", async () => {
    const older = await openSession(stack, token, "2025-06-18");
    await addFault(stack, slowRead);
    const { stream } = await ask(read(), { session: older.id, revision: "2025-06-18" });
    const events = await stream.rest();
    assert.equal(events.length, 1);
    assert.ok(events[0].message.result);
  });

  test("is one JSON text for a client that takes no streams", async () => {
    await addFault(stack, slowRead);
    const answer = await post(stack, { token, session: session.id, body: read(), headers: { accept: "application/json" } });
    assert.ok(answer.json.result, answer.text);
  });

  test("to the official client is an answer like any other, and its progress arrives", async () => {
    const client = await sdkClient(stack, token);
    await addFault(stack, { ...slowRead, times: 1, action: { throttle429: 1 } });
    const told = [];
    const answer = await client.callTool({ name: "getEmails", arguments: { count: 1 } }, undefined, {
      onprogress: (progress) => told.push(progress),
    });
    assert.equal(answer.structuredContent.messages.length, 1);
    assert.ok(told.some(({ message }) => /^Throttled by Microsoft; trying again in \d+ s\.$/.test(message)), JSON.stringify(told));
    await client.close();
  });
});

describe("progress", () => {
  test("is told under the client's token, with numbers that rise, and not after the answer", async () => {
    await addFault(stack, { ...slowRead, times: 2, action: { throttle429: 1 } });
    const { stream } = await ask(read({ progressToken: "p-1" }));
    const events = await stream.rest();
    const told = events.filter(({ message }) => message?.method === "notifications/progress");
    assert.ok(told.length >= 2, JSON.stringify(events));
    assert.ok(told.every(({ message }) => message.params.progressToken === "p-1"));
    const numbers = told.map(({ message }) => message.params.progress);
    assert.deepEqual(numbers, [...new Set(numbers)].sort((a, b) => a - b));
    assert.ok(events.at(-1).message.result);
  });

  test("is not told to a client that did not ask for it", async () => {
    await addFault(stack, { ...slowRead, times: 1, action: { throttle429: 1 } });
    const { stream } = await ask(read());
    assert.equal((await stream.rest()).length, 2);
  });
});

test("many clients of one person ask under the same ids at once, and each gets its own answers alone", async () => {
  // Some are answered at once and some late, in sessions and without, so that every way back is taken at the same time.
  await addFault(stack, { ...slowRead, times: 12, action: { delayMs: 400 } });
  const [revision, name] = ["2026-07-28", "getEmails"];
  const meta = { "io.modelcontextprotocol/protocolVersion": revision, "io.modelcontextprotocol/clientCapabilities": {} };
  const client = async (at) => {
    const own = at % 2 === 0 ? await openSession(stack, token) : undefined;
    for (let round = 1; round <= 3; round += 1) {
      const count = 1 + ((at + round) % 8);
      const body = toolCall(round, name, { count });
      if (!own) body.params._meta = meta;
      const headers = { "mcp-method": "tools/call", "mcp-name": name };
      const answer = own ? await own.send(body) : await post(stack, { token, revision, headers, body });
      assert.equal(answer.json?.id, round, answer.text);
      assert.equal(answer.json.result.structuredContent?.messages.length, count, answer.text);
    }
  };
  await Promise.all(Array.from({ length: 16 }, (_, at) => client(at)));
});

describe("a stream that breaks", () => {
  test("a hundred times: each id is answered once", async () => {
    await addFault(stack, { ...slowRead, action: { delayMs: 400 } });
    const answered = [];
    const one = async () => {
      const body = read();
      const { stream } = await ask(body);
      const opening = await stream.next();
      stream.drop();
      const again = await resume(opening.id);
      assert.equal(again.response.status, 200);
      const events = await again.stream.rest();
      answered.push(...events.filter(({ message }) => message).map(({ message }) => [message.id, Boolean(message.result)]));
      return body.id;
    };
    const asked = [];
    // Four at a time, as many as a mailbox allows.
    await Promise.all([1, 2, 3, 4].map(async () => {
      for (let round = 0; round < 25; round += 1) asked.push(await one());
    }));
    assert.equal(asked.length, 100);
    assert.deepEqual(answered.map(([at]) => at).sort(), asked.sort());
    assert.ok(answered.every(([, isResult]) => isResult));
  });

  test("while a mail is sent: the mail leaves once, and the answer can be fetched later", async () => {
    const subject = "Sent while nobody listened";
    await addFault(stack, { ...sendOfDraft, times: 1, action: { delayMs: 900 } });
    const { stream } = await ask(toolCall((id += 1), "sendEmail", mailTo("bob", subject)));
    const opening = await stream.next();
    stream.drop();
    await until("the mail left", async () => (await traces(stack, subject)).sent === 1);
    const [answer] = (await (await resume(opening.id)).stream.rest()).filter(({ message }) => message);
    assert.equal(answer.message.result.structuredContent.status, "sent");
    // Whoever has the answer gets nothing more.
    assert.deepEqual(await (await resume(answer.id)).stream.rest(), []);
    assert.deepEqual(await traces(stack, subject), { sent: 1, arrived: 1, drafts: 0 });
  });

  test("is not taken up by another session, by another person, or under a made-up name", async () => {
    await addFault(stack, slowRead);
    const { stream } = await ask(read());
    const { id: event } = await stream.next();
    const other = await openSession(stack, token);
    assert.equal((await resume(event, { session: other.id })).response.status, 404);
    const bob = await stack.connect("bob");
    const bobs = await openSession(stack, bob);
    assert.equal((await resume(event, { session: bobs.id, token: bob })).response.status, 404);
    for (const made of ["x", "o.1.MQ", "m.x", event.replace(/\.([^.]*)$/, ".MQ"), `${event}${event}`]) {
      assert.equal((await resume(made)).response.status, 404, made);
    }
    assert.equal((await stream.rest()).length, 1, "the stream itself goes on");
  });

  test("asks for nothing of Microsoft again", async () => {
    await addFault(stack, slowRead);
    const seen = async () => (await records(stack, "graph")).length;
    const before = await seen();
    const { stream } = await ask(read());
    const opening = await stream.next();
    stream.drop();
    await (await resume(opening.id)).stream.rest();
    await (await resume(opening.id)).stream.rest();
    assert.equal(await seen(), before + 1);
  });
});
