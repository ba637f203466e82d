// Many writes, a fifth of them with their answers lost, while workerd dies again and again at moments that nobody chose.
// KILL_LOOP_WRITES=200 makes it two hundred, which takes some minutes.
// Holds: every mail that the client was told of is there, none is there twice, and in the end nothing is unsettled.
// Must never: retry in the client what the server said had left, or the count of duplicates would prove nothing.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  addFault, mailTo, openSession, records, request, sendOfDraft, setEmulator, toolCall, toolResult, until,
} from "./client.mjs";
import { startStack } from "./harness.mjs";
import { ledgerOf } from "./rows.mjs";

const writes = Number(process.env.KILL_LOOP_WRITES ?? 50);
const atOnce = 10;
/** Half as many as writes, so that there are always writes in the middle. */
const strikes = Math.ceil(writes / 2);
const lostAnswers = Math.floor(writes / 5);
const final = ["done", "failed", "unknown", "cancelled"];
const subject = (number) => `Loop ${number}`;

let stack, session, userKey;
before(async () => {
  stack = await startStack();
  // Slow enough that a kill can hit each of the steps of a write.
  await setEmulator(stack, { graphLatencyMs: 25 });
  // Of every five sends one is executed and its answer lost, sooner or later among the five.
  for (let nth = 0; nth < lostAnswers; nth += 1) {
    await addFault(stack, { ...sendOfDraft, skip: nth * 4 + (nth % 3), times: 1, action: { dropAfter: true } });
  }
  session = await openSession(stack, await stack.connect("alice"));
  ({ userKey } = await stack.waitForLog(({ tool }) => tool === "connect"));
});
after(() => stack?.stop());

let kills = 0;
let restarted = Promise.resolve();

/** Kills the worker again and again, each time at some moment after it began to serve, as long as there are writes. */
async function strike(writing) {
  while (kills < strikes && writing.left > 0) {
    await new Promise((done) => setTimeout(done, Math.random() * 600));
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
    assert.match(answer.message, /not sent|Nothing happened|Nothing was sent|no effect|could not be found out/);
    // So many lost answers in a row look like a gateway that is down; who is told to wait waits.
    const [, seconds] = answer.message.match(/Try again in (\d+) s/) ?? [];
    if (seconds) await new Promise((done) => setTimeout(done, seconds * 1000));
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
  const { faults } = await stack.emulator.get("/_emulator/faults");
  const lost = faults.reduce((sum, { applied }) => sum + applied, 0);
  t.diagnostic(`kills ${kills}, lost answers ${lost}, mails ${mails}, duplicates ${duplicates}`);
  t.diagnostic(`sends accepted by Graph ${sends.length}`);
  t.diagnostic(`ledger: ${ledger.length} writes, ${ledger.filter(({ state }) => state === "done").length} done`);
  t.diagnostic(`errors that the client was told: ${JSON.stringify(told)}`);
  assert.deepEqual(
    arrived,
    Array.from({ length: writes }, () => 1),
  );
  assert.equal(duplicates, 0);
  assert.ok(lost > lostAnswers / 2, `${lost} answers were lost`);
  assert.equal(ledger.filter(({ state }) => state === "done").length, mails);
  assert.equal(ledger.filter(({ state }) => !["done", "failed"].includes(state)).length, 0);
});
