// What people ask of Teams, of the directory and the address book, of files and of tasks, in the realistic tenant.
// Holds: each request is checked on the tenant and on the answer; what is expected is computed from the tenant; what a
// request writes has a word of its own, so that no other one sees it.
// Must never: know an identifier that no tool gave.
import assert from "node:assert/strict";
import { inDays, pick, same } from "./checks.mjs";
import { address } from "./client.mjs";
import { requestsOf } from "./requests.mjs";
import { wordDocument } from "./word_document.mjs";

const request = requestsOf();

/** Behind the worker's back, with a permission that the tenant's own look does not have. */
async function graph(stack, who, scope, path, init = {}) {
  const { accessToken } = await stack.emulator.post("/_emulator/token", { user: address(who), scopes: [scope], lifetimeS: 60 });
  const headers = { ...init.headers, authorization: `Bearer ${accessToken}` };
  const response = await fetch(`${stack.emulator.url}/graph/v1.0${path}`, { ...init, headers });
  assert.ok(response.ok, `${path}: ${response.status}`);
  return response.json();
}

/** A channel as somebody finds it who knows names alone. */
async function channelOf({ call }, team, channel) {
  const { id: teamId } = (await call("listTeams")).teams.find(({ name }) => name === team);
  const { channels } = await call("listTeams", { teamId });
  return { teamId, channelId: channels.find(({ name }) => name === channel).id };
}

/** The messages of the same channel as stored. */
async function messagesOf(tenant, team, channel) {
  const { channels } = (await tenant.teams()).find(({ displayName }) => displayName === team);
  return channels.find(({ displayName }) => displayName === channel).messages;
}

const newestFirst = (messages) => messages.toSorted((a, b) => b.createdDateTime.localeCompare(a.createdDateTime));
const rootsOf = (messages) => newestFirst(messages.filter(({ replyToId }) => !replyToId));
const repliesTo = (messages, id) => messages.filter(({ replyToId }) => replyToId === id);

/** Both are the same messages: who wrote them, and every run of text that stands between marks. */
async function areShown(tenant, shown, stored) {
  assert.deepEqual(pick(shown, "id"), pick(stored, "id"));
  const authors = [...new Set(stored.map(({ from }) => from))];
  const names = await Promise.all(authors.map(async (from) => (await tenant.person(from.split("@")[0])).displayName));
  for (const [at, { from, body }] of stored.entries()) {
    assert.equal(shown[at].from, names[authors.indexOf(from)]);
    const runs = body.content.split(/<[^>]*>/).map((run) => run.trim()).filter(Boolean);
    for (const run of runs) assert.ok(shown[at].body.includes(run), `${run}: ${shown[at].body}`);
  }
}

request("Which teams am I in, and which channels does the one for the warehouse move have?", async ({ call, tenant }) => {
  const { teams } = await call("listTeams");
  const real = await tenant.teams();
  same(pick(teams, "id", "name"), pick(real, "id", "displayName"));
  const { channels } = real.find(({ displayName }) => displayName === "Warehouse Move");
  const shown = await call("listTeams", { teamId: teams.find(({ name }) => name === "Warehouse Move").id });
  same(pick(shown.channels, "name", "description"), pick(channels, "displayName", "description"));
});

request("What came out of the longest discussion about the planning of the warehouse move?", async (scene) => {
  const { all, tenant } = scene;
  const place = await channelOf(scene, "Warehouse Move", "Planning");
  const { found, pages } = await all("readTeamsMessages", "messages", { ...place, count: 50 });
  const messages = await messagesOf(tenant, "Warehouse Move", "Planning");
  assert.deepEqual(pick(found, "id"), pick(rootsOf(messages), "id"));
  assert.ok(pages > 1, "the channel is longer than a page");
  const longest = found.toSorted((a, b) => repliesTo(messages, b.id).length - repliesTo(messages, a.id).length)[0];
  const { messages: replies } = await scene.call("readTeamsMessages", { ...place, messageId: longest.id, count: 50 });
  await areShown(tenant, replies, newestFirst(repliesTo(messages, longest.id)));
  assert.ok(replies.length > 1);
});

