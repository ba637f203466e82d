// All nine tools and three resources through the official client, checked on the emulated tenant's state.
// Holds: the same tests pass over both ways out; what a tool says it did is what the tenant shows.
// Must never: look at the answer alone where the tenant can be asked.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { address, sdkClient } from "./client.mjs";
import { startStack } from "./harness.mjs";

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

function caller(scene) {
  return async (name, args = {}) => {
    const result = await scene.client.callTool({ name, arguments: args });
    assert.equal(result.isError, false, JSON.stringify(result.content));
    return result.structuredContent;
  };
}

/** A person's events of a subject, as the tenant has them. */
function calendars(scene) {
  return async (name, subject) => {
    const { users } = await scene.stack.emulator.get("/_emulator/state");
    const person = users.find((user) => user.address === address(name));
    return person.calendars.flatMap(({ events }) => events).filter((event) => event.subject === subject);
  };
}

function toolTests(scene, egress) {
  const [call, eventsOf] = [caller(scene), calendars(scene)];

  test("authenticate says who is connected and with which permissions", async () => {
    const status = await call("authenticate");
    assert.equal(status.connected, true);
    assert.equal(status.account.address, address("alice"));
    assert.deepEqual(status.missingPermissions, []);
  });

  test("searchEmails finds by a word, and quotes in it cannot leave the search", async () => {
    const found = await call("searchEmails", { query: "maintenance" });
    assert.ok(found.messages.some(({ subject }) => /maintenance/i.test(subject)));
    await call("searchEmails", { query: 'x" OR from:"bob' });
  });

  test("getCalendarEvents shows every occurrence, in the mailbox's zone and in UTC", async () => {
    const { events } = await call("getCalendarEvents", { count: 50 });
    assert.ok(events.length > 10, "a page of ten is not the week");
    for (const { start } of events.filter(({ isAllDay }) => !isAllDay)) {
      assert.equal(new Date(start.local).getTime(), new Date(start.utc).getTime());
    }
  });

  test("createCalendarEvent puts one event into both calendars", async () => {
    const subject = `Plan ${egress}`;
    const event = { subject, start: `${tomorrow}T10:00:00`, end: `${tomorrow}T11:00:00`, attendees: [address("bob")] };
    const created = await call("createCalendarEvent", event);
    assert.equal(created.timeZone, "Europe/Zurich");
    assert.equal((await eventsOf("alice", subject)).length, 1);
    assert.equal((await eventsOf("bob", subject)).length, 1);
  });

  test("a lost answer to an event is found out, and there is one event", async () => {
    const subject = `Once ${egress}`;
    const lost = { service: "graph", method: "POST", pathContains: "/me/events", times: 1, action: { dropAfter: true } };
    await scene.stack.emulator.post("/_emulator/faults", lost);
    await call("createCalendarEvent", { subject, start: `${tomorrow}T14:00:00`, end: `${tomorrow}T14:30:00` });
    assert.equal((await eventsOf("alice", subject)).length, 1);
  });

  test("createTeamsMeeting is on the calendar and has a link to join", async () => {
    const subject = `Meeting ${egress}`;
    const meeting = await call("createTeamsMeeting", { subject, start: `${tomorrow}T12:00:00`, end: `${tomorrow}T12:30:00` });
    assert.match(meeting.joinUrl, /^https:\/\//);
    assert.equal((await eventsOf("alice", subject)).length, 1);
  });

  test("getContacts merges contacts and people, and says where each comes from", async () => {
    const { people: found } = await call("getContacts", { search: "Nina" });
    assert.ok(found.length >= 2);
    for (const { sources } of found) assert.ok(sources.length > 0);
  });

  test("sendTeamsMessage posts to the channel that the teams resource names", async () => {
    const { contents } = await scene.client.readResource({ uri: "microsoft://teams" });
    const [team] = JSON.parse(contents[0].text).teams;
    const text = `Posted over ${egress}`;
    const sent = await call("sendTeamsMessage", { teamId: team.id, channelId: team.channels[0].id, body: text });
    assert.equal(sent.status, "sent");
    const { teams } = await scene.stack.emulator.get("/_emulator/state");
    assert.ok(JSON.stringify(teams).includes(text));
  });
}

function resourceTests(scene) {
  test("the three resources are listed and read as JSON", async () => {
    const { resources } = await scene.client.listResources();
    const uris = resources.map(({ uri }) => uri);
    assert.deepEqual(uris, ["microsoft://profile", "microsoft://calendars", "microsoft://teams"]);
    for (const uri of uris) {
      const { contents } = await scene.client.readResource({ uri });
      assert.equal(contents[0].mimeType, "application/json");
      assert.ok(JSON.parse(contents[0].text));
    }
  });

  test("a resource that does not exist is -32002", async () => {
    await assert.rejects(scene.client.readResource({ uri: "microsoft://nothing" }), { code: -32002 });
  });
}
