// What lies in a folder of mail that operators put out of reach, or in a folder below it, is nowhere.
// Holds: a word that stands in such mails alone stands in no answer of any tool, resource, prompt or completion, and the
// mails stay where they are; what lies elsewhere is read and changed as ever. A shared mailbox has the same rules.
// Must never: look for the word in what the test itself asked for.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { address, openSession, recordMark, records, request, sdkClient, setEmulator } from "./client.mjs";
import { startStack } from "./harness.mjs";
import { tenantOf } from "./tenant.mjs";

const shared = "support@contoso.example";
const word = `w${randomBytes(6).toString("hex")}`;
const policy = { denyFolders: ["archive"], denyAttachmentTypes: ["exe"] };
const scopes = ["Mail.Read.Shared", "Mail.Send.Shared"];
const file = { "@odata.type": "#microsoft.graph.fileAttachment", name: "notes.txt", contentType: "text/plain", contentBytes: btoa(`Notes ${word}`) };

let stack, client, session, tenant;
/** Identifiers: mails in the folder and below it, one that may be read, and the folders. */
const ids = {};

/** A request to Graph behind the worker's back. */
async function graph(path, { method = "GET", body } = {}) {
  const all = ["Mail.ReadWrite", "Mail.ReadWrite.Shared", "User.Read"];
  const { accessToken } = await stack.emulator.post("/_emulator/token", { user: address("alice"), scopes: all, lifetimeS: 60 });
  const headers = { authorization: `Bearer ${accessToken}`, "content-type": "application/json", prefer: 'IdType="ImmutableId"' };
  const answer = await fetch(`${stack.emulator.url}/graph/v1.0${path}`, { method, headers, body: body && JSON.stringify(body) });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  return answer.json();
}

/** A mail of a mailbox, moved into a folder of it. */
async function mailIn(user, root, folder, subject, more = {}) {
  await stack.emulator.post("/_emulator/mail", { user, message: { subject, body: { contentType: "text", content: subject }, ...more } });
  const found = await graph(`${root}/messages?$filter=${encodeURIComponent(`subject eq '${subject}'`)}&$select=id,conversationId`);
  const [{ id, conversationId }] = found.value;
  if (folder) await graph(`${root}/messages/${id}/move`, { method: "POST", body: { destinationId: folder } });
  return { id, conversationId };
}

before(async () => {
  stack = await startStack({ settings: { POLICY: JSON.stringify(policy) }, emulatorArgs: ["--tenant", "realistic"] });
  await setEmulator(stack, { consentedScopes: { [address("alice")]: scopes } });
  tenant = tenantOf(stack, "alice");
  const below = await graph("/me/mailFolders/archive/childFolders", { method: "POST", body: { displayName: `Folder ${word}` } });
  const deeper = await graph(`/me/mailFolders/${below.id}/childFolders`, { method: "POST", body: { displayName: `Deep ${word}`, isHidden: true } });
  [ids.below, ids.deeper] = [below.id, deeper.id];
  ids.archive = (await graph("/me/mailFolders/archive?$select=id")).id;
  const named = { attachments: [file], flag: { flagStatus: "flagged" } };
  const mails = [];
  for (const [at, folder] of ["archive", below.id, deeper.id].entries()) {
    mails.push(await mailIn(address("alice"), "/me", folder, `Planted ${word} ${at}`, named));
  }
  ids.denied = mails.map(({ id }) => id);
  ids.attachment = (await graph(`/me/messages/${ids.denied[0]}/attachments?$select=id`)).value[0].id;
  ids.open = (await mailIn(address("alice"), "/me", null, "Open Oyster")).id;
  ids.shared = (await mailIn(shared, `/users/${shared}`, "archive", `Planted ${word} shared`)).id;
  const token = await stack.connect("alice");
  client = await sdkClient(stack, token);
  session = await openSession(stack, token);
});
after(async () => {
  await client?.close();
  await stack?.stop();
});

/** The answer as a whole, which must not hold the word. */
async function call(name, args = {}) {
  const result = await client.callTool({ name, arguments: args });
  // What was asked for is repeated as `search`.
  const { search, ...rest } = result.structuredContent ?? {};
  const said = result.structuredContent && !result.isError ? JSON.stringify(rest) : JSON.stringify(result);
  assert.ok(!said.includes(word), `${name} ${JSON.stringify(args)}: ${said}`);
  return result;
}

async function isRefused(name, args) {
  const { isError, content } = await call(name, args);
  assert.equal(isError, true, `${name} ${JSON.stringify(args)}`);
  assert.match(content[0].text, /out of reach: the operators of this server do not allow it/, name);
}

test("a mail out of reach is named to no tool", async () => {
  const recipients = { to: [address("bob")], subject: "x", body: "x" };
  const mark = await recordMark(stack);
  for (const id of ids.denied) {
    for (const [name, args] of [
      ["readEmail", { id }],
      ["readEmail", { id, thread: true }],
      ["getAttachment", { messageId: id, attachmentId: ids.attachment }],
      ["replyEmail", { id, body: "x" }],
      ["replyEmail", { id, mode: "forward", to: [address("bob")] }],
      ["draftEmail", { replyTo: id, body: "x" }],
      ["draftEmail", { draftId: id, body: "x" }],
      ["draftEmail", { ...recipients, attachments: [{ messageId: id, attachmentId: ids.attachment }] }],
      ["sendEmail", { ...recipients, attachments: [{ messageId: id, attachmentId: ids.attachment }] }],
      ["sendEmail", { draftId: id }],
      ["organizeEmail", { ids: [id], action: "markRead" }],
      ["organizeEmail", { ids: [ids.open, id], action: "move", folder: "inbox" }],
      ["organizeEmail", { ids: [ids.open], action: "move", folder: ids.deeper }],
    ]) await isRefused(name, args);
  }
  await isRefused("readEmail", { id: ids.shared, mailbox: shared });
  const seen = (await records(stack, "graph", mark)).filter(({ headers }) => !headers["x-test-look"]);
  const changing = seen.filter(({ method, path }) => method !== "GET" && !path.endsWith("/$batch"));
  assert.deepEqual(changing.map(({ method, path }) => `${method} ${path}`), []);
  const looks = seen.filter(({ path }) => path.includes("/childFolders") || path.includes("/mailFolders/archive"));
  assert.ok(looks.length <= 12, `the folders of two mailboxes are read once: ${looks.map(({ path }) => path).join("\n")}`);
});

