// Many calls at once: Outlook's limit of four for each mailbox, the bound of the queue, and neighbours.
// Holds: the mailbox never sees a fifth call, so it never has to refuse one; a full queue says so at once and for how
// long; what one person does costs another nothing.
// Must never: measure a time; the emulator's gauges and the order of its records are what counts.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import {
  addFault, address, clearFaults, mailTo, openSession, openWarmSession, recordMark, records, setEmulator, until,
} from "./client.mjs";
import { startStack } from "./harness.mjs";

let stack, alice, bob;
before(async () => {
  stack = await startStack();
  alice = await openWarmSession(stack, await stack.connect("alice"));
  bob = await openWarmSession(stack, await stack.connect("bob"));
});
after(() => stack?.stop());
beforeEach(async () => {
  await clearFaults(stack);
  await setEmulator(stack, { graphLatencyMs: 0 });
  await stack.emulator.post("/_emulator/concurrency/clear");
});

const many = (count, one) => Promise.all(Array.from({ length: count }, (_, at) => one(at)));
const read = (session) => session.call("getEmails", { count: 1 });
const gauges = () => stack.emulator.get("/_emulator/concurrency");
const ofMailbox = async (name) => (await gauges()).mailboxes[address(name)];
const startedFor = (list, name) => list.filter(({ user }) => user === address(name));
/** What is still under way from an earlier test would count in the next one. */
const idle = () => until("nothing is in flight", async () => (await gauges()).services.graph.inFlight === 0);

describe("a mailbox", () => {
  test("serves sixty parallel calls of one person four at a time, refuses none, and all succeed", async () => {
    // Long enough that four are under way at once on a machine that is busy.
    await setEmulator(stack, { graphLatencyMs: 150 });
    const mark = await recordMark(stack);
    const results = await many(60, () => read(alice));
    for (const { isError, message } of results) assert.equal(isError, false, message);
    assert.deepEqual(await ofMailbox("alice"), { inFlight: 0, maxInFlight: 4 });
    assert.equal((await gauges()).mailboxRefusals, 0);
    assert.equal((await records(stack, "graph", mark)).length, 60);
  });

  test("is asked for its zone by one of a crowd that needs it, and by nobody after an eviction", async () => {
    const since = stack.logMark();
    const dave = await openSession(stack, await stack.connect("dave"));
    const { userKey } = await stack.waitForLog(({ tool }) => tool === "connect", { since });
    await setEmulator(stack, { graphLatencyMs: 30 });
    const mark = await recordMark(stack);
    const crowd = () => many(20, () => dave.call("getEmails", { count: 1 }));
    const results = await crowd();
    await stack.evict(userKey);
    results.push(...(await crowd()));
    for (const { isError, message, structuredContent: shown } of results) {
      assert.equal(isError, false, message);
      assert.ok(shown.timeZone, JSON.stringify(shown));
      assert.equal(shown.timeZoneNote, undefined);
      for (const mail of shown.messages) assert.ok(mail.receivedLocal, JSON.stringify(mail));
    }
    const seen = startedFor(await records(stack, "graph", mark), "dave");
    const zones = seen.filter(({ path }) => path.includes("/mailboxSettings"));
    assert.deepEqual([seen.length, zones.length], [41, 1]);
  });

  test("is the same one for several sessions and clients of a person, writes included", async () => {
    await setEmulator(stack, { graphLatencyMs: 150 });
    const clients = [
      alice,
      await openSession(stack, alice.token),
      await openSession(stack, await stack.connect("alice", { args: ["--client", "other"] })),
    ];
    const results = await many(30, (at) =>
      at % 3 === 0 ? clients[at % 2].call("sendEmail", mailTo("bob", `Parallel ${at}`)) : read(clients[at % 3]),
    );
    for (const { isError, message } of results) assert.equal(isError, false, message);
    assert.deepEqual(await ofMailbox("alice"), { inFlight: 0, maxInFlight: 4 });
    assert.equal((await gauges()).mailboxRefusals, 0);
  });

  test("that narrows to two is met with fewer calls: its refusals are waited out and all succeed", async () => {
    // Somebody else's, because a narrowed gate takes half a minute to be as wide as before.
    const carol = await openWarmSession(stack, await stack.connect("carol"));
    await setEmulator(stack, { graphLatencyMs: 200, mailboxConcurrency: 2 });
    const results = await many(12, () => read(carol));
    await setEmulator(stack, { mailboxConcurrency: 4 });
    for (const { isError, message } of results) assert.equal(isError, false, message);
    const { mailboxRefusals } = await gauges();
    assert.ok(mailboxRefusals > 0 && mailboxRefusals <= 4, `${mailboxRefusals} refusals: the gate did not learn`);
  });
});

