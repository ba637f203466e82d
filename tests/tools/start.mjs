// `npm start`: everything on this machine, with no account and no network, until Ctrl-C.
// Options: --port N, --emulator-port N (0: any), --settings FILE, --state FOLDER.
// Holds: set-up and build do nothing when nothing changed; taken ports are replaced and said aloud; every
// child is gone when this ends.
// Must never: go on with a configuration that the worker refuses, or send anything to anyone.
import { spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { build } from "./build.mjs";
import { line, updateDevVars } from "./dev_vars.mjs";
import { startEmulator } from "./emulator.mjs";
import { wantedPort } from "./ports.mjs";
import {
  Advice, defaultPorts, demoUsers, devVarsFile, inRoot, isAlive, root, runIfMain, say, wranglerNode, wranglerProgram,
} from "./project.mjs";
import { setup } from "./setup.mjs";
import { quietWrangler } from "./workerd.mjs";

const fetcherConfig = join("src", "metadata_fetcher", "wrangler.toml");
const started = Date.now();
const patience = 30_000;

function chosenOptions() {
  const text = { type: "string" };
  const { values } = parseArgs({ options: { port: text, "emulator-port": text, settings: text, state: text } });
  return {
    port: Number(values.port ?? defaultPorts.worker),
    emulatorPort: Number(values["emulator-port"] ?? defaultPorts.emulator),
    settingsFile: values.settings ? resolve(values.settings) : devVarsFile,
    statePath: values.state ? resolve(values.state) : inRoot(".wrangler", "state"),
  };
}

/** Two runs must not share databases, which workerd does not lock: the later one gets a folder that ends with it. */
function claimState(path, temporary) {
  const ownerFile = join(path, "start.pid");
  const owner = existsSync(ownerFile) ? Number(readFileSync(ownerFile, "utf8")) : 0;
  if (owner && owner !== process.pid && isAlive(owner)) {
    say(`another npm start (process ${owner}) uses ${relative(root, path)}: this one keeps its own data`);
    return { path: join(temporary, "state"), release: () => {} };
  }
  mkdirSync(path, { recursive: true });
  writeFileSync(ownerFile, String(process.pid));
  return { path, release: () => rmSync(ownerFile, { force: true }) };
}

/** The emulator's `AI` worker as a copy with its own address beside it: that is where wrangler looks. */
function prepareFiles(folder, emulatorUrl, settingsFile) {
  const binding = join(folder, "ai-binding");
  cpSync(inRoot("tests", "emulator", "ai-binding"), binding, { recursive: true });
  writeFileSync(join(binding, ".dev.vars"), `${line("EMULATOR_URL", emulatorUrl)}\n`, { mode: 0o600 });
  // A copy of the settings, so that a second start in this clone cannot change them under this one.
  // wrangler expands `$` in a file that is named on the command line, and in no other.
  const settings = readFileSync(settingsFile, "utf8").replaceAll("$", "\\$");
  writeFileSync(join(folder, "settings"), settings, { mode: 0o600 });
  return { bindingConfig: join(binding, "wrangler.toml"), copy: join(folder, "settings") };
}

function startWrangler({ folder, port, statePath, emulatorUrl, settingsFile }) {
  const { bindingConfig, copy } = prepareFiles(folder, emulatorUrl, settingsFile);
  const args = ["dev", "-c", "wrangler.toml", "-c", fetcherConfig, "-c", bindingConfig, "--env", "local", "--env-file", copy];
  args.push("--ip", "127.0.0.1", "--port", String(port), "--inspector-port", "0", "--persist-to", statePath);
  args.push("--show-interactive-dev-session=false", "--types=false");
  const env = {
    ...process.env, ...quietWrangler,
    WRANGLER_LOG: "log",
    WRANGLER_REGISTRY_PATH: join(folder, "registry"), // other sessions on this machine are not ours
    WRANGLER_LOG_PATH: join(folder, "logs"),
    WRANGLER_CACHE_DIR: join(folder, "cache"),
  };
  // A process group of its own: Ctrl-C then reaches this process alone, which ends the others in order.
  return spawn(wranglerNode(), [wranglerProgram(), ...args], {
    cwd: root, env, detached: process.platform !== "win32", stdio: ["ignore", "pipe", "pipe"],
  });
}

/** Keeps what wrangler says while it starts, and shows it once the worker runs or has failed. */
function relay(child) {
  const kept = [];
  let open = false;
  const show = (text) => {
    // wrangler's own log file is in the folder that goes away with this process.
    if (!text.startsWith("🪵")) process.stdout.write(`${text.replace(/^\[m365-mcp-server-local\] /, "")}\n`);
  };
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (text) => (open ? show(text) : kept.push(text)));
  }
  return { kept, open: () => void (open = true) };
}

