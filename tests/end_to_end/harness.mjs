// One private stack per test: the worker on workerd, and an emulator of everything outside.
// Holds: no fixed port, no shared state, nothing left behind, also when a test fails or is interrupted.
// Must never: touch `.dev.vars` or `.wrangler`, or reach the network.
//
// There is one way to run the worker here, workerd without wrangler's development proxy: the proxy hides
// resets, delays a disconnect by one write and starts a second workerd. Configuration still comes from
// wrangler.toml. That `wrangler dev` works too is the business of `npm start`, which has its own test.
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { promisify } from "node:util";
import { freshSettings, writeSettings } from "../tools/dev_vars.mjs";
import { startEmulator } from "../tools/emulator.mjs";
import { freePort } from "../tools/ports.mjs";
import { nativeProgram } from "../tools/project.mjs";
import { followConnect } from "../tools/token.mjs";
import { startWorkerd } from "../tools/workerd.mjs";

const runFile = promisify(execFile);
/** Runs any test over the other way out: M365_TEST_EGRESS=custom_provider. A test's own choice comes first. */
const egress = process.env.M365_TEST_EGRESS ? { EGRESS: process.env.M365_TEST_EGRESS } : {};
/** Tests ask faster than any client; the one that asks too fast lowers it again. */
const unhurried = { RATE_LIMIT_PER_MINUTE: "1000000", REGISTRATIONS_PER_MINUTE: "1000000" };
const stacks = new Set();
const folders = new Set();
process.once("exit", () => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));
// A test that forgot `stop()`, or failed before it, must not keep its file from ending.
if (process.env.NODE_TEST_CONTEXT) after(() => Promise.all([...stacks].map(stop)));
// Without a listener these would end the process before its `exit` handlers had run.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));

function privateFolder() {
  const folder = mkdtempSync(join(tmpdir(), "m365-test-"));
  folders.add(folder);
  return folder;
}

/** `undefined` as a value takes a setting away. */
function merged(settings, changes) {
  return Object.fromEntries(Object.entries({ ...settings, ...changes }).filter(([, value]) => value !== undefined));
}

/**
 * Starts a stack. `settings` change or remove (undefined) single settings, or make them of `{ origin, emulator }`; `emulatorArgs` go to the emulator,
 * `persistTo` is a folder of the caller's that outlives the stack, `main` the entry of another build, `without`
 * names service bindings to leave out. `stop()` it in `after`.
 */
export async function startStack({ settings = {}, emulatorArgs = [], persistTo, main, without = [] } = {}) {
  const folder = privateFolder();
  const emulator = await startEmulator({ args: emulatorArgs });
  const state = {
    folder, emulator, main, without,
    envFile: join(folder, "settings"),
    statePath: persistTo ?? join(folder, "state"),
    lines: [], waiters: new Set(), workerd: undefined,
  };
  stacks.add(state);
  try {
    await startSomewhere(state, settings);
  } catch (error) {
    await stop(state);
    throw error;
  }
  return stack(state);
}

/**
 * The worker must know its own address, so that its port is chosen before the start. Nobody can keep one free until then:
 * where somebody else was faster, there are others.
 */
async function startSomewhere(state, settings) {
  state.port = await freePort();
  state.origin = `http://127.0.0.1:${state.port}`;
  const places = { origin: state.origin, emulator: state.emulator.url };
  const own = typeof settings === "function" ? settings(places) : settings;
  state.settings = merged(freshSettings(places), { ...unhurried, ...egress, ...own });
  writeSettings(state.envFile, state.settings);
  try {
    await startWorker(state);
  } catch (error) {
    if (error.code !== "ERR_ADDRESS_IN_USE") throw error;
    await startSomewhere(state, settings);
  }
}

async function startWorker(state) {
  state.workerd = await startWorkerd({
    settings: state.settings,
    emulatorUrl: state.emulator.url,
    main: state.main,
    without: state.without,
    statePath: state.statePath,
    temporary: state.folder,
    port: state.port,
    onLog: ({ level, message }) => note(state, level, message),
  });
}

function note(state, level, message) {
  for (const text of message.split("\n").filter(Boolean)) {
    const entry = { level, text, json: jsonOf(text) };
    state.lines.push(entry);
    for (const waiter of [...state.waiters]) waiter(entry);
  }
}

