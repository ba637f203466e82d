// The steps of calls.mjs that concern calendars and Teams.
// Holds: as there: each step says what must be true of the answer and of the tenant; later ones build on what earlier
// ones `found`.
// Must never: know which client runs it.
import assert from "node:assert/strict";
import { inDays, named, pick, same } from "./checks.mjs";
import { address } from "./client.mjs";

/** Fixed here, so that midnight cannot come between a call and its check. */
const manyWeeks = { start: `${inDays(-75)}T00:00:00Z`, end: `${inDays(75)}T00:00:00Z` };

export const calendar = [
  {
    tool: "createCalendarEvent",
    arguments: ({ day, other, third, word }) => ({
      subject: `Event ${word}`, start: `${day}T10:00:00`, end: `${day}T11:30:00`, attendees: [address(other)],
      optionalAttendees: [address(third)], location: "Room 1", body: "Bring <pens>.", reminderMinutes: 30,
    }),
    check: async (created, { me, other, third, day, word, tenant, found }) => {
      assert.deepEqual([created.status, created.invited], ["created", 2]);
      found.event = created.eventId;
      assert.equal(created.timeZone, await tenant.timeZone());
      const [event, ...more] = await tenant.view(day, `Event ${word}`);
      assert.deepEqual(more, []);
      assert.deepEqual([event.start.timeZone, event.end.timeZone], [created.timeZone, created.timeZone]);
      assert.match(event.start.dateTime, new RegExp(`^${day}T10:00:00`));
      assert.match(event.end.dateTime, new RegExp(`^${day}T11:30:00`));
      assert.deepEqual([event.location.displayName, event.reminderMinutesBeforeStart], ["Room 1", 30]);
      for (const who of [me, other, third]) {
        const [copy, ...twice] = await tenant.events(who, `Event ${word}`);
        assert.equal(Date.parse(copy.start), Date.parse(created.start.utc));
        assert.deepEqual(twice, []);
      }
    },
  },
  {
    tool: "createCalendarEvent",
    arguments: ({ day, word, found }) => ({
      subject: `Leave ${word}`, start: day, end: day, isAllDay: true, calendarId: found.calendar.id,
    }),
    check: async (created, { me, day, word, tenant, found }) => {
      assert.deepEqual([created.start, created.end], [{ date: day }, { date: day }]);
      const [event, ...more] = await tenant.view(day, `Leave ${word}`, found.calendar.id);
      assert.deepEqual([event.isAllDay, more], [true, []]);
      assert.match(event.start.dateTime, new RegExp(`^${day}T00:00:00`));
      assert.equal((await tenant.events(me, `Leave ${word}`)).length, 1);
    },
  },
  {
    tool: "createTeamsMeeting",
    arguments: ({ day, other, word }) => ({
      subject: `Meeting ${word}`, start: `${day}T12:00:00+01:00`, end: `${day}T12:30:00+01:00`,
      attendees: [address(other)], body: "Over lunch.",
    }),
    check: async (created, { me, other, day, word, tenant, found }) => {
      found.meeting = created.eventId;
      assert.equal(Date.parse(created.start.utc), Date.parse(`${day}T11:00:00Z`));
      for (const who of [me, other]) {
        const [event, ...more] = await tenant.events(who, `Meeting ${word}`);
        assert.deepEqual([event.joinUrl, more], [created.joinUrl, []]);
      }
      assert.match(created.joinUrl, /^https:\/\//);
    },
  },
  {
    tool: "createTeamsMeeting",
    arguments: ({ day, word }) => ({
      subject: `Link ${word}`, start: `${day}T15:00`, end: `${day}T16:00`, timeZone: "America/New_York", standalone: true,
    }),
    check: async (created, { me, day, word, tenant }) => {
      const [meeting, ...more] = named((await tenant.person()).onlineMeetings, `Link ${word}`);
      assert.deepEqual([meeting.id, meeting.joinWebUrl, more], [created.meetingId, created.joinUrl, []]);
      assert.equal(Date.parse(meeting.startDateTime), Date.parse(created.start.utc));
      assert.match(created.start.local, new RegExp(`^${day}T15:00:00-0[45]:00$`));
      assert.deepEqual(await tenant.events(me, `Link ${word}`), []);
    },
  },
  {
    tool: "getCalendarEvents",
    arguments: ({ day }) => ({ start: day, end: day }),
    check: async ({ timeZone, events }, { day, word, tenant }) => {
      assert.equal(timeZone, await tenant.timeZone());
      const [event, ...more] = named(events, `Event ${word}`);
      assert.match(event.start.local, new RegExp(`^${day}T10:00:00`));
      assert.equal(Date.parse(event.start.local), Date.parse(event.start.utc));
      assert.deepEqual(more, []);
      assert.equal(named(events, `Meeting ${word}`).length, 1);
    },
  },
  {
    tool: "getCalendarEvents",
    arguments: ({ day, found }) => ({
      start: `${day}T00:00:00Z`, end: `${day}T23:00:00Z`, calendarId: found.calendar.id, timeZone: "UTC", count: 250,
    }),
    check: async ({ events }, { day, word }) => {
      const [leave] = named(events, `Leave ${word}`);
      assert.deepEqual([leave.start, leave.end], [{ date: day }, { date: day }]);
      assert.deepEqual(named(events, `Event ${word}`), []);
    },
  },
  {
    tool: "getCalendarEvents",
    arguments: { ...manyWeeks, count: 250, maxTokens: 20_000 },
    check: async ({ events, more, truncated, nextCursor }, { found }) => {
      assert.deepEqual([more, truncated, typeof nextCursor], [true, true, "string"]);
      found.begun = { events, nextCursor };
    },
  },
  {
    tool: "getCalendarEvents",
    arguments: ({ found }) => ({ ...manyWeeks, count: 250, maxTokens: 20_000, cursor: found.begun.nextCursor }),
    check: async ({ events, more, truncated }, { tenant, found }) => {
      const range = `startDateTime=${manyWeeks.start}&endDateTime=${manyWeeks.end}`;
      const { value } = await tenant.graph(`/me/calendarView?${range}&$top=500`);
      // More than Microsoft gives at once, so that the list was followed to its end.
      assert.ok(value.length > 100, `only ${value.length} events`);
      const timed = (list) => list.filter(({ isAllDay }) => !isAllDay).map(({ subject }) => subject);
      same(timed([...found.begun.events, ...events]), timed(value));
      assert.deepEqual([more, truncated], [false, undefined]);
    },
  },
  {
    tool: "listCalendars",
    check: async ({ calendars }, { me, tenant }) => {
      assert.deepEqual(pick(calendars, "name", "isDefault"), pick((await tenant.person()).calendars, "name", "isDefault"));
      assert.ok(calendars.every(({ owner, canEdit }) => owner === address(me) && canEdit));
    },
  },
  {
    tool: "createCalendarEvent",
    arguments: ({ day, word, found }) => ({
      subject: `Series ${word}`, start: `${day}T17:00`, end: `${day}T17:30`, calendar: found.calendar.name,
      recurrence: { type: "daily", interval: 2, count: 3 },
    }),
    check: async (created, { day, word, tenant, found }) => {
      const range = `startDateTime=${day}T00:00:00Z&endDateTime=${inDays(20)}T00:00:00Z`;
      const { value } = await tenant.graph(`/me/calendars/${found.calendar.id}/calendarView?${range}&$top=100`);
      const days = named(value, `Series ${word}`).map(({ start }) => start.dateTime.slice(0, 10));
      assert.deepEqual(days, [0, 2, 4].map((more) => inDays(9 + more)));
      found.series = created.eventId;
    },
  },
  {
    tool: "readEvent",
    arguments: ({ found }) => ({ id: found.series }),
    check: async ({ timeZone, event }, { me, word, tenant }) => {
      assert.deepEqual([timeZone, event.subject, event.type], [await tenant.timeZone(), `Series ${word}`, "seriesMaster"]);
      assert.deepEqual(event.recurrence, { type: "daily", interval: 2, count: 3 });
      assert.deepEqual([event.organizer.address, event.isOrganizer], [address(me), true]);
    },
  },
  {
    tool: "updateCalendarEvent",
    arguments: ({ day, third, found, word }) => ({
      id: found.event, subject: `Changed ${word}`, start: `${day}T10:30`, removeAttendees: [address(third)], body: "Bring ink.",
    }),
    check: async (updated, { day, other, third, word, tenant, found }) => {
      assert.deepEqual([updated.status, updated.eventId], ["updated", found.event]);
      const [event, ...more] = await tenant.view(day, `Changed ${word}`);
      assert.match(event.start.dateTime, new RegExp(`^${day}T10:30:00`));
      assert.match(event.end.dateTime, new RegExp(`^${day}T12:00:00`));
      assert.match(event.body.content, />Bring ink\.</);
      assert.deepEqual([event.location.displayName, more], ["Room 1", []]);
      assert.deepEqual(event.attendees.map(({ emailAddress }) => emailAddress.address), [address(other)]);
      assert.equal((await tenant.events(third, `Canceled: Event ${word}`)).length, 1);
      assert.equal((await tenant.events(other, `Changed ${word}`)).length, 1);
      found.changed = updated;
    },
  },
  {
    tool: "updateCalendarEvent",
    arguments: ({ found, word }) => ({ id: found.series, subject: `Series two ${word}`, recurrence: { type: "weekly", count: 2 } }),
    check: async (updated, { me, word, tenant }) => {
      const [event] = await tenant.events(me, `Series two ${word}`);
      assert.deepEqual([event.recurrence.pattern.type, event.recurrence.range.numberOfOccurrences], ["weekly", 2]);
    },
  },
  {
    tool: "readEvent",
    arguments: ({ found }) => ({ id: found.event, timeZone: "America/New_York" }),
    check: async ({ timeZone, event }, { other, word, found }) => {
      assert.deepEqual([timeZone, event.subject, event.body.trim()], ["America/New_York", `Changed ${word}`, "Bring ink."]);
      assert.equal(event.start.utc, found.changed.start.utc);
      assert.match(event.start.local, /-0[45]:00$/);
      assert.deepEqual(event.attendees.map((one) => one.address), [address(other)]);
    },
  },
  {
    tool: "findTimes",
    arguments: ({ day, other }) => ({ attendees: [address(other), "nobody@contoso.example"], start: day, end: day }),
    check: async ({ schedules }, { other, found }) => {
      const [known, unknown] = schedules;
      assert.deepEqual([known.address, typeof unknown.problem], [address(other), "string"]);
      const { start, end } = found.changed;
      assert.ok(known.busy.some((one) => one.start.utc === start.utc && one.end.utc === end.utc), JSON.stringify(known));
    },
  },
  {
    tool: "findTimes",
    arguments: ({ other }) => ({
      attendees: [address(other)], start: inDays(9), end: inDays(16), durationMinutes: 60, count: 3,
    }),
    check: async ({ suggestions }, { other, found }) => {
      assert.equal(suggestions.length, 3);
      const taken = found.changed;
      for (const { start, end, attendees } of suggestions) {
        assert.equal(Date.parse(end.utc) - Date.parse(start.utc), 3_600_000);
        assert.equal(attendees[0].address, address(other));
        assert.ok(end.utc <= taken.start.utc || start.utc >= taken.end.utc, "the person's own time is taken");
      }
    },
  },
  {
    tool: "respondToEvent",
    arguments: async ({ me, tenant, found }) => {
      const events = (await tenant.person(me)).calendars.flatMap((one) => one.events);
      found.invitation = events.find(({ isOrganizer, isCancelled }) => !isOrganizer && !isCancelled);
      return { id: found.invitation.immutableId, response: "tentative", comment: "Perhaps" };
    },
    check: async ({ status }, { me, tenant, found }) => {
      assert.equal(status, "tentativelyAccepted");
      const [copy] = (await tenant.events(me, found.invitation.subject)).filter(({ iCalUId }) => iCalUId === found.invitation.iCalUId);
      assert.equal(copy.response, "tentativelyAccepted");
    },
  },
  {
    tool: "cancelEvent",
    arguments: ({ found }) => ({ id: found.meeting, comment: "No lunch" }),
    check: async ({ status }, { me, other, word, tenant }) => {
      assert.equal(status, "cancelled");
      assert.deepEqual(await tenant.events(me, `Meeting ${word}`), []);
      assert.equal((await tenant.events(other, `Canceled: Meeting ${word}`)).length, 1);
    },
  },
  {
    tool: "cancelEvent",
    arguments: ({ found }) => ({ id: found.series }),
    check: async ({ status }, { me, word, tenant }) => {
      assert.equal(status, "deleted");
      assert.deepEqual(await tenant.events(me, `Series two ${word}`), []);
    },
  },
];

export const teams = [
  {
    tool: "listTeams",
    check: async ({ teams }, { tenant }) => {
      same(pick(teams, "id", "name"), pick(await tenant.teams(), "id", "displayName"));
    },
  },
  {
    tool: "listTeams",
    arguments: ({ found }) => ({ teamId: found.team.id }),
    check: async ({ channels }, { tenant, found }) => {
      const team = (await tenant.teams()).find(({ id }) => id === found.team.id);
      same(channels.map(({ name }) => name), team.channels.map(({ displayName }) => displayName));
    },
  },
  {
    tool: "sendTeamsMessage",
    arguments: ({ word, found }) => ({
      teamId: found.team.id, channelId: found.team.channels[0].id, subject: `News ${word}`, body: `<p>${word}</p>`,
      bodyType: "html",
    }),
    check: async (sent, { me, word, tenant, found }) => {
      const team = (await tenant.teams()).find(({ id }) => id === found.team.id);
      const channel = team.channels.find(({ id }) => id === found.team.channels[0].id);
      const [message, ...more] = named(channel.messages, `News ${word}`);
      assert.deepEqual([message.id, message.from, message.body.contentType], [sent.messageId, address(me), "html"]);
      assert.match(message.body.content, new RegExp(word));
      assert.deepEqual(more, []);
      found.news = message.id;
    },
  },
  {
    tool: "sendTeamsMessage",
    arguments: ({ other, word, found }) => ({
      teamId: found.team.id, channelId: found.team.channels[0].id, messageId: found.news, body: `A < B, @${address(other)} ${word}`,
      mentions: [address(other)],
    }),
    check: async (sent, { other, word, tenant, found }) => {
      const team = (await tenant.teams()).find(({ id }) => id === found.team.id);
      const channel = team.channels.find(({ id }) => id === found.team.channels[0].id);
      const [reply, ...more] = channel.messages.filter(({ replyToId }) => replyToId === found.news);
      const { oid, displayName } = await tenant.person(other);
      assert.deepEqual([reply.id, more], [sent.messageId, []]);
      assert.equal(reply.body.content, `A &lt; B, <at id="0">${displayName}</at> ${word}`);
      assert.deepEqual(reply.mentions.map(({ mentioned }) => mentioned.user.id), [oid]);
    },
  },
  {
    tool: "sendTeamsMessage",
    arguments: async ({ word, tenant, found }) => {
      [found.chat] = await tenant.chats();
      return { chatId: found.chat.id, body: `Hello ${word}` };
    },
    check: async (sent, { me, word, tenant, found }) => {
      const chat = (await tenant.chats()).find(({ id }) => id === found.chat.id);
      const last = chat.messages.filter(({ body }) => body.content.includes(word));
      assert.deepEqual(pick(last, "id", "from"), [[sent.messageId, address(me)]]);
    },
  },
  {
    tool: "listChats",
    check: async ({ chats }, { tenant, word }) => {
      assert.equal(chats.length, (await tenant.chats()).length);
      assert.match(chats[0].lastMessage, new RegExp(`Hello ${word}`));
    },
  },
  {
    tool: "readTeamsMessages",
    arguments: ({ found }) => ({ chatId: found.chat.id, count: 5 }),
    check: async ({ messages }, { me, word, tenant }) => {
      const { displayName } = await tenant.person(me);
      assert.deepEqual([messages[0].from, messages[0].body], [displayName, `Hello ${word}`]);
    },
  },
];