test("folders out of reach are listed by no name", async () => {
  for (const folder of ["archive", "ARCHIVE", ids.archive, ids.below, ids.deeper]) {
    await isRefused("getEmails", { folder });
    await isRefused("searchEmails", { query: "Planted", folder });
    await isRefused("listMailFolders", { parent: folder });
    await isRefused("organizeEmail", { ids: [ids.open], action: "move", folder });
  }
  await isRefused("getEmails", { folder: "archive", mailbox: shared });
  const { structuredContent: { folders } } = await call("listMailFolders");
  assert.ok(folders.some(({ name }) => name === "Inbox") && !folders.some(({ name }) => name === "Archive"));
});

test("searches find what lies elsewhere and nothing else", async () => {
  for (const args of [{ query: word }, { subject: word }, { query: word, all: true }, { query: word, mailbox: shared }]) {
    const { structuredContent: { messages, truncated } } = await call("searchEmails", args);
    assert.deepEqual([messages, truncated], [[], undefined], JSON.stringify(args));
  }
  const { structuredContent: { messages } } = await call("searchEmails", { query: "Oyster" });
  assert.deepEqual(messages.map(({ subject }) => subject), ["Open Oyster"]);
});

test("a page of which something was left out goes on where it ended", async () => {
  const found = [];
  let pages = 0;
  for (let cursor; pages === 0 || cursor; pages += 1) {
    const { structuredContent } = await call("searchEmails", { query: `${word} OR Oyster`, count: 1, ...(cursor && { cursor }) });
    found.push(...structuredContent.messages);
    cursor = structuredContent.nextCursor;
    assert.equal(structuredContent.truncated === true, Boolean(cursor));
    assert.ok(pages < 10, "the pages end");
  }
  assert.deepEqual(found.map(({ subject }) => subject), ["Open Oyster"]);
  assert.ok(pages > 1);
});

test("resources, prompts and completions keep it back too", async () => {
  let id = 900;
  const ask = async (method, params) => {
    const { json } = await session.send(request((id += 1), method, params));
    assert.ok(!JSON.stringify(json).includes(word), JSON.stringify(json));
    return json;
  };
  for (const mail of ids.denied) {
    const { error } = await ask("resources/read", { uri: `microsoft://mail/messages/${mail}` });
    assert.match(error.message, /out of reach/);
  }
  const open = await ask("resources/read", { uri: `microsoft://mail/messages/${ids.open}` });
  assert.match(open.result.contents[0].text, /Open Oyster/);
  await ask("resources/read", { uri: "microsoft://mail/inbox" });
  const prompt = await ask("prompts/get", { name: "triage-inbox", arguments: { folder: "archive" } });
  assert.match(prompt.error.message, /out of reach/);
  const ref = { type: "ref/prompt", name: "triage-inbox" };
  const { result } = await ask("completion/complete", { ref, argument: { name: "folder", value: "" } });
  assert.deepEqual(result.completion.values.includes("archive"), false);
  assert.ok(result.completion.values.includes("inbox"));
});

test("every other tool that could show it does not, and what is open works", async () => {
  for (const [name, args] of [
    ["getEmails", {}], ["getEmails", { flagged: true }], ["readEmail", { id: ids.open }], ["readEmail", { id: ids.open, thread: true }],
    ["listTasks", {}], ["organizeEmail", { ids: [ids.open], action: "markRead" }], ["organizeEmail", { ids: [ids.open], action: "delete" }],
  ]) {
    const { isError, content } = await call(name, args);
    assert.notEqual(isError, true, `${name}: ${JSON.stringify(content)}`);
  }
  const { folders } = await tenant.person();
  assert.ok(folders.deleteditems.some(({ immutableId }) => immutableId === ids.open));
  for (const id of ids.denied) assert.equal((await graph(`/me/messages/${id}?$select=isRead`)).isRead, false, "nothing of it was touched");
});

test("a file of a type that may not be attached is not forwarded", async () => {
  const program = { ...file, name: "run.exe" };
  const { id } = await mailIn(address("alice"), "/me", null, "With a program", { attachments: [program] });
  const { isError, content } = await call("replyEmail", { id, mode: "forward", to: [address("bob")] });
  assert.equal(isError, true);
  assert.match(content[0].text, /must not be attached: the operators of this server do not allow it/);
});

test("an inbox out of reach is neither read without a name nor watched", async (context) => {
  const other = await startStack({ settings: { POLICY: JSON.stringify({ denyFolders: ["inbox"] }) } });
  context.after(() => other.stop());
  const own = await openSession(other, await other.connect("alice"));
  const { isError, message } = await own.call("getEmails", {});
  assert.equal(isError, true);
  assert.match(message, /out of reach/);
  for (const [id, method] of [[901, "resources/read"], [902, "resources/subscribe"]]) {
    const { json } = await own.send(request(id, method, { uri: "microsoft://mail/inbox" }));
    assert.match(json.error.message, /out of reach/, method);
  }
});
