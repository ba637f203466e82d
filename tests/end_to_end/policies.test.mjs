// What operators rule out does not leave, whatever tool is asked, and the log names the rule.
// Holds: a refusal says whose rule it is and costs no call of Microsoft's; what the rules let through works.
// Must never: repeat an address or a name of the call in an error that a rule made.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { address, mailTo, recordMark, records, requestLines, sdkClient, until } from "./client.mjs";
import { startStack } from "./harness.mjs";

const policy = {
  internalDomains: ["contoso.example"], denyRecipients: ["external", address("carol")],
  denyAttachmentTypes: ["exe"], attachmentBytesMax: 100, denyFolders: ["archive"], sendsPerHour: 2,
};
const day = new Date(Date.now() + 9 * 86_400_000).toISOString().slice(0, 10);
const event = (attendees) => ({ subject: "Plans", start: `${day}T10:00`, end: `${day}T11:00`, timeZone: "UTC", attendees });
const outside = "eve@fabrikam.example";
const file = (name, text) => ({ attachments: [{ name, contentType: "text/plain", text }] });

let stack, client;
before(async () => {
  stack = await startStack({ settings: { POLICY: JSON.stringify(policy) } });
  client = await sdkClient(stack, await stack.connect("alice"));
});
after(async () => {
  await client?.close();
  await stack?.stop();
});

const call = (name, args) => client.callTool({ name, arguments: args });

test("what a rule forbids is refused before anything is asked of Microsoft", async () => {
  const mark = await recordMark(stack);
  for (const [code, name, args] of [
    ["recipient_not_allowed", "sendEmail", { to: [outside], subject: "x", body: "x" }],
    ["recipient_not_allowed", "sendEmail", mailTo("carol", "x")],
    ["recipient_not_allowed", "draftEmail", { to: [address("bob")], bcc: [outside], subject: "x", body: "x" }],
    ["recipient_not_allowed", "createCalendarEvent", event([address("bob"), outside])],
    ["recipient_not_allowed", "createTeamsMeeting", event([address("carol")])],
    ["recipient_not_allowed", "sendTeamsMessage", { teamId: "t", channelId: "19:c@thread.tacv2", body: "x" }],
    ["attachment_not_allowed", "sendEmail", mailTo("bob", "x", file("run.EXE", "x"))],
    ["attachment_not_allowed", "sendEmail", mailTo("bob", "x", file("notes.txt", "x".repeat(200)))],
    ["folder_not_allowed", "getEmails", { folder: "archive" }],
  ]) {
    const before = requestLines(stack, name).length;
    const { isError, content } = await call(name, args);
    assert.equal(isError, true, name);
    assert.match(content[0].text, /the operators of this server do not allow it/, name);
    assert.ok(!content[0].text.includes(outside) && !content[0].text.includes("carol"), content[0].text);
    const line = await until("the log says so", () => requestLines(stack, name)[before]);
    assert.equal(line.outcome, code, JSON.stringify(line));
  }
  assert.deepEqual(await records(stack, "graph", mark), []);
});

test("what the rules let through works, as often as they say", async () => {
  const invited = await call("createCalendarEvent", event([address("bob")]));
  assert.notEqual(invited.isError, true, JSON.stringify(invited.content));
  for (const subject of ["First", "Second"]) {
    const { isError, content } = await call("sendEmail", mailTo("bob", subject, file("notes.txt", "short")));
    assert.notEqual(isError, true, JSON.stringify(content));
  }
  const { isError, content } = await call("sendEmail", mailTo("bob", "Third"));
  assert.equal(isError, true);
  assert.match(content[0].text, /hour/);
  await until("the log says so", () => requestLines(stack, "sendEmail").some(({ outcome }) => outcome === "too_many_messages"));
});
