// What people ask of files and of tasks, in the realistic tenant.
// Holds: each request is checked on the tenant and on the answer; what is expected is computed from the tenant; what a
// request writes has a word of its own, so that no other one sees it.
// Must never: know an identifier that no tool gave.
import assert from "node:assert/strict";
import { inDays, pick, same } from "./checks.mjs";
import { address } from "./client.mjs";
import { requestsOf } from "./requests.mjs";
import { wordDocument } from "./word_document.mjs";

const request = requestsOf();

/** A file put into somebody's drive behind the worker's back. */
async function put(stack, who, name, body) {
  const asked = { user: address(who), scopes: ["Files.ReadWrite.All"], lifetimeS: 60 };
  const { accessToken } = await stack.emulator.post("/_emulator/token", asked);
  const headers = { authorization: `Bearer ${accessToken}`, "content-type": "application/octet-stream" };
  const place = `${stack.emulator.url}/graph/v1.0/me/drive/root:/${name}:/content`;
  const response = await fetch(place, { method: "PUT", body, headers });
  assert.equal(response.status, 201);
  return response.json();
}

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

request("Find the files that welcome people to a team (of mine, not of others)", async ({ call, tenant }) => {
  const { items } = await call("searchFiles", { query: "welcome team" });
  const [mine, sites] = [await tenant.teams(), await tenant.sites()];
  const open = sites.filter(({ name }) => mine.some(({ displayName }) => displayName === name));
  const real = open.flatMap(({ drive }) => drive.items.filter(isAbout(["welcome", "team"])));
  same(pick(items, "id"), pick(real, "id"));
  const closed = sites.filter((site) => !open.includes(site) && site.drive.items.some(isAbout(["welcome", "team"])));
  assert.ok(closed.length > 0 && open.length > 0);
});

request("What lies in my folder about the warehouse move?", async (scene) => {
  const { driveId, id } = await itemAt(scene, "Warehouse Move");
  const { items } = await scene.call("listFiles", { driveId, folder: id });
  const real = (await scene.tenant.person()).drive.items.filter(({ path }) => /^\/Warehouse Move\/[^/]+$/.test(path));
  const shown = items.map(({ name, size, kind }) => [`/Warehouse Move/${name}`, size, kind]);
  same(shown, real.map(({ path, size }) => [path, size, "file"]));
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
  const written = await put(stack, me, `${word}.docx`, wordDocument(paragraphs));
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

request("Save a list under a name that there is: not over the old one, then yes, then beside it", async (scene) => {
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

request("Remind me in five days at eight to call the carrier, due the day after", async ({ call, tenant, word }) => {
  const [morning, due] = [`${inDays(5)}T08:00`, inDays(6)];
  const wanted = { title: `Call the carrier ${word}`, due, reminder: morning, importance: "high" };
  const { status, task } = await call("saveTask", wanted);
  const real = await taskOf(tenant, word);
  const at = new Date(`${real.reminderDateTime.dateTime.slice(0, 19)}Z`);
  const local = at.toLocaleString("sv-SE", { timeZone: await tenant.timeZone() }).replace(" ", "T").slice(0, 16);
  assert.deepEqual([local, real.reminderDateTime.timeZone, real.isReminderOn], [morning, "UTC", true]);
  assert.deepEqual([dueOn(real), real.importance, real.status], [due, "high", "notStarted"]);
  assert.deepEqual([status, task.title, task.due, Date.parse(task.reminder)], ["created", real.title, due, at.getTime()]);
});

request("I ordered the labels: tick that off", async ({ call, all, tenant, word }) => {
  const due = inDays(2);
  await call("saveTask", { title: `Order labels ${word}`, due });
  const { listId } = await call("listTasks");
  const those = async (status) => {
    const { found } = await all("listTasks", "tasks", { listId, status });
    return found.filter(({ title }) => title.includes(word));
  };
  const [{ id: taskId }] = await those("open");
  const { status, task } = await call("saveTask", { listId, taskId, status: "completed" });
  const real = await taskOf(tenant, word);
  assert.deepEqual([status, task.status, real.status, dueOn(real)], ["updated", "completed", "completed", due]);
  assert.deepEqual([await those("open"), (await those("completed")).length], [[], 1]);
});

request("Put off the letter by two weeks, note why, and it is important now", async ({ call, tenant, word }) => {
  const later = inDays(17);
  const title = `Write the letter ${word}`;
  const made = await call("saveTask", { title, due: inDays(3), reminder: `${inDays(2)}T07:00:00Z` });
  const changes = { due: later, importance: "high", notes: "Waiting for <figures> & names", clear: ["reminder"] };
  const { task } = await call("saveTask", { listId: made.listId, taskId: made.task.id, ...changes });
  const real = await taskOf(tenant, word);
  assert.deepEqual([real.title, dueOn(real), real.importance, real.isReminderOn], [title, later, "high", false]);
  assert.deepEqual([real.body.content, task.due, task.notes], [changes.notes, later, changes.notes]);
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
