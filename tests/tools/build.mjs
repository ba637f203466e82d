// Builds the worker into `build/` and the native helpers (emulator, tools, rmcp-client) into cargo's target folder.
// Holds: nothing is built when nothing changed; every program that worker-build needs is handed to it.
// Must never: let worker-build download a program, or leave a stale bundle that looks fresh.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join, relative } from "node:path";
import { gzipSync } from "node:zlib";
import {
  Advice, capture, cargoTools, esbuildProgram, inRoot, root, run, runIfMain, say, wasmOptProgram, wranglerNode,
} from "./project.mjs";
import { setup } from "./setup.mjs";

const common = ["actors", "protocol", "Cargo.toml", "rust-toolchain.toml", ".cargo/config.toml"];

/**
 * What is built for workerd: the worker itself, a small one that a single test needs, the worker with the fixtures of the
 * conformance suite, and the worker whose functions kept their names for profiles. The latter two have folders of their
 * own so that they are never deployed.
 */
const product = { crate: "m365-mcp-server", folder: root, inputs: ["src", ...common], entry: inRoot("src", "entry.js") };
const workers = {
  worker: { ...product, out: "build", options: [] },
  probe: {
    crate: "storage-port", folder: inRoot("tests", "storage_port"), inputs: ["tests/storage_port", ...common],
    out: "build", options: [],
  },
  conformance: { ...product, out: "tests/conformance/build", options: ["--features", "conformance"] },
  named: { ...product, out: "tests/bench/build", options: [], keepsNames: true },
};

/** The entry of a built worker. */
export const builtEntry = (name) => built(workers[name], "index.js");

const built = (worker, name) => join(worker.folder, worker.out, name);
const stateFile = (worker) => built(worker, ".fingerprint");
const bundle = (worker) => ["index.js", "index_bg.wasm"].map((name) => built(worker, name));

function filesUnder(path) {
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return [path];
  const names = readdirSync(path).filter((name) => !["target", "build"].includes(name) && !name.startsWith(".")).sort();
  return names.flatMap((name) => filesUnder(join(path, name)));
}

function fingerprint(worker, mode) {
  const digest = createHash("sha256");
  const tools = cargoTools().map((tool) => `${tool.crate} ${tool.version}`);
  const packages = ["binaryen", "esbuild"].map((name) => {
    return `${name} ${JSON.parse(readFileSync(inRoot("node_modules", name, "package.json"), "utf8")).version}`;
  });
  digest.update([mode, capture("rustc", ["--version"]), ...tools, ...packages].join("\n"));
  for (const file of worker.inputs.flatMap((name) => filesUnder(inRoot(name)))) {
    digest.update(`\n${relative(root, file)}\n`).update(readFileSync(file));
  }
  return digest.digest("hex");
}

/** Apart from the sources, because cargo brings it up to date during the build. */
function withLockFile(sources) {
  const lock = inRoot("Cargo.lock");
  return createHash("sha256").update(sources).update(existsSync(lock) ? readFileSync(lock) : "").digest("hex");
}

function lastBuild(worker) {
  if (!existsSync(stateFile(worker)) || !bundle(worker).every((file) => existsSync(file))) return {};
  try {
    return JSON.parse(readFileSync(stateFile(worker), "utf8"));
  } catch {
    return {};
  }
}

const number = (bytes) => bytes.toLocaleString("en");

function report(name, { wasm, gzip }) {
  say(`${name}: ${number(wasm)} bytes of Wasm, ${number(gzip)} bytes as gzip`);
}

/**
 * A program that bundles `entry` in place of the one that worker-build writes: worker-build takes nothing but a program, and
 * names its own entry to it. wasm-bindgen names a module of ours twice among the imports, once for each way in which its
 * functions are called; it is the same module, and no warning.
 */
function bundlerOf(entry) {
  if (!entry) return esbuildProgram();
  const folder = inRoot("node_modules", ".cache");
  mkdirSync(folder, { recursive: true });
  const isWindows = process.platform === "win32";
  const quiet = "--log-override:duplicate-object-key=silent";
  const script = isWindows
    ? `@copy /y "${entry}" shim.js >nul && "${esbuildProgram()}" %* ${quiet}\r\n`
    : `#!/bin/sh\ncp "${entry}" shim.js && exec "${esbuildProgram()}" "$@" ${quiet}\n`;
  const path = join(folder, isWindows ? "bundle-entry.cmd" : "bundle-entry.sh");
  writeFileSync(path, script, { mode: 0o755 });
  return path;
}

