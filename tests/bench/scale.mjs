// `npm run bench -- --scale`: what grows, and what a request costs then. Four curves of this server alone: entries in a
// person's ledger, sessions of a person, people, and open streams.
// Holds: each curve has a workerd of its own; points of load are interleaved round by round, so that what disturbs the
// machine disturbs all alike; every answer is checked, and what was to arrive is counted.
// Must never: show a point that did not have the size that it names.
import { readdirSync, readlinkSync, rmSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { setTimeout as rest } from "node:timers/promises";
import { say } from "../tools/project.mjs";
import { Bench } from "./bench.mjs";
import { OpenStream } from "./delivery.mjs";
import { Connection, requestBytes } from "./http.mjs";
import { fillLedger, ledgerSize, peopleFiles } from "./ledger_fill.mjs";
import { summed, surroundings } from "./measure.mjs";
import { checkWhole, messageBytes, revisions, stateless, writer } from "./messages.mjs";
import { host } from "./places.mjs";
import { memoryMiB } from "./processes.mjs";
import { signIn } from "./sign_in.mjs";
import { percentiles } from "./statistics.mjs";

const connectionCount = 8;
const [inSessions] = revisions;
const calls = ["list", "getEmails"];
const mebibytes = (bench) => memoryMiB(bench.running.get("ours").workerd.pid).now;

/** How far each curve goes. `sessions` ends at the bound of one person, of which `pastBound` are tried more. */
export const sizesOf = ({ quick }) => (quick
  ? { ledger: [0, 1000, 10_000], sessions: [1, 10, 100], pastBound: 0, people: [20, 50, 100], streams: [1, 10, 50], restS: 15 }
  : {
    ledger: [0, 1000, 10_000, 100_000, 1_000_000], sessions: [1, 10, 100, 1000], pastBound: 100,
    people: [1000, 2000, 5000, 10_000, 20_000], streams: [1, 10, 100, 500, 1000], restS: 60,
  });

/** Does `act(connection, number)` so many times, as many at once as there are connections. */
export async function inParallel(connections, count, act) {
  let next = 0;
  await Promise.all(connections.map(async (connection) => {
    while (next < count) await act(connection, next++);
  }));
}

/** One curve with this server running for it alone, in a folder that is gone afterwards. */
async function alone(options, folder, name, work) {
  const own = join(folder, name);
  const bench = new Bench({ ...options, targets: ["ours"] }, own);
  try {
    await bench.start();
    return await work(bench, bench.running.get("ours"), own);
  } finally {
    await bench.stop();
    rmSync(own, { recursive: true, force: true });
  }
}

async function withConnections(port, work) {
  const connections = Array.from({ length: connectionCount }, () => new Connection(port));
  try {
    return await work(connections);
  } finally {
    connections.forEach((connection) => connection.close());
  }
}

/** Loads every point with every call, in rounds; `among(index)` picks who asks at that point. */
async function loaded(bench, sizes, among) {
  const target = bench.running.get("ours");
  const runs = sizes.map(() => Object.fromEntries(calls.map((kind) => [kind, []])));
  const workload = (kind, index) => ({ name: kind, kind, revision: inSessions, connections: connectionCount, among: among(index) });
  const performed = sizes.map(() => 0);
  const perform = async (kind, index, more) => {
    const run = await bench.perform(target, workload(kind, index), more);
    if (kind === "getEmails") performed[index] += run.performed;
    return run;
  };
  // V8 compiles what is used often in the background; that belongs to no point.
  for (const kind of calls) {
    for (const index of sizes.keys()) await perform(kind, index, { warmUpS: 0, durationS: bench.options.seconds / 2 });
  }
  for (let round = 0; round < bench.options.rounds; round += 1) {
    for (const kind of calls) {
      for (const place of sizes.keys()) {
        // Each round begins with another point, so that none is always the first.
        const index = (place + round) % sizes.length;
        const run = await perform(kind, index);
        runs[index][kind].push(run);
        say(`  ${kind.padEnd(9)} at ${String(sizes[index]).padStart(7)}: ${run.perSecond.toFixed(0)}/s, cpu ${run.cpuMs.toFixed(3)} ms`);
      }
    }
  }
  const points = sizes.map((size, index) => ({ size, ...Object.fromEntries(calls.map((kind) => [kind, summed(runs[index][kind])])) }));
  return { points, performed };
}

/** A person for each size, whose ledger is filled on disk beforehand. */
async function ledgerCurve(bench, target, sizes, folder) {
  const files = [];
  const place = join(folder, target.name);
  for (const index of sizes.keys()) {
    const known = index === 0 ? [] : peopleFiles(place);
    await target.connectPeople(index + 1);
    files.push(...peopleFiles(place).filter((file) => !known.includes(file)));
    if (files.length !== index + 1) throw new Error("a person's file was not found");
  }
  await withConnections(target.workerd.port, async ([connection]) => {
    for (const user of target.users) {
      checkWhole("sendEmail", await connection.send(writer(user, { kind: "sendEmail", revision: inSessions })(1)), 1);
    }
  });
  const before = [];
  await target.restart(() => files.forEach((file, index) => {
    fillLedger(file, sizes[index]);
    before.push(ledgerSize(file));
    say(`  a ledger of ${before[index]} entries, ${sizes[index]} of them filled in`);
  }));
  const { points, performed } = await loaded(bench, sizes, (index) => (users) => [users[index]]);
  await target.restart(() => files.forEach((file, index) => {
    const wanted = before[index] + performed[index];
    const found = ledgerSize(file);
    if (found !== wanted) throw new Error(`the ledger of ${sizes[index]} has ${found} entries instead of ${wanted}`);
  }));
  return { points, largest: before.at(-1) };
}

/** How many of these sessions are gone: they answer 404, and all others rightly. */
async function lostSessions(port, sessions) {
  let lost = 0;
  await withConnections(port, (connections) => inParallel(connections, sessions.length, async (connection, number) => {
    const id = 5000 + number;
    const answer = await connection.send(writer(sessions[number], { kind: "list", revision: inSessions })(id));
    if (answer.status === 404) lost += 1;
    else checkWhole("list", answer, id);
  }));
  return lost;
}

/** A person for each size, who has so many sessions that take turns. */
async function sessionCurve(bench, target, sizes, pastBound) {
  const sessions = [];
  await target.connectPeople(sizes.length + 1);
  for (const [index, size] of sizes.entries()) sessions.push(await target.openSessions(index, size));
  const { points } = await loaded(bench, sizes, (index) => () => sessions[index]);
  // Whoever opens more than the bound loses those that were idle for the longest time, and nothing else.
  const opened = await target.openSessions(sizes.length, sizes.at(-1) + pastBound);
  const lost = await lostSessions(target.workerd.port, opened);
  if (lost !== pastBound) throw new Error(`${lost} of ${opened.length} sessions are gone instead of ${pastBound}`);
  return { points, opened: opened.length, lost };
}

/** Resident memory once one person has so many sessions, in a workerd that did nothing else. */
async function memoryOfSessions(chosen, folder, size) {
  return alone(chosen, folder, `sessions-${size}`, async (bench, target) => {
    await target.connectPeople(1);
    const opened = await target.openSessions(0, size);
    if ((await lostSessions(target.workerd.port, opened)) !== 0) throw new Error("a session is gone");
    return mebibytes(bench);
  });
}

/** Files of people's objects that a process has open: an object that is in memory has one. */
export function openObjects(pid) {
  const folder = `/proc/${pid}/fd`;
  const linked = readdirSync(folder).map((name) => {
    try {
      return readlinkSync(join(folder, name));
    } catch (error) {
      // It was closed meanwhile.
      if (error.code === "ENOENT") return "";
      throw error;
    }
  });
  return new Set(linked.filter((file) => /\/UserSession\/[0-9a-f]{64}\.sqlite$/.test(file))).size;
}

/** One person after the other signs in and makes one call. */
async function peopleCurve(bench, target, steps, restS) {
  const { pid, port } = target.workerd;
  const points = [];
  const look = (when, people, perSecond) => {
    points.push({ when, people, perSecond, memoryMiB: mebibytes(bench), objects: openObjects(pid) });
    say(`  ${people} people (${when}): ${points.at(-1).memoryMiB.toFixed(0)} MiB, ${points.at(-1).objects} objects in memory`);
  };
  const counted = (await bench.standIn.look()).counts;
  look("start", 0);
  let made = 0;
  await withConnections(port, async (connections) => {
    for (const step of steps) {
      const [first, began] = [made, performance.now()];
      await inParallel(connections, step - first, async (connection, number) => {
        const user = await signIn(connection, { ...target.client, oid: `newcomer-${first + number}` });
        checkWhole("getEmails", await connection.send(writer(user, { kind: "getEmails", revision: stateless })(1)), 1);
      });
      made = step;
      look("working", made, (made - first) / ((performance.now() - began) / 1000));
    }
  });
  const { counts } = await bench.standIn.look();
  for (const name of ["lists", "tokens"]) {
    if (counts[name] - counted[name] !== made) throw new Error(`${counts[name] - counted[name]} ${name} at the stand-in instead of ${made}`);
  }
  await rest(restS * 1000);
  look("rested", made);
  return { points, restS };
}

const watched = { "content-type": "application/json", host, "x-forwarded-proto": "https" };

async function push(connection, { path, body }) {
  const answer = await connection.send(requestBytes({ path, fields: watched, body }));
  if (answer.status !== 202) throw new Error(`a notification was answered ${answer.status}`);
}

/** For each stream the time until its next event arrives, in milliseconds from `sentAt(index)`, when its push was sent. */
const arrivals = (streams, sentAt) => streams.map((stream, index) => stream.next().then(() => performance.now() - sentAt(index)));

/** A push for each stream's own user, as fast as the webhook answers. */
async function pushToEach(connections, streams, users) {
  const sent = [];
  const arriving = Promise.all(arrivals(streams, (index) => sent[index]));
  await Promise.all([arriving, inParallel(connections, streams.length, (connection, index) => {
    sent[index] = performance.now();
    return push(connection, users[index].notice);
  })]);
  return arriving;
}

/** One push, which every stream of that one user is to show. */
async function pushToAll([connection], streams, { notice }) {
  const sent = performance.now();
  const arriving = Promise.all(arrivals(streams, () => sent));
  await Promise.all([arriving, push(connection, notice)]);
  return arriving;
}

/** So many streams stay open and grow in number; `pushed(streams)` gives one time for each. */
async function streamCurve(bench, port, sizes, { opened, pushed, title }) {
  const streams = [];
  const points = [];
  let due = 0;
  try {
    for (const size of sizes) {
      while (streams.length < size) {
        const stream = opened(streams.length);
        streams.push(stream);
        await stream.opened;
      }
      const times = [];
      for (let round = 0; round < Math.max(5, Math.ceil(1000 / size)); round += 1) times.push(...(await pushed(streams)));
      due += times.length;
      points.push({ size, due: times.length, latencyMs: percentiles(times), memoryMiB: mebibytes(bench) });
      say(`  ${title}: ${size} open, ${times.length} arrived, p99 ${points.at(-1).latencyMs.p99.toFixed(1)} ms, max ${points.at(-1).latencyMs.max.toFixed(1)} ms`);
    }
    const arrived = streams.reduce((sum, { events }) => sum + events, 0);
    if (arrived !== due) throw new Error(`${title}: ${arrived} events arrived instead of ${due}`);
    return points;
  } finally {
    streams.forEach((stream) => stream.close());
  }
}

async function streamCurves(bench, target, sizes) {
  const many = sizes.at(-1);
  await target.connectPeople(many + 1);
  await target.watch({ users: many, revision: inSessions }, bench.standIn);
  await target.watch({ skip: many, users: many + 1, revision: stateless }, bench.standIn);
  await target.renewTokens();
  const { port } = target.workerd;
  const [each, one] = [target.users.slice(0, many), target.users[many]];
  return withConnections(port, async (connections) => ({
    own: await streamCurve(bench, port, sizes, {
      title: "a user for each stream", opened: (index) => new OpenStream(port, each[index], inSessions),
      pushed: (streams) => pushToEach(connections, streams, each),
    }),
    shared: await streamCurve(bench, port, sizes, {
      title: "one user", opened: () => new OpenStream(port, one, stateless), pushed: (streams) => pushToAll(connections, streams, one),
    }),
  }));
}

/** Measures all four curves. */
export async function scale(chosen, folder) {
  const sizes = sizesOf(chosen);
  const results = { ...surroundings(chosen), loadAtStart: loadavg()[0] };
  const wants = (name) => !chosen.only || chosen.only.includes(name);
  const curve = async (name, work) => {
    if (!wants(name)) return;
    say(name);
    results[name] = await alone(chosen, folder, name, work);
  };
  await curve("ledger", (bench, target, own) => ledgerCurve(bench, target, sizes.ledger, own));
  await curve("sessions", (bench, target) => sessionCurve(bench, target, sizes.sessions, sizes.pastBound));
  for (const point of results.sessions?.points ?? []) point.memoryMiB = await memoryOfSessions(chosen, folder, point.size);
  await curve("people", (bench, target) => peopleCurve(bench, target, sizes.people, sizes.restS));
  await curve("streams", (bench, target) => streamCurves(bench, target, sizes.streams));
  return results;
}
