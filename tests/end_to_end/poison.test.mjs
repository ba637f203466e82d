// Rows that do not decode: what one person's damaged object does to that person, to others and to itself.
// Holds: that user gets a 503 that says whose fault it is, the log names the table, nothing is written over what
// might be repaired, everyone else is served, and the alarm does not go round in circles.
// Must never: damage a file while a worker has it open.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { mailTo, openSession, post, recordMark, records, request, setEmulator, toolCall, until } from "./client.mjs";
import { startStack } from "./harness.mjs";
import { Operators } from "./operators.mjs";
import { damage, rowsOf } from "./rows.mjs";

/** A fault line for each alarm is allowed, but an alarm that fails must not come back at once. */
const faultsAllowed = 3;
const watchMs = 6000;

const faults = (stack) => stack.logLines().filter(({ event }) => event === "fault");

describe("a damaged row", { concurrency: 3 }, () => {
  for (const table of ["tokens", "ledger", "grants", "sessions", "meta"])
    describe(`in ${table}`, { concurrency: 1 }, () => damaged(table));
});

function damaged(table) {
  let stack, alice, bob, userKey, rowsBefore;
  before(async () => {
    stack = await startStack();
    // A short life, so that an alarm is due while the damage is being watched.
    await setEmulator(stack, { accessTokenLifetimeS: 2 });
    const token = await stack.connect("alice");
    ({ userKey } = await stack.waitForLog(({ tool }) => tool === "connect"));
    alice = await openSession(stack, token);
    assert.equal((await alice.call("sendEmail", mailTo("bob", "Before the damage"))).isError, false);
    await setEmulator(stack, { accessTokenLifetimeS: 3600 });
    bob = await openSession(stack, await stack.connect("bob"));
    await stack.kill();
    assert.ok(damage(stack, userKey, table) > 0, "there was no row to damage");
    rowsBefore = rowsOf(stack, userKey);
    await stack.restart();
  });
  after(() => stack?.stop());

  test("an alarm that meets it does not go round in circles", async () => {
    const since = stack.logMark();
    const mark = await recordMark(stack);
    const fault = await stack.waitForLog(({ event }) => event === "fault", { since: 0 });
    assert.match(fault.fault, new RegExp(`\\b${table}\\b`));
    const seen = faults(stack).length;
    const end = Date.now() + watchMs;
    await until("the watch is over", () => Date.now() > end);
    const more = faults(stack).length - seen;
    assert.ok(more <= faultsAllowed, `${more} more faults in ${watchMs} ms without a request`);
    assert.deepEqual(
      (await records(stack, "entra", mark)).filter(({ user }) => user?.startsWith("alice")),
      [],
    );
    assert.ok(stack.logMark() - since < 50, "the log is flooded");
  });

  test("its user gets 503 with a sentence that says whose fault it is, and the log names the table", async () => {
    const since = stack.logMark();
    for (const body of [
      request(1, "ping"),
      toolCall(2, "getEmails", { count: 1 }),
      toolCall(3, "sendEmail", mailTo("bob", "Into the damage")),
    ]) {
      const answer = await alice.send(body);
      assert.equal(answer.status, 503, answer.text);
      assert.match(answer.json?.error?.message ?? answer.text, /cannot read what it stored.*operators/);
    }
    const fault = await stack.waitForLog(({ event }) => event === "fault", { since });
    assert.match(fault.fault, new RegExp(`\\b${table}\\b`));
    assert.equal((await alice.send(undefined, { method: "DELETE" })).status, 503);
  });

  test("operators see first of all whose object it is, and which table", () => seenByOperators(stack, userKey, table));

  test("connecting again does not write over it", async () => {
    await assert.rejects(stack.connect("alice"), /503/);
    await stack.kill();
    assert.deepEqual(rowsOf(stack, userKey), rowsBefore);
    await stack.restart();
  });

  test("everyone else is served", async () => {
    assert.equal((await bob.call("getEmails", { count: 1 })).isError, false);
    assert.equal((await bob.call("sendEmail", mailTo("alice", `Beside ${table}`))).isError, false);
    assert.equal((await fetch(`${stack.origin}/healthz`)).status, 200);
    assert.equal((await post(stack, { body: request(1, "ping") })).status, 401);
  });
}

async function seenByOperators(stack, userKey, table) {
  const ops = await Operators.of(stack);
  await until("the directory knows", async () => (await ops.get("/fleet")).fleet.unreadable === 1);
  const [{ user, attention, fault }] = (await ops.get("/fleet")).attention.people;
  assert.deepEqual([user, attention[0]], [userKey, "unreadable"]);
  assert.match(fault.fault, new RegExp(`\\b${table}\\b`));
  const { overview } = await ops.get(`/users/${userKey}`);
  assert.equal(overview, null);
  assert.match(await (await ops.raw(`/ops/users/${userKey}`)).text(), new RegExp(table));
  assert.equal((await ops.get(`/users/${userKey}/requests`, 503)).error, "object_unavailable");
}
