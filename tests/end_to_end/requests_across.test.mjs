// What people ask that takes several tools at once, and what operators or a narrower sign-in rule out.
// Holds: each request is checked on the tenant and on the answer; what is expected is computed from the tenant; what a
// request writes has a word of its own, so that no other one sees it.
// Must never: know an identifier that no tool gave.
import assert from "node:assert/strict";
import { test } from "node:test";
import { inDays, pick, same } from "./checks.mjs";
import { address, recordMark, records, sdkClient, setEmulator } from "./client.mjs";
import { startStack } from "./harness.mjs";
import { requestsOf } from "./requests.mjs";
import { tenantOf } from "./tenant.mjs";

const request = requestsOf();

/** The mail of a subject as a search finds it, and as it is stored. */
async function mailOf({ call, tenant }, subject) {
  const { messages } = await call("searchEmails", { subject });
  // Answers to it are found as well, and newer.
  const found = messages.find((message) => message.subject.endsWith(subject));
  const { inbox } = (await tenant.person()).folders;
  return { found, real: inbox.find((message) => message.subject === subject) };
}

request("Find the discussion about the date of the warehouse move and invite everybody who takes part", async (scene) => {
  const { call, all, tenant, me, word } = scene;
  const { found } = await mailOf(scene, "Warehouse move: the date");
  const thread = await all("readEmail", "messages", { id: found.id, thread: true });
  const involved = thread.found.flatMap(({ from, to, cc = [] }) => [from, ...to, ...cc]).map((one) => one.address);
  const attendees = [...new Set(involved)].filter((one) => one !== address(me));
  const { folders } = await tenant.person();
  const isOfIt = ({ subject }) => subject.endsWith("Warehouse move: the date");
  const stored = [...folders.inbox, ...folders.sentitems].filter(isOfIt);
  assert.equal(thread.found.length, stored.length);
  const everybody = new Set(stored.flatMap(({ from, to, cc }) => [from, ...to, ...cc]));
  same([address(me), ...attendees], [...everybody]);
  const day = inDays(12);
  const meeting = { subject: `Date of the move ${word}`, start: `${day}T16:00`, end: `${day}T16:45`, attendees };
  const created = await call("createTeamsMeeting", meeting);
  assert.equal(created.invited, attendees.length);
  for (const who of [me, ...attendees.map((one) => one.split("@")[0])]) {
    assert.deepEqual(pick(await tenant.events(who, meeting.subject), "joinUrl"), [[created.joinUrl]], who);
  }
});

request("Mail Frank a link to the budget for 2027, which he may only look at", async ({ call, tenant, word }) => {
  const { items } = await call("searchFiles", { query: "Budget 2027" });
  const [file, ...others] = items.filter(({ name }) => name.startsWith("Budget 2027"));
  const { link, type } = await call("shareFile", { driveId: file.driveId, id: file.id });
  const { people } = await call("getContacts", { search: "Frank" });
  const [frank] = people.filter(({ jobTitle }) => /Financial Officer/.test(jobTitle));
  const subject = `Budget ${word}`;
  await call("sendEmail", { to: frank.addresses, subject, body: `Here it is: ${link}` });
  const [real] = (await tenant.person()).drive.items.filter(({ path }) => path === `${file.path}/${file.name}`);
  assert.deepEqual([real.id, real.links, type, others], [file.id, [["view", "organization"]], "view", []]);
  const [mail, ...more] = await tenant.mails("frank", "inbox", subject);
  assert.ok(mail.body.includes(link), mail.body);
  assert.deepEqual(more, []);
});

request("Make a task of the mail about the lease addendum, for the day after tomorrow", async (scene) => {
  const { call, tenant, word } = scene;
  const { found, real } = await mailOf(scene, "Signature needed: lease addendum");
  const { messages: [mail] } = await call("readEmail", { id: found.id });
  assert.equal(mail.importance, real.importance);
  const [title, due] = [`${mail.subject} ${word}`, inDays(2)];
  const { task } = await call("saveTask", { title, due, notes: mail.body, importance: mail.importance });
  const tasks = (await tenant.person()).todo.flatMap((list) => list.tasks).filter((one) => one.title === title);
  assert.deepEqual(pick(tasks, "title", "importance"), [[title, real.importance]]);
  const lines = (text) => text.split(/\s*\r?\n\s*/).filter(Boolean);
  assert.deepEqual(lines(tasks[0].body.content), lines(real.body));
  assert.deepEqual([task.due, tasks[0].dueDateTime.dateTime.slice(0, 10)], [due, due]);
});

