// What lies on disk and what stands in the log: everything that an investigator needs, and nothing that a thief wants.
// Holds: subjects, bodies, addresses and Microsoft's tokens are found in no file and no line, in no usual encoding.
// Must never: pass because it looked at nothing; each run first finds what has to be there.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import {
  addFault, mailTo, openSession, records, request, requestLines, sendOfDraft, toolCall, until,
} from "./client.mjs";
import { startStack } from "./harness.mjs";
import { filesOnDisk, ledgerOf } from "./rows.mjs";

const canary = (name) => `canary-${name}-${randomBytes(9).toString("hex")}`;
const canaries = {
  subject: canary("subject"),
  body: canary("body"),
  recipient: `${canary("recipient")}@outside.example`,
  copy: `${canary("copy")}@outside.example`,
  received: canary("received"),
  preview: canary("preview"),
  key: canary("key"),
  lost: canary("lost"),
  folder: canary("folder"),
  search: canary("search"),
  event: canary("event"),
  agenda: canary("agenda"),
  place: canary("place"),
  attendee: `${canary("attendee")}@outside.example`,
  meeting: canary("meeting"),
  standalone: canary("standalone"),
  person: canary("person"),
  message: canary("message"),
  lostEvent: canary("lost-event"),
  lostMessage: canary("lost-message"),
};
const known = ["alice@contoso.example", "bob@contoso.example", "servicedesk@contoso.example"];

/** The starts of what Entra hands out, as the emulator writes them. */
const tokenStarts = /(?:EwB4|1\.AXkA|1\.)[A-Za-z0-9_-]{60,}/;
const fingerprint = (text) => `sha256:${createHash("sha256").update(text).digest("hex").slice(0, 12)}`;

let stack, userKey, token, session, files, output, ledger;
before(async () => {
  stack = await startStack();
  token = await stack.connect("alice");
  session = await openSession(stack, token);
  ({ userKey } = await stack.waitForLog(({ tool }) => tool === "connect"));
  await live();
  output = stack.output();
  await stack.kill();
  files = filesOnDisk(stack);
  ledger = ledgerOf(stack, userKey);
});
after(() => stack?.stop());

/** A life with everything in it that could leave a trace: mails in and out, refusals, lost answers, a refresh. */
async function live() {
  const mail = {
    subject: canaries.received,
    body: { contentType: "text", content: canaries.preview },
    toRecipients: [{ emailAddress: { address: "alice@contoso.example" } }],
  };
  await stack.emulator.post("/_emulator/mail", { user: "alice@contoso.example", minutesAgo: 0, message: mail });
  const args = {
    to: [canaries.recipient],
    cc: [canaries.copy],
    subject: canaries.subject,
    body: canaries.body,
    idempotencyKey: canaries.key,
  };
  const sent = await session.call("sendEmail", args);
  assert.equal(sent.isError, false, sent.message);
  const listed = await session.call("getEmails", { count: 5 });
  const shown = JSON.stringify(listed.structuredContent);
  assert.ok(shown.includes(canaries.received) && shown.includes(canaries.preview));
  await session.call("getEmails", { folder: canaries.folder });
  await session.call("sendEmail", { ...args, to: [`${canaries.recipient} x`], idempotencyKey: undefined });
  await session.send(toolCall(canaries.subject, "getEmails", { count: 1 }));
  await session.send(`{"${canaries.body}`);
  await addFault(stack, { ...sendOfDraft, times: 1, action: { dropAfter: true } });
  await session.call("sendEmail", mailTo("bob", canaries.lost));
  await collaborate();
  await stack.emulator.post("/_emulator/revoke", { what: "access" });
  assert.equal((await session.call("getEmails", { count: 1 })).isError, false);
  await until("the refresh has its line", () => requestLines(stack, "refresh").length > 0);
}

/** The other tools, each with something of its own to leave behind; two of their answers are lost. */
async function collaborate() {
  const call = async (name, args) => {
    const result = await session.call(name, args);
    assert.equal(result.isError, false, result.message);
    return result;
  };
  await call("authenticate", {});
  await call("searchEmails", { query: canaries.search });
  await call("getCalendarEvents", { count: 5 });
  await call("getContacts", { search: canaries.person });
  const times = { start: "2027-02-01T10:00Z", end: "2027-02-01T11:00Z" };
  const invited = { body: canaries.agenda, attendees: [canaries.attendee] };
  await call("createCalendarEvent", { ...times, ...invited, subject: canaries.event, location: canaries.place });
  await call("createTeamsMeeting", { ...times, ...invited, subject: canaries.meeting });
  await call("createTeamsMeeting", { ...times, subject: canaries.standalone, standalone: true });
  const { json } = await session.send(request("teams", "resources/read", { uri: "microsoft://teams" }));
  const [team] = JSON.parse(json.result.contents[0].text).teams;
  const channel = { teamId: team.id, channelId: team.channels[0].id };
  await call("sendTeamsMessage", { ...channel, body: canaries.message });
  const lose = (pathContains) =>
    addFault(stack, { service: "graph", method: "POST", pathContains, times: 1, action: { dropAfter: true } });
  await lose("/me/events");
  await call("createCalendarEvent", { ...times, subject: canaries.lostEvent });
  await lose("/messages");
  await session.call("sendTeamsMessage", { ...channel, body: canaries.lostMessage });
}

