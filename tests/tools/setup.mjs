// All set-up: `npm run setup`, and the first step of every other command.
// Python is prepared for the tests only: whoever just starts the worker needs none.
// Holds: run twice it does nothing the second time, and says so in under a second; two at once are safe,
// because a tool is installed beside its final place and then renamed.
// Must never: install anything system-wide except a Rust target or component through rustup.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defaultPlaces, updateDevVars } from "./dev_vars.mjs";
import {
  Advice, capture, cargoTools, devVarsFile, inRoot, isAlive, newEnough, nodePackage, oldestNode, pythonFolder,
  pythonProgram, pythonRequirements, root, run, runIfMain, say, toolsFolder, which, withLock, wranglerNode,
} from "./project.mjs";

const installHints = {
  git: "Install git (https://git-scm.com).",
  rustup: "Install Rust through rustup (https://rustup.rs).",
  cargo: "Install Rust through rustup (https://rustup.rs).",
  npm: "Install Node.js 18 or newer together with npm (https://nodejs.org).",
};

/** The minor version of Python 3 below which the client's packages do not run. */
const oldestPython = 10;
const quietly = { stdio: ["ignore", "pipe", "ignore"] };

function checkPrograms() {
  const missing = Object.keys(installHints).filter((name) => !which(name));
  if (Number(process.versions.node.split(".")[0]) < 18) missing.push("npm");
  if (missing.length === 0) return;
  const hints = [...new Set(missing.map((name) => installHints[name]))];
  throw new Advice(`Missing on this machine: ${missing.join(", ")}. ${hints.join(" ")}`);
}

/** What rust-toolchain.toml asks for. */
function wantedToolchain() {
  const text = readFileSync(inRoot("rust-toolchain.toml"), "utf8");
  const list = (name) => text.match(new RegExp(`^${name} = \\[(.*)\\]`, "m"))?.[1].match(/[\w-]+/g) ?? [];
  const channel = text.match(/^channel = "(.+)"/m)?.[1] ?? "stable";
  return { channel, targets: list("targets"), components: list("components") };
}

/** Asks for the toolchain by name, because rustup may be told not to install anything by itself. */
async function prepareRust() {
  const { channel, targets, components } = wantedToolchain();
  const ask = () => capture("rustc", ["--print", "sysroot"], quietly);
  if (!ask()) {
    say(`setup: installing Rust ${channel}`);
    await run("rustup", ["toolchain", "install", channel, "--profile", "minimal", "--no-self-update"]);
  }
  const sysroot = ask();
  if (!sysroot) throw new Advice(`Rust ${channel} does not start; try: rustup toolchain install ${channel}`);
  const has = (...parts) => existsSync(join(sysroot, ...parts));
  const absent = targets.filter((target) => !has("lib", "rustlib", target, "lib"));
  if (absent.length > 0) {
    say(`setup: adding the Rust target ${absent.join(", ")}`);
    await run("rustup", ["target", "add", ...absent]);
  }
  const programs = { clippy: "cargo-clippy", rustfmt: "rustfmt" };
  const ending = process.platform === "win32" ? ".exe" : "";
  const lacking = components.filter((name) => programs[name] && !has("bin", programs[name] + ending));
  if (lacking.length > 0) {
    say(`setup: adding the Rust components ${lacking.join(", ")}`);
    await run("rustup", ["component", "add", ...lacking]);
  }
}

/** What cargo builds and what the licences' test reads, for both platforms, so that neither needs the network later. */
async function prepareCrates() {
  const host = capture("rustc", ["-vV"])?.match(/^host: (.+)$/m)?.[1];
  const platforms = [...wantedToolchain().targets, ...(host ? [host] : [])];
  await run("cargo", ["fetch", "--locked", "--quiet", ...platforms.flatMap((platform) => ["--target", platform])]);
}

const npmProgram = () => (process.platform === "win32" ? "npm.cmd" : "npm");

/** The lock file decides; a mark left inside node_modules says which one was installed. */
async function prepareNodeModules() {
  const mark = inRoot("node_modules", ".installed-from");
  const digest = createHash("sha256").update(readFileSync(inRoot("package-lock.json"))).update(process.platform);
  const wanted = digest.digest("hex");
  const installed = () => existsSync(mark) && readFileSync(mark, "utf8") === wanted;
  if (installed()) return;
  await withLock(inRoot(".wrangler", "npm.lock"), async () => {
    if (installed()) return;
    say("setup: installing npm packages");
    // Their engines ask for a newer Node than the one that may run npm; they are run with that newer one.
    await run(npmProgram(), ["ci", "--loglevel=error", "--no-audit", "--no-fund"]);
    writeFileSync(mark, wanted);
  });
}

/** Fills a sibling of `folder` and then renames it, so that nobody ever sees half a tool. */
async function installInto(folder, fill, isThere = () => existsSync(folder)) {
  mkdirSync(toolsFolder(), { recursive: true });
  await withLock(`${folder}.lock`, async () => {
    if (isThere()) return;
    const unfinished = `${folder}.unfinished-${process.pid}`;
    rmSync(unfinished, { recursive: true, force: true });
    try {
      await fill(unfinished);
      // Someone else may have been faster after all; then theirs is as good.
      if (isThere()) return;
      rmSync(folder, { recursive: true, force: true });
      renameSync(unfinished, folder);
    } finally {
      rmSync(unfinished, { recursive: true, force: true });
    }
  });
}

