// Streams that reach the end of their time: they end in good order, and coming back is all that a client has to do.
// Holds: the end is one of the body and not of the connection; between the end and the return nothing is lost.
// Must never: end a stream from here before the server did.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { address, openSession, request, until } from "./client.mjs";
import { open } from "./event_stream.mjs";
import { startStack } from "./harness.mjs";

const inbox = "microsoft://mail/inbox";
const revision = "2026-07-28";
const meta = { "io.modelcontextprotocol/protocolVersion": revision, "io.modelcontextprotocol/clientCapabilities": {} };
let stack, token;
before(async () => {
  // The shortest time that the setting allows.
  stack = await startStack({ settings: { STREAM_LIFETIME_SECONDS: "10" } });
  token = await stack.connect("alice");
});
after(() => stack?.stop());

const arrives = (subject) =>
  stack.emulator.post("/_emulator/mail", { user: address("alice"), message: { subject } });

describe("a stream whose time is over", { concurrency: true }, () => {
  test("ends in good order in a session, and whoever comes back gets what came in between", async () => {
    const session = await openSession(stack, token);
    const { json, text } = await session.send(request(1, "resources/subscribe", { uri: inbox }));
    assert.deepEqual(json.result, {}, text);
    const first = await open(stack, { token, session: session.id });
    await until("Microsoft tells of changes", async () =>
      (await stack.emulator.get("/_emulator/subscriptions")).subscriptions.length === 1);
    await arrives("While the stream was open");
    const events = await first.stream.rest();
    const told = events.filter(({ message }) => message);
    assert.deepEqual(told.map(({ id, message }) => [id, message.params.uri]), [["m.1", inbox]]);
    await arrives("While no stream was open");
    const again = await open(stack, { token, session: session.id, lastEventId: told[0].id });
    assert.equal((await again.stream.next()).data, "", "it begins with an ID alone");
    assert.equal((await again.stream.next()).id, "m.2");
    again.stream.drop();
  });

  test("ends with the answer to its request without a session", async () => {
    const method = "subscriptions/listen";
    const body = request("listen", method, { notifications: { resourceSubscriptions: [inbox] }, _meta: meta });
    const { stream } = await open(stack, { token, revision, headers: { "mcp-method": method }, body });
    const messages = (await stream.rest()).map(({ message }) => message);
    assert.equal(messages[0].method, "notifications/subscriptions/acknowledged");
    const last = messages.at(-1);
    assert.equal(last.id, "listen", JSON.stringify(last));
    assert.ok(last.result, JSON.stringify(last));
  });
});