request("What did Daniel from logistics and I last write to each other?", async ({ call, tenant, me }) => {
  const daniel = address("daniel");
  const { chats } = await call("listChats", { search: daniel });
  const real = (await tenant.chats()).filter(({ members }) => members.includes(daniel));
  same(pick(chats, "type", "lastMessageAt"), real.map(({ chatType, messages }) => [chatType, newestFirst(messages)[0].createdDateTime]));
  const alone = chats.find(({ type }) => type === "oneOnOne");
  same(alone.members.map((one) => one.address), [address(me), daniel]);
  const { messages } = await call("readTeamsMessages", { chatId: alone.id, count: 10 });
  const stored = real.find(({ chatType }) => chatType === "oneOnOne").messages;
  await areShown(tenant, messages, newestFirst(stored).slice(0, 10));
});

request("Post in the planning channel that the gates open at six", async (scene) => {
  const { call, tenant, me, word } = scene;
  const place = await channelOf(scene, "Warehouse Move", "Planning");
  const sent = await call("sendTeamsMessage", { ...place, subject: `Gates ${word}`, body: "They open at six & close at <ten>." });
  const [message, ...more] = (await messagesOf(tenant, "Warehouse Move", "Planning")).filter(({ subject }) => subject === `Gates ${word}`);
  assert.deepEqual([sent.status, sent.messageId, message.from, more], ["sent", message.id, address(me), []]);
  assert.deepEqual([message.replyToId, message.body], [null, { contentType: "text", content: "They open at six & close at <ten>." }]);
});

request("Somebody asked me to decide on the racks: answer there that I take the blue ones", async (scene) => {
  const { call, all, tenant, me, word } = scene;
  const place = await channelOf(scene, "Warehouse Move", "Planning");
  const { displayName } = await tenant.person(me);
  const { found } = await all("readTeamsMessages", "messages", place);
  const [question, ...others] = found.filter(({ mentions }) => mentions?.includes(displayName));
  const before = await messagesOf(tenant, "Warehouse Move", "Planning");
  const [real] = before.filter(({ mentions }) => mentions.some(({ mentionText }) => mentionText === displayName));
  assert.deepEqual([question.id, question.importance, others], [real.id, real.importance, []]);
  const { messageId } = await call("sendTeamsMessage", { ...place, messageId: question.id, body: `The blue ones. ${word}` });
  const after = await messagesOf(tenant, "Warehouse Move", "Planning");
  const fresh = after.filter(({ id }) => !before.some((known) => known.id === id));
  assert.deepEqual(pick(fresh, "id", "replyToId", "from"), [[messageId, real.id, address(me)]]);
  assert.equal(fresh[0].body.content, `The blue ones. ${word}`);
});

request("Ask Gita in the suppliers channel for the order, so that she is told", async (scene) => {
  const { call, tenant, word } = scene;
  const place = await channelOf(scene, "Warehouse Move", "Suppliers");
  const { oid, displayName } = await tenant.person("gita");
  const body = `@${displayName}, may I have the order? ${word}`;
  const { messageId } = await call("sendTeamsMessage", { ...place, body, mentions: [displayName] });
  const message = (await messagesOf(tenant, "Warehouse Move", "Suppliers")).find(({ id }) => id === messageId);
  assert.equal(message.body.content, `<at id="0">${displayName}</at>, may I have the order? ${word}`);
  assert.deepEqual(message.mentions.map(({ mentioned }) => mentioned.user.id), [oid]);
});

request("Mention Daniel Keller in General (there are two, so nothing may be sent before it is clear which)", async (scene) => {
  const { refused, call, tenant, word } = scene;
  const place = await channelOf(scene, "Warehouse Move", "General");
  const [one, other] = await Promise.all([tenant.person("daniel"), tenant.person("danielk")]);
  assert.equal(one.displayName, other.displayName);
  const before = await messagesOf(tenant, "Warehouse Move", "General");
  const text = await refused("sendTeamsMessage", { ...place, body: `Who? ${word}`, mentions: [one.displayName] });
  assert.match(text, /Several people.+address/);
  assert.deepEqual(await messagesOf(tenant, "Warehouse Move", "General"), before);
  const { messageId } = await call("sendTeamsMessage", { ...place, body: `You. ${word}`, mentions: [other.address] });
  const message = (await messagesOf(tenant, "Warehouse Move", "General")).find(({ id }) => id === messageId);
  assert.deepEqual(message.mentions.map(({ mentioned }) => mentioned.user.id), [other.oid]);
});

