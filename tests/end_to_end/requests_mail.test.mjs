// Twenty things that people ask about their mail, in a mailbox of three thousand mails and two years.
// Holds: what is expected is computed from the tenant; what is sent or changed has a word in it that nobody else used.
// Must never: write an answer down.
import assert from "node:assert/strict";
import { inDays, pick, same } from "./checks.mjs";
import { address } from "./client.mjs";
import { requestsOf } from "./requests.mjs";
import { tenantOf } from "./tenant.mjs";

const request = requestsOf("alice");

const everywhere = async (tenant) => Object.values((await tenant.person()).folders).flat();
const mentions = (word) => ({ subject, body }) => `${subject} ${body}`.toLowerCase().includes(word);
const newestFirst = (a, b) => b.receivedDateTime.localeCompare(a.receivedDateTime);
const stored = (mails) => pick(mails, "receivedDateTime", "subject");
/** A mail without a subject is shown without one. */
const shown = (mails) => mails.map(({ receivedAt, subject = "" }) => [receivedAt, subject]);

/** The one mail of a subject, wherever it lies. */
async function only(tenant, subject) {
  const [mail, ...more] = (await everywhere(tenant)).filter((one) => one.subject === subject);
  assert.ok(mail && more.length === 0, `${subject}: ${more.length + (mail ? 1 : 0)} mails`);
  return mail;
}

/** Each attachment of a mail as Graph has it, with its bytes. */
async function attachmentsOf({ graph }, id) {
  const { value } = await graph(`/me/messages/${id}/attachments`, { prefer: 'IdType="ImmutableId"' });
  return value.map((one) => ({ ...one, bytes: Buffer.from(one.contentBytes ?? "", "base64") }));
}

/** Puts a mail into the inbox; the answer is the mail as stored. */
const arrive = (stack, me, subject, body, more = {}) => stack.emulator.post("/_emulator/mail", {
  user: address(me), minutesAgo: 3, message: { subject, body: { contentType: "html", content: body }, ...more },
});

request("What did the one who writes most about the forecast say in that month?", async ({ all, tenant, me }) => {
  const about = (await everywhere(tenant)).filter(mentions("forecast")).filter(({ from }) => from !== address(me));
  const month = ({ from, receivedDateTime }) => `${from} ${receivedDateTime.slice(0, 7)}`;
  const groups = Object.values(Object.groupBy(about, month)).toSorted((a, b) => b.length - a.length);
  const [[{ from, receivedDateTime }]] = groups;
  const after = `${receivedDateTime.slice(0, 7)}-01`;
  const next = new Date(`${after}T00:00:00Z`);
  next.setUTCMonth(next.getUTCMonth() + 1);
  const before = next.toISOString().slice(0, 10);
  const { found } = await all("searchEmails", "messages", { query: "forecast", from, after, before, count: 50 });
  same(shown(found), stored(groups[0]));
  assert.ok(found.every((mail) => mail.from.address === from));
});

request("Show me everything in my inbox that I have not read", async ({ all, tenant }) => {
  const unread = (await tenant.person()).folders.inbox.filter(({ isRead }) => !isRead);
  const { found, pages } = await all("getEmails", "messages", { unread: true, count: 7 });
  assert.ok(pages > 2, "one page is no paging");
  same(shown(found), stored(unread));
  assert.equal(new Set(found.map(({ id }) => id)).size, found.length);
  assert.deepEqual(pick(found, "receivedAt"), pick(unread.toSorted(newestFirst), "receivedDateTime"));
});

request("When did these come in, by my own clock?", async ({ call, tenant }) => {
  const zone = await tenant.timeZone();
  const { messages: [newest], timeZone } = await call("getEmails", { count: 1 });
  const found = await call("searchEmails", { subject: newest.subject, count: 1 });
  const read = await call("readEmail", { id: newest.id });
  for (const { timeZone: named, messages: [mail] } of [{ timeZone, messages: [newest] }, found, read]) {
    assert.equal(named, zone);
    assert.equal(Date.parse(mail.receivedLocal), Date.parse(mail.receivedAt));
    assert.match(mail.receivedAt, /Z$/);
    assert.match(mail.receivedLocal, /[+-]\d\d:\d\d$/);
  }
});

request("Go through all that I ever filed under Suppliers", async ({ call, all, tenant }) => {
  const { folders } = await call("listMailFolders", { parent: "inbox" });
  const { id, total } = folders.find(({ name }) => name === "Suppliers");
  const filed = (await tenant.person()).folders["inbox/Suppliers"];
  assert.equal(total, filed.length);
  const { found } = await all("getEmails", "messages", { folder: id, count: 50 });
  same(shown(found), stored(filed));
  assert.equal(new Set(found.map((mail) => mail.id)).size, filed.length);
});

