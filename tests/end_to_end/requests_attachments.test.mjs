// What people ask to have attached by reference: files of drives and attachments of other mails, small and large.
// Holds: what a receiver gets is compared byte by byte with what there was; a refusal leaves no mail and no draft behind,
// unless it says so; every call to Graph is held against Microsoft's own description, where there is one.
// Must never: give content as an argument where a reference is meant.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { after, test } from "node:test";
import { root } from "../tools/project.mjs";
import { address, recordMark, records, sdkClient, setEmulator } from "./client.mjs";
import { exceptionOf, GraphDescription, lineOf } from "./graph_description.mjs";
import { startStack } from "./harness.mjs";
import { requestsOf } from "./requests.mjs";
import { tenantOf, testHeader } from "./tenant.mjs";

const requested = requestsOf();
const megabyte = 1024 * 1024;
const digest = (bytes) => createHash("sha256").update(bytes).digest("hex");
const file = process.env.GRAPH_DESCRIPTION;
const description = file && new GraphDescription(JSON.parse(readFileSync(resolve(root, file), "utf8")));

/** A request whose calls are held against Microsoft's description, where there is one. */
function request(title, body) {
  requested(title, async (scene) => {
    const mark = await recordMark(scene.stack);
    await body(scene);
    const seen = (await records(scene.stack, "graph", mark)).filter(({ headers }) => !(testHeader in headers));
    assert.ok(seen.length > 0);
    // An emulator that is told to refuse writes does so with a 500, whatever is asked.
    const isRight = (record, finding) => exceptionOf(record, finding) ?? /^status: 500 /.test(finding);
    const findings = (record) => (description?.findings(record) ?? []).filter((finding) => !isRight(record, finding));
    assert.deepEqual(seen.flatMap((record) => findings(record).map((finding) => `${lineOf(record)}: ${finding}`)), []);
  });
}

async function token(stack, who, scopes) {
  const asked = { user: address(who), scopes, lifetimeS: 300 };
  return (await stack.emulator.post("/_emulator/token", asked)).accessToken;
}

/** A file put into somebody's drive behind the worker's back; it answers with how tools name it. */
async function put(stack, who, name, body) {
  const authorization = `Bearer ${await token(stack, who, ["Files.ReadWrite.All"])}`;
  const drive = `${stack.emulator.url}/graph/v1.0/me/drive/root:/${name}:`;
  const small = body.length < 4 * megabyte;
  if (small) {
    const headers = { authorization, "content-type": "application/octet-stream", [testHeader]: "1" };
    const response = await fetch(`${drive}/content`, { method: "PUT", body, headers });
    assert.equal(response.status, 201);
    return reference(await response.json());
  }
  const headers = { authorization, "content-type": "application/json", [testHeader]: "1" };
  const begun = await fetch(`${drive}/createUploadSession`, { method: "POST", body: "{}", headers });
  const { uploadUrl } = await begun.json();
  const most = 32 * 320 * 1024;
  for (let first = 0; ; first += most) {
    const part = body.subarray(first, first + most);
    const range = { "content-range": `bytes ${first}-${first + part.length - 1}/${body.length}` };
    const response = await fetch(uploadUrl, { method: "PUT", body: part, headers: range });
    if (response.status !== 202) {
      assert.equal(response.status, 201);
      return reference(await response.json());
    }
  }
}

const reference = ({ id, parentReference }) => ({ driveId: parentReference.driveId, itemId: id });

/** Name, size and digest of each attachment of a mail. */
async function attached(stack, who, mail) {
  const { value } = await tenantOf(stack, who).graph(`/me/messages/${mail.immutableId}/attachments`, { prefer: 'IdType="ImmutableId"' });
  return value.map(({ name, contentBytes }) => {
    const bytes = Buffer.from(contentBytes, "base64");
    return [name, bytes.length, digest(bytes)];
  });
}

/** The one mail of a subject in the inbox of a receiver. */
async function received(stack, who, subject) {
  const [mail, ...more] = await tenantOf(stack, who).mails(who, "inbox", subject);
  assert.ok(mail && more.length === 0, `${subject}: ${more.length + (mail ? 1 : 0)} mails`);
  return mail;
}

const facts = (name, body) => [name, body.length, digest(body)];

request("Send Bob the recording from my drive, which has ten megabytes", async ({ call, stack, word }) => {
  const body = randomBytes(10 * megabyte + 1);
  const file = await put(stack, "alice", `${word}.bin`, body);
  const subject = `The recording ${word}`;
  const sent = await call("sendEmail", { to: [address("bob")], subject, body: "Here", attachments: [file] });
  assert.deepEqual([sent.status, sent.recipients], ["sent", 1]);
  assert.deepEqual(await attached(stack, "bob", await received(stack, "bob", subject)), [facts(`${word}.bin`, body)]);
});

