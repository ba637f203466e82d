// Steps of the one list of calls (calls.mjs): people, files and tasks.
// Holds: what is expected is computed from the tenant; later steps build on what earlier ones `found`.
// Must never: know which client runs it.
import assert from "node:assert/strict";
import { pick, same } from "./checks.mjs";
import { address } from "./client.mjs";

export const people = [
  {
    tool: "getContacts",
    arguments: ({ other }) => ({ search: other }),
    check: async ({ people: found }, { other }) => {
      const hits = found.filter(({ addresses }) => addresses.includes(address(other)));
      // Once, although more than one source has the colleague.
      assert.equal(hits.length, 1);
      assert.deepEqual(hits[0].sources, ["people", "directory"]);
    },
  },
  {
    tool: "getPerson",
    arguments: ({ other }) => ({ person: address(other) }),
    check: async ({ person, source, note }, { other, tenant }) => {
      const real = await tenant.person(other);
      assert.deepEqual([person.name, person.address, source], [real.displayName, address(other), "directory"]);
      assert.match(note, /User\.Read\.All/);
    },
  },
  {
    tool: "getPerson",
    arguments: { person: "me" },
    check: async ({ person }, { me, tenant }) => {
      const { value } = await tenant.graph("/me/directReports?$select=mail");
      assert.equal(person.address, address(me));
      same(person.reports.map((one) => one.address), value.map(({ mail: report }) => report));
    },
  },
  {
    tool: "getPerson",
    arguments: ({ found }) => ({ person: found.contact.emailAddresses[0] }),
    check: async ({ person, source }, { found }) => {
      assert.deepEqual([person.name, source], [found.contact.displayName, "contacts"]);
    },
  },
];

/** A file of the person's own drive, as stored. */
const stored = async (tenant, path) => (await tenant.person()).drive.items.filter((item) => item.path === path);