request("How many mails are in each of my folders, and how many are unread?", async ({ call, tenant }) => {
  const { folders: real } = await tenant.person();
  const counted = (mails) => [mails.length, mails.filter(({ isRead }) => !isRead).length];
  const { folders } = await call("listMailFolders");
  const well = { Inbox: "inbox", "Sent Items": "sentitems", Drafts: "drafts", Archive: "archive", Travel: "Travel" };
  for (const [name, key] of Object.entries(well)) {
    const { total, unread } = folders.find((one) => one.name === name);
    assert.deepEqual([total, unread], counted(real[key]), name);
  }
  const below = (await call("listMailFolders", { parent: "inbox" })).folders;
  const names = Object.keys(real).filter((key) => /^inbox\/[^/]+$/.test(key)).map((key) => key.slice("inbox/".length));
  same(below.map(({ name }) => name), names);
  for (const { name, total, unread } of below) assert.deepEqual([total, unread], counted(real[`inbox/${name}`]), name);
  const projects = below.find(({ name }) => name === "Projects");
  assert.equal(projects.subfolders, Object.keys(real).filter((key) => key.startsWith("inbox/Projects/")).length);
});

request("Which mails of customers in the last twelve months have files?", async ({ call, all, tenant }) => {
  const after = inDays(-365);
  const { folders } = await call("listMailFolders", { parent: "inbox" });
  const { id } = folders.find(({ name }) => name === "Customers");
  const filed = (await tenant.person()).folders["inbox/Customers"];
  const wanted = filed.filter(({ attachments, receivedDateTime }) => attachments > 0 && receivedDateTime >= after);
  assert.ok(wanted.length > 0);
  const { found } = await all("searchEmails", "messages", { folder: id, hasAttachments: true, after, count: 50 });
  same(shown(found), stored(wanted));
  assert.ok(found.every(({ hasAttachments }) => hasAttachments));
});

request("Summarise the discussion about the date of the warehouse move", async ({ call, all, tenant }) => {
  const thread = (await everywhere(tenant)).filter(({ subject }) => /^(RE: )?Warehouse move: the date$/.test(subject));
  const { messages } = await call("searchEmails", { subject: "Warehouse move: the date", count: 1 });
  const { found } = await all("readEmail", "messages", { id: messages[0].id, thread: true });
  assert.deepEqual(shown(found), stored(thread.toSorted(newestFirst)));
  const visible = (html) => html.replaceAll(/<[^>]+>/g, "").trim();
  const bodies = new Map(thread.map(({ receivedDateTime, body }) => [receivedDateTime, visible(body)]));
  for (const { receivedAt, body } of found) assert.equal(body, bodies.get(receivedAt));
});

request("Write to Bob, copy Carol, blind copy Dave, and attach my notes", async ({ call, stack, tenant, me, word }) => {
  const subject = `Notes of today ${word}`;
  const text = `First: ${word}\nSecond: Zürich – 18 °C`;
  const [to, cc, bcc] = ["bob", "carol", "dave"].map((name) => [address(name)]);
  const attachments = [{ name: "notes.txt", contentType: "text/plain", text }];
  const sent = await call("sendEmail", { to, cc, bcc, subject, body: "As promised.", attachments });
  assert.deepEqual([sent.status, sent.recipients], ["sent", 3]);
  const [copy, ...more] = await tenant.mails(me, "sentitems", subject);
  assert.deepEqual([copy.immutableId, copy.to, copy.cc, copy.bcc, more], [sent.messageId, to, cc, bcc, []]);
  for (const name of ["bob", "carol", "dave"]) {
    const [mail, ...twice] = await tenant.mails(name, "inbox", subject);
    assert.deepEqual([mail.body, mail.to, mail.cc, mail.bcc, twice], ["As promised.", to, cc, [], []]);
    const [file, ...files] = await attachmentsOf(tenantOf(stack, name), mail.immutableId);
    assert.deepEqual([file.name, file.bytes.toString(), files], ["notes.txt", text, []]);
  }
});

