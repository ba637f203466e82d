// A deploy in the middle: the worker goes, with every stream of its clients, and another one takes its place.
// Holds: sessions, subscriptions and requests under way outlive it; who comes back to where it was gets each answer once
// and each event once, and a mail that was on its way leaves once.
// Must never: give the worker notice. Cloudflare gives thirty seconds, but what is lost without them is lost in a crash.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import {
  addFault, address, clearFaults, mailTo, openSession, post, records, request, sendOfDraft, toolCall, traces, until,
} from "./client.mjs";
import { open } from "./event_stream.mjs";
import { startStack } from "./harness.mjs";

const inbox = "microsoft://mail/inbox";
const revision = "2026-07-28";
const meta = { "io.modelcontextprotocol/protocolVersion": revision, "io.modelcontextprotocol/clientCapabilities": {} };
let stack, token;
before(async () => {
  stack = await startStack();
  token = await stack.connect("alice");
});
after(() => stack?.stop());
afterEach(() => clearFaults(stack));

const newestAt = async (pathPart) =>
  (await records(stack, "graph")).filter(({ path }) => path.includes(pathPart)).at(-1)?.ended;
const isOpenAt = (pathPart) => async () => (await newestAt(pathPart)) === "open";

/** Ends the worker between what Microsoft did and its hearing of it, starts the next one, and gives what the client finds there. */
async function deployDuring(session, body, pathPart) {
  const { stream } = await open(stack, { token, session: session.id, body });
  const { id: from } = await stream.next();
  await until("the call is with Microsoft", isOpenAt(pathPart));
  process.kill(stack.pid(), "SIGSTOP");
  await until("Microsoft did it", async () => (await newestAt(pathPart)) === "answered");
  await stack.kill();
  await assert.rejects(stream.rest());
  await stack.restart();
  const { response, stream: again } = await open(stack, { token, session: session.id, lastEventId: from });
  assert.equal(response.status, 200);
  const answers = (await again.rest()).filter(({ message }) => message);
  assert.equal(answers.length, 1, "one answer");
  assert.equal(answers[0].message.id, body.id);
  const after = await open(stack, { token, session: session.id, lastEventId: answers[0].id });
  assert.deepEqual(await after.stream.rest(), [], "and no second one");
  return answers[0].message.result;
}

describe("a deploy", () => {
  test("in the middle of a mail: it leaves once, and its client finds out on the stream that it takes up", async () => {
    const subject = "Deployed under the send";
    await addFault(stack, { ...sendOfDraft, times: 1, action: { delayMs: 1_500 } });
    const result = await deployDuring(
      await openSession(stack, token), toolCall(1, "sendEmail", mailTo("bob", subject)), "/send",
    );
    assert.equal(result.structuredContent?.status, "sent", JSON.stringify(result));
    assert.deepEqual(await traces(stack, subject), { sent: 1, arrived: 1, drafts: 0 });
  });

  test("in the middle of a read: its client gets one answer, and the session goes on", async () => {
    const session = await openSession(stack, token);
    await addFault(stack, { service: "graph", method: "GET", pathContains: "/messages", times: 1, action: { delayMs: 3_000 } });
    const result = await deployDuring(session, toolCall(1, "getEmails", { count: 1 }), "/messages");
    // What was read is lost with the worker; what is said is that, or the answer.
    assert.ok(result.structuredContent ?? /again/.test(result.content[0].text), JSON.stringify(result));
    const next = await session.call("getEmails", { count: 1 }, 2);
    assert.equal(next.isError, false, next.message);
  });

  test("loses no event of those who watch, in either era", async () => {
    const session = await openSession(stack, token);
    const watching = await session.send(request(1, "resources/subscribe", { uri: inbox }));
    assert.deepEqual(watching.json.result, {}, watching.text);
    const listen = async () => {
      const body = request("listen", "subscriptions/listen", { notifications: { resourceSubscriptions: [inbox] }, _meta: meta });
      const headers = { "mcp-method": "subscriptions/listen" };
      const { stream } = await open(stack, { token, revision, headers, body });
      await stream.next();
      return stream;
    };
    const { stream } = await open(stack, { token, session: session.id });
    const { id: from } = await stream.next();
    const listening = await listen();
    await until("Microsoft tells of changes", async () =>
      (await stack.emulator.get("/_emulator/subscriptions")).subscriptions.length === 1);
    await stack.restart();
    await Promise.all([stream, listening].map((one) => assert.rejects(one.rest())));
    const [{ stream: again }, listeningAgain] = [await open(stack, { token, session: session.id, lastEventId: from }), await listen()];
    await stack.emulator.post("/_emulator/mail", { user: address("alice"), message: { subject: "After the deploy" } });
    await again.next();
    const [event, told] = [await again.next(), await listeningAgain.next()];
    assert.deepEqual([event.id, event.message.params.uri], ["m.1", inbox]);
    assert.equal(told.message.params.uri, inbox);
    for (const one of [again, listeningAgain]) one.drop();
  });
});

describe("a client without sessions that goes away", () => {
  const call = (id, name, args) => {
    const message = toolCall(id, name, args);
    return { ...message, params: { ...message.params, _meta: meta } };
  };
  const headers = (name) => ({ "mcp-method": "tools/call", "mcp-name": name });

  test("calls its read off: nothing of it is asked of Microsoft any more", async () => {
    await addFault(stack, { service: "graph", method: "GET", pathContains: "/messages", times: 1, action: { delayMs: 2_000 } });
    const since = stack.logMark();
    const { stream } = await open(stack, { token, revision, headers: headers("getEmails"), body: call(1, "getEmails", { count: 1 }) });
    assert.ok(stream, "a late answer is a stream");
    await until("the call is with Microsoft", isOpenAt("/messages"));
    stream.drop();
    const line = await stack.waitForLog(({ tool, outcome }) => tool === "getEmails" && outcome, { since });
    assert.equal(line.outcome, "cancelled", JSON.stringify(line));
  });

  test("leaves its mail on its way, and an equal call hears of it", async () => {
    const subject = "Left by one without a session";
    await addFault(stack, { ...sendOfDraft, times: 1, action: { delayMs: 1_200 } });
    const { stream } = await open(stack, { token, revision, headers: headers("sendEmail"), body: call(2, "sendEmail", mailTo("bob", subject)) });
    await until("the send is under way", isOpenAt("/send"));
    stream.drop();
    const again = await post(stack, { token, revision, headers: headers("sendEmail"), body: call(3, "sendEmail", mailTo("bob", subject)) });
    assert.equal(again.json.result.structuredContent?.status, "sent", again.text);
    assert.deepEqual(await traces(stack, subject), { sent: 1, arrived: 1, drafts: 0 });
  });
});