/** worker-build looks at these before it would download anything. */
function buildEnvironment({ entry }) {
  const [, bindgen] = cargoTools();
  const programs = { WASM_BINDGEN_BIN: bindgen.path, WASM_OPT_BIN: wasmOptProgram(), ESBUILD_BIN: bundlerOf(entry) };
  const absent = Object.entries(programs).filter(([, path]) => !existsSync(path));
  if (absent.length > 0) throw new Advice(`${absent.map(([name]) => name).join(", ")}: missing; run npm run setup`);
  // wasm-opt from npm is a script for whatever `node` comes first.
  const path = [dirname(wranglerNode()), process.env.PATH].join(delimiter);
  return { ...process.env, ...programs, PATH: path };
}

// What the module uses already, as worker-build names it: wasm-opt must not write encodings that workerd lacks.
const wasmFeatures = [
  "mutable-globals", "sign-ext", "nontrapping-float-to-int", "bulk-memory", "multivalue", "reference-types",
  "exception-handling",
];

/**
 * worker-build keeps every function's name; they are a sixth of the bundle and of use to nobody in production. They
 * first give the functions their order: neighbours are then alike, and gzip, which looks back 32 KiB, finds it.
 */
async function optimise(path, { keepsNames = false }) {
  const features = wasmFeatures.map((feature) => `--enable-${feature}`);
  const names = keepsNames ? ["--debuginfo"] : ["--strip-debug", "--strip-producers"];
  const args = ["-Oz", "--reorder-functions-by-name", ...names, ...features, path, "-o", path];
  await run(wranglerNode(), [wasmOptProgram(), ...args]);
}

export async function buildWorker(name = "worker", { mode = "--release", force = false } = {}) {
  const worker = workers[name];
  const sources = fingerprint(worker, mode);
  const last = lastBuild(worker);
  if (!force && last.fingerprint === withLockFile(sources)) {
    say(`${name}: unchanged since the last build`);
    report(name, last);
    return last;
  }
  rmSync(stateFile(worker), { force: true });
  say(`${name}: building (${mode.slice(2)})`);
  const started = Date.now();
  // Without the package, cargo would build every default member for wasm32, the emulator too.
  const args = [mode, "--out-dir", worker.out, ".", "--package", worker.crate, ...worker.options];
  await run(cargoTools()[0].path, args, { env: buildEnvironment(worker), cwd: worker.folder });
  const [, wasmFile] = bundle(worker);
  await optimise(wasmFile, worker);
  const wasm = readFileSync(wasmFile);
  const gzip = gzipSync(wasm, { level: 9 }).length;
  const state = { fingerprint: withLockFile(sources), wasm: wasm.length, gzip };
  writeFileSync(stateFile(worker), `${JSON.stringify(state)}\n`);
  say(`${name}: built in ${((Date.now() - started) / 1000).toFixed(1)} s`);
  report(name, state);
  return state;
}

export async function buildNative() {
  say("the native programs: building (cargo, debug)");
  // Built one by one: together, the client would bring its features of rmcp into the product's crates.
  const programs = ["emulator", "mint-token", "mint-operator", "check-settings", "verify-ledger"];
  await run("cargo", ["build", ...programs.flatMap((program) => ["--bin", program])]);
  await run("cargo", ["build", "--package", "rmcp-client"]);
}

/** `--dev` for unoptimised workers, `--worker`, `--probe`, `--conformance`, `--named` or `--native` for one part, `--force` to rebuild. */
export async function build(options = []) {
  const wants = (name) => options.includes(name);
  const mode = wants("--dev") ? "--dev" : "--release";
  const force = wants("--force");
  const all = !["--worker", "--probe", "--conformance", "--named", "--native"].some(wants);
  if (all || wants("--worker")) await buildWorker("worker", { mode, force });
  if (wants("--probe")) await buildWorker("probe", { mode, force });
  if (wants("--conformance")) await buildWorker("conformance", { mode, force });
  if (wants("--named")) await buildWorker("named", { mode, force });
  if (all || wants("--native")) await buildNative();
}

runIfMain(import.meta.url, async () => {
  await setup();
  await build(process.argv.slice(2));
});