request("Send Bob a short file of my drive, a long one, and a note", async ({ call, stack, tenant, word }) => {
  const bodies = [randomBytes(1000), randomBytes(3 * megabyte + 7)];
  const files = [];
  for (const [at, body] of bodies.entries()) files.push(await put(stack, "alice", `${word}-${at}.bin`, body));
  const subject = `Three things ${word}`;
  const note = { name: "note.txt", text: "One more" };
  await call("sendEmail", { to: [address("bob")], subject, body: "Here", attachments: [files[0], note, files[1]] });
  const expected = [
    facts(`${word}-0.bin`, bodies[0]), facts("note.txt", Buffer.from("One more")), facts(`${word}-1.bin`, bodies[1]),
  ];
  assert.deepEqual(await attached(stack, "bob", await received(stack, "bob", subject)), expected);
  assert.deepEqual(await tenant.mails("alice", "drafts", subject), []);
});

request("Send the site plan that I got on to Carol", async ({ call, stack, tenant, word }) => {
  const { messages: [hit] } = await call("searchEmails", { query: "Site plan of the new warehouse" });
  const { messages: [mail] } = await call("readEmail", { id: hit.id });
  const [{ id }] = mail.attachments;
  const subject = `The plan ${word}`;
  await call("sendEmail", { to: [address("carol")], subject, body: "See", attachments: [{ messageId: hit.id, attachmentId: id }] });
  const everything = Object.values((await tenant.person()).folders).flat();
  const real = everything.find((one) => one.subject === "Site plan of the new warehouse");
  const there = await attached(stack, "alice", real);
  assert.deepEqual(await attached(stack, "carol", await received(stack, "carol", subject)), there);
  assert.ok(there[0][1] > 4 * megabyte, "it is larger than a request");
});

request("Reply to the mail with a file of my drive, with its own attachment, and with a note", async ({ call, stack, tenant, word }) => {
  const body = randomBytes(4 * megabyte + 11);
  const file = await put(stack, "alice", `${word}.bin`, body);
  const small = await put(stack, "alice", `${word}-small.bin`, body.subarray(0, 500));
  const subject = `Question ${word}`;
  const question = [{ name: "question.txt", text: "What is it?" }];
  const bob = await sdkClient(stack, await stack.connect("bob"));
  const asked = await bob.callTool({
    name: "sendEmail", arguments: { to: [address("alice")], subject, body: "Well?", attachments: question },
  });
  await bob.close();
  assert.notEqual(asked.isError, true, JSON.stringify(asked.content));
  const mail = await received(stack, "alice", subject);
  const { messages: [{ id, attachments: [{ id: attachmentId }] }] } = await call("readEmail", { id: mail.immutableId });
  const attachments = [file, { messageId: id, attachmentId }, { name: "note.txt", text: "One more" }, small];
  const sent = await call("replyEmail", { id, body: `This ${word}`, attachments });
  assert.deepEqual([sent.status, sent.recipients], ["sent", 1]);
  assert.deepEqual(await attached(stack, "bob", await received(stack, "bob", `RE: ${subject}`)), [
    facts(`${word}.bin`, body), facts("question.txt", Buffer.from("What is it?")), facts("note.txt", Buffer.from("One more")),
    facts(`${word}-small.bin`, body.subarray(0, 500)),
  ]);
  // What is forwarded keeps its own.
  await call("replyEmail", { id, mode: "forward", to: [address("carol")], body: "See", attachments: [small] });
  assert.deepEqual(await attached(stack, "carol", await received(stack, "carol", `FW: ${subject}`)), [
    facts("question.txt", Buffer.from("What is it?")), facts(`${word}-small.bin`, body.subarray(0, 500)),
  ]);
  const draft = await call("draftEmail", { replyTo: id, replyMode: "replyAll", body: "Later", attachments: [small] });
  assert.equal(draft.status, "drafted");
  const [kept, ...more] = await tenant.mails("alice", "drafts", `RE: ${subject}`);
  assert.deepEqual([await attached(stack, "alice", kept), more], [[facts(`${word}-small.bin`, body.subarray(0, 500))], []]);
});

// One of its calls is too large to be recorded, and so to be judged.
requested("Send files of nearly three megabytes, whichever way they go", async ({ call, stack, word }) => {
  const sizes = [2_999_999, 3_000_000, 3 * megabyte - 150];
  const bodies = sizes.map((size) => randomBytes(size));
  const files = [];
  for (const [at, body] of bodies.entries()) files.push(await put(stack, "alice", `${word}-${at}.bin`, body));
  const subject = `On the edge ${word}`;
  await call("sendEmail", { to: [address("bob")], subject, body: "x", attachments: files });
  const expected = bodies.map((body, at) => facts(`${word}-${at}.bin`, body));
  assert.deepEqual(await attached(stack, "bob", await received(stack, "bob", subject)), expected);
});

