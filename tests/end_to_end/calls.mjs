// What every official client does once it is signed in: each tool and each resource, in one list, with what must be true
// afterwards of the answer and of the tenant.
// Holds: the list is the same for every client and both ways out, and uses every tool and resource there is; later steps
// may build on what earlier ones `found`.
// Must never: know which client runs it.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { calendar, teams } from "./calls_collaboration.mjs";
import { files, people, tasks } from "./calls_items.mjs";
import { inDays, pick, same } from "./checks.mjs";
import { address } from "./client.mjs";
import { tenantOf } from "./tenant.mjs";

export const toolNames = [
  "authenticate", "getEmails", "searchEmails", "readEmail", "listMailFolders", "getAttachment", "checkRecipients",
  "sendEmail", "replyEmail", "draftEmail", "organizeEmail", "getCalendarEvents", "readEvent",
  "listCalendars", "findTimes", "createCalendarEvent", "updateCalendarEvent", "respondToEvent", "cancelEvent",
  "listTeams", "listChats", "readTeamsMessages", "sendTeamsMessage", "createTeamsMeeting", "getContacts", "getPerson",
  "searchFiles", "listFiles", "readFile", "uploadFile", "shareFile", "listTasks", "saveTask",
];
export const resourceUris = [
  "microsoft://profile", "microsoft://calendars", "microsoft://teams", "microsoft://mail/inbox", "microsoft://calendar/upcoming",
];

const newestFirst = (a, b) => b.receivedDateTime.localeCompare(a.receivedDateTime);

async function isNewestOfInbox({ folder, messages }, { tenant }) {
  assert.equal(folder, "inbox");
  const { inbox } = (await tenant.person()).folders;
  const newest = inbox.toSorted(newestFirst).slice(0, 10);
  // Mails of the same second have no order.
  assert.deepEqual(pick(messages, "receivedAt"), pick(newest, "receivedDateTime"));
  // So any of those as old as the oldest that is shown may be shown.
  const younger = (list) => list.filter((mail) => (mail.receivedAt ?? mail.receivedDateTime) > messages.at(-1).receivedAt);
  same(pick(younger(messages), "subject", "isRead"), pick(younger(newest), "subject", "isRead"));
  assert.equal(new Set(messages.map(({ id }) => id)).size, messages.length);
}

/** `me` is who signed in, `other` and `third` are whom things are sent to. */
export function sceneOf(stack, [me, other, third]) {
  const word = `w${randomBytes(6).toString("hex")}`;
  return { me, other, third, word, day: inDays(9), tenant: tenantOf(stack, me), found: {} };
}

const reading = [
  {
    resource: "microsoft://profile",
    check: async (profile, { tenant }) => {
      const me = await tenant.graph("/me");
      assert.deepEqual([profile.id, profile.name, profile.address], [me.id, me.displayName, me.mail]);
      assert.equal(profile.timeZone, await tenant.timeZone());
    },
  },
  {
    resource: "microsoft://calendars",
    check: async ({ calendars }, { tenant, found }) => {
      assert.deepEqual(pick(calendars, "id", "name"), pick((await tenant.person()).calendars, "id", "name"));
      assert.equal(calendars.filter(({ isDefault }) => isDefault).length, 1);
      found.calendar = calendars.find(({ isDefault }) => !isDefault);
    },
  },
  {
    resource: "microsoft://teams",
    check: async ({ teams }, { tenant, found }) => {
      const [shown, real] = [teams, await tenant.teams()].map((list) => list.toSorted((a, b) => (a.id < b.id ? -1 : 1)));
      assert.deepEqual(pick(shown, "id", "name"), pick(real, "id", "displayName"));
      shown.forEach(({ channels }, index) => same(channels.map(({ id }) => id), real[index].channels.map(({ id }) => id)));
      [found.team] = teams;
    },
  },
  {
    resource: "microsoft://mail/inbox",
    check: isNewestOfInbox,
  },
  {
    resource: "microsoft://calendar/upcoming",
    check: async ({ timeZone, events }, { tenant }) => {
      assert.equal(timeZone, await tenant.timeZone());
      const known = (await tenant.person()).calendars.find(({ isDefault }) => isDefault).events;
      assert.ok(events.length > 0);
      for (const { subject } of events) assert.ok(known.some((event) => event.subject === subject), subject);
    },
  },
  {
    tool: "authenticate",
    check: async (status, { me }) => {
      assert.equal(status.connected, true);
      assert.equal(status.account.address, address(me));
      assert.deepEqual(status.missingPermissions, []);
    },
  },
];

