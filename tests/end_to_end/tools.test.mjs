// What the one list of calls that every official client runs (calls.mjs) does not show of the tools: corners and losses.
// Holds: the same tests pass over both ways out; what a tool says it did is what the tenant shows.
// Must never: look at the answer alone where the tenant can be asked.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { sdkClient } from "./client.mjs";
import { readWithConsent, withRooms } from "./consented.mjs";
import { startStack } from "./harness.mjs";
import { tenantOf } from "./tenant.mjs";

const tomorrow = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10);

for (const egress of ["ai_run", "custom_provider"]) {
  describe(`over ${egress}`, () => {
    const scene = {};
    before(async () => {
      scene.stack = await startStack({ settings: { EGRESS: egress } });
      scene.client = await sdkClient(scene.stack, await scene.stack.connect("alice"));
    });
    after(async () => {
      await scene.client?.close();
      await scene.stack?.stop();
    });
    toolTests(scene, egress);
    resourceTests(scene);
  });
}

test("rooms and channels are read where an administrator consented", async () => {
  const stack = await startStack({ emulatorArgs: withRooms });
  try {
    await readWithConsent(stack);
  } finally {
    await stack.stop();
  }
});

function caller(scene) {
  return async (name, args = {}) => {
    const result = await scene.client.callTool({ name, arguments: args });
    assert.equal(result.isError, false, JSON.stringify(result.content));
    return result.structuredContent;
  };
}

function toolTests(scene, egress) {
  const call = caller(scene);

  test("quotes in a search cannot leave it", async () => {
    await call("searchEmails", { query: 'x" OR from:"bob' });
  });

  test("getCalendarEvents shows every occurrence, in the mailbox's zone and in UTC", async () => {
    const { events } = await call("getCalendarEvents", { count: 50 });
    assert.ok(events.length > 10, "a page of ten is not the week");
    for (const { start } of events.filter(({ isAllDay }) => !isAllDay)) {
      assert.equal(new Date(start.local).getTime(), new Date(start.utc).getTime());
    }
  });

  test("a lost answer to an event is found out, and there is one event", async () => {
    const subject = `Once ${egress}`;
    const lost = { service: "graph", method: "POST", pathContains: "/me/events", times: 1, action: { dropAfter: true } };
    await scene.stack.emulator.post("/_emulator/faults", lost);
    await call("createCalendarEvent", { subject, start: `${tomorrow}T14:00:00`, end: `${tomorrow}T14:30:00` });
    assert.equal((await tenantOf(scene.stack, "alice").events("alice", subject)).length, 1);
  });

  test("getContacts merges contacts and people, and says where each comes from", async () => {
    const { people: found } = await call("getContacts", { search: "Nina" });
    assert.ok(found.length >= 2);
    for (const { sources } of found) assert.ok(sources.length > 0);
  });
}

function resourceTests(scene) {
  test("a resource that does not exist is -32002", async () => {
    await assert.rejects(scene.client.readResource({ uri: "microsoft://nothing" }), { code: -32002 });
  });
}