export const files = [
  {
    tool: "listFiles",
    check: async ({ items }, { tenant }) => {
      const { items: all } = (await tenant.person()).drive;
      const top = all.filter(({ path }) => /^\/[^/]+$/.test(path));
      same(pick(items, "id", "kind"), top.map(({ id, folder }) => [id, folder ? "folder" : "file"]));
    },
  },
  {
    tool: "uploadFile",
    arguments: ({ word }) => ({ name: `Plan ${word} (1).txt`, text: `About ${word}: Zürich` }),
    check: async ({ status, file }, { word, tenant, found }) => {
      const [item, ...more] = await stored(tenant, `/Plan ${word} (1).txt`);
      assert.deepEqual([status, file.id, item.text, more], ["uploaded", item.id, `About ${word}: Zürich`, []]);
      found.file = { driveId: file.driveId, id: file.id };
    },
  },
  {
    tool: "uploadFile",
    arguments: ({ word, found }) => ({
      driveId: found.file.driveId, name: `Plan ${word} (1).txt`, text: `Changed ${word}`, onConflict: "replace",
    }),
    check: async ({ file }, { word, tenant, found }) => {
      const [item, ...more] = await stored(tenant, `/Plan ${word} (1).txt`);
      assert.deepEqual([file.id, item.text, more], [found.file.id, `Changed ${word}`, []]);
    },
  },
  {
    tool: "uploadFile",
    arguments: ({ word }) => ({ name: `${word}.bin`, base64: Buffer.from([0, 255, 128, 1]).toString("base64") }),
    check: async ({ file }, { word, tenant, found }) => {
      const [item] = await stored(tenant, `/${word}.bin`);
      assert.deepEqual([file.id, item.size], [item.id, 4]);
      found.bytes = { driveId: file.driveId, id: file.id };
    },
  },
  {
    tool: "readFile",
    arguments: ({ found }) => ({ ...found.bytes, format: "base64" }),
    check: async ({ file }) => assert.deepEqual([...Buffer.from(file.base64, "base64")], [0, 255, 128, 1]),
  },
  {
    tool: "readFile",
    arguments: ({ found }) => found.file,
    check: async ({ file }, { word }) => {
      assert.deepEqual([file.name, file.text, file.mediaType], [`Plan ${word} (1).txt`, `Changed ${word}`, "text/plain"]);
    },
  },
  {
    tool: "searchFiles",
    arguments: ({ word }) => ({ query: word }),
    check: async ({ items }, { found }) => {
      same(items.map(({ id }) => id), [found.file.id, found.bytes.id]);
    },
  },
  {
    tool: "shareFile",
    arguments: ({ found }) => ({ ...found.file, type: "edit" }),
    check: async (shared, { word, tenant }) => {
      const [{ links }] = await stored(tenant, `/Plan ${word} (1).txt`);
      assert.deepEqual([shared.scope, shared.type, links], ["organization", "edit", [["edit", "organization"]]]);
      assert.match(shared.link, /^https:\/\//);
    },
  },
  {
    tool: "listFiles",
    arguments: { sites: "*" },
    check: async ({ items }, { tenant, found }) => {
      const known = await tenant.sites();
      assert.ok(items.length > 0);
      const names = known.map(({ name }) => name);
      assert.ok(items.every(({ siteId, name, kind }) => siteId && kind === "site" && names.includes(name)));
      // Long identifiers are handles, so that the site is known by its name.
      found.site = { ...known.find(({ name }) => name === items[0].name), handle: items[0].siteId };
    },
  },
  {
    tool: "listFiles",
    arguments: ({ found }) => ({ siteId: found.site.handle }),
    check: async ({ items }, { found }) => {
      assert.deepEqual(pick(items, "kind"), [["drive"]]);
      found.library = items[0].driveId;
    },
  },
  {
    tool: "listFiles",
    arguments: ({ found }) => ({ driveId: found.library, folder: "root" }),
    check: async ({ items }, { found }) => {
      const top = found.site.drive.items.filter(({ path }) => /^\/[^/]+$/.test(path));
      same(items.map(({ name }) => `/${name}`), top.map(({ path }) => path));
    },
  },
];

/** Tasks of a title in any list, as stored. */
const tasksOf = async (tenant, title) =>
  (await tenant.person()).todo.flatMap((list) => list.tasks.map((task) => ({ ...task, listId: list.id })))
    .filter((task) => task.title === title);

export const tasks = [
  {
    tool: "saveTask",
    arguments: ({ day, word }) => ({
      title: `Task ${word}`, due: day, reminder: `${day}T09:00:00Z`, notes: `About ${word}`, importance: "high",
    }),
    check: async ({ status, listId, task }, { day, word, tenant, found }) => {
      const [item, ...more] = await tasksOf(tenant, `Task ${word}`);
      assert.deepEqual([status, listId, task.id, task.due, more], ["created", item.listId, item.id, day, []]);
      const list = (await tenant.person()).todo.find(({ id }) => id === item.listId);
      assert.deepEqual([list.kind, item.importance, item.body.content], ["defaultList", "high", `About ${word}`]);
      assert.deepEqual([item.dueDateTime.timeZone, item.isReminderOn], ["UTC", true]);
      found.task = { listId, taskId: task.id };
    },
  },
  {
    tool: "listTasks",
    arguments: ({ day }) => ({ dueBy: day, maxTokens: 20_000 }),
    check: async ({ lists, tasks: shown }, { day, word, tenant }) => {
      same(pick(lists, "name"), pick((await tenant.person()).todo, "displayName"));
      assert.ok(shown.every(({ status, due }) => status !== "completed" && due <= day));
      const [task, ...more] = shown.filter(({ title }) => title === `Task ${word}`);
      assert.deepEqual([task.due, task.reminder, more], [day, `${day}T09:00:00Z`, []]);
    },
  },
  {
    tool: "saveTask",
    arguments: ({ found }) => ({ ...found.task, status: "completed", clear: ["reminder", "due"] }),
    check: async ({ status, task }, { word, tenant }) => {
      const [item] = await tasksOf(tenant, `Task ${word}`);
      assert.deepEqual([status, task.status, item.status, item.isReminderOn], ["updated", "completed", "completed", false]);
      assert.deepEqual([item.dueDateTime, item.reminderDateTime], [undefined, undefined]);
    },
  },
  {
    tool: "listTasks",
    arguments: ({ found }) => ({ listId: found.task.listId, status: "completed" }),
    check: async ({ tasks: shown }, { word }) => {
      assert.ok(shown.every(({ status }) => status === "completed"));
      assert.equal(shown.filter(({ title }) => title === `Task ${word}`).length, 1);
    },
  },
  {
    tool: "listTasks",
    arguments: ({ found }) => found.task,
    check: async ({ tasks: shown }, { word }) => {
      assert.deepEqual(pick(shown, "title", "notes"), [[`Task ${word}`, `About ${word}`]]);
    },
  },
];
