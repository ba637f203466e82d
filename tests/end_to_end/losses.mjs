// Writes whose answers get lost, so that the worker also sends the requests by which it finds out what happened.
// Holds: each way of finding out is taken at least once; each write took effect once all the same.
// Must never: leave a fault or a setting behind.
import assert from "node:assert/strict";
import { addFault, address, clearFaults, sdkClient, setEmulator } from "./client.mjs";
import { sceneOf } from "./calls.mjs";

const lost = (pathContains) => ({ service: "graph", method: "POST", pathContains, times: 1, action: { dropAfter: true } });

async function call(client, name, args) {
  const result = await client.callTool({ name, arguments: args });
  assert.equal(result.isError, false, JSON.stringify(result.content));
}

/** Mails: a lost draft, a lost send, and a lost mail of somebody who may send but not write drafts. */
async function loseMails(stack, clients, { me, other, word, tenant }) {
  const ways = [
    [clients.all, me, "/me/messages"],
    [clients.all, me, "/send"],
    [clients.few, other, "/me/sendMail"],
  ];
  for (const [client, who, path] of ways) {
    const subject = `Lost ${path} ${word}`;
    await addFault(stack, lost(path));
    await call(client, "sendEmail", { to: [address(other)], subject, body: "x" });
    assert.equal((await tenant.mails(who, "sentitems", subject)).length, 1, subject);
  }
}

/** Events and a meeting: Microsoft gives what is there already, or refuses the repeat so that it has to be looked for. */
async function loseEvents(stack, { all }, { me, day, word, tenant }) {
  const { contents } = await all.readResource({ uri: "microsoft://calendars" });
  const calendars = JSON.parse(contents[0].text).calendars.map(({ id }) => id);
  const times = { start: `${day}T08:00`, end: `${day}T09:00` };
  for (const duplicateTransaction of ["existing", "conflict"]) {
    await setEmulator(stack, { duplicateTransaction });
    for (const calendarId of [undefined, ...calendars]) {
      const subject = `Lost ${duplicateTransaction} ${calendarId} ${word}`;
      await addFault(stack, lost("/events"));
      await call(all, "createCalendarEvent", { subject, ...times, ...(calendarId && { calendarId }) });
      assert.equal((await tenant.events(me, subject)).length, 1, subject);
    }
  }
  const subject = `Lost meeting ${word}`;
  await addFault(stack, lost("/createOrGet"));
  await call(all, "createTeamsMeeting", { subject, ...times, standalone: true });
  assert.equal((await tenant.person()).onlineMeetings.filter((meeting) => meeting.subject === subject).length, 1);
}

/** A file, a link and a task: looked at, made again, looked for. */
async function loseItems(stack, { all }, { word, tenant }) {
  const path = `/Lost ${word}.txt`;
  const files = async () => (await tenant.person()).drive.items.filter((item) => item.path === path);
  await addFault(stack, { ...lost("/content"), method: "PUT" });
  await call(all, "uploadFile", { name: `Lost ${word}.txt`, text: word });
  const [file, ...more] = await files();
  assert.deepEqual([file.text, more], [word, []]);
  await addFault(stack, lost("/createLink"));
  await call(all, "shareFile", { driveId: (await tenant.person()).drive.id, id: file.id });
  assert.deepEqual((await files())[0].links, [["view", "organization"]]);
  const title = `Lost task ${word}`;
  const tasks = async () => (await tenant.person()).todo.flatMap((list) => list.tasks).filter((task) => task.title === title);
  await addFault(stack, lost("/tasks"));
  await call(all, "saveTask", { title });
  assert.equal((await tasks()).length, 1);
}

/** A change and a cancellation of an event: its version tells whether they arrived, and nobody hears of them twice. */
async function loseChanges(stack, { all }, { me, other, day, word, tenant }) {
  const subject = `Lost change ${word}`;
  const times = { start: `${day}T06:00`, end: `${day}T06:30`, attendees: [address(other)] };
  const { structuredContent: { eventId: id } } = await all.callTool({ name: "createCalendarEvent", arguments: { subject, ...times } });
  const heard = async (prefix) => (await tenant.mails(other, "inbox", `${prefix}: ${subject}`)).length;
  await addFault(stack, { ...lost("/me/events/"), method: "PATCH" });
  await call(all, "updateCalendarEvent", { id, start: `${day}T07:00` });
  assert.equal(await heard("Updated"), 1);
  await addFault(stack, lost("/cancel"));
  await call(all, "cancelEvent", { id, comment: "Lost" });
  assert.equal(await heard("Canceled"), 1);
  assert.deepEqual(await tenant.events(me, subject), []);
}

/** Runs all of it as two people. */
export async function loseAnswers(stack) {
  const scene = sceneOf(stack, ["alice", "dave", "bob"]);
  await setEmulator(stack, { deniedScopes: { [address("dave")]: ["Mail.ReadWrite"] } });
  const clients = {
    all: await sdkClient(stack, await stack.connect("alice")),
    few: await sdkClient(stack, await stack.connect("dave")),
  };
  try {
    await loseMails(stack, clients, scene);
    await loseEvents(stack, clients, scene);
    await loseItems(stack, clients, scene);
    await loseChanges(stack, clients, scene);
  } finally {
    await clearFaults(stack);
    await setEmulator(stack, { deniedScopes: {}, duplicateTransaction: "existing" });
    await Promise.all(Object.values(clients).map((client) => client.close()));
  }
}
