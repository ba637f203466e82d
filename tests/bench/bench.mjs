// Everything that runs during a benchmark: the targets, the stand-in, the generator of load.
// Holds: one target works at a time; what a run wrote outside is counted against what it was to write.
// Must never: leave a process behind.
import { Advice } from "../tools/project.mjs";
import { revisions } from "./messages.mjs";
import { startLoad, startStandIn } from "./processes.mjs";
import { Running, floor, ours, peer } from "./targets.mjs";

/** Fewer tools, and people of whom Microsoft granted no drafts, so that a mail leaves in one call. */
const small = { settings: { TOOLSETS: "mail" }, granted: "openid profile email offline_access User.Read Mail.Read Mail.Send" };
const build = ({ worker }) => (worker ? { build: worker } : {});

/** How each target is made; `small` is the product as it compares with a server that has nine tools and makes no drafts. */
export const made = {
  ours: (options) => ours(build(options)),
  small: (options) => ours({ ...build(options), ...small }),
  peer: () => peer(),
  floor: (_, list) => floor(list),
};

/** What each action leaves at the stand-in; only the product makes a draft of a mail first, where Microsoft granted that. */
function expected({ kind }, { name }) {
  const none = { lists: 0, drafts: 0, sends: 0 };
  const each = { getEmails: { lists: 1 }, sendEmail: { sends: 1, drafts: name === "ours" ? 1 : 0 }, signIn: { tokens: 1 } };
  return { ...none, ...each[kind] };
}

export class Bench {
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
      this.running.set(name, await Running.start(name, await made[name](this.options, await this.#list()), place));
    }
  }

  /** What the floor lists: the same as the product, if that runs. */
  async #list() {
    const product = this.running.get("ours");
    if (!product) return undefined;
    await product.connectPeople(1);
    return JSON.stringify((await product.ask("tools/list", revisions[0])).result);
  }

  /**
   * Has this many people of a target signed in, with tokens that last for the next run; `among` picks who asks, all of
   * them otherwise.
   */
  async #people(target, workload) {
    await target.connectPeople(workload.users);
    if (workload.kind === "delivery") await target.watch(workload, this.standIn);
    await target.renewTokens();
    this.load.know(target.name, workload.among?.(target.users) ?? target.users);
  }

  /** One run of a workload. It fails if an answer was wrong, or if the stand-in saw less or more than it was to see. */
  async perform(target, workload, more = {}) {
    await this.#people(target, workload);
    this.#runs += 1;
    const run = {
      ...workload, target: target.name, port: target.workerd.port, client: target.client, label: `run-${this.#runs}`,
      warmUpS: this.options.warmUpS, durationS: this.options.seconds,
      // The same id twice in a session would be a repeat.
      firstId: this.#runs * 1_000_000, ...more,
    };
    const before = (await this.standIn.look()).counts;
    const result = await this.load.perform(run, target.workerd.pid);
    const { counts, unknown } = await this.standIn.look();
    for (const [name, each] of Object.entries(expected(workload, target))) {
      const [seen, wanted] = [counts[name] - before[name], each * result.performed];
      if (seen !== wanted) throw new Error(`${target.name} ${workload.name}: ${seen} ${name} at the stand-in instead of ${wanted}`);
    }
    if (unknown.length > 0) throw new Error(`${target.name} ${workload.name}: the stand-in does not know ${unknown.join(", ")}`);
    return result;
  }

  async stop() {
    for (const target of this.running.values()) await target.kill();
    this.standIn?.stop();
    this.load?.stop();
  }
}