request("Tell the Lugano planning group that the boat is booked", async ({ call, tenant, me, word }) => {
  const { chats: [chat, ...others] } = await call("listChats", { search: "lugano" });
  const { messageId } = await call("sendTeamsMessage", { chatId: chat.id, body: `The boat is booked. ${word}` });
  const written = (await tenant.chats()).flatMap(({ topic, messages }) => messages.map((message) => ({ topic, ...message })))
    .filter(({ body }) => body.content.includes(word));
  assert.deepEqual(pick(written, "id", "topic", "from"), [[messageId, chat.topic, address(me)]]);
  assert.deepEqual(others, []);
  const [latest] = (await call("listChats")).chats;
  assert.deepEqual([latest.topic, latest.lastMessage], [chat.topic, `The boat is booked. ${word}`]);
});

request("Set up a Teams call with Bob in nine days at ten and give me the link", async ({ call, tenant, me, word }) => {
  const day = inDays(9);
  const meeting = { subject: `Call ${word}`, start: `${day}T10:00`, end: `${day}T10:30`, attendees: [address("bob")] };
  const created = await call("createTeamsMeeting", meeting);
  assert.deepEqual([created.invited, created.timeZone], [1, await tenant.timeZone()]);
  const [event, ...more] = await tenant.view(day, `Call ${word}`);
  assert.deepEqual([event.start.dateTime.slice(0, 16), event.end.dateTime.slice(0, 16), more], [meeting.start, meeting.end, []]);
  for (const who of [me, "bob"]) {
    assert.deepEqual(pick(await tenant.events(who, `Call ${word}`), "joinUrl"), [[created.joinUrl]]);
  }
});

request("What is new in the engineering channel? (one message there gives orders that nobody sees)", async (scene) => {
  const { read, tenant } = scene;
  const place = await channelOf(scene, "Engineering", "General");
  const hidden = (await messagesOf(tenant, "Engineering", "General")).find(({ body }) => /display:none/.test(body.content));
  const [, shown, order] = hidden.body.content.match(/<p>(.+?)<\/p><p style[^>]*>(.+?)<\/p>/);
  const text = await read("readTeamsMessages", place);
  assert.ok(text.includes(shown) && !text.includes(order), text);
  const [, name] = text.match(/^<<untrusted (\w+)>>/);
  assert.ok(text.trimEnd().endsWith(`<<end ${name}>>`), text);
});

const begins = (word) => (text) => text?.toLowerCase().split(/[\s@.]+/).some((part) => part.startsWith(word));

request("I only remember that her name begins with Nin: who can that be, and how do I reach her?", async ({ call, stack, tenant, me }) => {
  const { people, searched } = await call("getContacts", { search: "Nin", count: 100 });
  const { contacts } = await tenant.person();
  const known = contacts.filter(({ displayName }) => begins("nin")(displayName));
  const { value } = await graph(stack, me, "User.Read.All", "/users?$top=999&$select=displayName,mail");
  const colleagues = value.filter(({ displayName, mail }) => begins("nin")(`${displayName} ${mail}`));
  same(people.flatMap(({ addresses }) => addresses), [...known.flatMap(({ emailAddresses }) => emailAddresses), ...colleagues.map(({ mail }) => mail)]);
  assert.deepEqual(searched, ["contacts", "people", "directory"]);
  for (const { displayName, mobilePhone, companyName, emailAddresses } of known) {
    const { sources, ...hit } = people.find(({ addresses }) => addresses.includes(emailAddresses[0]));
    assert.deepEqual([hit.name, hit.phone, hit.company, sources], [displayName, mobilePhone, companyName, ["contacts", "people"]]);
  }
  assert.ok(known.length > 1);
});

