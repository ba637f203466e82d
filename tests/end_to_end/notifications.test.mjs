// Changes at Microsoft reach the clients that watch: over Graph's subscriptions, the webhook, the object and its streams.
// Holds: each event has a number and comes once, to whoever watches and to nobody else; what nobody was there for waits;
// a notification that Microsoft did not send changes nothing. That something did not come is shown by what comes next.
// Must never: call the webhook for Microsoft, except to forge.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import {
  address, addFault, clearFaults, mailTo, openSession, records, request, requestLines, setEmulator, toolResult, until,
} from "./client.mjs";
import { open } from "./event_stream.mjs";
import { startStack } from "./harness.mjs";
import { signedIn } from "./oauth_client.mjs";

const [inbox, calendar] = ["microsoft://mail/inbox", "microsoft://calendar/upcoming"];
let stack, alice, graphToken;
let id = 1_000;

before(async () => {
  stack = await startStack();
  alice = await stack.connect("alice");
  const scopes = ["Calendars.ReadWrite", "Mail.ReadWrite"];
  graphToken = (await stack.emulator.post("/_emulator/token", { user: address("alice"), scopes })).accessToken;
});
after(() => stack?.stop());
afterEach(async () => {
  await clearFaults(stack);
  await setEmulator(stack, { notifications: { delayMs: 50, repeats: 0, lost: false }, deniedScopes: {} });
});

const ask = (session, method, uri) => session.send(request((id += 1), method, { uri }));
const subscriptions = async () => (await stack.emulator.get("/_emulator/subscriptions")).subscriptions;
const standing = (resource) =>
  until(`a subscription to ${resource}`, async () => (await subscriptions()).find((one) => one.resource === resource));
const standingFor = { [inbox]: "me/mailFolders('inbox')/messages", [calendar]: "me/events" };

/** Watches; resolves once Microsoft tells of changes. */
async function watch(session, ...uris) {
  for (const uri of uris) {
    const answer = await ask(session, "resources/subscribe", uri);
    assert.deepEqual(answer.json.result, {}, answer.text);
    await standing(standingFor[uri]);
  }
}

async function listen(session, more = {}) {
  const { response, stream } = await open(stack, { token: session.token, session: session.id, ...more });
  assert.equal(response.status, 200);
  const first = await stream.next();
  assert.equal(first.data, "", "a stream begins with an ID alone");
  return { stream, from: first.id };
}

/** The next update of a stream: event ID and URI. */
async function next(stream) {
  const event = await stream.next();
  assert.equal(event?.message?.method, "notifications/resources/updated", JSON.stringify(event));
  return [event.id, event.message.params.uri];
}

const arrives = (subject, user = "alice") =>
  stack.emulator.post("/_emulator/mail", { user: address(user), message: { subject } });

async function graph(method, path, body) {
  const headers = { authorization: `Bearer ${graphToken}`, ...(body && { "content-type": "application/json" }) };
  const url = `${stack.emulator.url}/graph/v1.0${path}`;
  const response = await fetch(url, { method, headers, body: body && JSON.stringify(body) });
  assert.ok(response.ok, `${method} ${path}: ${response.status}`);
  return method === "DELETE" ? undefined : response.json();
}

const meeting = (subject) => ({
  subject,
  start: { dateTime: "2027-02-01T10:00:00", timeZone: "UTC" },
  end: { dateTime: "2027-02-01T11:00:00", timeZone: "UTC" },
});

describe("what can be watched", () => {
  test("is a resource that can be read", async () => {
    const session = await openSession(stack, alice);
    await arrives("Newest of all");
    const read = async (uri) => JSON.parse((await ask(session, "resources/read", uri)).json.result.contents[0].text);
    const mails = await read(inbox);
    assert.equal(mails.messages[0].subject, "Newest of all");
    // Resources keep Microsoft's identifiers, because clients keep their URIs; tools show short ones.
    const unnamed = (list) => list.map(({ id, seriesId, ...item }) => item);
    const { messages } = (await session.call("getEmails", {})).structuredContent;
    assert.deepEqual(unnamed(mails.messages), unnamed(messages));
    const { timeZone, events, more } = await read(calendar);
    const { structuredContent: shown } = await session.call("getCalendarEvents", {});
    assert.deepEqual([timeZone, unnamed(events), more], [shown.timeZone, unnamed(shown.events), shown.more]);
  });

  test("is asked of Microsoft only once somebody watches", async () => {
    assert.deepEqual(await subscriptions(), []);
    const session = await openSession(stack, alice);
    const { stream } = await listen(session);
    assert.deepEqual(await subscriptions(), []);
    await watch(session, inbox);
    await watch(await openSession(stack, alice), inbox);
    assert.equal((await subscriptions()).length, 1);
    stream.drop();
  });

  test("is not watched without the permission, and the answer names it", async () => {
    await setEmulator(stack, { deniedScopes: { [address("carol")]: ["Calendars.ReadWrite", "Calendars.Read"] } });
    const session = await openSession(stack, await stack.connect("carol"));
    const refused = await ask(session, "resources/subscribe", calendar);
    assert.equal(refused.json.error.data.code, "permission_missing");
    assert.match(refused.json.error.message, /Calendars\.Read/);
    const { users } = await stack.emulator.get("/_emulator/state");
    const carol = users.find((user) => user.address === address("carol"));
    assert.ok((await subscriptions()).every(({ creatorId }) => creatorId !== carol.oid));
  });
});

