// `npm run bench`: measures this product, its peer and the floor on raw workerd, in turn, and writes down what it found.
// Holds: results are written only when everything went right.
// Must never: leave a process or a file behind, also when it is interrupted.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Advice, inRoot, runIfMain, say } from "../tools/project.mjs";
import { Bench } from "./bench.mjs";
import { measure } from "./measure.mjs";
import { profiled, told } from "./profile.mjs";
import { asText, writeReport } from "./report.mjs";
import { scale } from "./scale.mjs";
import { scaleText, writeScale } from "./scale_report.mjs";
import { chosen, closedLoops } from "./workloads.mjs";

const results = inRoot("build", "bench");
/** A disk would add its own time, which is another one on each machine. */
const inMemory = "/dev/shm";

const usage = `npm run bench -- [--quick] [--only list,getEmails,…] [--targets ours,small,peer,floor] [--rounds N] [--seconds N]
  [--rate N] [--worker DIR] [--state DIR] [--write] [--profile ours:getEmails]
  [--scale [--quick] [--only ledger,sessions,people,streams] [--write]]`;

export function chosenOptions(args = process.argv.slice(2)) {
  const text = { type: "string" };
  const names = ["only", "targets", "rounds", "seconds", "starts", "rate", "profile", "worker", "state"];
  const flags = Object.fromEntries(["quick", "write", "scale"].map((name) => [name, { type: "boolean" }]));
  const options = { ...Object.fromEntries(names.map((name) => [name, text])), ...flags };
  let values;
  try {
    ({ values } = parseArgs({ args, options }));
  } catch (error) {
    throw new Advice(`${error.message}\n${usage}`);
  }
  const { quick } = values;
  const number = (name, usual) => {
    const value = Number(values[name] ?? usual);
    if (!(value > 0)) throw new Advice(`--${name} takes a number above zero`);
    return value;
  };
  return {
    ...values,
    only: values.only?.split(","),
    targets: (values.targets ?? "ours,small,peer,floor").split(","),
    rounds: number("rounds", quick ? 1 : 5),
    seconds: number("seconds", quick ? 1 : 3),
    starts: number("starts", quick ? 3 : 15),
    rate: number("rate", 200),
    warmUpS: quick ? 0.5 : 1,
  };
}

/** Where everything of this run lies, until its end however it comes. */
function privateFolder({ state }) {
  const folder = mkdtempSync(join(state ?? (existsSync(inMemory) ? inMemory : tmpdir()), "m365-bench-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));
  return folder;
}

function kept(name, content) {
  mkdirSync(results, { recursive: true });
  writeFileSync(join(results, name), content);
  return join(results, name);
}

/** `--profile ours:getEmails`: prints where the time goes, and leaves the profile for DevTools. */
async function profile(options, folder) {
  const [name, wanted] = options.profile.split(":");
  const [workload] = chosen(closedLoops, [wanted ?? "getEmails"]);
  if (!workload) throw new Advice(`There is no workload ${wanted}: ${closedLoops.map((one) => one.name).join(", ")}`);
  const named = inRoot("tests", "bench", "build");
  const worker = options.worker ?? (existsSync(join(named, "index.js")) ? named : undefined);
  const bench = new Bench({ ...options, worker, targets: [name] }, folder);
  try {
    await bench.start({ inspect: true });
    const target = bench.running.get(name);
    const { perSecond } = await bench.perform(target, workload);
    let measured;
    const work = async () => (measured = await bench.perform(target, workload, { warmUpS: 0 }));
    const found = await profiled(target.workerd.inspector, work);
    const file = kept(`${name}-${workload.name}.cpuprofile`, JSON.stringify(found));
    say(`${name} ${workload.name}: ${perSecond.toFixed(0)} requests a second before, ${measured.perSecond.toFixed(0)} while profiled; ` +
      `the process used ${(measured.cpuMs * 1000).toFixed(0)} µs of CPU for each, ours and the platform's`);
    say(told(found, measured.requests));
    say(`For DevTools: ${file}`);
  } finally {
    await bench.stop();
  }
}

/** `--scale`: what a request costs as everything grows. */
async function growth(options, folder) {
  const found = await scale(options, folder);
  say(`\n${scaleText(found)}`);
  say(`Results: ${kept("scale.json", `${JSON.stringify(found, undefined, 1)}\n`)}`);
  if (options.write) say(`Written: ${writeScale(found).join(", ")}`);
}

runIfMain(import.meta.url, async () => {
  const options = chosenOptions();
  if (!existsSync("/proc/self/schedstat")) throw new Advice("The benchmark needs Linux, which says what a process costs");
  const folder = privateFolder(options);
  if (options.profile) return profile(options, folder);
  if (options.scale) return growth(options, folder);
  const found = await measure(options, folder);
  say(`\n${asText(found)}`);
  say(`Results: ${kept("results.json", `${JSON.stringify(found, undefined, 1)}\n`)}`);
  if (options.write) say(`Written: ${writeReport(found).join(", ")}`);
});
