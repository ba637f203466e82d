// What people ask of Teams, of the directory and the address book, in the realistic tenant.
// Holds: each request is checked on the tenant and on the answer; what is expected is computed from the tenant; what a
// request writes has a word of its own, so that no other one sees it.
// Must never: know an identifier that no tool gave.
import assert from "node:assert/strict";
import { inDays, pick, same } from "./checks.mjs";
import { address } from "./client.mjs";
import { requestsOf } from "./requests.mjs";

const request = requestsOf();

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

request("Who belongs to the team for the warehouse move?", async ({ all, call, tenant }) => {
  const [team] = (await call("listTeams")).teams.filter(({ name }) => name === "Warehouse Move");
  const { members: real } = (await tenant.teams()).find(({ id }) => id === team.id);
  const { found } = await all("listTeams", "members", { teamId: team.id, members: true });
  same(found.map((one) => one.address), real);
  assert.deepEqual([found.filter(({ isOwner }) => isOwner).length, found.every(({ name }) => name)], [1, true]);
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
  const latest = ({ chatType, messages }) => [chatType, newestFirst(messages)[0].createdDateTime];
  same(pick(chats, "type", "lastMessageAt"), real.map(latest));
  const alone = chats.find(({ type }) => type === "oneOnOne");
  same(alone.members.map((one) => one.address), [address(me), daniel]);
  const { messages } = await call("readTeamsMessages", { chatId: alone.id, count: 10 });
  const stored = real.find(({ chatType }) => chatType === "oneOnOne").messages;
  await areShown(tenant, messages, newestFirst(stored).slice(0, 10));
});