function endGroup(child, signal) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  try {
    if (process.platform === "win32") child.kill(signal);
    else process.kill(-child.pid, signal);
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

/** workerd waits for open streams when it is asked politely; after two seconds it is not asked. */
async function stopWrangler(child, ended) {
  endGroup(child, "SIGTERM");
  await Promise.race([ended, pause(2000, undefined, { ref: false })]);
  const group = process.platform === "win32" ? child.pid : -child.pid;
  try {
    process.kill(group, "SIGKILL");
  } catch {
    // Everyone in the group is gone already.
  }
  await ended;
}

async function waitUntilHealthy(origin, child, output, settingsFile) {
  const until = Date.now() + patience;
  while (Date.now() < until) {
    if (child.exitCode !== null || child.signalCode !== null) break;
    const response = await fetch(`${origin}/healthz`).catch(() => undefined);
    if (response?.status === 200) return;
    if (response?.status === 503) {
      const where = relative(root, settingsFile);
      throw new Advice(`The worker refuses its settings (they are in ${where}):\n${problems(await response.text())}`);
    }
    await pause(100);
  }
  throw new Advice(`The worker did not start. wrangler said:\n${output.kept.join("\n")}`);
}

/** The worker names settings and reasons, never values; whatever shape its answer has is shown. */
function problems(text) {
  try {
    const list = JSON.parse(text).problems;
    return list.map(({ setting, problem }) => `  ${setting} ${problem}`).join("\n");
  } catch {
    return `  ${text.trim()}`;
  }
}

function banner({ origin, emulatorUrl, statePath, settingsFile }) {
  const token = settingsFile === devVarsFile ? "" : ` --settings ${settingsFile}`;
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  say(`
  ready after ${seconds} s; Ctrl-C ends everything

  MCP URL     ${origin}/mcp
  Emulator    ${emulatorUrl}   (Entra ID, Graph, AI Gateway, Access)
  Demo users  ${demoUsers.join(", ")}
  Data        ${relative(root, statePath)}   (delete it to start afresh)

  Connect a client; it opens the sign-in page, where you pick a demo user:
    claude mcp add --transport http microsoft365 ${origin}/mcp
    npx @modelcontextprotocol/inspector --cli ${origin}/mcp --method tools/list
    VS Code, Cursor, Claude Desktop: add the MCP URL as a remote server
  An access token without a browser, in another terminal:
    npm run token -- alice${token}
  After a change of the sources, in another terminal (the running worker is replaced):
    npm run build -- --worker
`);
}

/** Starts both, waits for health, and resolves when the worker has ended or a signal came. */
async function serve(options, stopping, cleanUp) {
  const { port, settingsFile } = options;
  const folder = mkdtempSync(join(tmpdir(), "m365-start-"));
  cleanUp.push(() => rmSync(folder, { recursive: true, force: true }));
  const emulator = await startEmulator({ port: options.emulatorPort, onLine: (text) => say(`emulator: ${text}`) });
  cleanUp.push(() => emulator.stop());
  const emulatorUrl = emulator.url;
  const origin = `http://127.0.0.1:${port}`;
  updateDevVars(settingsFile, { origin, emulator: emulatorUrl });
  const { path: statePath, release } = claimState(options.statePath, folder);
  cleanUp.push(release);
  say("worker: starting on workerd (wrangler dev)");
  const child = startWrangler({ folder, port, statePath, emulatorUrl, settingsFile });
  const ended = new Promise((done) => child.once("close", (code, signal) => done(code ?? signal)));
  cleanUp.push(() => stopWrangler(child, ended));
  const output = relay(child);
  const stopped = stopping.then(() => "stopped");
  const healthy = waitUntilHealthy(origin, child, output, settingsFile);
  healthy.catch(() => {}); // when a signal came first, nobody waits for it any more
  if ((await Promise.race([healthy, stopped])) === "stopped") return;
  output.open();
  banner({ origin, emulatorUrl, statePath, settingsFile });
  const first = await Promise.race([stopped, ended, emulator.ended.then(() => "emulator")]);
  if (first === "emulator") throw new Advice("The emulator ended by itself");
  if (first !== "stopped") throw new Advice(`wrangler ended by itself with ${first}`);
}

export async function start(options = chosenOptions()) {
  await setup();
  await build();
  const port = await wantedPort(options.port, "the worker");
  const emulatorPort = await wantedPort(options.emulatorPort, "the emulator", [port]);
  const stopping = new Promise((done) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, done);
  });
  const cleanUp = [];
  try {
    await serve({ ...options, port, emulatorPort }, stopping, cleanUp);
  } finally {
    for (const step of cleanUp.reverse()) await step();
    say("everything has ended");
  }
}

runIfMain(import.meta.url, () => start());
