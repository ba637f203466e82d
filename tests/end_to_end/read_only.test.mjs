// Every tool that says of itself that it only reads, while the emulated Microsoft refuses every write.
// Holds: the list is that of the server, so that a tool which is added is called here too; each call succeeds.
// Must never: take a tool's word for it that it only reads. The emulator notes every write that was tried.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { address, recordMark, records, sdkClient, setEmulator } from "./client.mjs";
import { startStack } from "./harness.mjs";

let stack, client;
before(async () => {
  stack = await startStack();
  client = await sdkClient(stack, await stack.connect("alice"));
});
after(async () => {
  await client?.close();
  await stack?.stop();
});

async function call(name, args = {}) {
  const { structuredContent, content, isError } = await client.callTool({ name, arguments: args });
  assert.notEqual(isError, true, `${name}: ${JSON.stringify(content)}`);
  return structuredContent;
}

const soon = (days) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 16);

/** What a tool is asked that cannot be asked nothing; each may use what others answered. */
const asked = {
  searchEmails: () => ({ query: "the" }),
  readEmail: ({ draft }) => ({ id: draft.messageId, thread: true }),
  getAttachment: async ({ draft }) => {
    const [{ attachments }] = (await call("readEmail", { id: draft.messageId })).messages;
    return { messageId: draft.messageId, attachmentId: attachments[0].id };
  },
  checkRecipients: () => ({ addresses: [address("bob")] }),
  readEvent: async () => ({ id: (await call("getCalendarEvents", { count: 1 })).events[0].id }),
  findTimes: () => ({ attendees: [address("bob")], start: soon(1), end: soon(3), timeZone: "UTC", durationMinutes: 30 }),
  readTeamsMessages: async () => ({ chatId: (await call("listChats")).chats[0].id }),
  getPerson: () => ({ person: address("bob") }),
  searchFiles: () => ({ query: "report" }),
  readFile: async () => {
    const { id, driveId } = (await call("listFiles")).items.find(({ kind }) => kind === "file");
    return { id, driveId };
  },
};

test("whatever says that it only reads works where nothing can be written, and tries to write nothing", async () => {
  const attachments = [{ name: "notes.txt", contentType: "text/plain", text: "Notes" }];
  const draft = await call("draftEmail", { to: [address("bob")], subject: "A draft", body: "With a file", attachments });
  const { tools } = await client.listTools();
  const readers = tools.filter(({ annotations }) => annotations.readOnlyHint).map(({ name }) => name);
  const writers = tools.filter(({ annotations }) => !annotations.readOnlyHint).map(({ name }) => name);
  assert.ok(readers.length >= 9 && writers.length >= 5, `${readers} / ${writers}`);
  await setEmulator(stack, { refuseWrites: true });
  const mark = await recordMark(stack);
  for (const name of readers) await call(name, await asked[name]?.({ draft }));
  for (const { uri } of (await client.listResources()).resources) await client.readResource({ uri });
  const { refusedWrites } = await stack.emulator.get("/_emulator/state");
  assert.deepEqual(refusedWrites, []);
  const sent = await records(stack, "graph", mark);
  assert.ok(sent.length >= readers.length, `${sent.length} calls`);
});

test("the switch works: a tool that writes is refused, and the emulator tells of it", async () => {
  await setEmulator(stack, { refuseWrites: true });
  const args = { to: [address("bob")], subject: "Refused", body: "Nothing" };
  const { isError } = await client.callTool({ name: "draftEmail", arguments: args });
  assert.equal(isError, true);
  const { refusedWrites } = await stack.emulator.get("/_emulator/state");
  assert.ok(refusedWrites.length > 0 && refusedWrites.every((line) => line.startsWith("POST ")), refusedWrites.join());
});
