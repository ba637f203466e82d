// The units of a person's habits, each done for real and counted.
// Holds: calls are counted where they happen in a day, twelve minutes apart, because what a call costs depends on what was
// before it; CPU time is counted over many calls at once, when everything is compiled.
// Must never: count a call that was not answered rightly.
import { OpenStream } from "../delivery.mjs";
import { isAnswer, revisions, stateless, writer } from "../messages.mjs";
import { renew, signIn } from "../sign_in.mjs";
import { openSession } from "../targets.mjs";
import { added, difference, scaled } from "./items.mjs";

const [sessions] = revisions;
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

const person = (target) => target.running.users[0];
let lastId = 0;

async function call(target, kind, revision, user = person(target)) {
  const id = ++lastId;
  const answer = await target.connection.send(writer(user, { kind, revision })(id));
  if (!isAnswer(answer, id)) throw new Error(`${target.name} ${kind}: ${answer.status} ${answer.body.toString().slice(0, 300)}`);
}

async function renewTokens(target) {
  const { clientId } = target.running.client;
  const user = person(target);
  Object.assign(user, await renew(target.connection, { clientId, refresh: user.refresh }), { renewedAt: target.aheadMs });
}

/** Tokens that are about to end are renewed as a client would. */
async function keepFresh(target) {
  const { livesS = 0, renewedAt = 0 } = person(target);
  if (target.aheadMs - renewedAt > livesS * 1000 - 2 * minuteMs) await renewTokens(target);
}

async function newSession(target) {
  await keepFresh(target);
  const user = person(target);
  user.session = await openSession(target.connection, { ...user, session: undefined });
}

/** CPU of a call once everything is compiled: `counted` calls after `before` that do not count. */
async function cpuOf(target, kind, revision, { before, counted }) {
  for (let index = 0; index < before; index += 1) await call(target, kind, revision);
  return (await target.count(() => call(target, kind, revision), counted)).cpuMs;
}

/** The calls of a day in their order: which tool, and whether Graph is late. */
function callsOfDay({ readsOfDay, writesOfDay, lateEvery }) {
  const total = readsOfDay + writesOfDay;
  return Array.from({ length: total }, (_, index) => ({
    kind: Math.floor(((index + 1) * writesOfDay) / total) > Math.floor((index * writesOfDay) / total) ? "sendEmail" : "getEmails",
    isLate: index % lateEvery === lateEvery - 1,
  }));
}

const unitNames = { getEmails: "read", sendEmail: "write" };
const mean = (all) => (all.length === 0 ? undefined : scaled(added(...all), 1 / all.length));

/** How many calls wrote how many rows: `[[rows, calls], …]`. */
function rowsOfCalls(all) {
  const found = new Map();
  for (const { rowsWritten } of all) found.set(rowsWritten, (found.get(rowsWritten) ?? 0) + 1);
  return [...found].sort(([one], [other]) => one - other);
}

/** A day as habits have it; what every call was billed, and what passes between them. */
export async function workday(target, habits, revision) {
  const seen = { read: [], readLate: [], write: [], writeLate: [], between: [], reports: [] };
  const calls = callsOfDay(habits);
  const apart = (habits.hoursOfDay * hourMs) / calls.length;
  const between = async (ms) => {
    const { own, others } = await target.countApart(() => target.pass(ms));
    seen.between.push(own);
    seen.reports.push(others);
  };
  for (const { kind, isLate } of calls) {
    await between(apart);
    await keepFresh(target);
    await target.standIn.look({ graphDelayMs: isLate ? habits.graphLateMs : habits.graphMs });
    const { own, others } = await target.countApart(() => call(target, kind, revision));
    seen[`${unitNames[kind]}${isLate ? "Late" : ""}`].push(own);
    seen.reports.push(others);
  }
  await target.standIn.look({ graphDelayMs: 0 });
  await between(dayMs - habits.hoursOfDay * hourMs);
  const { between: alarms, reports, ...each } = seen;
  const found = Object.fromEntries(Object.entries(each).map(([name, all]) => [name, { counts: mean(all), rowsOfCalls: rowsOfCalls(all) }]));
  return { ...found, workday: { counts: added(...alarms) }, workdayReports: { counts: added(...reports) } };
}

/** Late calls take their time, so that there are few of them. */
const late = { before: 5, counted: 15 };
/** Graph's time that makes a call late everywhere. */
const lateMs = 300;

/** CPU of each kind of call. */
async function cpuOfCalls(target, revision, many) {
  const found = {};
  for (const [kind, name] of Object.entries(unitNames)) {
    found[name] = await cpuOf(target, kind, revision, { before: many, counted: many });
    await target.standIn.look({ graphDelayMs: lateMs });
    found[`${name}Late`] = await cpuOf(target, kind, revision, late);
    await target.standIn.look({ graphDelayMs: 0 });
  }
  return found;
}

function withCpu(found, cpu) {
  for (const [name, cpuMs] of Object.entries(cpu)) found[name].counts.cpuMs = cpuMs;
  return found;
}

