// Makes the requests of one run, in a process of its own so that the other core does it, and says how they went.
// Holds: closed loop: each connection has one request under way, always. Open loop: requests are due at a fixed rate, and the
// latency counts from when each was due, also where it had to wait for a connection.
// Must never: leave an answer unchecked.
import { performance } from "node:perf_hooks";
import { openStreams } from "./delivery.mjs";
import { Connection } from "./http.mjs";
import { checkWhole, isAnswer, writer } from "./messages.mjs";
import { signIn } from "./sign_in.mjs";
import { percentiles } from "./statistics.mjs";

const people = new Map();

const nothing = () => {};

/** What a run does over and over: `act(connection, number)`, which fails where an answer is not the right one. */
async function actionOf(run) {
  if (run.kind === "signIn") {
    const act = async (connection, number) => {
      await signIn(connection, { ...run.client, oid: `${run.label}-${number}` });
      return 0;
    };
    return { act, close: nothing };
  }
  const users = people.get(run.target).slice(run.skip ?? 0, run.users);
  if (run.kind === "delivery") {
    const { tell, close } = await openStreams(run.port, users, run.revision);
    return { act: tell, close };
  }
  const writers = users.map((user) => writer(user, run));
  const act = async (connection, number) => {
    const id = run.firstId + number;
    const answer = await connection.send(writers[number % writers.length](id));
    if (number === 0) checkWhole(run.kind, answer, id);
    else if (!isAnswer(answer, id)) throw new Error(`${run.kind}: ${answer.status} ${answer.body.toString().slice(0, 300)}`);
    return answer.body.length;
  };
  return { act, close: nothing };
}

/** What was seen between the end of the warm-up and the end of the run. */
class Tally {
  latencies = [];
  bytes = 0;
  #from = Infinity;

  begin() {
    this.#from = performance.now();
    process.send({ event: "measuring" });
  }

  add(startedAt, bytes) {
    if (startedAt < this.#from) return;
    this.latencies.push(performance.now() - startedAt);
    this.bytes = bytes;
  }

  end() {
    const seconds = (performance.now() - this.#from) / 1000;
    const requests = this.latencies.length;
    return { requests, seconds, perSecond: requests / seconds, bytes: this.bytes, latencyMs: percentiles(this.latencies) };
  }
}

async function closedLoop(run, connections, action, tally) {
  const end = performance.now() + (run.warmUpS + run.durationS) * 1000;
  let number = 0;
  // Without a warm-up every request counts, the first one too.
  const timer = run.warmUpS > 0 ? setTimeout(() => tally.begin(), run.warmUpS * 1000) : tally.begin();
  const loops = connections.map(async (connection) => {
    while (performance.now() < end) {
      const startedAt = performance.now();
      tally.add(startedAt, await action(connection, number++));
    }
  });
  await Promise.all(loops).finally(() => clearTimeout(timer));
  return number;
}

async function openLoop(run, connections, action, tally) {
  const every = 1000 / run.rate;
  const total = Math.floor((run.warmUpS + run.durationS) * run.rate);
  const warm = Math.floor(run.warmUpS * run.rate);
  const idle = [...connections];
  const waiting = [];
  const begun = performance.now();
  const work = async (connection, number, dueAt) => {
    const bytes = await action(connection, number);
    tally.add(dueAt, bytes);
    const next = waiting.shift();
    if (next) return work(connection, ...next);
    idle.push(connection);
  };
  const running = [];
  for (let number = 0; number < total; number += 1) {
    const dueAt = begun + number * every;
    await until(dueAt);
    if (number === warm) tally.begin();
    const connection = idle.pop();
    if (connection) running.push(work(connection, number, dueAt));
    else waiting.push([number, dueAt]);
  }
  await Promise.all(running);
  return total;
}

/** Sleeps coarsely and then spins: a timer of Node's is up to a millisecond late. */
async function until(time) {
  const left = time - performance.now();
  if (left > 2) await new Promise((done) => setTimeout(done, left - 1.5));
  while (performance.now() < time) await new Promise((done) => setImmediate(done));
}

async function perform(run) {
  const connections = Array.from({ length: run.connections }, () => new Connection(run.port));
  const tally = new Tally();
  const { act, close } = await actionOf(run);
  try {
    const performed = await (run.rate ? openLoop : closedLoop)(run, connections, act, tally);
    return { ...tally.end(), performed };
  } finally {
    close();
    connections.forEach((connection) => connection.close());
  }
}

process.on("message", async ({ users, run }) => {
  if (users) people.set(users.target, users.list);
  if (!run) return;
  try {
    process.send({ event: "done", result: await perform(run) });
  } catch (error) {
    process.send({ event: "failed", reason: error.stack ?? String(error) });
  }
});
process.on("disconnect", () => process.exit(0));
