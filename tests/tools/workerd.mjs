// Runs the worker on workerd for the tests, without a development proxy in between.
// Holds: bindings, migrations and dates come from the same wrangler.toml files through wrangler's own
// reader, so that configuration cannot drift; a client's socket ends in workerd itself.
// Must never: reach the network, register itself with other local sessions, or outlive this process.
import childProcess from "node:child_process";
import { randomUUID } from "node:crypto";
import { readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { inRoot } from "./project.mjs";

// wrangler's module is CommonJS and large: loaded once, and only where a worker is really started.
const require = createRequire(import.meta.url);
const mark = "M365_TEST_WORKERD";
const running = new Map();
let watching = false;

/** Every setting that wrangler and Miniflare would otherwise use to go out or to keep state elsewhere. */
export const quietWrangler = {
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_SEND_ERROR_REPORTS: "false",
  WRANGLER_HIDE_BANNER: "true", // with the banner goes the check for updates
  WRANGLER_NO_SKILLS_UPDATE_PROMPTS: "true",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  WRANGLER_LOG: "none",
};

/** One worker's options, from its wrangler.toml and these settings alone; `main` is another build of it. */
function workerOptions(configPath, settings, { main, without = [] } = {}) {
  const { unstable_readConfig, unstable_getMiniflareWorkerOptions } = require("wrangler");
  const config = unstable_readConfig({ config: configPath, env: "local" }, { hideWarnings: true });
  const envFiles = [join(dirname(configPath), "no-such-file")]; // keeps .dev.vars out of the tests
  const { workerOptions: options } = unstable_getMiniflareWorkerOptions(config, "local", { envFiles });
  const { modulesRules: _, ...rest } = options;
  const entry = main ?? config.main;
  for (const name of without) delete rest.serviceBindings[name];
  return { ...rest, name: config.name, modules: modules(entry), modulesRoot: dirname(entry), bindings: settings };
}

/** The entry and the Wasm files beside it; each of our workers is one script. */
function modules(main) {
  const folder = dirname(main);
  const wasm = readdirSync(folder).filter((name) => name.endsWith(".wasm"));
  const compiled = wasm.map((name) => ({ type: "CompiledWasm", path: join(folder, name) }));
  return [{ type: "ESModule", path: main }, ...compiled];
}

/** Notes each workerd, which Miniflare does not tell; `mark` in its environment says whose it is. */
function noteProcesses() {
  if (watching) return;
  watching = true;
  const original = childProcess.spawn;
  childProcess.spawn = function spawn(command, args, options) {
    const child = original.call(this, command, args, options);
    const id = options?.env?.[mark];
    if (id) {
      running.set(id, child);
      child.once("exit", () => running.delete(id));
    }
    return child;
  };
  // A process that is interrupted takes its workerd along, without the wait for open streams.
  process.once("exit", () => running.forEach((child) => child.kill("SIGKILL")));
}

/** Outlives a SIGKILL of this process by the moment it takes to end workerd and to remove `folder`. */
export function guard(pid, folder) {
  if (process.platform === "win32") return () => {};
  const script = 'cat > /dev/null; kill -9 "$1"; rm -rf "$2"';
  const stdio = ["pipe", "ignore", "ignore"];
  const watch = childProcess.spawn("sh", ["-c", script, "guard", String(pid), folder], { stdio, detached: true });
  watch.stdin.on("error", () => {});
  watch.unref();
  watch.stdin.unref();
  return () => watch.kill("SIGKILL");
}

/**
 * Starts the worker, the fetcher of clients' documents and the emulator's `AI` binding worker. `onLog` gets `{ level, message }` for each line
 * that the worker prints. `main` is the entry of another build than the deployed one; `without` names
 * service bindings to leave out. `port` 0 picks a free one; `statePath` holds what survives a restart; `temporary`
 * is a folder to remove should this process be killed.
 */
export async function startWorkerd({
  settings, emulatorUrl, statePath, main, without, temporary = "", port = 0, onLog = () => {},
}) {
  Object.assign(process.env, quietWrangler);
  noteProcesses();
  const { Miniflare, convertV4MiniflareOptions, Log, LogLevel } = require("miniflare");
  const id = randomUUID();
  const worker = workerOptions(inRoot("wrangler.toml"), settings, { main, without });
  const binding = inRoot("tests", "emulator", "ai-binding", "wrangler.toml");
  const fetcher = inRoot("src", "metadata_fetcher", "wrangler.toml");
  const options = convertV4MiniflareOptions({
    log: new Log(LogLevel.NONE),
    handleStructuredLogs: onLog,
    cf: false,
    logRequests: false,
    resourcePersistencePath: statePath,
    unsafeRuntimeEnv: { [mark]: id },
    workers: [
      { ...worker, unsafeDirectSockets: [{ host: "127.0.0.1", port }] },
      workerOptions(binding, { EMULATOR_URL: emulatorUrl }),
      workerOptions(fetcher, {}),
    ],
  });
  const miniflare = new Miniflare(options);
  try {
    await miniflare.ready;
    const { origin } = await miniflare.unsafeGetDirectURL(worker.name);
    const child = running.get(id);
    return handle({ miniflare, origin, name: worker.name, child, unguard: guard(child.pid, temporary) });
  } catch (error) {
    await miniflare.dispose().catch(() => {});
    throw error;
  }
}

function handle({ miniflare, origin, name, child, unguard }) {
  let ended;
  const kill = () => {
    ended ??= (async () => {
      const gone = child.exitCode !== null || new Promise((done) => child.once("exit", done));
      child.kill("SIGKILL");
      // In the same turn, because Miniflare would otherwise start a new workerd at once.
      await Promise.all([miniflare.dispose(), gone]);
      unguard();
    })();
    return ended;
  };
  return { miniflare, origin, name, pid: child.pid, kill };
}