/** The forms in which a text could stand in a file without being sealed. */
function forms(text) {
  const bytes = Buffer.from(text);
  // The middle of the base64 of a text at each of the three offsets that it can have.
  const inside = [0, 1, 2].map((shift) =>
    Buffer.concat([Buffer.alloc(shift), bytes])
      .toString("base64")
      .slice(4, -4),
  );
  return [
    bytes,
    Buffer.from(text, "utf16le"),
    Buffer.from(bytes.toString("hex")),
    ...inside.map((part) => Buffer.from(part)),
  ];
}

test("the files hold what an investigator needs: every request with its end", () => {
  assert.ok(
    files.some(({ path, bytes }) => path.endsWith("-wal") && bytes.length > 0),
    "no database log was looked at",
  );
  assert.ok(files.some(({ bytes }) => bytes.includes(Buffer.from("ledger"))));
  const ends = ledger.map(({ state, outcome }) => `${state} ${outcome}`);
  for (const end of ["done ok", "failed bad_argument", "failed refused"]) assert.ok(ends.includes(end), ends.join(", "));
  const kinds = new Set(ledger.filter(({ state }) => state === "done").map(({ entry }) => entry.k.t));
  const tools = [
    "authenticate", "getEmails", "searchEmails", "sendEmail", "getCalendarEvents", "createCalendarEvent", "getContacts",
    "createTeamsMeeting", "sendTeamsMessage",
  ];
  for (const tool of tools) assert.ok(kinds.has(tool), `${tool} was not at work`);
  // Two mails, two events, two meetings and a message; of the lost message it may be known or not.
  const done = ledger.filter(({ writes, state }) => writes && state === "done").length;
  assert.ok(done === 7 || done === 8, `${done}`);
  assert.equal(requestLines(stack).length, ledger.length);
});

describe("neither a file nor a line holds", () => {
  for (const [name, text] of [...Object.entries(canaries), ...known.map((text) => [`"${text}"`, text])]) {
    test(`the ${name}`, () => {
      for (const form of forms(text)) {
        for (const { path, bytes } of files) assert.ok(!bytes.includes(form), `${path} holds ${form}`);
        assert.ok(!output.includes(form.toString("latin1")), `the log holds ${form}`);
      }
    });
  }

  test("a token of Microsoft: by its start, and by the fingerprints of those that were really used", async () => {
    const used = new Set(
      JSON.stringify([await records(stack, "graph"), await records(stack, "entra")]).match(/sha256:[0-9a-f]{12}/g),
    );
    assert.ok(used.size >= 4, "no token was used");
    const wordsOf = (text) => text.match(/[A-Za-z0-9._~+/-]{40,}=*/g) ?? [];
    for (const text of [output, ...files.map(({ bytes }) => bytes.toString("latin1"))]) {
      assert.doesNotMatch(text, tokenStarts);
      for (const word of wordsOf(text)) assert.ok(!used.has(fingerprint(word)), "a token that was used");
    }
  });

  test("our own access token, or a key", () => {
    const { ENCRYPTION_KEY, COOKIE_SECRET, COOKIE_ENCRYPTION_KEY, MICROSOFT_CLIENT_SECRET } = stack.settings;
    const secrets = [token, ENCRYPTION_KEY, COOKIE_SECRET, COOKIE_ENCRYPTION_KEY, MICROSOFT_CLIENT_SECRET];
    const raw = [ENCRYPTION_KEY, COOKIE_SECRET].map((key) => Buffer.from(key, "hex"));
    for (const secret of [...secrets.map((text) => Buffer.from(text)), ...raw]) {
      for (const { path, bytes } of files) assert.ok(!bytes.includes(secret), path);
      assert.ok(!output.includes(secret.toString("latin1")));
    }
  });
});

test("the gateway's log holds no payload, so no bearer and no content", async () => {
  const { logs } = await stack.emulator.get("/_emulator/gateway-log");
  const text = JSON.stringify(logs);
  assert.ok(logs.length >= 8);
  assert.doesNotMatch(text, /Bearer|sha256:/);
  for (const name of ["subject", "body", "recipient", "copy", "received", "lost"])
    assert.ok(!text.includes(canaries[name]), name);
});
