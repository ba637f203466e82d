// Fifteen things that people ask about their calendar, with colleagues, series and rooms in many zones.
// Holds: what is expected is computed from the tenant, local times by the platform's own zones; each request that
// writes has a day of its own.
// Must never: write an answer down.
import assert from "node:assert/strict";
import { named, pick, same } from "./checks.mjs";
import { address, recordMark, records } from "./client.mjs";
import { requestsOf } from "./requests.mjs";
import { tenantOf } from "./tenant.mjs";

const request = requestsOf("alice");
const dayMs = 86_400_000;
const hourMs = 3_600_000;

/** A date so many days after another date. */
const later = (date, days) => new Date(Date.parse(date) + days * dayMs).toISOString().slice(0, 10);

/** The first such weekday (Sunday is 0), so many days from now at the earliest. */
function weekday(wanted, days) {
  const first = new Date(Date.now() + days * dayMs).toISOString().slice(0, 10);
  return later(first, (wanted - new Date(first).getUTCDay() + 7) % 7);
}

/** The clock on a wall of a zone at an instant, as 2026-01-31T14:30:00. */
function wall(utc, timeZone) {
  const shape = { timeZone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit" };
  const clock = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
  const parts = new Intl.DateTimeFormat("en-GB", { ...shape, ...clock }).formatToParts(new Date(utc));
  const part = (type) => parts.find((one) => one.type === type).value;
  return `${part("year")}-${part("month")}-${part("day")}T${part("hour")}:${part("minute")}:${part("second")}`;
}

/** What Graph shows of a calendar between two instants, in UTC. */
async function view({ graph }, start, end) {
  const range = new URLSearchParams({ startDateTime: start, endDateTime: end, $top: "500" });
  const { value } = await graph(`/me/calendarView?${range}`);
  const utc = ({ dateTime }) => `${dateTime.slice(0, 19)}Z`;
  return value.map((event) => ({ ...event, from: utc(event.start), to: utc(event.end) }));
}

const timed = (events) => events.filter(({ isAllDay }) => !isAllDay);
const line = (from, to, subject) => [Date.parse(from), Date.parse(to), subject].join();
const shown = (events) => timed(events).map(({ subject, start, end }) => line(start.utc, end.utc, subject));
const real = (events) => timed(events).map(({ subject, from, to }) => line(from, to, subject));

/** Whether an event of a view touches the days from `start` to `end` on the walls of a zone. */
const touches = (start, end, timeZone) => ({ from, to }) =>
  wall(to, timeZone) > `${start}T00:00:00` && wall(from, timeZone).slice(0, 10) <= end;

/** That each local time is what the wall of the zone says, with the offset that belongs to it. */
function isLocal(events, timeZone) {
  for (const { start, end } of timed(events)) {
    for (const { local, utc } of [start, end]) {
      assert.equal(local.slice(0, 19), wall(utc, timeZone));
      assert.equal(Date.parse(local), Date.parse(utc));
    }
  }
}

/** The event of a subject in somebody's calendars, alone. */
async function only(tenant, who, subject) {
  const [event, ...more] = await tenant.events(who, subject);
  assert.ok(event && more.length === 0, `${who} has ${more.length + (event ? 1 : 0)} of ${subject}`);
  return event;
}

request("What is on in the two weeks around the next change of the clocks?", async ({ all, tenant, me }) => {
  const timeZone = await tenant.timeZone();
  const changes = (await tenant.events(me, "Inside of the changed hour")).map(({ start }) => start).toSorted();
  const start = later(changes[0].slice(0, 10), -7);
  const end = later(changes[0].slice(0, 10), 7);
  const { found } = await all("getCalendarEvents", "events", { start, end, count: 250 });
  const wide = await view(tenant, `${later(start, -1)}T00:00:00Z`, `${later(end, 2)}T00:00:00Z`);
  // The days are those of the mailbox's zone.
  same(shown(found), real(wide.filter(touches(start, end, timeZone))));
  isLocal(found, timeZone);
  const [before, after, ...more] = named(found, "Leadership round");
  assert.deepEqual([more.length, before.start.local.slice(11, 19)], [0, after.start.local.slice(11, 19)]);
  assert.notEqual(before.start.utc.slice(11, 16), after.start.utc.slice(11, 16));
});

request("I am in New York next week: what does my week look like there?", async ({ all, tenant }) => {
  const timeZone = "America/New_York";
  const start = weekday(1, 1);
  const end = later(start, 4);
  const { found } = await all("getCalendarEvents", "events", { start, end, timeZone, count: 250 });
  const wide = await view(tenant, `${later(start, -1)}T00:00:00Z`, `${later(end, 2)}T00:00:00Z`);
  const inside = timed(wide).filter(touches(start, end, timeZone));
  assert.ok(inside.length > 5);
  same(shown(found), real(inside));
  isLocal(found, timeZone);
});

request("From when until when is the offsite in Lugano?", async ({ call, tenant, me }) => {
  const offsite = await only(tenant, me, "Offsite in Lugano");
  const timeZone = await tenant.timeZone();
  const [first, after] = [offsite.start, offsite.end].map((utc) => wall(utc, timeZone).slice(0, 10));
  const { events } = await call("getCalendarEvents", { start: later(first, -3), end: later(after, 3), count: 250 });
  const [event, ...more] = named(events, "Offsite in Lugano");
  assert.deepEqual([event.start, event.end, more], [{ date: first }, { date: later(after, -1) }, []]);
  assert.deepEqual([event.isAllDay, event.showAs], [true, "oof"]);
});

request("Show me the whole day of interviews, piece by piece", async ({ all, tenant, me }) => {
  const isSlot = ({ subject }) => /^Interview slot/.test(subject);
  const slots = (await tenant.person(me)).calendars.flatMap(({ events }) => events).filter(isSlot);
  const day = slots[0].start.slice(0, 10);
  const { found, pages } = await all("getCalendarEvents", "events", { start: day, end: day, maxTokens: 500 });
  assert.ok(pages > 1);
  same(shown(found.filter(isSlot)), slots.map(({ start, end, subject }) => line(start, end, subject)));
  assert.equal(new Set(found.map(({ id }) => id)).size, found.length);
});

request("When do the next five huddles take place, and with whom?", async ({ call, tenant, me }) => {
  const [start, end] = [later(new Date().toISOString(), 1), later(new Date().toISOString(), 35)];
  const { events } = await call("getCalendarEvents", { start, end, count: 250, maxTokens: 20_000 });
  const isHuddle = ({ subject }) => /^Operations huddle/.test(subject);
  const known = (await view(tenant, `${start}T00:00:00Z`, `${later(end, 1)}T00:00:00Z`)).filter(isHuddle);
  const huddles = events.filter(isHuddle);
  same(shown(huddles), real(known));
  const series = await only(tenant, me, "Operations huddle");
  const gone = series.exceptions.find(({ deleted }) => deleted).day;
  const moved = series.exceptions.find(({ deleted }) => !deleted).day;
  assert.ok(huddles.every((one) => !one.start.local.startsWith(gone)));
  const clock = ({ start: { local } }) => local.slice(11, 16);
  const other = huddles.find((one) => one.start.local.startsWith(moved));
  assert.notEqual(clock(other), clock(huddles.find(({ subject }) => subject === series.subject)));
  const { event } = await call("readEvent", { id: huddles[0].seriesId });
  assert.deepEqual([event.type, event.isOrganizer, event.recurrence.type], ["seriesMaster", true, "weekly"]);
  assert.equal(event.body.trim(), series.body.content.replaceAll(/<[^>]+>/g, "").trim());
  same(pick(event.attendees, "address"), pick(series.attendees, "address"));
});

request("When are Helena, Grace and Hugo busy on Tuesday?", async ({ call, stack, tenant }) => {
  const names = ["helena", "grace", "hugo"];
  const day = weekday(2, 2);
  const { schedules, timeZone } = await call("findTimes", { attendees: names.map(address), start: day, end: day });
  assert.deepEqual(pick(schedules, "address"), names.map((name) => [address(name)]));
  assert.equal(timeZone, await tenant.timeZone());
  let count = 0;
  for (const [index, name] of names.entries()) {
    const events = await view(tenantOf(stack, name), `${later(day, -1)}T00:00:00Z`, `${later(day, 2)}T00:00:00Z`);
    const inside = events.filter(touches(day, day, timeZone));
    const busy = inside.filter(({ showAs, isCancelled }) => showAs !== "free" && !isCancelled);
    const list = schedules[index].busy ?? [];
    same(list.map(({ start, end }) => `${start.utc} ${end.utc}`), busy.map(({ from, to }) => `${from} ${to}`));
    // Nobody shared a calendar, so nobody learns what it is about.
    assert.ok(list.every(({ subject }) => subject === undefined));
    count += list.length;
  }
  assert.ok(count > 0, "all three have nothing to do");
});

request("Find an hour next week for Daniel, Gita and me", async ({ call, stack, tenant, me }) => {
  const start = weekday(1, 1);
  const end = later(start, 4);
  const people = ["daniel", "gita"];
  const asked = { attendees: people.map(address), start, end, durationMinutes: 60, count: 4 };
  const { suggestions } = await call("findTimes", asked);
  assert.equal(suggestions.length, 4);
  const range = [`${later(start, -1)}T00:00:00Z`, `${later(end, 2)}T00:00:00Z`];
  const busy = new Map();
  for (const name of [me, ...people]) {
    const events = await view(tenantOf(stack, name), ...range);
    busy.set(address(name), events.filter(({ showAs }) => showAs !== "free"));
  }
  const isTaken = (who, slot) => busy.get(who).some(({ from, to }) => from < slot.end.utc && to > slot.start.utc);
  const timeZone = await tenant.timeZone();
  for (const slot of suggestions) {
    assert.equal(Date.parse(slot.end.utc) - Date.parse(slot.start.utc), hourMs);
    const [from, to] = [slot.start, slot.end].map(({ utc }) => wall(utc, timeZone));
    assert.ok(from.slice(0, 10) >= start && to.slice(0, 10) <= end, "another week");
    assert.ok(from.slice(11) >= "08" && to.slice(11) <= "17:00:00", "outside of working hours");
    assert.equal(isTaken(address(me), slot), false);
    const known = people.map(address).map((who) => [who, isTaken(who, slot) ? "busy" : "free"]);
    same(pick(slot.attendees, "address", "availability"), known);
  }
});

request("Book a free room for eight people during the leadership round", async ({ call, stack, tenant, me, word }) => {
  const day = weekday(1, 15);
  const [round] = named(await view(tenant, `${day}T00:00:00Z`, `${later(day, 1)}T00:00:00Z`), "Leadership round");
  const time = { start: round.from, end: round.to };
  const rooms = (await call("findTimes", { rooms: "*", minCapacity: 8, ...time })).rooms;
  assert.ok(rooms.every(({ capacity }) => capacity >= 8));
  for (const { address: room, isFree } of rooms) {
    const events = await view(tenantOf(stack, room.split("@")[0]), round.from, round.to);
    assert.equal(isFree, events.every(({ showAs }) => showAs === "free"), room);
  }
  assert.ok(rooms.some(({ isFree }) => !isFree), "the round itself has a room");
  const wanted = rooms.filter(({ isFree }) => isFree).toSorted((a, b) => a.capacity - b.capacity)[0];
  const created = await call("createCalendarEvent", { subject: `Visit ${word}`, ...time, rooms: [wanted.address] });
  const event = await only(tenant, me, `Visit ${word}`);
  assert.deepEqual([event.immutableId, event.start], [created.eventId, round.from]);
  assert.deepEqual(pick(event.attendees, "address", "type", "response"), [[wanted.address, "resource", "accepted"]]);
  const copy = await only(tenant, wanted.address.split("@")[0], `Visit ${word}`);
  assert.deepEqual([copy.start, copy.end], [round.from, round.to]);
});

request("Set up a weekly review with Elif, six times, and move the second by an hour", async ({ call, tenant, me, word }) => {
  const day = weekday(2, 70);
  const subject = `Review ${word}`;
  const created = await call("createCalendarEvent", {
    subject, start: `${day}T09:00`, end: `${day}T09:45`, attendees: [address("elif")],
    recurrence: { type: "weekly", count: 6 },
  });
  const { recurrence } = await only(tenant, me, subject);
  assert.deepEqual([recurrence.pattern.type, recurrence.range.numberOfOccurrences], ["weekly", 6]);
  assert.deepEqual((await only(tenant, "elif", subject)).recurrence, recurrence);
  const range = { start: day, end: later(day, 40), count: 250, maxTokens: 20_000 };
  const list = async () => named((await call("getCalendarEvents", range)).events, subject);
  const before = await list();
  const weeks = [0, 7, 14, 21, 28, 35].map((days) => `${later(day, days)}T09:00`);
  assert.deepEqual(before.map(({ start }) => start.local.slice(0, 16)), weeks);
  assert.ok(before.every(({ seriesId }) => seriesId === before[0].seriesId));
  const updated = await call("updateCalendarEvent", { id: before[1].id, start: `${later(day, 7)}T10:00` });
  assert.equal(updated.status, "updated");
  const instances = await view(tenant, `${later(day, -1)}T00:00:00Z`, `${later(day, 41)}T00:00:00Z`);
  const wanted = before.map(({ start, end }, index) => (
    [start, end].map(({ utc }) => Date.parse(utc) + (index === 1 ? hourMs : 0)).concat(subject).join()
  ));
  same(real(named(instances, subject)), wanted);
  same(shown(await list()), wanted);
  assert.equal((await only(tenant, me, subject)).immutableId, created.eventId);
});

request("Add Carol to my meeting with Bob", async ({ call, tenant, me, word }) => {
  const day = weekday(3, 62);
  const subject = `Contract ${word}`;
  const { eventId } = await call("createCalendarEvent", {
    subject, start: `${day}T14:00`, end: `${day}T14:30`, attendees: [address("bob")], body: "Clause 7, please.",
  });
  assert.deepEqual(await tenant.events("carol", subject), []);
  await call("updateCalendarEvent", { id: eventId, addAttendees: [address("carol")] });
  const own = await only(tenant, me, subject);
  same(pick(own.attendees, "address"), [[address("bob")], [address("carol")]]);
  for (const who of ["bob", "carol"]) {
    const copy = await only(tenant, who, subject);
    assert.deepEqual([copy.start, copy.end, copy.iCalUId], [own.start, own.end, own.iCalUId]);
  }
  const { event } = await call("readEvent", { id: eventId });
  assert.equal(event.body.trim(), "Clause 7, please.");
  assert.ok(own.body.content.includes("Clause 7, please."));
  same(pick(event.attendees, "address"), pick(own.attendees, "address"));
});

request("Call the visit off and tell them why", async ({ call, stack, tenant, me, word }) => {
  const day = weekday(4, 62);
  const subject = `Audit ${word}`;
  const attendees = ["frank", "grace"].map(address);
  const { eventId } = await call("createCalendarEvent", { subject, start: `${day}T10:00`, end: `${day}T11:00`, attendees });
  const mark = await recordMark(stack);
  const { status } = await call("cancelEvent", { id: eventId, comment: `The auditor is ill ${word}` });
  assert.equal(status, "cancelled");
  assert.deepEqual(await tenant.events(me, subject), []);
  for (const who of ["frank", "grace"]) assert.equal((await only(tenant, who, `Canceled: ${subject}`)).isCancelled, true);
  const told = (await records(stack, "graph", mark)).filter(({ method }) => method === "POST");
  assert.deepEqual(pick(told, "body", "status"), [[{ comment: `The auditor is ill ${word}` }, 202]]);
});

request("Decline the first look at the pay review, and say why", async ({ call, tenant, me, word }) => {
  const subject = "Pay review: first look";
  const invitation = await only(tenant, me, subject);
  const day = invitation.start.slice(0, 10);
  const { events } = await call("getCalendarEvents", { start: day, end: day });
  const [{ id, organizer: { address: by }, myResponse }] = named(events, subject);
  assert.deepEqual([by, myResponse], [invitation.organizer, invitation.response]);
  const { status } = await call("respondToEvent", { id, response: "decline", comment: `On holiday ${word}` });
  assert.equal(status, "declined");
  assert.deepEqual(await tenant.events(me, subject), []);
  const organizer = invitation.organizer.split("@")[0];
  const { attendees } = await only(tenant, organizer, subject);
  assert.equal(attendees.find((one) => one.address === address(me)).response, "declined");
  const told = await tenant.mails(organizer, "inbox", `Declined: ${subject}`);
  assert.equal(told.length, 1);
  assert.ok(told[0].body.includes(`On holiday ${word}`));
});

request("Say perhaps to the lease negotiation and propose two hours later", async ({ call, stack, tenant, me }) => {
  const invitation = await only(tenant, me, "Lease negotiation");
  const { start, end } = invitation;
  const wanted = [start, end].map((utc) => Date.parse(utc) + 2 * hourMs);
  const [proposedStart, proposedEnd] = wanted.map((ms) => new Date(ms).toISOString());
  const mark = await recordMark(stack);
  const answer = { response: "tentative", proposedStart, proposedEnd };
  const { status } = await call("respondToEvent", { id: invitation.immutableId, ...answer });
  assert.equal(status, "tentativelyAccepted");
  assert.equal((await only(tenant, me, "Lease negotiation")).response, "tentativelyAccepted");
  const theirs = await only(tenant, invitation.organizer.split("@")[0], "Lease negotiation");
  assert.equal(theirs.attendees.find((one) => one.address === address(me)).response, "tentativelyAccepted");
  // Who is invited proposes and changes nothing.
  assert.deepEqual([theirs.start, theirs.end], [start, end]);
  const [{ body }] = (await records(stack, "graph", mark)).filter(({ method }) => method === "POST");
  const { proposedNewTime } = body;
  const instant = ({ dateTime, timeZone }) => {
    assert.equal(timeZone, "UTC");
    return Date.parse(`${dateTime.slice(0, 19)}Z`);
  };
  assert.deepEqual([proposedNewTime.start, proposedNewTime.end].map(instant), wanted);
});

request("Invite Yuki to an online meeting at nine in the morning in Tokyo", async ({ call, tenant, me, word }) => {
  const day = weekday(3, 70);
  const subject = `Handover ${word}`;
  const timeZone = (await tenant.person("yuki")).timeZone;
  const created = await call("createTeamsMeeting", {
    subject, start: `${day}T09:00`, end: `${day}T09:30`, timeZone, attendees: [address("yuki")],
  });
  const own = await only(tenant, me, subject);
  assert.deepEqual([own.immutableId, own.joinUrl], [created.eventId, created.joinUrl]);
  assert.match(own.joinUrl, /^https:\/\//);
  assert.deepEqual([wall(own.start, timeZone), wall(own.end, timeZone)], [`${day}T09:00:00`, `${day}T09:30:00`]);
  assert.equal((await only(tenant, "yuki", subject)).joinUrl, own.joinUrl);
  const { event } = await call("readEvent", { id: created.eventId });
  assert.equal(event.joinUrl, own.joinUrl);
  assert.equal(event.start.local.slice(0, 19), wall(own.start, await tenant.timeZone()));
});

request("Enter three days of leave in my calendar for travel and leave", async ({ call, tenant, me, word }) => {
  const { calendars } = await call("listCalendars");
  const mine = (await tenant.person(me)).calendars;
  assert.deepEqual(pick(calendars, "name", "isDefault"), pick(mine, "name", "isDefault"));
  const { name } = mine.find(({ events }) => events.some(({ subject }) => subject === "Annual leave"));
  const day = weekday(2, 77);
  const created = await call("createCalendarEvent", {
    subject: `Leave ${word}`, start: day, end: later(day, 2), isAllDay: true, showAs: "oof", calendar: name,
  });
  assert.deepEqual([created.start, created.end], [{ date: day }, { date: later(day, 2) }]);
  const holders = (await tenant.person(me)).calendars.filter(({ events }) => named(events, `Leave ${word}`).length > 0);
  assert.deepEqual(pick(holders, "name"), [[name]]);
  const [event, ...more] = named(holders[0].events, `Leave ${word}`);
  const zone = await tenant.timeZone();
  const midnights = [day, later(day, 3)].map((date) => `${date}T00:00:00`);
  assert.deepEqual([[wall(event.start, zone), wall(event.end, zone)], more], [midnights, []]);
  const range = { start: later(day, -1), end: later(day, 5) };
  const [leave] = named((await call("getCalendarEvents", { ...range, calendar: name })).events, `Leave ${word}`);
  assert.deepEqual([leave.start, leave.end, leave.showAs], [created.start, created.end, "oof"]);
  assert.deepEqual(named((await call("getCalendarEvents", range)).events, `Leave ${word}`), []);
});