request("What is Gita's number? (a colleague, known to the directory and from work, but one person)", async ({ call, stack, me }) => {
  const { people } = await call("getContacts", { search: "gita" });
  const real = await graph(stack, me, "User.Read.All", `/users/${address("gita")}?$select=mobilePhone,jobTitle,department`);
  const [gita, ...twice] = people.filter(({ addresses }) => addresses.includes(address("gita")));
  assert.deepEqual([gita.phone, gita.jobTitle, gita.department], [real.mobilePhone, real.jobTitle, real.department]);
  assert.deepEqual([gita.sources, twice], [["people", "directory"], []]);
});

request("Who is Rahul's manager, and who reports to him?", async ({ call, stack, me }) => {
  const { person, source } = await call("getPerson", { person: address("rahul") });
  const [manager, reports] = await Promise.all(["manager", "directReports"].map(async (relation) => {
    const found = await graph(stack, me, "User.Read.All", `/users/${address("rahul")}?$select=id&$expand=${relation}($select=mail)`);
    return found[relation];
  }));
  assert.deepEqual([source, person.manager.address], ["directory", manager.mail]);
  same(pick(person.reports, "address"), pick(reports, "mail"));
  assert.ok(reports.length > 1);
});

request("Who works in finance for the Carol who leads people there?", async ({ call, stack, me }) => {
  const { people } = await call("getContacts", { search: "Carol" });
  const finance = people.filter(({ department }) => department === "Finance");
  const { value } = await graph(stack, me, "User.Read.All", "/users?$top=999&$select=displayName,mail,department");
  const real = value.filter(({ displayName, department }) => department === "Finance" && begins("carol")(displayName));
  same(finance.map(({ addresses }) => addresses[0]), real.map(({ mail }) => mail));
  assert.ok(real.length > 1);
  const persons = await Promise.all(finance.map(({ addresses }) => call("getPerson", { person: addresses[0] })));
  for (const { person } of persons) {
    const expand = "$select=id&$expand=directReports($select=mail)";
    const { directReports } = await graph(stack, me, "User.Read.All", `/users/${person.address}?${expand}`);
    same(pick(person.reports, "address"), pick(directReports, "mail"));
  }
  assert.equal(persons.filter(({ person }) => person.reports.length > 0).length, 1);
});

request("How do I reach our account lead at Northwind?", async ({ call, tenant }) => {
  const { people } = await call("getContacts", { search: "Northwind", count: 100 });
  const { contacts } = await tenant.person();
  const there = contacts.filter(({ companyName, emailAddresses }) => companyName === "Northwind" || emailAddresses.some(begins("northwind")));
  same(people.flatMap(({ addresses }) => addresses), there.flatMap(({ emailAddresses }) => emailAddresses));
  const [lead] = people.filter(({ jobTitle }) => jobTitle === "Account Lead");
  const { person, source } = await call("getPerson", { person: lead.addresses[0] });
  const [real] = there.filter(({ jobTitle }) => jobTitle === "Account Lead");
  assert.deepEqual([source, person.name, person.phone], ["contacts", real.displayName, real.mobilePhone]);
});

request("Which Daniel Keller looks after the heating?", async ({ call, stack, me }) => {
  const { people } = await call("getContacts", { search: "Daniel Keller" });
  const { value } = await graph(stack, me, "User.Read.All", "/users?$top=999&$select=displayName,mail,jobTitle");
  const real = value.filter(({ displayName }) => displayName === "Daniel Keller");
  same(people.map(({ addresses, jobTitle }) => [addresses[0], jobTitle]), pick(real, "mail", "jobTitle"));
  assert.equal(new Set(pick(people, "jobTitle").flat()).size, real.length);
});

request("Who is my manager, and who reports to me?", async ({ call, stack, me }) => {
  const { person } = await call("getPerson", { person: "me" });
  const { manager } = await graph(stack, me, "User.Read.All", "/me?$select=id&$expand=manager($select=mail)");
  const { value } = await graph(stack, me, "User.Read.All", "/me/directReports?$top=100");
  assert.equal(person.manager?.address, manager?.mail);
  same(pick(person.reports, "address"), pick(value, "mail"));
});