describe("a change", () => {
  test("is told once, to every session that watches and to no other", async () => {
    const [one, two, other] = [await openSession(stack, alice), await openSession(stack, alice), await openSession(stack, alice)];
    await watch(one, inbox, calendar);
    await watch(two, inbox);
    await watch(other, calendar);
    const streams = await Promise.all([one, two, other].map((session) => listen(session)));
    const [first, second, third] = streams.map(({ stream }) => stream);
    const bob = await openSession(stack, await stack.connect("bob"));
    assert.equal((await bob.call("sendEmail", mailTo("alice", "Told once"))).isError, false);
    assert.deepEqual(await next(first), ["m.1", inbox]);
    assert.deepEqual(await next(second), ["m.1", inbox]);
    const { id: event } = await graph("POST", "/me/events", meeting("Told too"));
    assert.deepEqual(await next(first), ["m.2", calendar]);
    assert.deepEqual(await next(third), ["m.1", calendar], "the mail before was not told here");
    await graph("PATCH", `/me/events/${event}`, { subject: "Changed" });
    assert.deepEqual(await next(first), ["m.3", calendar]);
    await graph("DELETE", `/me/events/${event}`);
    assert.deepEqual(await next(third), ["m.2", calendar]);
    for (const { stream } of streams) stream.drop();
  });

  test("is not told any more after unsubscribing", async () => {
    const [quiet, witness] = [await openSession(stack, alice), await openSession(stack, alice)];
    await watch(quiet, inbox, calendar);
    await watch(witness, inbox);
    const [one, two] = [await listen(quiet), await listen(witness)];
    assert.deepEqual((await ask(quiet, "resources/unsubscribe", inbox)).json.result, {});
    await arrives("Not for everybody");
    assert.deepEqual(await next(two.stream), ["m.1", inbox]);
    const { id: event } = await graph("POST", "/me/events", meeting("For everybody"));
    assert.deepEqual(await next(one.stream), ["m.1", calendar]);
    await graph("DELETE", `/me/events/${event}`);
    for (const { stream } of [one, two]) stream.drop();
  });

  test("waits for the next stream when none is open", async () => {
    const [session, witness] = [await openSession(stack, alice), await openSession(stack, alice)];
    await watch(session, inbox);
    await watch(witness, inbox);
    const { stream: seen } = await listen(witness);
    await arrives("While nobody listened");
    assert.deepEqual(await next(seen), ["m.1", inbox]);
    const { stream } = await listen(session);
    assert.deepEqual(await next(stream), ["m.1", inbox]);
    for (const one of [stream, seen]) one.drop();
  });

  test("comes again exactly once to a client that comes back to where it was", async () => {
    const session = await openSession(stack, alice);
    await watch(session, inbox);
    const { stream, from } = await listen(session);
    await arrives("Before the break");
    assert.deepEqual(await next(stream), ["m.1", inbox]);
    stream.drop();
    const back = await listen(session, { lastEventId: from });
    assert.deepEqual(await next(back.stream), ["m.1", inbox]);
    await arrives("After the break");
    assert.deepEqual(await next(back.stream), ["m.2", inbox]);
    back.stream.drop();
    const again = await listen(session, { lastEventId: "m.2" });
    await arrives("Later still");
    assert.deepEqual(await next(again.stream), ["m.3", inbox]);
    again.stream.drop();
  });

  test("that Microsoft tells twice is an event each time, under a number of its own", async () => {
    const session = await openSession(stack, alice);
    await watch(session, inbox);
    const { stream } = await listen(session);
    await setEmulator(stack, { notifications: { repeats: 1 } });
    await arrives("Told twice");
    assert.deepEqual([await next(stream), await next(stream)], [["m.1", inbox], ["m.2", inbox]]);
    stream.drop();
  });

  test("is told again by Microsoft when the worker was dead, and the client finds it", async () => {
    const session = await openSession(stack, alice);
    await watch(session, inbox);
    const { stream, from } = await listen(session);
    await stack.kill();
    await assert.rejects(stream.rest());
    await arrives("While the worker was dead");
    await stack.restart();
    const back = await listen(session, { lastEventId: from });
    assert.deepEqual(await next(back.stream), ["m.1", inbox]);
    back.stream.drop();
  });
});

