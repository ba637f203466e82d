// One benchmark from its start to its results: rounds of all workloads over all targets.
// Holds: rounds are interleaved (this product, peer, floor, and again), so that what disturbs the machine disturbs all alike.
// Must never: drop a round, or take a run that failed for a slow one.
import { readFileSync } from "node:fs";
import { cpus, loadavg, totalmem } from "node:os";
import { capture, inRoot, say } from "../tools/project.mjs";
import { Bench } from "./bench.mjs";
import { revisions } from "./messages.mjs";
import { peerVersions } from "./peer_build.mjs";
import { memoryMiB } from "./processes.mjs";
import { summary } from "./statistics.mjs";
import { measureSizes, measureStarts } from "./startup.mjs";
import { chosen, closedLoops, openLoops } from "./workloads.mjs";

/** Processes that wanted to run in the last minute; a benchmark needs every core to itself. */
export const quietLoad = 0.7;
const percentileNames = ["p50", "p90", "p99", "p999"];

/** Several runs of one workload on one target, each number as median, least and greatest. */
export function summed(runs) {
  const latencyMs = Object.fromEntries(percentileNames.map((name) => [name, summary(runs.map((run) => run.latencyMs[name]))]));
  return {
    perSecond: summary(runs.map((run) => run.perSecond)), cpuMs: summary(runs.map((run) => run.cpuMs)), latencyMs,
    generator: Math.max(...runs.map((run) => run.generator)),
    memoryMiB: Math.max(...runs.map((run) => run.memory.now)), bytes: runs.at(-1).bytes,
    requests: runs.reduce((sum, run) => sum + run.requests, 0),
  };
}

function tell(workload, round, name, { perSecond, cpuMs, latencyMs }) {
  const rate = `${perSecond.toFixed(0)}/s`.padStart(7);
  say(`${workload.name.padEnd(28)} ${round}  ${name.padEnd(5)} ${rate}  cpu ${cpuMs.toFixed(3)} ms  ` +
    `p50 ${latencyMs.p50.toFixed(2)}  p99 ${latencyMs.p99.toFixed(2)} ms`);
}

/** Where fewer tools, or a mail that leaves in one call, make a difference. */
const isShorterIn = (name, { kind, users, rate }) =>
  name !== "small" || (["list", "sendEmail"].includes(kind) && users === 1 && !rate);

async function overAll(bench, workloads) {
  const found = [];
  for (const workload of workloads) {
    const names = [...bench.running.keys()].filter((name) => !workload.without?.includes(name) && isShorterIn(name, workload));
    const runs = new Map(names.map((name) => [name, []]));
    for (let round = 1; round <= bench.options.rounds; round += 1) {
      for (const [name, own] of runs) {
        const run = await bench.perform(bench.running.get(name), workload);
        own.push(run);
        tell(workload, round, name, run);
      }
    }
    const targets = Object.fromEntries([...runs].map(([name, own]) => [name, summed(own)]));
    found.push({ ...workload, targets });
  }
  return found;
}

/** V8 compiles what is used often in the background; that belongs to no round. */
async function settle(bench, names, seconds) {
  const [list, getEmails, sendEmail] = ["list", "getEmails", "sendEmail"].map((kind) => closedLoops.filter((one) => one.kind === kind && one.users === 1));
  for (const workload of [...list, ...getEmails, ...sendEmail]) {
    for (const name of names) await bench.perform(bench.running.get(name), workload, { warmUpS: 0, durationS: seconds });
  }
}

/** How long each target's list is: tools, and bytes of the answer. */
async function lists(bench) {
  const found = {};
  for (const [name, target] of bench.running) {
    await target.connectPeople(1);
    found[name] = {};
    for (const revision of revisions) {
      const { bytes, result } = await target.ask("tools/list", revision);
      found[name][revision] = { bytes, tools: result.tools.length };
    }
  }
  return found;
}

export function surroundings(options) {
  const version = (name) => JSON.parse(readFileSync(inRoot("node_modules", name, "package.json"), "utf8")).version;
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: capture("git", ["rev-parse", "--short", "HEAD"]) ?? "unknown",
    machine: { cores: cpus().length, model: cpus()[0].model.trim(), memoryGiB: Math.round(totalmem() / 2 ** 30), platform: `${process.platform} ${process.arch}` },
    versions: { workerd: version("workerd"), wrangler: version("wrangler"), node: process.versions.node, ...peerVersions() },
    options: { rounds: options.rounds, seconds: options.seconds, warmUpS: options.warmUpS, rate: options.rate },
  };
}

/** Measures everything that was chosen. */
export async function measure(options, folder) {
  const wants = (name) => !options.only || options.only.some((one) => name.startsWith(one));
  const results = surroundings(options);
  const [load] = loadavg();
  results.loadAtStart = load;
  results.isDisturbed = load > quietLoad;
  if (results.isDisturbed) say(`Others use this machine (load ${load.toFixed(1)}): what follows is noise, but for ratios of CPU time`);
  results.sizes = await measureSizes(options);
  if (wants("startup")) results.starts = await measureStarts(options, folder, options.starts);
  const bench = new Bench(options, folder);
  try {
    await bench.start();
    results.lists = await lists(bench);
    results.memoryAtStart = Object.fromEntries([...bench.running].map(([name, { workerd }]) => [name, memoryMiB(workerd.pid).now]));
    await settle(bench, options.targets, options.warmUpS);
    const closed = chosen(closedLoops, options.only);
    // Memory of one hot user is only seen before there are a thousand.
    results.closed = await overAll(bench, closed.filter(({ users }) => users === 1));
    results.open = await overAll(bench, chosen(openLoops(options.rate), options.only));
    results.closed.push(...(await overAll(bench, closed.filter(({ users }) => users > 1))));
    return results;
  } finally {
    await bench.stop();
  }
}