/** What keeps somebody from a meeting, in milliseconds. */
async function busyTimes(stack, who, [from, to]) {
  const range = new URLSearchParams({ startDateTime: `${from}T00:00:00Z`, endDateTime: `${to}T00:00:00Z`, $top: "500" });
  const { value } = await tenantOf(stack, who).graph(`/me/calendarView?${range}`);
  const busy = value.filter(({ showAs, isCancelled }) => showAs !== "free" && !isCancelled);
  return busy.map(({ start, end }) => [start, end].map(({ dateTime }) => Date.parse(`${dateTime.slice(0, 19)}Z`)));
}

request("When do all who chat about the rack delivery have an hour next week?", async ({ call, stack, tenant, me }) => {
  const { chats: [chat] } = await call("listChats", { search: "rack delivery" });
  const members = chat.members.map((one) => one.address);
  same(members, (await tenant.chats()).find(({ topic }) => topic === chat.topic).members);
  const attendees = members.filter((one) => one !== address(me));
  const [start, end] = [inDays(1), inDays(8)];
  const { suggestions } = await call("findTimes", { attendees, start, end, durationMinutes: 60, count: 3 });
  assert.equal(suggestions.length, 3);
  const busy = await Promise.all(members.map((one) => busyTimes(stack, one.split("@")[0], [inDays(0), inDays(10)])));
  assert.equal(suggestions[0].confidence, 100, "the first one suits everybody");
  for (const { start: { utc: from }, end: { utc: to }, attendees: answers } of suggestions) {
    assert.equal(Date.parse(to) - Date.parse(from), 3_600_000);
    const isFree = (times) => times.every(([begins, ends]) => begins >= Date.parse(to) || ends <= Date.parse(from));
    assert.ok(isFree(busy[members.indexOf(address(me))]), "the person's own time is taken");
    const expected = attendees.map((one) => [one, isFree(busy[members.indexOf(one)]) ? "free" : "busy"]);
    assert.deepEqual(pick(answers, "address", "availability"), expected);
  }
});

request("Put the programme that Helena sent into my documents", async (scene) => {
  const { call, tenant, word } = scene;
  const { found, real } = await mailOf(scene, "Offsite in Lugano: final programme");
  const { messages: [mail] } = await call("readEmail", { id: found.id });
  const { id } = mail.attachments.find(({ contentType }) => contentType === "text/plain");
  const { attachment } = await call("getAttachment", { messageId: found.id, attachmentId: id });
  const { items } = await call("listFiles");
  const documents = items.find(({ name }) => name === "Documents");
  const name = `${word} ${attachment.name}`;
  await call("uploadFile", { driveId: documents.driveId, folder: documents.id, name, text: attachment.text });
  const { value } = await tenant.graph(`/me/messages/${real.id}/attachments`);
  const sent = value.find(({ contentType }) => contentType === "text/plain");
  const [file] = (await tenant.person()).drive.items.filter(({ path }) => path === `/Documents/${name}`);
  assert.equal(file.text, Buffer.from(sent.contentBytes, "base64").toString());
});

request("What waits for me: unread mail, today's meetings, what is due? (and change nothing)", async (scene) => {
  const { call, all, stack, tenant } = scene;
  const before = await tenant.person();
  await setEmulator(stack, { refuseWrites: true });
  try {
    const { messages } = await call("getEmails", { unread: true, count: 20 });
    const unread = before.folders.inbox.filter(({ isRead }) => !isRead).map((mail) => mail.receivedDateTime);
    assert.deepEqual(messages.map(({ receivedAt }) => receivedAt), unread.toSorted().toReversed().slice(0, 20));
    const today = inDays(0);
    const { found } = await all("getCalendarEvents", "events", { start: today, end: today, timeZone: "UTC" });
    const day = new URLSearchParams({ startDateTime: `${today}T00:00:00Z`, endDateTime: `${today}T23:59:59Z`, $top: "100" });
    same(pick(found, "subject"), pick((await tenant.graph(`/me/calendarView?${day}`)).value, "subject"));
    const { tasks } = await call("listTasks", { dueBy: today });
    const due = before.todo.find(({ kind }) => kind === "defaultList").tasks
      .filter(({ status, dueDateTime }) => status !== "completed" && dueDateTime?.dateTime.slice(0, 10) <= today);
    same(pick(tasks, "title"), pick(due, "title"));
  } finally {
    await setEmulator(stack, { refuseWrites: false });
  }
  assert.deepEqual((await stack.emulator.get("/_emulator/state")).refusedWrites, []);
  assert.deepEqual(await tenant.person(), before);
});