describe("a subscription of revision 2026-07-28", () => {
  const [revision, method] = ["2026-07-28", "subscriptions/listen"];
  const subscriptionId = "io.modelcontextprotocol/subscriptionId";
  const meta = { "io.modelcontextprotocol/protocolVersion": revision, "io.modelcontextprotocol/clientCapabilities": {} };
  const listenTo = async (at, ...uris) => {
    const body = request(at, method, { notifications: { resourceSubscriptions: uris }, _meta: meta });
    const { response, stream } = await open(stack, { token: alice, revision, headers: { "mcp-method": method }, body });
    assert.equal(response.status, 200);
    const { message } = await stream.next();
    assert.equal(message.method, "notifications/subscriptions/acknowledged");
    assert.equal(message.params._meta[subscriptionId], at);
    return { stream, honoured: message.params.notifications.resourceSubscriptions };
  };

  test("hears of what it asked for, under its own name, and survives an eviction", async () => {
    const [one, two] = [await listenTo("one", inbox, "microsoft://profile"), await listenTo("two", calendar)];
    assert.deepEqual([one.honoured, two.honoured], [[inbox], [calendar]]);
    await standing(standingFor[inbox]);
    await standing(standingFor[calendar]);
    const { userKey } = await stack.waitForLog(({ tool, outcome }) => tool === "watch" && outcome === "ok");
    await stack.evict(userKey);
    await arrives("For one of them");
    const { message } = await one.stream.next();
    assert.equal(message.method, "notifications/resources/updated");
    assert.deepEqual([message.params.uri, message.params._meta[subscriptionId]], [inbox, "one"]);
    const { id: event } = await graph("POST", "/me/events", meeting("For the other"));
    const other = await two.stream.next();
    assert.deepEqual([other.message.params.uri, other.message.params._meta[subscriptionId]], [calendar, "two"]);
    await graph("DELETE", `/me/events/${event}`);
    for (const { stream } of [one, two]) stream.drop();
  });
});

describe("a notification that Microsoft did not send", () => {
  const send = (url, body, init = {}) =>
    fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), ...init });

  test("changes nothing, and the answer does not tell why", async () => {
    const session = await openSession(stack, alice);
    await watch(session, inbox);
    const { stream } = await listen(session);
    const real = await standing(standingFor[inbox]);
    const item = { subscriptionId: real.id, clientState: real.clientState, changeType: "created" };
    const since = stack.logMark();
    for (const changes of [
      { clientState: "x" }, { clientState: undefined }, { clientState: real.clientState.toLowerCase() },
      { subscriptionId: "00000000-0000-4000-8000-000000000000" }, { clientState: "", lifecycleEvent: "subscriptionRemoved" },
    ]) {
      const answer = await send(real.notificationUrl, { value: [{ ...item, ...changes }] });
      assert.deepEqual([answer.status, await answer.text()], [202, ""], JSON.stringify(changes));
    }
    const ignored = () => stack.logLines().slice(-20).filter(({ event, believed }) => event === "notified" && believed === 0);
    await stack.waitForLog(({ event, ignored: count }) => event === "notified" && count === 1, { since });
    assert.ok(ignored().length >= 5);
    await arrives("The real one");
    assert.deepEqual(await next(stream), ["m.1", inbox]);
    assert.equal((await standing(standingFor[inbox])).id, real.id);
    assert.ok(!stack.output().includes(real.clientState), "the secret is in no log");
    stream.drop();
  });

  test("finds no page behind an address that was made up, also with a token to be echoed", async () => {
    const { notificationUrl } = await standing(standingFor[inbox]);
    const bob = await openSession(stack, await stack.connect("bob"));
    await watch(bob, calendar);
    const key = notificationUrl.split("/").at(-1);
    for (const made of ["x", key.slice(1), `${key}A`, key.split("").reverse().join("")]) {
      for (const query of ["", "?validationToken=echo"]) {
        const answer = await send(`${stack.origin}/notifications/${made}${query}`, { value: [] });
        assert.deepEqual([answer.status, await answer.text()], [404, "There is nothing here."], made + query);
      }
    }
  });

  test("is bounded and read strictly", async () => {
    const { notificationUrl: url } = await standing(standingFor[inbox]);
    assert.equal((await fetch(url)).status, 405);
    assert.equal((await send(url, {})).status, 400);
    assert.equal((await send(url, { value: [{ subscriptionId: "x", clientState: "y".repeat(300_000) }] })).status, 413);
    assert.equal((await send(url, { value: [] })).status, 202);
    const foreign = { headers: { origin: "https://evil.example" } };
    assert.equal((await send(url, { value: [] }, foreign)).status, 403);
  });

  test("is the handshake again: it gives the token back as plain text and does nothing else", async () => {
    const before = await subscriptions();
    const { notificationUrl: url } = before[0];
    const token = "Validation: <script>alert(1)</script> ä";
    const answer = await send(`${url}?validationToken=${encodeURIComponent(token)}`, { value: [] });
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get("content-type"), /^text\/plain/);
    assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
    assert.equal(await answer.text(), token);
    assert.equal((await send(`${url}?validationToken=${"x".repeat(5_000)}`, {})).status, 400);
    assert.deepEqual(await subscriptions(), before);
  });
});