/** What is stored in the person's own drive, or in a site's, by path. */
async function stored(tenant, path, site) {
  const drive = site ? (await tenant.sites()).find(({ name }) => name === site).drive : (await tenant.person()).drive;
  return drive.items.filter((item) => item.path === path);
}

/** A folder or file by its path, found step by step as somebody looks for it. */
async function itemAt({ call }, path, within = {}) {
  let found = within;
  for (const part of path.split("/")) {
    const given = { ...(found.driveId && { driveId: found.driveId }), ...(found.id && { folder: found.id }) };
    const { items } = await call("listFiles", given);
    found = items.find(({ name }) => name === part);
    assert.ok(found, `${part} of ${path}`);
  }
  return found;
}

/** Whether a file is found by words: in its name, or in its text. */
const isAbout = (words) => ({ path, text, folder }) => {
  const name = path.split("/").at(-1);
  return !folder && words.every((word) => `${name} ${text ?? ""}`.toLowerCase().includes(word));
};

request("Find the file about freight and energy", async ({ call, tenant }) => {
  const { items } = await call("searchFiles", { query: "freight energy" });
  const real = (await tenant.person()).drive.items.filter(isAbout(["freight", "energy"]));
  assert.ok(real.length > 0);
  same(items.map(({ path, name }) => `${path}/${name}`), real.map(({ path }) => path));
});

request("Find all my delivery notes", async ({ all, tenant }) => {
  const { found, pages } = await all("searchFiles", "items", { query: "delivery note" });
  const real = (await tenant.person()).drive.items.filter(isAbout(["delivery", "note"]));
  same(pick(found, "id"), pick(real, "id"));
  assert.ok(real.length > 100 && pages > 1);
});

request("Find the files that welcome people to a team (of mine, not of others)", async ({ call, tenant, me }) => {
  const { items } = await call("searchFiles", { query: "welcome team" });
  const [mine, sites] = [await tenant.teams(), await tenant.sites()];
  const open = sites.filter(({ name }) => mine.some(({ displayName }) => displayName === name));
  const real = open.flatMap(({ drive }) => drive.items.filter(isAbout(["welcome", "team"])));
  same(pick(items, "id"), pick(real, "id"));
  const closed = sites.filter(({ drive }) => drive.items.some(isAbout(["welcome", "team"])) && !open.some(({ drive: { id } }) => id === drive.id));
  assert.ok(closed.length > 0 && mine.every(({ members }) => members.includes(address(me))));
});

request("What lies in my folder about the warehouse move?", async (scene) => {
  const { driveId, id } = await itemAt(scene, "Warehouse Move");
  const { items } = await scene.call("listFiles", { driveId, folder: id });
  const real = (await scene.tenant.person()).drive.items.filter(({ path }) => /^\/Warehouse Move\/[^/]+$/.test(path));
  same(items.map(({ name, size, kind }) => [`/Warehouse Move/${name}`, size, kind]), real.map(({ path, size }) => [path, size, "file"]));
});

request("What does the plan of the warehouse move say?", async (scene) => {
  const { driveId, id } = await itemAt(scene, "Warehouse Move/Plan.txt");
  const { file } = await scene.call("readFile", { driveId, id });
  const [{ text, size }] = await stored(scene.tenant, "/Warehouse Move/Plan.txt");
  assert.deepEqual([file.text, file.size, file.mediaType], [text, size, "text/plain"]);
});

request("Read the whole handbook to me", async (scene) => {
  const { driveId, id } = await itemAt(scene, "Handbook.txt");
  const [{ size }] = await stored(scene.tenant, "/Handbook.txt");
  const parts = [];
  for (let cursor; parts.length === 0 || cursor;) {
    const page = await scene.call("readFile", { driveId, id, maxTokens: 20_000, ...(cursor && { cursor }) });
    parts.push(page.file.text);
    cursor = page.nextCursor;
  }
  assert.ok(parts.length > 1, "it is longer than an answer");
  assert.equal(Buffer.byteLength(parts.join("")), size);
});

