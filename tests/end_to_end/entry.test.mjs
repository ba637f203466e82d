// Proves that the Worker's entry hands every event on, and that nothing of an instance is called again after a trap.
// The program itself has no trap to offer, so a stand-in for what wasm-bindgen writes takes its place here.
import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { pathToFileURL } from "node:url";
import { inRoot } from "../tools/project.mjs";

const standIn = `
  export const seen = { made: [], calls: [], resets: 0, fails: undefined };
  const state = { criticalError: false, instanceId: 0 };
  export const __worker_init_state = () => state;
  export const __wbg_reset_state = () => { seen.resets += 1; };
  const call = (...what) => {
    seen.calls.push(what);
    const error = seen.fails;
    seen.fails = undefined;
    if (error) throw error;
    return Promise.resolve(what.length);
  };
  export const fetch = (...given) => call("edge", ...given);
  class Actor {
    constructor(...given) {
      seen.made.push([this.constructor.name, ...given]);
      if (seen.fails) call("new");
    }
    fetch(...given) { return call("fetch", ...given); }
    alarm(...given) { return call("alarm", ...given); }
  }
  export class UserSession extends Actor {
    webSocketMessage(...given) { return call("webSocketMessage", ...given); }
  }
  export class Directory extends Actor {}
`;

let folder;
let entry;
let seen;
let tellError;
const said = [];
const { log, error: complain } = console;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "m365-entry-"));
  copyFileSync(inRoot("src", "entry.js"), join(folder, "entry.mjs"));
  writeFileSync(join(folder, "package.json"), `{"type":"module"}`);
  writeFileSync(join(folder, "index.js"), standIn);
  globalThis.addEventListener = (name, listener) => {
    assert.equal(name, "error");
    tellError = (error) => listener({ error });
  };
  console.log = (text) => said.push(text);
  console.error = (text) => said.push(text);
  entry = await import(pathToFileURL(join(folder, "entry.mjs")));
  ({ seen } = await import(pathToFileURL(join(folder, "index.js"))));
});

after(() => {
  Object.assign(console, { log, error: complain });
  delete globalThis.addEventListener;
  rmSync(folder, { recursive: true, force: true });
});

beforeEach(() => {
  Object.assign(seen, { made: [], calls: [], resets: 0, fails: undefined });
  said.length = 0;
});

const trap = () => new WebAssembly.RuntimeError("unreachable");

test("a request and an event of an object reach the program with all that came with them", async () => {
  assert.equal(await entry.default.fetch("request", "env", "context"), 4);
  const person = new entry.UserSession("state", "env");
  await person.fetch("request");
  await person.webSocketMessage("socket", "text");
  await person.alarm({ retryCount: 1 });
  assert.deepEqual(seen.made, [["UserSession", "state", "env"]]);
  assert.deepEqual(seen.calls, [
    ["edge", "request", "env", "context"], ["fetch", "request"], ["webSocketMessage", "socket", "text"], ["alarm", { retryCount: 1 }],
  ]);
  assert.equal(seen.resets, 0);
});

test("an object offers the platform the events that its class knows, and no other", () => {
  const offered = (object) => ["fetch", "alarm", "webSocketMessage", "webSocketClose"].filter((event) => event in object);
  assert.deepEqual(offered(new entry.UserSession()), ["fetch", "alarm", "webSocketMessage"]);
  assert.deepEqual(offered(new entry.Directory()), ["fetch", "alarm"]);
});

test("after a trap the program begins anew once, and every object of before is made again from the same arguments", async () => {
  const [broken, other] = [new entry.UserSession("one"), new entry.Directory("two")];
  seen.fails = trap();
  assert.throws(() => broken.fetch("a"), WebAssembly.RuntimeError);
  assert.equal(seen.resets, 0);
  await other.fetch("b");
  await broken.fetch("c");
  await broken.fetch("d");
  await entry.default.fetch("e");
  assert.equal(seen.resets, 1);
  assert.deepEqual(seen.made, [["UserSession", "one"], ["Directory", "two"], ["Directory", "two"], ["UserSession", "one"]]);
  assert.ok(said.includes("Critical") && said.includes("Reinitializing Wasm application"));
});

test("a trap at the edge, in a task, or while an object is made counts as one too", async () => {
  seen.fails = trap();
  assert.throws(() => entry.default.fetch("a"), WebAssembly.RuntimeError);
  await entry.default.fetch("b");
  assert.equal(seen.resets, 1);
  tellError(trap());
  await entry.default.fetch("c");
  assert.equal(seen.resets, 2);
  seen.fails = new Error("no memory");
  assert.throws(() => new entry.UserSession("state"), /no memory/);
  await entry.default.fetch("d");
  assert.equal(seen.resets, 3);
});

test("an error that is no trap goes to the platform, and nothing begins anew", async () => {
  const person = new entry.UserSession("state");
  seen.fails = new TypeError("not this time");
  assert.throws(() => person.fetch("a"), /not this time/);
  tellError(new TypeError("nor here"));
  await person.fetch("b");
  assert.deepEqual([seen.resets, seen.made.length, said], [0, 1, []]);
});
