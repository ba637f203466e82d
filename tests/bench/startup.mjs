// What starting costs: CPU of a workerd from its start to when it listens, and to the first answer of its Worker.
// Holds: an empty Worker is measured in the same rounds and taken off, so that what is left is the Worker's own.
// Must never: count a start that did not answer rightly.
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { say } from "../tools/project.mjs";
import { made } from "./bench.mjs";
import { Connection, requestBytes } from "./http.mjs";
import { host } from "./places.mjs";
import { cpuSeconds, startStandIn } from "./processes.mjs";
import { median, summary } from "./statistics.mjs";
import { bytesOf } from "./targets.mjs";
import { prepare, startWorkerd } from "./workerd.mjs";

const empty = { worker: { modules: [{ name: "worker.js", content: "export default { fetch: () => new Response() };" }] } };
/** Both authorization servers answer it, without any storage. */
const first = requestBytes({
  method: "GET", path: "/.well-known/oauth-authorization-server", fields: { host, "x-forwarded-proto": "https" },
});

async function startOnce(name, target, { standIn, folder }) {
  const own = join(folder, `start-${name}`);
  mkdirSync(own, { recursive: true });
  const file = prepare(target.worker, { standIn, folder: own });
  const workerd = await startWorkerd(file, { temporary: folder });
  try {
    const listening = cpuSeconds(workerd.pid);
    const connection = new Connection(workerd.port);
    const { status } = await connection.send(first);
    const answered = cpuSeconds(workerd.pid);
    connection.close();
    if (status !== 200) throw new Error(`${name}: the first answer is ${status}`);
    return { listening: listening * 1000, answered: answered * 1000 };
  } finally {
    await workerd.kill();
    rmSync(own, { recursive: true, force: true });
  }
}

/** Milliseconds of CPU for each target, without what an empty Worker needs; median and spread over `rounds` starts. */
export async function measureStarts(options, folder, rounds) {
  const standIn = await startStandIn();
  const targets = new Map([["empty", empty]]);
  for (const name of options.targets.filter((one) => ["ours", "peer"].includes(one))) targets.set(name, await made[name](options));
  const seen = new Map([...targets.keys()].map((name) => [name, []]));
  try {
    for (let round = 0; round < rounds; round += 1) {
      for (const [name, target] of targets) seen.get(name).push(await startOnce(name, target, { standIn: standIn.port, folder }));
    }
  } finally {
    standIn.stop();
  }
  const found = {};
  const base = (when) => median(seen.get("empty").map((start) => start[when]));
  for (const [name, starts] of seen) {
    const own = (when) => summary(starts.map((start) => start[when] - (name === "empty" ? 0 : base(when))));
    found[name] = { listening: own("listening"), answered: own("answered") };
    say(`start ${name}: ${found[name].listening.median.toFixed(1)} ms of CPU until it listens, ${found[name].answered.median.toFixed(1)} ms until the first answer`);
  }
  return found;
}

/** Bytes of what is deployed, and as gzip. */
export async function measureSizes(options) {
  const sizes = {};
  for (const name of options.targets.filter((one) => ["ours", "peer"].includes(one))) {
    const modules = bytesOf(await made[name](options));
    const sum = (of) => modules.reduce((total, bytes) => total + of(bytes), 0);
    sizes[name] = { raw: sum((bytes) => bytes.length), gzip: sum((bytes) => gzipSync(bytes, { level: 9 }).length) };
  }
  return sizes;
}