request("Post in the planning channel that the gates open at six", async (scene) => {
  const { call, tenant, me, word } = scene;
  const place = await channelOf(scene, "Warehouse Move", "Planning");
  const [title, content] = [`Gates ${word}`, "They open at six & close at <ten>."];
  const sent = await call("sendTeamsMessage", { ...place, subject: title, body: content });
  const stored = await messagesOf(tenant, "Warehouse Move", "Planning");
  const [message, ...more] = stored.filter(({ subject }) => subject === title);
  assert.deepEqual([sent.status, sent.messageId, message.from, more], ["sent", message.id, address(me), []]);
  assert.deepEqual([message.replyToId, message.body], [null, { contentType: "text", content }]);
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

request("Mention Daniel Keller in General (there are two: nothing may be sent before it is clear which)", async (scene) => {
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
  const clock = ({ dateTime }) => dateTime.slice(0, 16);
  assert.deepEqual([clock(event.start), clock(event.end), more], [meeting.start, meeting.end, []]);
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

request("Her name begins with Nin: who can that be, and how do I reach her?", async ({ call, tenant }) => {
  const { people, searched } = await call("getContacts", { search: "Nin", count: 100 });
  const { contacts } = await tenant.person();
  const known = contacts.filter(({ displayName }) => begins("nin")(displayName));
  const { value } = await tenant.graph("/users?$top=999&$select=displayName,mail");
  const colleagues = value.filter(({ displayName, mail }) => begins("nin")(`${displayName} ${mail}`));
  const addresses = [...known.flatMap(({ emailAddresses }) => emailAddresses), ...colleagues.map(({ mail }) => mail)];
  same(people.flatMap((one) => one.addresses), addresses);
  assert.deepEqual(searched, ["contacts", "people", "directory"]);
  for (const { displayName, mobilePhone, companyName, emailAddresses } of known) {
    const hit = people.find((one) => one.addresses.includes(emailAddresses[0]));
    assert.deepEqual([hit.name, hit.phone, hit.company], [displayName, mobilePhone, companyName]);
    assert.deepEqual(hit.sources, ["contacts", "people"]);
  }
  assert.ok(known.length > 1);
});

request("What is Gita's number? (known to the directory and from work, but one person)", async ({ call, tenant }) => {
  const { people } = await call("getContacts", { search: "gita" });
  const real = await tenant.graph(`/users/${address("gita")}?$select=mobilePhone,jobTitle,department`);
  const [gita, ...twice] = people.filter(({ addresses }) => addresses.includes(address("gita")));
  assert.deepEqual([gita.phone, gita.jobTitle, gita.department], [real.mobilePhone, real.jobTitle, real.department]);
  assert.deepEqual([gita.sources, twice], [["people", "directory"], []]);
});

request("Who is Rahul's manager, and who reports to him?", async ({ call, tenant }) => {
  const { person, source } = await call("getPerson", { person: address("rahul") });
  const [manager, reports] = await Promise.all(["manager", "directReports"].map(async (relation) => {
    const expand = `$select=id&$expand=${relation}($select=mail)`;
    return (await tenant.graph(`/users/${address("rahul")}?${expand}`))[relation];
  }));
  assert.deepEqual([source, person.manager.address], ["directory", manager.mail]);
  same(pick(person.reports, "address"), pick(reports, "mail"));
  assert.ok(reports.length > 1);
});

request("Who works in finance for the Carol who leads people there?", async ({ call, tenant }) => {
  const { people } = await call("getContacts", { search: "Carol" });
  const finance = people.filter(({ department }) => department === "Finance");
  const { value } = await tenant.graph("/users?$top=999&$select=displayName,mail,department");
  const real = value.filter(({ displayName, department }) => department === "Finance" && begins("carol")(displayName));
  same(finance.map(({ addresses }) => addresses[0]), real.map(({ mail }) => mail));
  assert.ok(real.length > 1);
  const persons = await Promise.all(finance.map(({ addresses }) => call("getPerson", { person: addresses[0] })));
  for (const { person } of persons) {
    const expand = "$select=id&$expand=directReports($select=mail)";
    const { directReports } = await tenant.graph(`/users/${person.address}?${expand}`);
    same(pick(person.reports, "address"), pick(directReports, "mail"));
  }
  assert.equal(persons.filter(({ person }) => person.reports.length > 0).length, 1);
});

request("How do I reach our account lead at Northwind?", async ({ call, tenant }) => {
  const { people } = await call("getContacts", { search: "Northwind", count: 100 });
  const { contacts } = await tenant.person();
  const isThere = ({ companyName, emailAddresses }) => [companyName, ...emailAddresses].some(begins("northwind"));
  const there = contacts.filter(isThere);
  same(people.flatMap(({ addresses }) => addresses), there.flatMap(({ emailAddresses }) => emailAddresses));
  const [lead] = people.filter(({ jobTitle }) => jobTitle === "Account Lead");
  const { person, source } = await call("getPerson", { person: lead.addresses[0] });
  const [real] = there.filter(({ jobTitle }) => jobTitle === "Account Lead");
  assert.deepEqual([source, person.name, person.phone], ["contacts", real.displayName, real.mobilePhone]);
});

request("Which Daniel Keller looks after the heating?", async ({ call, tenant }) => {
  const { people } = await call("getContacts", { search: "Daniel Keller" });
  const { value } = await tenant.graph("/users?$top=999&$select=displayName,mail,jobTitle");
  const real = value.filter(({ displayName }) => displayName === "Daniel Keller");
  same(people.map(({ addresses, jobTitle }) => [addresses[0], jobTitle]), pick(real, "mail", "jobTitle"));
  assert.equal(new Set(pick(people, "jobTitle").flat()).size, real.length);
});

request("Who is my manager, and who reports to me?", async ({ call, tenant }) => {
  const { person } = await call("getPerson", { person: "me" });
  const { manager } = await tenant.graph("/me?$select=id&$expand=manager($select=mail)");
  const { value } = await tenant.graph("/me/directReports?$top=100");
  assert.equal(person.manager?.address, manager?.mail);
  same(pick(person.reports, "address"), pick(value, "mail"));
});
