// The soak: many clients with open streams, mail and events flowing to them, streams dropped, objects turned out of memory
// and the worker killed in the middle. Every client must see each of its events once.
// Holds: what a session was to see is what its row on disk says in the end, and not what the clients think; a client
// opens its stream before it watches anything, so that its events begin with number one.
// Must never: count an event as seen that the client's code did not get, or repair a gap by asking in another way.
// SOAK_MINUTES (30), SOAK_CLIENTS (50) and SOAK_RESTARTS (one for every five minutes, two at least) change its size.
import { randomInt } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { address, openSession, request, until } from "./client.mjs";
import { open } from "./event_stream.mjs";
import { startStack } from "./harness.mjs";
import { signedIn } from "./oauth_client.mjs";
import { sessionsOf } from "./rows.mjs";

const number = (name, fallback) => {
  const value = Number(process.env[name] ?? fallback);
  if (!(value > 0)) throw new Error(`${name} must be a number above zero`);
  return value;
};
const minutes = number("SOAK_MINUTES", 30);
const size = number("SOAK_CLIENTS", 50);
const restarts = number("SOAK_RESTARTS", Math.max(2, Math.round(minutes / 5)));
const names = ["alice", "bob", "carol", "dave"];
const [inbox, calendar] = ["microsoft://mail/inbox", "microsoft://calendar/upcoming"];
const counts = { mails: 0, events: 0, updates: 0, drops: 0, streams: 0, evictions: 0, restarts: 0, lost: 0, twice: 0 };
const say = (text) => process.stdout.write(`${text}\n`);

/** Runs until it works; the worker may be dead at any moment. */
async function stubborn(what, action) {
  let last;
  for (const end = Date.now() + 90_000; Date.now() < end; await pause(250)) {
    try {
      return await action();
    } catch (error) {
      last = error;
    }
  }
  throw new Error(`${what} did not work for 90 s`, { cause: last });
}

/** A person whose access token is renewed before it ends; all clients of the person share the grant. */
async function person(stack, name) {
  const client = await signedIn(stack, name);
  const { userKey } = await stack.waitForLog(({ tool, outcome, userKey: key }) =>
    tool === "connect" && outcome === "ok" && ![...people.values()].some((known) => known.userKey === key));
  const timer = setInterval(() => stubborn("a renewal", client.renew).catch((error) => failures.push(error)), 240_000);
  const minted = { user: address(name), scopes: ["Calendars.ReadWrite"], lifetimeS: 86_400 };
  const graphToken = (await stack.emulator.post("/_emulator/token", minted)).accessToken;
  return { name, client, userKey, graphToken, stop: () => clearInterval(timer) };
}

/** One client: a session, what it watches, and the stream that it takes up again whenever it ends. */
class Listener {
  seen = [];
  twice = 0;
  last = undefined;
  stream = undefined;

  constructor(stack, owner, index) {
    Object.assign(this, { stack, owner });
    this.uris = [[inbox], [calendar], [inbox, calendar]][index % 3];
  }

  async begin() {
    this.session = await openSession(this.stack, this.owner.client.token);
    this.done = this.listen();
    await until("the first stream is open", () => this.last !== undefined, 60_000);
    for (const uri of this.uris) {
      await stubborn("a subscription", async () => {
        const body = request(`watch ${uri}`, "resources/subscribe", { uri });
        const { json, text } = await this.session.send(body, { token: this.owner.client.token });
        if (!json?.result) throw new Error(text);
      });
    }
  }

  async listen() {
    while (!this.stopped) {
      try {
        const more = { session: this.session.id, lastEventId: this.last, token: this.owner.client.token };
        const { response, stream } = await open(this.stack, more);
        this.stream = stream;
        if (stream) {
          counts.streams += 1;
          for (let event = await stream.next(); event; event = await stream.next()) this.take(event);
        } else if (response.status === 404) {
          throw new Error("the session is gone");
        }
      } catch (error) {
        if (error.message === "the session is gone") return void failures.push(error);
      }
      this.stream = undefined;
      await pause(randomInt(50, 500));
    }
  }

  take({ id, message }) {
    this.last = id;
    if (!message) return;
    const event = Number(id.slice(2));
    if (this.seen.includes(event)) this.twice += 1;
    this.seen.push(event);
    counts.updates += 1;
    if (!this.uris.includes(message.params.uri)) failures.push(new Error(`told of ${message.params.uri}, which nobody asked for`));
  }

  drop() {
    if (!this.stream) return;
    counts.drops += 1;
    this.stream.drop();
  }

  async stop() {
    this.stopped = true;
    this.stream?.drop();
    await this.done;
  }
}