const mail = [
  {
    tool: "sendEmail",
    arguments: ({ other, third, word }) => ({
      to: [address(other)], cc: [address(third)], subject: `Plain ${word}`, body: `About ${word}, & <not markup>`,
    }),
    check: async (sent, { me, other, third, word, tenant }) => {
      assert.deepEqual([sent.status, sent.recipients], ["sent", 2]);
      const subject = `Plain ${word}`;
      const [copy, ...more] = await tenant.mails(me, "sentitems", subject);
      assert.deepEqual([copy.immutableId, copy.contentType, more], [sent.messageId, "text", []]);
      assert.deepEqual([copy.to, copy.cc, copy.bcc], [[address(other)], [address(third)], []]);
      assert.deepEqual(await tenant.mails(me, "drafts", subject), []);
      for (const who of [other, third]) {
        const [received, ...twice] = await tenant.mails(who, "inbox", subject);
        assert.deepEqual([received.body, received.from, twice], [`About ${word}, & <not markup>`, address(me), []]);
      }
    },
  },
  {
    tool: "sendEmail",
    arguments: ({ other, third, word }) => ({
      to: [address(other)], bcc: [address(third)], subject: `Markup ${word}`, body: "<p>Read <b>this</b>.</p>",
      bodyType: "html", importance: "high", idempotencyKey: word,
    }),
    check: async (sent, { me, other, third, word, tenant }) => {
      const [copy] = await tenant.mails(me, "sentitems", `Markup ${word}`);
      assert.deepEqual([copy.contentType, copy.importance, copy.bcc], ["html", "high", [address(third)]]);
      const [received] = await tenant.mails(other, "inbox", `Markup ${word}`);
      assert.deepEqual([received.body, received.bcc], ["<p>Read <b>this</b>.</p>", []]);
      assert.equal((await tenant.mails(third, "inbox", `Markup ${word}`)).length, 1);
    },
  },
  {
    tool: "getEmails",
    check: isNewestOfInbox,
  },
  {
    tool: "getEmails",
    arguments: { folder: "SentItems", count: 2 },
    check: async ({ messages }, { me, word }) => {
      same(messages.map(({ subject }) => subject), [`Plain ${word}`, `Markup ${word}`]);
      assert.deepEqual(messages.map(({ from }) => from.address), [address(me), address(me)]);
    },
  },
  {
    tool: "searchEmails",
    arguments: ({ word }) => ({ query: word }),
    check: async ({ messages }, { word }) => {
      same(messages.map(({ subject }) => subject), [`Plain ${word}`, `Markup ${word}`]);
    },
  },
  {
    tool: "searchEmails",
    arguments: ({ me, word }) => ({
      query: `${word} OR nothing`, from: address(me), subject: `Plain ${word}`, after: inDays(-2), before: inDays(2),
      hasAttachments: false, count: 5,
    }),
    check: async ({ messages }, { word }) => {
      assert.deepEqual(messages.map(({ subject }) => subject), [`Plain ${word}`]);
    },
  },
  {
    tool: "draftEmail",
    arguments: ({ other, word }) => ({
      to: [address(other)], subject: `Draft ${word}`, body: "With a file",
      attachments: [{ name: "notes.txt", contentType: "text/plain", text: `Notes ${word}` }],
    }),
    check: async ({ status, messageId }, { me, word, tenant, found }) => {
      const [draft, ...more] = await tenant.mails(me, "drafts", `Draft ${word}`);
      assert.deepEqual([status, draft.immutableId, more], ["drafted", messageId, []]);
      found.draft = messageId;
    },
  },
  {
    tool: "draftEmail",
    arguments: ({ found, word }) => ({ draftId: found.draft, subject: `Changed ${word}` }),
    check: async ({ messageId }, { me, word, tenant, found }) => {
      assert.equal(messageId, found.draft);
      const [draft] = await tenant.mails(me, "drafts", `Changed ${word}`);
      assert.equal(draft.body, "With a file");
    },
  },
  {
    tool: "readEmail",
    arguments: ({ found }) => ({ id: found.draft }),
    check: async ({ messages, truncated }, { other, word, found }) => {
      const [{ subject, body, to, isDraft, attachments }] = messages;
      assert.deepEqual([subject, body, isDraft, truncated], [`Changed ${word}`, "With a file", true, undefined]);
      assert.deepEqual([to.map((one) => one.address), attachments.length], [[address(other)], 1]);
      found.attachment = attachments[0].id;
    },
  },
  {
    tool: "getAttachment",
    arguments: ({ found }) => ({ messageId: found.draft, attachmentId: found.attachment }),
    check: async ({ attachment }, { word }) => {
      assert.deepEqual([attachment.name, attachment.kind, attachment.text], ["notes.txt", "file", `Notes ${word}`]);
    },
  },
  {
    tool: "sendEmail",
    arguments: ({ found }) => ({ draftId: found.draft }),
    check: async (sent, { other, word, tenant, found }) => {
      assert.deepEqual([sent.status, sent.messageId], ["sent", found.draft]);
      const received = await tenant.mails(other, "inbox", `Changed ${word}`);
      assert.deepEqual(received.map(({ body }) => body), ["With a file"]);
    },
  },
  {
    tool: "replyEmail",
    arguments: async ({ me, word, tenant, third }) => {
      const [sent] = await tenant.mails(me, "sentitems", `Plain ${word}`);
      return { id: sent.immutableId, mode: "forward", to: [address(third)], body: `Look ${word}` };
    },
    check: async (sent, { third, word, tenant }) => {
      assert.deepEqual([sent.status, sent.recipients], ["sent", 1]);
      const inbox = (await tenant.person(third)).folders.inbox.filter(({ body }) => body.includes(`Look ${word}`));
      assert.equal(inbox.length, 1);
      assert.match(inbox[0].subject, new RegExp(`Plain ${word}`));
    },
  },
  {
    tool: "readEmail",
    arguments: async ({ me, word, tenant }) => {
      const [sent] = await tenant.mails(me, "sentitems", `Plain ${word}`);
      return { id: sent.immutableId, thread: true };
    },
    check: async ({ messages }, { word }) => {
      assert.ok(messages.length >= 1);
      for (const { subject } of messages) assert.match(subject, new RegExp(word));
    },
  },
  {
    tool: "organizeEmail",
    arguments: async ({ me, tenant, found }) => {
      found.unread = (await tenant.person(me)).folders.inbox.filter(({ isRead }) => !isRead).slice(0, 2).map((one) => one.immutableId);
      return { ids: found.unread, action: "markRead" };
    },
    check: async ({ messages }, { me, tenant, found }) => {
      same(messages, found.unread.map((one) => ({ id: one, status: "done" })));
      const inbox = (await tenant.person(me)).folders.inbox.filter(({ immutableId }) => found.unread.includes(immutableId));
      assert.ok(inbox.length > 0 && inbox.every(({ isRead }) => isRead));
    },
  },
  {
    tool: "organizeEmail",
    arguments: async ({ me, tenant, found }) => {
      found.several = (await tenant.person(me)).folders.inbox.slice(0, 3).map((one) => one.immutableId);
      return { ids: [...found.several, "A".repeat(40)], action: "categorize", categories: ["Blue"] };
    },
    check: async ({ messages }, { tenant, found }) => {
      assert.deepEqual(messages.map(({ status }) => status), [...found.several.map(() => "done"), "notFound"]);
      assert.ok(found.several.length > 1);
      for (const id of found.several) {
        const { categories } = await tenant.graph(`/me/messages/${id}?$select=categories`, { prefer: 'IdType="ImmutableId"' });
        assert.deepEqual(categories, ["Blue"]);
      }
    },
  },
  {
    tool: "organizeEmail",
    arguments: ({ found }) => ({ ids: [found.unread[0]], action: "delete" }),
    check: async ({ messages }, { me, tenant, found }) => {
      assert.deepEqual(messages, [{ id: found.unread[0], status: "done" }]);
      const { inbox, deleteditems } = (await tenant.person(me)).folders;
      assert.ok(!inbox.some(({ immutableId }) => immutableId === found.unread[0]));
      assert.ok(deleteditems.some(({ immutableId }) => immutableId === found.unread[0]));
    },
  },
  {
    tool: "listMailFolders",
    check: async ({ folders }) => {
      assert.ok(folders.some(({ name }) => name === "Inbox"));
      assert.ok(folders.every(({ id, total }) => id && total >= 0));
    },
  },
  {
    tool: "checkRecipients",
    arguments: ({ other }) => ({ addresses: [address(other), "someone@outside.example"] }),
    check: async ({ recipients }, { other }) => {
      assert.deepEqual(recipients.map((one) => one.address), [address(other), "someone@outside.example"]);
      assert.deepEqual(recipients.map(({ isExternal }) => isExternal), [false, true]);
    },
  },
];

