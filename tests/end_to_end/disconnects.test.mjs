// Clients that go away before they have their answer, and come back to ask the same again, as hosts do.
// Holds: a write that was under way or unheard when its client went is joined by the repeat, in any session: one mail.
// Must never: give the repeat the first call's id or key, because a host that reconnects has neither.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";
import { addFault, clearFaults, mailTo, openSession, records, sendOfDraft, toolCall, traces, until } from "./client.mjs";
import { startStack } from "./harness.mjs";

let stack, token;
before(async () => {
  stack = await startStack();
  token = await stack.connect("alice");
});
after(() => stack?.stop());

const openSends = async () =>
  (await records(stack, "graph")).filter(({ path, ended }) => path.endsWith("/send") && ended === "open");

/** Sends one request over a connection of its own; the caller decides how that ends. */
async function sent(session, body) {
  const { hostname, port, host } = new URL(stack.origin);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  socket.on("error", () => {});
  const text = JSON.stringify(body);
  socket.write(
    `POST /mcp HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${token}\r\nMcp-Session-Id: ${session.id}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  );
  return socket;
}

const once = { sent: 1, arrived: 1, drafts: 0 };
const ways = [
  ["resets its connection", (socket) => socket.resetAndDestroy()],
  ["closes its connection", (socket) => socket.destroy()],
];

for (const [title, leave] of ways) {
  describe(`a client that ${title}`, () => {
    test("while the mail is being sent, and repeats it in a new session: it joins the first", async () => {
      const subject = `Joined by one who ${title}`;
      await addFault(stack, { ...sendOfDraft, times: 1, action: { delayMs: 800 } });
      const socket = await sent(await openSession(stack, token), toolCall(1, "sendEmail", mailTo("bob", subject)));
      await until("the send is under way", async () => (await openSends()).length === 1);
      leave(socket);
      const again = await (await openSession(stack, token)).call("sendEmail", mailTo("bob", subject));
      assert.equal(again.isError, false, again.message);
      assert.deepEqual(await traces(stack, subject), once);
      await clearFaults(stack);
    });

    test("and comes back when the mail has left: it hears of the first and sends no second", async () => {
      const subject = `Unheard by one who ${title}`;
      await addFault(stack, { ...sendOfDraft, times: 1, action: { delayMs: 500 } });
      const since = stack.logMark();
      const socket = await sent(await openSession(stack, token), toolCall(1, "sendEmail", mailTo("bob", subject)));
      await until("the send is under way", async () => (await openSends()).length === 1);
      leave(socket);
      await stack.waitForLog(({ tool, state }) => tool === "sendEmail" && state === "done", { since });
      const again = await (await openSession(stack, token)).call("sendEmail", mailTo("bob", subject));
      assert.equal(again.isError, false, again.message);
      assert.deepEqual(await traces(stack, subject), once);
      await clearFaults(stack);
    });
  });
}