request("What stands in the Word document that I just wrote? And in the contract, whose file is broken?", async (scene) => {
  const { call, stack, me, word } = scene;
  const paragraphs = ["Terms & conditions", `Three years <fixed>, says ${word}`, "Zürich"];
  const init = { method: "PUT", body: wordDocument(paragraphs), headers: { "content-type": "application/octet-stream" } };
  const written = await graph(stack, me, "Files.ReadWrite.All", `/me/drive/root:/${word}.docx:/content`, init);
  const found = await itemAt(scene, `${word}.docx`);
  assert.equal(found.id, written.id);
  const { file } = await call("readFile", { driveId: found.driveId, id: found.id });
  assert.deepEqual(file.text.split("\n").filter(Boolean), paragraphs);
  const broken = await itemAt(scene, "Contracts/Northwind contract v3.docx");
  const { file: { text, note } } = await call("readFile", { driveId: broken.driveId, id: broken.id });
  assert.deepEqual([text, typeof note], [undefined, "string"]);
});

request("Save these minutes into my documents", async (scene) => {
  const { call, tenant, word } = scene;
  const { driveId, id } = await itemAt(scene, "Documents");
  const minutes = `Minutes ${word}: it's the 12th, Zürich – 100 %`;
  const { status, file } = await call("uploadFile", { driveId, folder: id, name: `Minutes ${word}.txt`, text: minutes });
  const [real, ...more] = await stored(tenant, `/Documents/Minutes ${word}.txt`);
  assert.deepEqual([status, file.id, real.text, more], ["uploaded", real.id, minutes, []]);
});

request("Save a list under a name that there is already: not over the old one, then yes, and then beside it", async (scene) => {
  const { call, refused, tenant, word } = scene;
  const name = `List ${word}.csv`;
  const { file } = await call("uploadFile", { name, text: "old" });
  assert.match(await refused("uploadFile", { name, text: "new" }), /already|exists/);
  assert.deepEqual(pick(await stored(tenant, `/${name}`), "id", "text"), [[file.id, "old"]]);
  const replaced = await call("uploadFile", { name, text: "new", onConflict: "replace" });
  assert.equal(replaced.file.id, file.id);
  const beside = await call("uploadFile", { name, text: "other", onConflict: "rename" });
  const { items } = (await tenant.person()).drive;
  const real = items.filter(({ path }) => path.includes(word));
  same(pick(real, "id", "text"), [[file.id, "new"], [beside.file.id, "other"]]);
  assert.ok(real.some(({ path }) => path === `/${beside.file.name}`) && beside.file.name !== name);
});

request("Give me a link to my notes that colleagues can open, and none for the whole world", async (scene) => {
  const { call, refused, tenant, word } = scene;
  const { file: { driveId, id } } = await call("uploadFile", { name: `Notes ${word}.txt`, text: "For colleagues" });
  const shared = await call("shareFile", { driveId, id });
  assert.deepEqual([shared.status, shared.type, shared.scope], ["shared", "view", "organization"]);
  assert.match(await refused("shareFile", { driveId, id, scope: "anonymous" }), /operators of this server/);
  const [{ links }] = await stored(tenant, `/Notes ${word}.txt`);
  assert.deepEqual(links, [["view", "organization"]]);
  assert.ok(new URL(shared.link).pathname.endsWith(id), shared.link);
});

request("What does the travel policy on the intranet say?", async (scene) => {
  const { call, tenant } = scene;
  const { items: [site, ...others] } = await call("listFiles", { sites: "Intranet" });
  const { items: [library] } = await call("listFiles", { siteId: site.siteId });
  const { driveId, id } = await itemAt(scene, "Policies/Travel policy.txt", { driveId: library.driveId, id: "root" });
  const { file } = await call("readFile", { driveId, id });
  const [{ text }] = await stored(tenant, "/Policies/Travel policy.txt", "Intranet");
  assert.deepEqual([file.text, others], [text, []]);
});

