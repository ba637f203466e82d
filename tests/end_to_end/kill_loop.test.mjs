// Thirty writes while workerd dies again and again, at moments that nobody chose.
// Holds: every mail that the client was told of is there, none is there twice, and in the end nothing is unsettled.
// Must never: retry in the client what the server said had left, or the count of duplicates would prove nothing.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { mailTo, openSession, records, request, setEmulator, toolCall, toolResult, until } from "./client.mjs";
import { startStack } from "./harness.mjs";
import { ledgerOf } from "./rows.mjs";

const writes = 30;
const atOnce = 10;
const strikes = 20;
const final = ["done", "failed", "unknown", "cancelled"];
const subject = (number) => `Loop ${number}`;

let stack, session, userKey;
before(async () => {
  stack = await startStack();
  // Slow enough that a kill can hit each of the steps of a write.
  await setEmulator(stack, { graphLatencyMs: 25 });
  session = await openSession(stack, await stack.connect("alice"));
  ({ userKey } = await stack.waitForLog(({ tool }) => tool === "connect"));
});
after(() => stack?.stop());

let kills = 0;
let restarted = Promise.resolve();

/** Kills the worker again and again, each time at some moment after it began to serve, as long as there are writes. */
async function strike(writing) {
  while (kills < strikes && writing.left > 0) {
    await new Promise((done) => setTimeout(done, Math.random() * 150));
    kills += 1;
    restarted = stack.restart();
    await restarted;
  }
}

/** The answer to exactly this request, asked again with the same id as often as the connection dies. */
async function answerTo(message) {
  for (let attempt = 0; attempt < 2 * strikes; attempt += 1) {
    try {
      return toolResult(await session.send(message));
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // only what `fetch` says of a broken connection
      await restarted;
    }
  }
  throw new Error("no answer, although the kills are over");
}

/** Asks until the mail is said to have left. A new id is used only when the server says that nothing left. */
async function insist(number, told) {
  for (let attempt = 0; attempt < 2 * strikes; attempt += 1) {
    const answer = await answerTo(toolCall(`${number}.${attempt}`, "sendEmail", mailTo("bob", subject(number))));
    if (!answer.isError) return;
    told[answer.message] = (told[answer.message] ?? 0) + 1;
    assert.match(answer.message, /not sent|Nothing happened|no effect|could not be found out/);
    // An equal write that is not settled is joined, not sent again.
    if (/could not be found out/.test(answer.message)) await new Promise((done) => setTimeout(done, 300));
  }
  throw new Error(`write ${number} came to no end`);
}

/** The ledger once nothing in it is open; a request wakes the object, as an alarm would later. */
async function settledLedger() {
  return until(
    "every write is settled",
    async () => {
      await session.send(request("wake", "ping"));
      await new Promise((done) => setTimeout(done, 500));
      await stack.kill();
      const ledger = ledgerOf(stack, userKey);
      await stack.restart();
      return ledger.every(({ state }) => final.includes(state)) && ledger;
    },
    60_000,
  );
}

test(`${writes} writes with kills at random moments: none twice, none lost, none unsettled`, async (t) => {
  const told = {};
  const writing = { left: writes };
  let next = 0;
  const lane = async () => {
    while (next < writes) {
      await insist(next++, told);
      writing.left -= 1;
    }
  };
  await Promise.all([strike(writing), ...Array.from({ length: atOnce }, lane)]);
  const { users } = await stack.emulator.get("/_emulator/state");
  const inbox = users.find(({ address }) => address.startsWith("bob")).folders.inbox;
  const arrived = Array.from(
    { length: writes },
    (_, number) => inbox.filter((mail) => mail.subject === subject(number)).length,
  );
  const mails = arrived.reduce((sum, count) => sum + count, 0);
  const duplicates = arrived.filter((count) => count > 1).length;
  const ledger = (await settledLedger()).filter((entry) => entry.writes);
  const sends = (await records(stack, "graph")).filter(
    ({ path, method, status }) => method === "POST" && path.endsWith("/send") && status === 202,
  );
  t.diagnostic(`kills ${kills}, mails ${mails}, duplicates ${duplicates}, sends accepted by Graph ${sends.length}`);
  t.diagnostic(`ledger: ${ledger.length} writes, ${ledger.filter(({ state }) => state === "done").length} done`);
  t.diagnostic(`errors that the client was told: ${JSON.stringify(told)}`);
  assert.deepEqual(
    arrived,
    Array.from({ length: writes }, () => 1),
  );
  assert.equal(duplicates, 0);
  assert.equal(ledger.filter(({ state }) => state === "done").length, mails);
  assert.equal(ledger.filter(({ state }) => !["done", "failed"].includes(state)).length, 0);
});