const others = [
  {
    tool: "getContacts",
    check: async ({ people, searched, more }, { tenant, found }) => {
      const { contacts } = await tenant.person();
      assert.deepEqual([searched, more], [["contacts"], false]);
      same(people.map(({ name }) => name), contacts.map(({ displayName }) => displayName));
      [found.contact] = contacts;
    },
  },
  {
    tool: "getContacts",
    arguments: ({ found }) => ({ search: found.contact.displayName.split(" ")[0], count: 5 }),
    check: async ({ people, searched }, { found }) => {
      assert.deepEqual(searched, ["contacts", "people", "directory"]);
      const hit = people.find(({ name }) => name === found.contact.displayName);
      assert.equal(hit.name, found.contact.displayName);
      assert.ok(hit.addresses.includes(found.contact.emailAddresses[0]));
    },
  },
];

export const steps = [...reading, ...mail, ...calendar, ...teams, ...others, ...people, ...files, ...tasks];

/** The result as its text says it: alone, or between two marks with the same number if others wrote parts of it. */
export function readText({ content, structuredContent }) {
  const texts = content.map(({ text }) => text);
  if (structuredContent.untrusted === undefined) {
    assert.equal(texts.length, 1);
    return JSON.parse(texts[0]);
  }
  assert.equal(texts.length, 3);
  const [, number] = /^<<untrusted ([0-9a-f]{16})>> /.exec(texts[0]);
  assert.equal(texts[2], `<<end ${number}>>`);
  assert.ok(!texts[1].includes(number));
  return JSON.parse(texts[1]);
}

async function go(client, scene, step) {
  if (step.resource) {
    const { contents } = await client.readResource(step.resource);
    assert.deepEqual(pick(contents, "uri", "mimeType"), [[step.resource, "application/json"]]);
    return step.check(JSON.parse(contents[0].text), scene);
  }
  const given = typeof step.arguments === "function" ? await step.arguments(scene) : (step.arguments ?? {});
  const result = await client.callTool(step.tool, given);
  assert.equal(result.isError, false, JSON.stringify(result.content));
  assert.deepEqual(readText(result), result.structuredContent);
  return step.check(result.structuredContent, scene);
}

/** Runs the whole list with a connected client. */
export async function runEverything(client, scene) {
  const { tools } = await client.listTools();
  assert.deepEqual(tools.map(({ name }) => name), toolNames);
  const { resources } = await client.listResources();
  assert.deepEqual(resources.map(({ uri }) => uri), resourceUris);
  const used = steps.map(({ tool, resource }) => tool ?? resource);
  same([...new Set(used)], [...toolNames, ...resourceUris]);
  for (const [index, step] of steps.entries()) {
    await go(client, scene, step).catch((error) => {
      throw new Error(`step ${index + 1}, ${used[index]}: ${error.message}`, { cause: error });
    });
  }
}