describe("what Microsoft says of a subscription", () => {
  const lifecycle = (event) => stack.emulator.post("/_emulator/lifecycle", { user: address("alice"), event });

  test("is acted on: missed, about to end, ended", async () => {
    const session = await openSession(stack, alice);
    await watch(session, inbox);
    const { stream } = await listen(session);
    await setEmulator(stack, { notifications: { lost: true } });
    await arrives("Lost on the way");
    await lifecycle("missed");
    assert.deepEqual(await next(stream), ["m.1", inbox]);
    await setEmulator(stack, { notifications: { lost: false } });
    await lifecycle("reauthorizationRequired");
    const { id: old } = await standing(standingFor[inbox]);
    await until("it was renewed", async () =>
      (await records(stack, "graph")).some(({ method, path, status }) => method === "PATCH" && path.endsWith(old) && status === 200));
    await lifecycle("subscriptionRemoved");
    assert.deepEqual(await next(stream), ["m.2", inbox], "what changed in between may have gone unheard");
    assert.notEqual((await standing(standingFor[inbox])).id, old);
    await arrives("Over the new one");
    assert.deepEqual(await next(stream), ["m.3", inbox]);
    stream.drop();
  });

  test("is made up for: an attempt that failed is made again", async () => {
    const session = await openSession(stack, await stack.connect("dave"));
    await addFault(stack, { service: "graph", method: "POST", pathContains: "/subscriptions", times: 1, action: { outage503: true } });
    const { stream } = await listen(session);
    assert.deepEqual((await ask(session, "resources/subscribe", inbox)).json.result, {});
    assert.deepEqual(await next(stream), ["m.1", inbox], "once it stands, because something may have gone unheard");
    await arrives("At last", "dave");
    assert.deepEqual(await next(stream), ["m.2", inbox]);
    const failed = requestLines(stack, "watch").filter(({ outcome }) => outcome === "microsoft_down");
    assert.equal(failed.length, 1, JSON.stringify(failed));
    stream.drop();
  });
});

describe("an open stream", () => {
  test("ends when its grant is withdrawn", async () => {
    const client = await signedIn(stack, "bob");
    const session = await openSession(stack, client.token);
    await watch(session, inbox);
    const { stream } = await listen(session);
    await client.revoke();
    assert.equal(await stream.next(), undefined);
    const { response } = await open(stack, { token: client.token, session: session.id });
    assert.equal(response.status, 401);
  });

  test("survives that its object is turned out of memory", async () => {
    const session = await openSession(stack, alice);
    await watch(session, inbox);
    const { stream } = await listen(session);
    const { userKey } = await stack.waitForLog(({ tool, outcome }) => tool === "watch" && outcome === "ok");
    for (const number of [1, 2, 3]) {
      await stack.evict(userKey);
      await arrives(`After eviction ${number}`);
      assert.deepEqual(await next(stream), [`m.${number}`, inbox]);
    }
    stream.drop();
  });

  test("keeps no object in memory: within twenty idle seconds it is gone, and comes back for the next event", async () => {
    const session = await openSession(stack, alice);
    await watch(session, inbox);
    const { stream } = await listen(session);
    const instance = async (mark) => {
      const since = stack.logMark();
      toolResult(await session.send(request(mark, "tools/call", { name: "getEmails", arguments: { count: 1 } })));
      return (await stack.waitForLog(({ tool }) => tool === "getEmails", { since })).instance;
    };
    const before = await instance("before");
    assert.match(before, /^[0-9a-f]{8}$/);
    // The one wait for a time: nothing may wake the object, and every question would.
    await pause(20_000);
    await arrives("For the next life");
    assert.deepEqual(await next(stream), ["m.1", inbox]);
    // Asked at once after the event: the life that told it is the one that answers.
    assert.notEqual(await instance("after"), before);
    await arrives("In the same life");
    assert.deepEqual(await next(stream), ["m.2", inbox]);
    stream.drop();
  });
});