request("Save the site plan that I got into my OneDrive", async ({ call, stack, tenant, word }) => {
  const { messages: [hit] } = await call("searchEmails", { query: "Site plan of the new warehouse" });
  const { messages: [mail] } = await call("readEmail", { id: hit.id });
  const [{ id }] = mail.attachments;
  const name = `Saved ${word}.bin`;
  const { status, file } = await call("uploadFile", { name, messageId: hit.id, attachmentId: id });
  assert.equal(status, "uploaded");
  // What lies there now is sent on by reference, so that its bytes can be compared.
  const subject = `Saved ${word}`;
  const saved = { driveId: file.driveId, itemId: file.id };
  await call("sendEmail", { to: [address("bob")], subject, body: "x", attachments: [saved] });
  const everything = Object.values((await tenant.person()).folders).flat();
  const real = everything.find((one) => one.subject === "Site plan of the new warehouse");
  const [[, size, hash]] = await attached(stack, "alice", real);
  assert.deepEqual(await attached(stack, "bob", await received(stack, "bob", subject)), [[name, size, hash]]);
});

request("Draft a mail with a large file, which I shall send later", async ({ call, stack, tenant, word }) => {
  const body = randomBytes(5 * megabyte);
  const file = await put(stack, "alice", `${word}.bin`, body);
  const subject = `Later ${word}`;
  const draft = await call("draftEmail", { to: [address("bob")], subject, body: "x", attachments: [file] });
  assert.equal(draft.status, "drafted");
  const [kept] = await tenant.mails("alice", "drafts", subject);
  assert.deepEqual(await attached(stack, "alice", kept), [facts(`${word}.bin`, body)]);
  await call("sendEmail", { draftId: draft.messageId });
  assert.deepEqual(await attached(stack, "bob", await received(stack, "bob", subject)), [facts(`${word}.bin`, body)]);
});

request("Send more than a mail can hold: not at all, and the way out is told", async ({ refused, stack, tenant, word }) => {
  const file = await put(stack, "alice", `${word}.bin`, Buffer.alloc(60 * megabyte, 7));
  const subject = `Too much ${word}`;
  const text = await refused("sendEmail", { to: [address("bob")], subject, body: "x", attachments: [file, file, file] });
  assert.match(text, /150 MB/);
  assert.match(text, /shareFile/);
  assert.deepEqual([await tenant.mails("alice", "drafts", subject), await tenant.mails("bob", "inbox", subject)], [[], []]);
});

request("Send a file while nothing can be written", async ({ refused, stack, tenant, word }) => {
  const file = await put(stack, "alice", `${word}.bin`, randomBytes(4 * megabyte));
  const subject = `Refused ${word}`;
  await setEmulator(stack, { refuseWrites: true });
  try {
    await refused("sendEmail", { to: [address("bob")], subject, body: "x", attachments: [file] });
  } finally {
    await setEmulator(stack, { refuseWrites: false });
  }
  assert.deepEqual([await tenant.mails("alice", "drafts", subject), await tenant.mails("bob", "inbox", subject)], [[], []]);
});

/** A stack under a policy, with a client of alice's. */
async function under(policy) {
  const settings = ({ emulator }) => ({ POLICY: JSON.stringify(policy(new URL(emulator).host)) });
  const stack = await startStack({ settings });
  after(() => stack.stop());
  const client = await sdkClient(stack, await stack.connect("alice"));
  after(() => client.close());
  const refused = async (name, given) => {
    const { isError, content } = await client.callTool({ name, arguments: given });
    assert.equal(isError, true, JSON.stringify(content));
    return content[0].text;
  };
  return { stack, refused };
}

test("a type and a size that operators do not let out stay, wherever they come from", async () => {
  const { stack, refused } = await under((host) => ({
    fileHosts: [host], denyAttachmentTypes: ["exe"], attachmentBytesMax: 4 * megabyte,
  }));
  const program = await put(stack, "alice", "run.exe", randomBytes(100));
  const large = await put(stack, "alice", "large.bin", randomBytes(4 * megabyte + 1));
  for (const file of [program, large]) {
    const text = await refused("sendEmail", { to: [address("bob")], subject: "x", body: "x", attachments: [file] });
    assert.match(text, /the operators of this server do not allow it/);
  }
  const { folders } = await tenantOf(stack, "alice").person();
  assert.deepEqual(folders.drafts.filter(({ subject }) => subject === "x"), []);
});

test("where no storage is listed, files are not attached, and the answer says what to do", async () => {
  const { stack, refused } = await under(() => ({}));
  const file = await put(stack, "alice", "notes.bin", randomBytes(100));
  const text = await refused("sendEmail", { to: [address("bob")], subject: "x", body: "x", attachments: [file] });
  assert.match(text, /fileHosts/);
  assert.match(text, /shareFile/);
});