describe("a full queue", () => {
  test("is told at once, in words that say when to come back, and what waits is served in the end", async () => {
    // Four calls occupy the mailbox until the rest has been asked; 64 wait; the others are refused.
    await addFault(stack, { service: "graph", method: "GET", times: 4, action: { delayMs: 3000 } });
    const results = await many(80, () => read(alice));
    const refused = results.filter(({ isError }) => isError);
    assert.equal(results.length - refused.length, 68);
    for (const { message } of refused)
      assert.match(message, /^Too many calls of this account are waiting already\. Try again in \d+ s\.$/);
    assert.ok((await ofMailbox("alice")).maxInFlight <= 4);
    assert.equal((await read(alice)).isError, false);
    const busy = stack.logLines().filter(({ outcome }) => outcome === "busy");
    assert.equal(busy.length, refused.length);
    await idle();
  });

  test("refuses large bodies before their number: at most 8 MiB wait", async () => {
    await addFault(stack, { service: "graph", times: 4, action: { delayMs: 2000 } });
    const occupied = many(4, () => read(alice));
    await until("the mailbox is occupied", async () => (await ofMailbox("alice"))?.inFlight === 4);
    const large = mailTo("bob", "Large", { body: "b".repeat(2 * 1024 * 1024) });
    const results = await many(6, (at) => alice.call("sendEmail", { ...large, subject: `Large ${at}` }));
    await occupied;
    const refused = results.filter(({ isError }) => isError);
    assert.equal(refused.length, 3, results.map(({ message }) => message.slice(0, 80)).join("\n"));
    for (const { message } of refused) assert.match(message, /waiting already.*Try again in \d+ s\./);
    await idle();
  });
});

describe("neighbours", () => {
  test("one person's full queue and hanging calls do not hold up another person", async () => {
    await addFault(stack, { service: "graph", method: "GET", times: 4, action: { delayMs: 3000 } });
    const crowd = many(70, () => read(alice));
    await until("alice's mailbox is occupied", async () => (await ofMailbox("alice"))?.inFlight === 4);
    const mark = await recordMark(stack);
    const results = await many(8, () => read(bob));
    for (const { isError, message } of results) assert.equal(isError, false, message);
    // All of bob's calls were served while alice's were still held up.
    const seen = await records(stack, "graph", mark);
    assert.equal(startedFor(seen, "bob").length, 8);
    assert.equal(startedFor(seen, "alice").length, 0);
    await crowd;
    await idle();
  });

  test("two crowds at once: each mailbox four at a time, and all succeed", async () => {
    // Long enough that four overlap on a machine that is busy.
    await setEmulator(stack, { graphLatencyMs: 150 });
    const results = await many(80, (at) => read(at % 2 ? alice : bob));
    for (const { isError, message } of results) assert.equal(isError, false, message);
    for (const name of ["alice", "bob"]) assert.equal((await ofMailbox(name)).maxInFlight, 4);
    assert.equal((await gauges()).mailboxRefusals, 0);
  });

  test("a client with fifty waiting calls does not hold up the same person's second client", async () => {
    const other = await openSession(stack, await stack.connect("alice", { args: ["--client", "second"] }));
    await setEmulator(stack, { graphLatencyMs: 150 });
    const mark = await recordMark(stack);
    const crowd = many(50, () => read(alice));
    await until("the first client's calls wait", async () => (await ofMailbox("alice"))?.inFlight === 4);
    const before = startedFor(await records(stack, "graph", mark), "alice").length;
    assert.equal((await other.call("getEmails", { count: 2 })).isError, false);
    const paths = startedFor(await records(stack, "graph", mark), "alice").map(({ path }) => path);
    const overtaken = paths.findIndex((path) => path.includes("$top=2")) - before;
    await crowd;
    // Of those that started meanwhile some had left before the call arrived; the rest of the crowd was overtaken.
    assert.ok(overtaken >= 0 && overtaken <= 12, `${overtaken} calls of the first client went before it`);
  });
});

describe("cancelling", () => {
  test("a call that waits is called off and never sent; one that left goes on", async () => {
    await addFault(stack, { service: "graph", method: "GET", times: 4, action: { delayMs: 1500 } });
    const occupied = many(4, () => read(alice));
    await until("the mailbox is occupied", async () => (await ofMailbox("alice"))?.inFlight === 4);
    const since = stack.logMark();
    const waiting = alice.call("sendEmail", mailTo("bob", "Called off"), "called off");
    const cancelled = { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: "called off" } };
    await until("it was called off", async () => {
      assert.equal((await alice.send(cancelled)).status, 202);
      return stack.logLines().some(({ outcome }) => outcome === "cancelled");
    });
    const { isError, message } = await waiting;
    assert.equal(isError, true);
    assert.match(message, /cancelled.*before it could have an effect/);
    const line = await stack.waitForLog(({ outcome }) => outcome === "cancelled", { since });
    assert.deepEqual([line.state, line.calls], ["cancelled", 0]);
    for (const { isError: failed } of await occupied) assert.equal(failed, false);
    const inbox = (await stack.emulator.get("/_emulator/state")).users.find((user) => user.address === address("bob"))
      .folders.inbox;
    assert.equal(inbox.filter(({ subject }) => subject === "Called off").length, 0);
  });
});
