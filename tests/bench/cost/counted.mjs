// A target of the benchmark with the counters around it, and the person whose habits are measured on it.
// Holds: what is counted is the same build with the same settings as in every other measurement.
// Must never: read a count while something is still under way.
import { inRoot } from "../../tools/project.mjs";
import { Connection, requestBytes } from "../http.mjs";
import { host } from "../places.mjs";
import { cpuSeconds } from "../processes.mjs";
import { Running } from "../targets.mjs";
import { added, difference, scaled } from "./items.mjs";

const text = JSON.stringify;

/** The same target behind counters; the first class of its bindings is the one that persons' requests reach. */
export function counted(target) {
  const { modules, objects } = target.worker;
  const [[main, mainName]] = Object.entries(objects);
  const classes = Object.entries(objects).map(([binding, name]) =>
    `export const ${name} = countedObject(original.${name}, ${text({ binding, name })});`);
  const content = [
    `import { countStubs, countedObject, countedWorker } from "counting.mjs";`, `import * as original from ${text(modules[0].name)};`,
    `countStubs(${text(main)}, ${text(mainName)});`, ...classes, `export default countedWorker(original.default);`,
  ].join("\n");
  const counting = { name: "counting.mjs", path: inRoot("tests", "bench", "cost", "counting.mjs") };
  return { ...target, worker: { ...target.worker, modules: [{ name: "entry.mjs", content }, counting, ...modules] } };
}

/** Twenty messages to an object are one request; objects are billed as if each had 128 MB. */
const messagesOfRequest = 20;
const gigabytes = 0.128;

const get = (path) => requestBytes({ method: "GET", path, fields: { host, "x-forwarded-proto": "https" } });

/** A target that runs with counters. */
export class Counted {
  aheadMs = 0;
  #looks = 0;
  #cpuOfLookMs = 0;

  constructor(name, running, standIn) {
    const [main] = Object.values(running.target.worker.objects);
    Object.assign(this, { name, main, running, standIn, connection: new Connection(running.workerd.port) });
  }

  static async start(name, target, place, standIn) {
    const started = new Counted(name, await Running.start(name, counted(target), place), standIn);
    // Looking costs CPU, which is taken off.
    await started.count(() => started.look(), 50);
    started.#cpuOfLookMs = (await started.count(() => started.look(), 50)).cpuMs;
    return started;
  }

  async #control(path) {
    const { status, body } = await this.connection.send(get(`/counting/${path}`));
    if (status !== 200) throw new Error(`${this.name}: the counters answered ${status} ${body.toString().slice(0, 300)}`);
    return JSON.parse(body);
  }

  /** All counts once nothing has been under way for a moment. */
  async look(path = "counts") {
    this.#looks += 1;
    let seen = await this.#control(path);
    for (let still = 0; still < 3; ) {
      await new Promise((done) => setTimeout(done, 15));
      const next = await this.#control("counts");
      const isBusy = Object.values(next.classes).some(({ active }) => active > 0);
      still = !isBusy && JSON.stringify(next.classes) === JSON.stringify(seen.classes) ? still + 1 : 0;
      seen = next;
    }
    const { counts } = await this.standIn.look();
    const { [this.main]: main, ...others } = seen.classes;
    const cpuMs = cpuSeconds(this.running.workerd.pid) * 1000;
    return { ...seen, billed: { ...nothing, ...objectsOf([main]), ...outsideOf(seen, counts), cpuMs }, others: { ...nothing, ...objectsOf(Object.values(others)) } };
  }

  /** What `work` was billed, as one of `times`. */
  async count(work, times = 1) {
    const { own, others } = await this.countApart(work, times);
    return scaled(added(own, others), 1 / times);
  }

  /** What `work` was billed for the Worker and the objects of persons, and for other objects, which they report to. */
  async countApart(work, times = 1) {
    const before = await this.look();
    const looks = this.#looks;
    for (let time = 0; time < times; time += 1) await work(time);
    const after = await this.look();
    const all = difference(after.billed, before.billed);
    all.cpuMs = Math.max(0, all.cpuMs - (this.#looks - looks) * this.#cpuOfLookMs);
    // A Worker that calls Graph itself keeps no object active.
    if (all.objectRequests === 0) all.objectGbS = 0;
    return { own: all, others: difference(after.others, before.others) };
  }

  /** Lets time pass for the Worker: every alarm that falls due on the way rings at its time. */
  async pass(ms) {
    const end = this.aheadMs + ms;
    let seen = await this.#control("counts");
    while (this.aheadMs < end) {
      const toNext = seen.next === null ? Infinity : Math.max(0, seen.next - seen.now) + 1;
      this.aheadMs = Math.min(end, this.aheadMs + toNext);
      await this.standIn.look({ aheadMs: this.aheadMs });
      seen = await this.look(`ring?ahead=${this.aheadMs}`);
    }
  }

  /** A connection that says nothing for long is closed by the other side, and another one goes on. */
  async wait(seconds) {
    this.connection.close();
    await new Promise((done) => setTimeout(done, seconds * 1000));
    this.connection = new Connection(this.running.workerd.port);
  }

  /** Bytes of all objects that persons' requests reach. */
  async bytes() {
    const { classes } = await this.#control("measure");
    return Object.values(classes[this.main].sizes).reduce((sum, size) => sum + size, 0);
  }

  /** How often an object of that class came to life: again, after it was evicted. */
  async lives() {
    return (await this.#control("counts")).classes[this.main].born;
  }

  stop() {
    this.connection.close();
    return this.running.kill();
  }
}

const nothing = scaled({}, 0);

/** What classes of objects are billed for. */
function objectsOf(all) {
  const sum = (of) => all.filter(Boolean).reduce((total, one) => total + of(one), 0);
  return {
    // What is sent into an object counts, also what the platform answers without waking it.
    objectRequests: sum((one) => one.requests + one.calls + one.alarms + Math.max(one.messages, one.sent) / messagesOfRequest),
    objectGbS: (sum((one) => one.activeMs) / 1000) * gigabytes,
    rowsRead: sum((one) => one.rowsRead), rowsWritten: sum((one) => one.rowsWritten),
  };
}

/** What is billed beside objects. */
const outsideOf = ({ worker }, { kvReads, kvWrites, kvDeletes, kvLists }) =>
  ({ workerRequests: worker.requests, kvReads, kvWrites, kvDeletes, kvLists });