request("Read my notes as an assistant that may only read, and try to share and to post", async ({ stack, tenant, me }) => {
  const scopes = "profile files.read teams.read";
  const reader = await sdkClient(stack, await stack.connect(me, { args: ["--client", "reader", "--scopes", scopes] }));
  try {
    const { structuredContent } = await reader.callTool({ name: "searchFiles", arguments: { query: "supplier tidy" } });
    const [{ id, driveId }] = structuredContent.items;
    const { structuredContent: { file } } = await reader.callTool({ name: "readFile", arguments: { id, driveId } });
    const before = await tenant.person();
    assert.equal(file.text, before.drive.items.find((item) => item.id === id).text);
    const { structuredContent: { chats: [chat] } } = await reader.callTool({ name: "listChats", arguments: {} });
    const mark = await recordMark(stack);
    for (const [scope, name, given] of [
      ["files.write", "shareFile", { id, driveId }],
      ["files.write", "uploadFile", { name: "Written.txt", text: "x" }],
      ["teams.send", "sendTeamsMessage", { chatId: chat.id, body: "Written" }],
      ["mail.send", "sendEmail", { to: [address("bob")], subject: "Written", body: "x" }],
    ]) {
      await assert.rejects(reader.callTool({ name, arguments: given }), new RegExp(scope.replace(".", "\\.")), name);
    }
    assert.deepEqual(await records(stack, "graph", mark), []);
    assert.deepEqual(await tenant.person(), before);
  } finally {
    await reader.close();
  }
});

test("Send our numbers to somebody outside, where the operators keep mail, invitations and links inside", async () => {
  const rules = { internalDomains: ["contoso.example"], denyRecipients: ["external"] };
  const policy = ({ emulator }) => ({ POLICY: JSON.stringify({ ...rules, fileHosts: [new URL(emulator).host] }) });
  const stack = await startStack({ settings: policy, emulatorArgs: ["--tenant", "realistic"] });
  const client = await sdkClient(stack, await stack.connect("alice"));
  try {
    const tenant = tenantOf(stack, "alice");
    const before = await tenant.person();
    const partner = before.contacts.find(({ companyName }) => companyName === "Northwind").emailAddresses[0];
    const body = "Our numbers";
    const found = await client.callTool({ name: "searchFiles", arguments: { query: "Budget 2027" } });
    const [file] = found.structuredContent.items;
    const day = inDays(9);
    for (const [name, given] of [
      ["sendEmail", { to: [address("bob")], bcc: [partner], subject: body, body }],
      ["draftEmail", { to: [partner], subject: body, body }],
      ["createTeamsMeeting", { subject: body, start: `${day}T10:00`, end: `${day}T11:00`, attendees: [partner] }],
      ["shareFile", { driveId: file.driveId, id: file.id, scope: "anonymous" }],
    ]) {
      const { isError, content } = await client.callTool({ name, arguments: given });
      assert.equal(isError, true, name);
      assert.match(content[0].text, /operators of this server/, name);
      assert.ok(!content[0].text.includes(partner), content[0].text);
    }
    assert.deepEqual(await tenant.person(), before);
    const allowed = await client.callTool({ name: "sendEmail", arguments: { to: [address("bob")], subject: body, body } });
    assert.notEqual(allowed.isError, true, JSON.stringify(allowed.content));
    assert.equal((await tenant.mails("bob", "inbox", body)).length, 1);
  } finally {
    await client.close();
    await stack.stop();
  }
});
