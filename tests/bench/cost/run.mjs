// `npm run bench -- --cost`: counts what Cloudflare bills for each unit of a person's habits, here and for the peer, and
// computes the monthly bill.
// Holds: results are written only when everything went right; `--again` computes from the counts of the last run.
// Must never: leave a process or a file behind, also when it is interrupted.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Advice, capture, inRoot, runIfMain, say } from "../../tools/project.mjs";
import { startStandIn } from "../processes.mjs";
import { ours, peer } from "../targets.mjs";
import { Counted } from "./counted.mjs";
import { habits } from "./habits.mjs";
import { asMarkdown, writeCost } from "./report.mjs";
import { measureStreams, measureUnits } from "./units.mjs";

const results = inRoot("build", "bench");
const file = join(results, "cost.json");
const usage = "npm run bench -- --cost [--idle SECONDS] [--many CALLS] [--worker DIR] [--again] [--write]";
const made = { ours: ({ worker }) => ours(worker ? { build: worker } : {}), peer: () => peer() };
/** Processes that wanted to run in the last minute; more disturbs CPU time, and no count. */
const quietLoad = 0.7;

const texts = (...names) => Object.fromEntries(names.map((name) => [name, { type: "string" }]));

function chosen(args) {
  const boolean = { type: "boolean" };
  const options = { cost: boolean, again: boolean, write: boolean, ...texts("idle", "many", "worker") };
  let values;
  try {
    ({ values } = parseArgs({ args, options }));
  } catch (error) {
    throw new Advice(`${error.message}\n${usage}`);
  }
  // Long enough for what a stream does every few minutes.
  const [idle, many] = [Number(values.idle ?? 405), Number(values.many ?? 300)];
  if (!(idle > 0 && many > 0)) throw new Advice(usage);
  return { ...values, idle, many };
}

async function using(name, folder, options, work) {
  const standIn = await startStandIn();
  const own = mkdtempSync(join(folder, `${name}-`));
  let target;
  try {
    target = await Counted.start(name, await made[name](options), { standIn: standIn.port, folder: own }, standIn);
    return await work(target);
  } finally {
    await target?.stop();
    standIn.stop();
  }
}

async function measure(options, folder) {
  const { idle, many } = options;
  const [load] = loadavg();
  const targets = {};
  for (const name of Object.keys(made)) {
    targets[name] = await using(name, folder, options, (target) => measureUnits(target, habits, { many, say: (what) => say(`${name}: ${what}`) }));
  }
  say(`open streams: silent for ${idle} s`);
  const streams = await Promise.all(Object.keys(made).map((name) => using(name, folder, options, (target) => measureStreams(target, idle))));
  Object.keys(made).forEach((name, index) => Object.assign(targets[name], streams[index]));
  return {
    date: new Date().toISOString().slice(0, 10), commit: capture("git", ["rev-parse", "--short", "HEAD"]) ?? "unknown",
    isDisturbed: load > quietLoad, targets,
  };
}

runIfMain(import.meta.url, async () => {
  const options = chosen(process.argv.slice(2));
  if (!existsSync("/proc/self/schedstat")) throw new Advice("The benchmark needs Linux, which says what a process costs");
  const folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "m365-bench-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));
  const found = options.again ? JSON.parse(readFileSync(file, "utf8")) : await measure(options, folder);
  mkdirSync(results, { recursive: true });
  writeFileSync(file, `${JSON.stringify(found, undefined, 1)}\n`);
  say(`\n${asMarkdown(found)}\n\nResults: ${file}`);
  if (options.write) say(`Written: ${writeCost(found).join(", ")}`);
});