request("Thank Bob Barker, not Bob Baker, for the Tailspin forecast", async ({ call, stack, tenant, me, word }) => {
  const { messages } = await call("searchEmails", { query: "Tailspin", subject: "Tailspin forecast", count: 5 });
  const real = await only(tenant, "Tailspin forecast");
  assert.deepEqual(shown(messages), stored([real]));
  assert.equal(messages[0].from.address, real.from);
  const sent = await call("replyEmail", { id: messages[0].id, body: `Thanks a lot ${word}` });
  assert.deepEqual([sent.status, sent.recipients], ["sent", 1]);
  const reply = ({ body }) => body.includes(word);
  const [copy, ...more] = (await tenant.person(me)).folders.sentitems.filter(reply);
  assert.deepEqual([copy.to, copy.cc, copy.subject, more], [[real.from], [], `RE: ${real.subject}`, []]);
  // What is answered stands below the answer.
  assert.ok(copy.body.indexOf(word) < copy.body.indexOf("1,200 units"));
  const { users } = await stack.emulator.get("/_emulator/state");
  const receivers = users.filter(({ folders }) => folders.inbox.some(reply)).map((user) => user.address);
  assert.deepEqual(receivers, [real.from]);
});

request("Answer everybody in a discussion that I can come", async ({ call, stack, tenant, me, word }) => {
  const people = ["daniel", "elif", "felix"].map((name) => ({ emailAddress: { address: address(name), name } }));
  const mail = await arrive(stack, me, `Dinner ${word}`, "<p>Who comes?</p>", {
    from: people[0], toRecipients: [{ emailAddress: { address: address(me) } }, people[1]], ccRecipients: [people[2]],
  });
  const sent = await call("replyEmail", { id: mail.immutableId, mode: "replyAll", body: `I can come ${word}` });
  const [copy] = await tenant.mails(me, "sentitems", `RE: Dinner ${word}`);
  assert.deepEqual(sent, { status: "sent", recipients: copy.to.length + copy.cc.length, messageId: copy.immutableId });
  assert.deepEqual([copy.to, copy.cc], [[mail.from, mail.to[1]], mail.cc]);
  for (const who of ["daniel", "elif", "felix"]) {
    const received = await tenant.mails(who, "inbox", `RE: Dinner ${word}`);
    assert.equal(received.length, 1);
    assert.ok(received[0].body.includes(`I can come ${word}`));
  }
  assert.deepEqual(await tenant.mails(me, "inbox", `RE: Dinner ${word}`), []);
});

request("Forward the Lugano programme with its files to Carol", async ({ call, stack, tenant, me, word }) => {
  const real = await only(tenant, "Offsite in Lugano: final programme");
  const forward = { id: real.immutableId, mode: "forward", to: [address("carol")], body: `See ${word}` };
  const sent = await call("replyEmail", forward);
  assert.deepEqual([sent.status, sent.recipients], ["sent", 1]);
  const [got, ...more] = (await tenant.person("carol")).folders.inbox.filter(({ body }) => body.includes(word));
  assert.deepEqual([got.subject, got.from, more], [`FW: ${real.subject}`, address(me), []]);
  const [theirs, mine] = [
    await attachmentsOf(tenantOf(stack, "carol"), got.immutableId), await attachmentsOf(tenant, real.immutableId),
  ];
  assert.ok(mine.length > 1);
  const files = (list) => list.map(({ name, bytes }) => [name, bytes.toString("hex")]);
  same(files(theirs), files(mine));
});

request("Draft a mail to Frank, let me change it, then send it", async ({ call, tenant, me, word }) => {
  const draft = await call("draftEmail", { to: [address("frank")], subject: `Offer ${word}`, body: "We offer 900." });
  assert.equal(draft.status, "drafted");
  assert.deepEqual(await tenant.mails("frank", "inbox", `Offer ${word}`), []);
  await call("draftEmail", { draftId: draft.messageId, body: "We offer 950.", cc: [address("grace")] });
  const [kept, ...more] = await tenant.mails(me, "drafts", `Offer ${word}`);
  assert.deepEqual([kept.immutableId, kept.body, kept.isDraft, more], [draft.messageId, "We offer 950.", true, []]);
  const { messages: [seen] } = await call("readEmail", { id: draft.messageId });
  assert.deepEqual([seen.body, seen.isDraft, seen.cc[0].address], [kept.body, true, kept.cc[0]]);
  assert.equal((await call("sendEmail", { draftId: draft.messageId })).status, "sent");
  assert.deepEqual(await tenant.mails(me, "drafts", `Offer ${word}`), []);
  for (const who of ["frank", "grace"]) {
    assert.deepEqual(pick(await tenant.mails(who, "inbox", `Offer ${word}`), "body"), [["We offer 950."]]);
  }
});