async function mail(stack, { name }) {
  counts.mails += 1;
  await stack.emulator.post("/_emulator/mail", { user: address(name), message: { subject: `Soak ${counts.mails}` } });
}

async function event(stack, { graphToken }) {
  counts.events += 1;
  const at = (hour) => ({ dateTime: `2027-02-01T${hour}:00:00`, timeZone: "UTC" });
  const headers = { authorization: `Bearer ${graphToken}`, "content-type": "application/json" };
  const url = `${stack.emulator.url}/graph/v1.0/me/events`;
  const made = await fetch(url, { method: "POST", headers, body: JSON.stringify({ subject: "Soak", start: at(10), end: at(11) }) });
  if (!made.ok) throw new Error(`no event: ${made.status}`);
  // What came also goes, so that a long run does not fill the calendars.
  await fetch(`${url}/${(await made.json()).id}`, { method: "DELETE", headers });
}

const any = (list) => list[randomInt(list.length)];
const failures = [];
const people = new Map();

/** Everything that happens until the time is over. */
async function storm(stack, listeners) {
  const all = [...people.values()];
  const end = Date.now() + minutes * 60_000;
  const running = () => Date.now() < end;
  const every = async (least, most, action) => {
    while (running()) {
      await pause(randomInt(least, most));
      await action();
    }
  };
  let alive = true;
  const restart = async () => {
    for (let done = 0; done < restarts; done += 1) {
      await pause((minutes * 60_000) / (restarts + 1));
      alive = false;
      await stack.restart();
      alive = true;
      counts.restarts += 1;
    }
  };
  const evict = async () => {
    if (!alive) return;
    // The worker may be killed under it.
    await stack.evict(any(all).userKey).then(() => (counts.evictions += 1), () => {});
  };
  await Promise.all([
    every(100, 900, () => mail(stack, any(all))),
    every(500, 2_500, () => event(stack, any(all))),
    every(50, 450, () => any(listeners).drop()),
    every(1_000, 6_000, evict),
    every(10_000, 10_001, () => say(JSON.stringify(counts))),
    restart(),
  ]);
}

/** What is missing or doubled, by the rows that the objects left. */
function judge(stack, listeners) {
  for (const { owner, session, seen, twice, uris } of listeners) {
    const row = sessionsOf(stack, owner.userKey).find(({ id }) => id === session.id);
    const last = row?.events.at(-1)?.number ?? 0;
    const missing = Array.from({ length: last }, (_, index) => index + 1).filter((one) => !seen.includes(one));
    const invented = seen.filter((one) => one > last);
    counts.twice += twice;
    counts.lost += missing.length;
    if (!row || last === 0 || missing.length > 0 || twice > 0 || invented.length > 0) {
      failures.push(new Error(`${owner.name} ${session.id} ${uris}: last ${last}, missing ${missing}, invented ${invented}, twice ${twice}`));
    }
  }
}

const stack = await startStack();
const began = Date.now();
try {
  for (const name of names) people.set(name, await person(stack, name));
  const all = [...people.values()];
  const listeners = Array.from({ length: size }, (_, index) => new Listener(stack, all[index % all.length], index));
  for (const listener of listeners) await listener.begin();
  const { subscriptions } = await stack.emulator.get("/_emulator/subscriptions");
  say(`${size} clients of ${all.length} people listen; ${minutes} minutes, ${restarts} restarts`);
  await storm(stack, listeners);
  // The last of all: whoever does not get these has lost something.
  const before = new Map(listeners.map((listener) => [listener, listener.seen.length]));
  for (const one of all) await Promise.all([mail(stack, one), event(stack, one)]);
  const calm = async () => (await stack.emulator.get("/_emulator/subscriptions")).waiting === 0;
  await until("Microsoft has told everything", calm, 60_000);
  const caughtUp = () => listeners.every((listener) => listener.seen.length > before.get(listener));
  await until("everybody got the last events", caughtUp, 60_000).catch((error) => failures.push(error));
  all.forEach(({ stop }) => stop());
  await Promise.all(listeners.map((listener) => listener.stop()));
  await stack.kill();
  judge(stack, listeners);
  counts.subscriptions = subscriptions.length;
} catch (error) {
  failures.push(error);
} finally {
  await stack.stop();
}
for (const error of failures.slice(0, 20)) say(`FAILED ${error.stack ?? error}`);
say(`soak: ${((Date.now() - began) / 60_000).toFixed(1)} min, ${JSON.stringify(counts)}`);
process.exit(failures.length > 0 || counts.lost > 0 || counts.twice > 0 ? 1 : 0);