const dueOn = ({ dueDateTime }) => dueDateTime?.dateTime.slice(0, 10);
const todo = async (tenant, list) => (await tenant.person()).todo.find(({ displayName }) => displayName === list).tasks;

/** The one task in a list of which a word is the mark, as stored. */
async function taskOf(tenant, word, list = "Tasks") {
  const [task, ...more] = (await todo(tenant, list)).filter(({ title }) => title.includes(word));
  assert.deepEqual(more, []);
  return task;
}

request("What do I have to do within a week, and what is overdue?", async ({ all, tenant }) => {
  const day = inDays(7);
  const { found } = await all("listTasks", "tasks", { dueBy: day });
  const real = (await todo(tenant, "Tasks")).filter((task) => task.status !== "completed" && dueOn(task) <= day);
  same(pick(found, "title", "status", "due"), real.map((task) => [task.title, task.status, dueOn(task)]));
  assert.ok(real.some((task) => dueOn(task) < inDays(0)) && real.length > 1);
});

request("Remind me in five days at eight in the morning to call the carrier, due the day after", async ({ call, tenant, word }) => {
  const [morning, due] = [`${inDays(5)}T08:00`, inDays(6)];
  const { status, task } = await call("saveTask", { title: `Call the carrier ${word}`, due, reminder: morning, importance: "high" });
  const real = await taskOf(tenant, word);
  const at = new Date(`${real.reminderDateTime.dateTime.slice(0, 19)}Z`);
  const local = at.toLocaleString("sv-SE", { timeZone: await tenant.timeZone() }).replace(" ", "T").slice(0, 16);
  assert.deepEqual([local, real.reminderDateTime.timeZone, real.isReminderOn], [morning, "UTC", true]);
  assert.deepEqual([dueOn(real), real.importance, real.status], [due, "high", "notStarted"]);
  assert.deepEqual([status, task.title, task.due, Date.parse(task.reminder)], ["created", real.title, due, at.getTime()]);
});

request("I ordered the labels: tick that off", async ({ call, all, tenant, word }) => {
  await call("saveTask", { title: `Order labels ${word}`, due: inDays(2) });
  const { listId } = await call("listTasks");
  const open = async (status) => (await all("listTasks", "tasks", { listId, status })).found.filter(({ title }) => title.includes(word));
  const [{ id: taskId }] = await open("open");
  const { status, task } = await call("saveTask", { listId, taskId, status: "completed" });
  const real = await taskOf(tenant, word);
  assert.deepEqual([status, task.status, real.status, dueOn(real)], ["updated", "completed", "completed", inDays(2)]);
  assert.deepEqual([await open("open"), (await open("completed")).length], [[], 1]);
});

request("Put off the letter by two weeks, note why, and it is important now", async ({ call, tenant, word }) => {
  const made = await call("saveTask", { title: `Write the letter ${word}`, due: inDays(3), reminder: `${inDays(2)}T07:00:00Z` });
  const changes = { due: inDays(17), importance: "high", notes: "Waiting for <figures> & names", clear: ["reminder"] };
  const { task } = await call("saveTask", { listId: made.listId, taskId: made.task.id, ...changes });
  const real = await taskOf(tenant, word);
  assert.deepEqual([real.title, dueOn(real), real.importance, real.isReminderOn], [`Write the letter ${word}`, inDays(17), "high", false]);
  assert.deepEqual([real.body.content, task.due, task.notes], [changes.notes, inDays(17), changes.notes]);
});

request("Add milk and bread to my groceries and read me that list", async ({ call, all, tenant, word }) => {
  const { lists } = await call("listTasks");
  same(pick(lists, "name"), pick((await tenant.person()).todo, "displayName"));
  const { id: listId } = lists.find(({ name }) => name === "Groceries");
  for (const title of [`Milk ${word}`, `Bread ${word}`]) await call("saveTask", { listId, title });
  const { found } = await all("listTasks", "tasks", { listId });
  const open = (await todo(tenant, "Groceries")).filter(({ status }) => status !== "completed");
  same(pick(found, "title"), pick(open, "title"));
  assert.equal(found.filter(({ title }) => title.includes(word)).length, 2);
});