async function list(target, revision, many) {
  const cpuMs = await cpuOf(target, "list", revision, { before: many, counted: many });
  const counts = await target.count(() => call(target, "list", revision), 5);
  return { counts: { ...counts, cpuMs } };
}

const suffixed = (found) => Object.fromEntries(Object.entries(found).map(([name, unit]) => [`${name}Stateless`, unit]));

/** Every unit but those of streams. */
export async function measureUnits(target, habits, { many, say }) {
  const { running } = target;
  const units = {};
  await running.connectPeople(1);
  const bytesAtFirst = await target.bytes();
  const again = async () => Object.assign(person(target), await signIn(target.connection, { ...running.client, oid: person(target).oid }));
  await again();
  units.signIn = { counts: await target.count(again, 3) };
  await renewTokens(target);
  units.renewal = { counts: await target.count(() => renewTokens(target), many), livesS: person(target).livesS };
  await newSession(target);
  units.session = { counts: await target.count(() => newSession(target), 10) };
  say("sign-in, renewal, sessions");
  units.list = await list(target, sessions, many);
  units.listStateless = await list(target, stateless, many);
  const cpu = [await cpuOfCalls(target, sessions, many), await cpuOfCalls(target, stateless, many)];
  say("CPU time of calls");
  await workday(target, { ...habits, graphMs: 0, graphLateMs: 0 }, sessions);
  const before = await target.bytes();
  for (let opened = 0; opened < habits.sessionsOfDay; opened += 1) await newSession(target);
  const day = await workday(target, habits, sessions);
  const between = await target.bytes();
  say("a day with sessions");
  const other = await workday(target, habits, stateless);
  say("a day without");
  units.storage = { bytesAtFirst, bytesOfWorkday: Math.max(0, between - before), bytesOfWorkdayStateless: Math.max(0, (await target.bytes()) - between) };
  Object.assign(units, withCpu(day, cpu[0]), suffixed(withCpu(other, cpu[1])));
  return { ...units, ...(await untilPruned(target, habits, many)) };
}

/** Days on which nobody comes; then the time has come at which what the calls left is removed. */
async function untilPruned(target, habits, many) {
  const { own, others } = await target.countApart(() => target.pass(2 * dayMs));
  const [otherDay, otherDayReports] = [own, others].map((counts) => ({ counts: scaled(counts, 1 / 2) }));
  await target.pass(60 * dayMs);
  const quiet = await target.count(() => target.pass(20 * dayMs));
  const rest = await target.count(() => target.pass(20 * dayMs));
  // Three days of calls, and those whose CPU time was measured: two kinds in two revisions.
  const removed = 3 * (habits.readsOfDay + habits.writesOfDay) + 2 * 2 * (2 * many + late.before + late.counted);
  const counts = scaled(difference(rest, quiet), 1 / removed);
  return { otherDay, otherDayReports, pruning: { counts, removed, quiet, rest } };
}

const streams = 20;
const settlesSeconds = 15;

/**
 * Streams that nothing is sent on, one for each of several persons: the opening of one, an hour of it, and whether its
 * object left memory meanwhile.
 */
export async function measureStreams(target, seconds) {
  const { running } = target;
  await running.connectPeople(streams);
  // What signing in leaves to alarms belongs to no stream, and neither does what is compiled in the background.
  await target.pass(1.5 * minuteMs);
  await renewTokens(target);
  for (let index = 0; index < 200; index += 1) await call(target, "getEmails", sessions);
  await target.wait(settlesSeconds);
  let opened = [];
  const open = async (index) => {
    opened.push(new OpenStream(running.workerd.port, running.users[index], sessions));
    await opened[index].opened;
  };
  // The first stream of each person wakes an object, the second one does not.
  const waking = await target.count(open, streams);
  opened.forEach((stream) => stream.close());
  opened = [];
  const opening = await target.count(open, streams);
  const { rowsRead, rowsWritten, cpuMs } = difference(waking, opening);
  let ended = 0;
  for (const { socket } of opened) socket.once("close", () => (ended += 1));
  const lives = await target.lives();
  const idle = scaled(await target.count(() => target.wait(seconds)), 1 / streams);
  const endedEarly = ended;
  for (const user of running.users) await call(target, "getEmails", sessions, user);
  const hasLeft = (await target.lives()) >= lives + streams;
  opened.forEach((stream) => stream.close());
  if (endedEarly > 0) throw new Error(`${target.name}: ${endedEarly} streams ended before ${seconds} s`);
  // An object that stays in memory is billed for all of it.
  const objectGbS = hasLeft ? idle.objectGbS : seconds * 0.128;
  return {
    streamOpening: { counts: opening },
    wake: { counts: scaled({ rowsRead, rowsWritten, cpuMs: Math.max(0, cpuMs) }, 1) },
    streamHour: { counts: scaled({ ...idle, objectGbS }, 3600 / seconds), hasLeft, seconds },
  };
}