function jsonOf(text) {
  if (!text.startsWith("{")) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function waitForLog(state, predicate, { timeout = 5000, since = 0 } = {}) {
  const known = state.lines.slice(since).find(({ json }) => json && predicate(json));
  if (known) return Promise.resolve(known.json);
  return new Promise((done, failed) => {
    const finish = (settle, value) => {
      clearTimeout(timer);
      state.waiters.delete(look);
      settle(value);
    };
    const look = ({ json }) => json && predicate(json) && finish(done, json);
    const last = () => state.lines.slice(-5).map(({ text }) => text).join("\n");
    const timer = setTimeout(() => {
      finish(failed, new Error(`no such log line within ${timeout} ms; the last ones:\n${last()}`));
    }, timeout);
    state.waiters.add(look);
  });
}

async function emulatorRequest(state, path, init) {
  const response = await fetch(new URL(path, state.emulator.url), init);
  const text = await response.text();
  if (!response.ok) throw new Error(`emulator: ${init?.method ?? "GET"} ${path} answered ${response.status} ${text}`);
  return jsonOf(text) ?? (text.startsWith("[") ? JSON.parse(text) : text);
}

async function mintToken(state, user, { args = [] } = {}) {
  const fixed = ["--env-file", state.envFile, "--user", user];
  const { stdout } = await runFile(nativeProgram("mint-token"), [...fixed, ...args]);
  return JSON.parse(stdout);
}

async function stop(state) {
  stacks.delete(state);
  await Promise.all([state.workerd?.kill(), state.emulator.stop()]);
  rmSync(state.folder, { recursive: true, force: true });
  folders.delete(state.folder);
}

function stack(state) {
  const body = (value) => JSON.stringify(value ?? {});
  const headers = { "content-type": "application/json" };
  return {
    origin: state.origin,
    mcpUrl: `${state.origin}/mcp`,
    settings: state.settings,
    /** The same as the file that commands read. */
    envFile: state.envFile,
    /** Where the objects' rows lie; look into it only while no worker runs. */
    statePath: state.statePath,
    /** A private folder that goes with the stack. */
    folder: state.folder,
    emulator: {
      url: state.emulator.url,
      get: (path) => emulatorRequest(state, path),
      post: (path, value) => emulatorRequest(state, path, { method: "POST", headers, body: body(value) }),
    },
    /** The worker's structured lines, oldest first. */
    logLines: () => state.lines.map(({ json }) => json).filter(Boolean),
    /** Everything that it printed, as text: to prove that something is *not* in the log. */
    output: () => state.lines.map(({ text }) => text).join("\n"),
    /** Resolves with the first structured line that fits; `since: logMark()` leaves older ones out. */
    waitForLog: (predicate, options) => waitForLog(state, predicate, options),
    /** Resolves with the line of the settled request of this ID, beside which each of its calls has a line of its own. */
    waitForRequest: (id, options) =>
      waitForLog(state, ({ event, requestId }) => event !== "call" && requestId === id, options),
    logMark: () => state.lines.length,
    mintToken: (user, options) => mintToken(state, user, options),
    /** Signs in as a browser would and gives the access token. */
    connect: async (user, options) => {
      const minted = await mintToken(state, user, options);
      await followConnect(minted.connectUrl);
      return minted.accessToken;
    },
    /** SIGKILL, as when a machine dies; the state on disk stays. */
    kill: () => state.workerd.kill(),
    /** The worker again, on the same port and state, with some settings changed; kills the running one first. */
    restart: async (changes = {}) => {
      await state.workerd.kill();
      // In place, because whoever holds the stack sees its settings through this object.
      Object.assign(state.settings, changes);
      writeSettings(state.envFile, merged(state.settings, {}));
      await startWorker(state);
    },
    /** Turns the object named `name` out of memory; webSockets: "hibernate" keeps its sockets, "close" ends them. */
    evict: (name, { className = "UserSession", webSockets = "hibernate" } = {}) =>
      state.workerd.miniflare.unsafeEvictDurableObject(state.workerd.name, className, { name, webSockets }),
    /** A class of objects, to speak to one as the edge does. */
    namespace: (binding) => state.workerd.miniflare.getDurableObjectNamespace(binding, state.workerd.name),
    kv: () => state.workerd.miniflare.getKVNamespace("OAUTH_KV", state.workerd.name),
    pid: () => state.workerd.pid,
    stop: () => stop(state),
  };
}