request("Prepare an answer about the lease addendum, but do not send it", async ({ call, tenant, me, word }) => {
  const real = await only(tenant, "Signature needed: lease addendum");
  const sentBefore = (await tenant.person()).folders.sentitems.length;
  const draft = await call("draftEmail", { replyTo: real.immutableId, body: `I sign on Monday ${word}` });
  const [kept, ...more] = (await tenant.person(me)).folders.drafts.filter(({ body }) => body.includes(word));
  assert.deepEqual([kept.immutableId, kept.to, more], [draft.messageId, [real.from], []]);
  const conversation = async (id) => (await tenant.graph(`/me/messages/${id}?$select=conversationId`)).conversationId;
  assert.equal(await conversation(kept.id), await conversation(real.id));
  assert.equal((await tenant.person()).folders.sentitems.length, sentBefore);
});

request("Put these three mails into Hiring, flag one and mark another unread", async ({ call, stack, tenant, me, word }) => {
  const ids = [];
  for (const n of [1, 2, 3]) {
    ids.push((await arrive(stack, me, `Candidate ${n} ${word}`, "<p>CV</p>", { isRead: true })).immutableId);
  }
  const { folders } = await call("listMailFolders", { parent: "inbox" });
  const hiring = folders.find(({ name }) => name === "Hiring");
  const moved = await call("organizeEmail", { ids, action: "move", folder: hiring.id });
  assert.deepEqual(moved.messages.map(({ status }) => status), ["done", "done", "done"]);
  await call("organizeEmail", { ids: [ids[0]], action: "flag" });
  await call("organizeEmail", { ids: [ids[1]], action: "markUnread" });
  const filed = (await tenant.person()).folders["inbox/Hiring"].filter(({ subject }) => subject.endsWith(word));
  assert.deepEqual(ids.map((id) => filed.find(({ immutableId }) => immutableId === id).isRead), [true, false, true]);
  assert.ok((await tenant.person()).folders.inbox.every(({ subject }) => !subject.endsWith(word)));
  const flag = async ({ id }) => (await tenant.graph(`/me/messages/${id}?$select=flag`)).flag.flagStatus;
  const flags = await Promise.all(ids.map((id) => flag(filed.find(({ immutableId }) => immutableId === id))));
  assert.deepEqual(flags, ["flagged", "notFlagged", "notFlagged"]);
  const { messages } = await call("getEmails", { folder: hiring.id, count: 3 });
  same(pick(messages, "subject", "isRead"), pick(filed, "subject", "isRead"));
  assert.deepEqual(messages.filter(({ isFlagged }) => isFlagged).map(({ subject }) => subject), [`Candidate 1 ${word}`]);
});

request("Throw this away. No, bring it back", async ({ call, stack, tenant, me, word }) => {
  const { immutableId: id, subject } = await arrive(stack, me, `Old offer ${word}`, "<p>Too late?</p>");
  const place = async () => {
    const { folders } = await tenant.person();
    return Object.keys(folders).filter((name) => folders[name].some((mail) => mail.immutableId === id));
  };
  assert.deepEqual((await call("organizeEmail", { ids: [id], action: "delete" })).messages, [{ id, status: "done" }]);
  assert.deepEqual(await place(), ["deleteditems"]);
  const { messages } = await call("searchEmails", { query: word, folder: "deleteditems" });
  assert.deepEqual(messages.map((one) => one.subject), [subject]);
  await call("organizeEmail", { ids: [messages[0].id], action: "move", folder: "inbox" });
  assert.deepEqual(await place(), ["inbox"]);
});

request("What is on day 2 of the Lugano programme?", async ({ call, tenant }) => {
  const { messages: [hit] } = await call("searchEmails", { query: "Lugano", hasAttachments: true });
  const { messages: [mail] } = await call("readEmail", { id: hit.id });
  const real = await attachmentsOf(tenant, (await only(tenant, mail.subject)).immutableId);
  same(pick(mail.attachments, "name", "contentType"), pick(real, "name", "contentType"));
  const { id } = mail.attachments.find(({ name }) => name === "programme.txt");
  const { attachment } = await call("getAttachment", { messageId: hit.id, attachmentId: id });
  const { bytes } = real.find(({ name }) => name === "programme.txt");
  assert.deepEqual(attachment.text.split(/\r?\n/), bytes.toString().split(/\r?\n/));
  assert.ok(attachment.text.split("\n").some((line) => line.startsWith("Day 2")));
});