/** Slight optimisation: half the build time of the default, and these tools run for a second at most. */
const quickToBuild = {
  CARGO_PROFILE_RELEASE_OPT_LEVEL: "1",
  CARGO_PROFILE_RELEASE_LTO: "off",
  CARGO_PROFILE_RELEASE_CODEGEN_UNITS: "16",
};

/** What an interrupted set-up left; the process that made it stands at the end of the name. */
function removeLeftovers() {
  for (const name of readdirSync(toolsFolder())) {
    const owner = name.match(/(?:^target|\.unfinished)-(\d+)$/)?.[1];
    if (owner && !isAlive(Number(owner))) rmSync(join(toolsFolder(), name), { recursive: true, force: true });
  }
}

async function prepareCargoTools() {
  const absent = cargoTools().filter((tool) => !existsSync(tool.path));
  if (absent.length === 0) return;
  mkdirSync(toolsFolder(), { recursive: true });
  removeLeftovers();
  // One target folder for both: they share a good part of their dependencies.
  const target = join(toolsFolder(), `target-${process.pid}`);
  const env = { ...process.env, ...quickToBuild, CARGO_TARGET_DIR: target };
  try {
    for (const tool of absent) {
      say(`setup: building ${tool.crate} ${tool.version} (minutes, once per machine)`);
      await installInto(tool.folder, async (unfinished) => {
        const args = ["install", tool.crate, "--version", tool.version, "--root", unfinished, "--quiet"];
        args.push("--bin", tool.program);
        await run("cargo", tool.locked ? [...args, "--locked"] : args, { env });
      });
    }
  } finally {
    rmSync(target, { recursive: true, force: true });
  }
}

async function prepareNode() {
  if (newEnough(process.versions.node)) return;
  const wanted = nodePackage();
  if (!wanted) throw new Advice(`Install Node.js ${oldestNode.join(".")} or newer: none is offered for this platform.`);
  if (existsSync(wranglerNode())) return;
  say(`setup: this is Node ${process.versions.node}; fetching ${wanted.version} for wrangler`);
  await installInto(join(toolsFolder(), `node-${wanted.version}`), async (unfinished) => {
    mkdirSync(unfinished, { recursive: true });
    const args = ["install", "--prefix", unfinished, "--no-save", "--no-package-lock", "--ignore-scripts"];
    args.push("--no-audit", "--no-fund", "--loglevel=error", `${wanted.name}@${wanted.version}`);
    await run(npmProgram(), args, { cwd: unfinished });
  });
}

/** The first Python here that the client's packages run on. */
function installedPython() {
  const version = ["-c", "import sys; print(*sys.version_info[:2])"];
  const names = ["python3", "python", ...[15, 14, 13, 12, 11, 10].map((minor) => `python3.${minor}`)];
  return names.map(which).find((program) => {
    const [major, minor] = (program && capture(program, version, quietly))?.split(" ").map(Number) ?? [];
    return major === 3 && minor >= oldestPython;
  });
}

/** An environment outlives the Python that it was made from; then it has to be made again. */
function pythonIsReady() {
  const looks = "import importlib.util, sys; sys.exit(importlib.util.find_spec('fastmcp') is None)";
  return existsSync(pythonProgram()) && capture(pythonProgram(), ["-I", "-c", looks], quietly) !== undefined;
}

/** Only the environment's interpreter is used, which finds its packages wherever the folder is moved to. */
async function preparePython() {
  if (pythonIsReady()) return;
  const python = installedPython();
  const newest = `Install Python 3.${oldestPython} or newer (https://www.python.org)`;
  if (!python) throw new Advice(`The end-to-end tests run a Python client. ${newest}; npm start does not need it.`);
  say("setup: installing the Python MCP clients for the tests");
  const fill = async (unfinished) => {
    const inTheEnvironment = (...args) => run(pythonProgram(unfinished), ["-I", "-m", "pip", ...args]);
    await run(python, ["-I", "-m", "venv", unfinished]).catch((error) => {
      throw new Advice(`${error.message}: ${newest} with its modules venv and ensurepip (Debian: python3-venv).`);
    });
    // Built packages alone: nothing of theirs runs before the tests call it.
    const quiet = ["--quiet", "--no-input", "--disable-pip-version-check"];
    const pinned = ["--no-deps", "--only-binary", ":all:", "--requirement", pythonRequirements];
    await inTheEnvironment("install", ...quiet, ...pinned);
    await inTheEnvironment("check", ...quiet);
  };
  await installInto(pythonFolder(), fill, pythonIsReady);
}

/** `tests: true` also prepares what only the end-to-end tests need. */
export async function setup({ tests = false } = {}) {
  const started = Date.now();
  checkPrograms();
  await prepareRust();
  await prepareCrates();
  await prepareNodeModules();
  await prepareNode();
  await prepareCargoTools();
  if (tests) await preparePython();
  if (!existsSync(devVarsFile)) updateDevVars(devVarsFile, defaultPlaces());
  say(`setup: ready (${((Date.now() - started) / 1000).toFixed(1)} s)`);
  return root;
}

runIfMain(import.meta.url, () => setup({ tests: true }));
