// `npm run bench`: measures this product, its peer and the floor on raw workerd, in turn, and writes down what it found.
// Holds: one target works at a time; every answer is checked; what a target wrote outside is counted at the end.
// Must never: leave a process or a file behind, also when it is interrupted.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Advice, inRoot, runIfMain, say } from "../tools/project.mjs";
import { startLoad, startStandIn } from "./processes.mjs";
import { profiled, told } from "./profile.mjs";
import { Running, floor, ours, peer } from "./targets.mjs";
import { chosen, closedLoops } from "./workloads.mjs";

const results = inRoot("build", "bench");

export function chosenOptions() {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean" },
      only: { type: "string" },
      targets: { type: "string" },
      rounds: { type: "string" },
      seconds: { type: "string" },
      profile: { type: "string" },
      worker: { type: "string" },
    },
  });
  const { quick } = values;
  return {
    ...values,
    only: values.only?.split(","),
    targets: (values.targets ?? "ours,peer,floor").split(","),
    rounds: Number(values.rounds ?? (quick ? 1 : 5)),
    seconds: Number(values.seconds ?? (quick ? 1 : 4)),
    warmUpS: quick ? 0.5 : 1,
  };
}

/** Where everything of this run lies, until its end however it comes. */
function privateFolder() {
  const folder = mkdtempSync(join(tmpdir(), "m365-bench-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));
  return folder;
}

const made = {
  ours: ({ worker }) => ours(worker ? { build: worker } : {}),
  peer: () => peer(),
  floor: () => floor(),
};

/** Everything that runs during a benchmark. */
class Bench {
  running = new Map();
  #runs = 0;

  constructor(options, folder) {
    Object.assign(this, { options, folder });
  }

  async start({ inspect = false } = {}) {
    this.standIn = await startStandIn();
    this.load = startLoad();
    for (const name of this.options.targets) {
      if (!made[name]) throw new Advice(`There is no target ${name}: ${Object.keys(made).join(", ")}`);
      const place = { standIn: this.standIn.port, folder: this.folder, inspect };
      this.running.set(name, await Running.start(name, await made[name](this.options), place));
    }
  }

  /** Has this many people of a target signed in, with tokens that last for the next run. */
  async people(target, count) {
    const before = target.users.length;
    await target.connectPeople(count);
    if ((await target.renewTokens()) > 0 || target.users.length > before) this.load.know(target.name, target.users);
  }

  async perform(target, workload, more = {}) {
    await this.people(target, workload.users);
    this.#runs += 1;
    const run = {
      ...workload, target: target.name, port: target.workerd.port, client: target.client, label: `run-${this.#runs}`,
      warmUpS: this.options.warmUpS, durationS: this.options.seconds,
      // The same id twice in a session would be a repeat.
      firstId: this.#runs * 1_000_000, ...more,
    };
    return this.load.perform(run, target.workerd.pid);
  }

  async stop() {
    for (const target of this.running.values()) await target.kill();
    this.standIn?.stop();
    this.load?.stop();
  }
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
    mkdirSync(results, { recursive: true });
    const file = join(results, `${name}-${workload.name}.cpuprofile`);
    writeFileSync(file, JSON.stringify(found));
    say(`${name} ${workload.name}: ${perSecond.toFixed(0)} requests a second before, ${measured.perSecond.toFixed(0)} while profiled`);
    say(told(found, measured.requests));
    say(`For DevTools: ${file}`);
  } finally {
    await bench.stop();
  }
}

async function measure(options, folder) {
  const bench = new Bench(options, folder);
  try {
    await bench.start();
    for (const workload of chosen(closedLoops, options.only)) {
      for (let round = 1; round <= options.rounds; round += 1) {
        for (const target of bench.running.values()) {
          const { perSecond, cpuMs, latencyMs, bytes } = await bench.perform(target, workload);
          say(`${workload.name} ${round} ${target.name}: ${perSecond.toFixed(0)}/s cpu ${cpuMs.toFixed(3)} ms p50 ${latencyMs.p50.toFixed(2)} p99 ${latencyMs.p99.toFixed(2)} ms ${bytes} bytes`);
        }
      }
    }
    const { counts, unknown } = await bench.standIn.look();
    say(JSON.stringify(counts));
    if (unknown.length > 0) throw new Error(`the stand-in does not know ${unknown.join(", ")}`);
  } finally {
    await bench.stop();
  }
}

runIfMain(import.meta.url, async () => {
  const options = chosenOptions();
  const folder = privateFolder();
  if (options.profile) return profile(options, folder);
  return measure(options, folder);
});