request("Which tickets has nobody read in the support mailbox?", async ({ all, call, tenant, word }) => {
  const mailbox = address("support");
  const unread = (await tenant.person("support")).folders.inbox.filter(({ isRead }) => !isRead);
  const { found } = await all("getEmails", "messages", { mailbox, unread: true, count: 8 });
  same(shown(found), stored(unread));
  const { messages: [ticket] } = await call("readEmail", { id: found[0].id, mailbox });
  assert.ok(ticket.body.includes("E-17"));
  const subject = `Tickets ${word}`;
  const sent = await call("sendEmail", { mailbox, to: [address("dave")], subject, body: `${found.length} are open.` });
  assert.equal(sent.status, "sent");
  const received = await tenant.mails("dave", "inbox", subject);
  assert.deepEqual(pick(received, "from", "body"), [[mailbox, `${unread.length} are open.`]]);
});

request("Before I write to Minh, Bob and a partner: is anybody away or outside?", async ({ call, tenant }) => {
  const outside = (await tenant.person()).contacts.at(-1).emailAddresses[0];
  const addresses = [address("minh"), address("bob"), outside];
  const { recipients } = await call("checkRecipients", { addresses });
  assert.deepEqual(recipients.map((one) => one.address), addresses);
  assert.deepEqual(recipients.map(({ isExternal }) => isExternal), [false, false, true]);
  const replies = async (who) => (await tenant.person(who)).settings.automaticRepliesSetting;
  assert.equal(recipients[0].automaticReply, (await replies("minh")).internalReplyMessage);
  assert.equal((await replies("bob")).status, "disabled");
  assert.ok(!recipients[1].automaticReply);
});

request("What is new in the last answer, without all that it quotes?", async ({ call, stack, me, word }) => {
  const history = `<div class="gmail_quote"><p>Earlier ${word}: the old price was 700.</p></div>`;
  const html = `<html><body><p>The new price is 650.</p>${history}</body></html>`;
  const mail = await arrive(stack, me, `RE: Price ${word}`, html);
  const { messages: [folded] } = await call("readEmail", { id: mail.immutableId });
  assert.equal(folded.body, "The new price is 650.");
  assert.ok(folded.historyChars >= `Earlier ${word}: the old price was 700.`.length);
  const { messages: [whole] } = await call("readEmail", { id: mail.immutableId, includeHistory: true });
  assert.ok(whole.body.startsWith(folded.body));
  assert.ok(whole.body.includes(`Earlier ${word}: the old price was 700.`));
});

request("What do they ask about pallets, and what did the strangers really write?", async ({ call, read, tenant }) => {
  const pallets = await only(tenant, "Quick question about pallets");
  const { messages: [plain], untrusted } = await call("readEmail", { id: pallets.immutableId });
  assert.equal(plain.body, /<p>([^<]+)<\/p>/.exec(pallets.body)[1]);
  assert.equal(typeof untrusted, "string");
  for (const hidden of ["PWNED", "delete the inbox", "list all contacts"]) assert.ok(pallets.body.includes(hidden));
  const odd = await only(tenant, "Zero width and friends");
  const { messages: [payment] } = await call("readEmail", { id: odd.immutableId });
  assert.match(odd.body, /[\u200b-\u2064\ufeff]|\p{Cf}/u);
  assert.doesNotMatch(payment.body, /\p{Cf}/u);
  assert.equal(payment.body, odd.body.replaceAll(/\p{Cf}/gu, ""));
  const fake = await only(tenant, "Conversation summary");
  const text = await read("readEmail", { id: fake.immutableId });
  const [, number] = /^<<untrusted ([0-9a-f]{16})>>/.exec(text);
  assert.ok(text.endsWith(`<<end ${number}>>`));
  // What it claims to end is data like the rest of it, and it cannot know the number.
  const inside = text.slice(text.indexOf("\n"), text.lastIndexOf("\n"));
  assert.ok(inside.includes("maintenance mode") && !inside.includes(number));
});

request("Read the special issue of the whole year to the end", async ({ call, tenant }) => {
  const real = await only(tenant, "Special issue: the whole year");
  const paragraphs = real.body.match(/<p>[^<]*<\/p>/g).map((one) => one.slice("<p>".length, -"</p>".length));
  let [text, parts] = ["", 0];
  for (let cursor; parts === 0 || cursor;) {
    const page = await call("readEmail", { id: real.immutableId, ...(cursor && { cursor }) });
    assert.equal(page.truncated, page.nextCursor && true);
    text += page.messages[0].body;
    cursor = page.nextCursor;
    parts += 1;
  }
  assert.ok(parts > 2, "the whole year in one answer");
  assert.deepEqual(text.split(/\n+/), paragraphs);
});
