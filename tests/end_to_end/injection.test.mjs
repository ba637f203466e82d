// Everything that a caller, or Microsoft, can write where a path or a query is made of it.
// Holds: what leaves is nothing at all, or the one call that was meant with the text inside of its own place; judged by
// the record of the emulator and read apart by rules written here and not by the product's own.
// Must never: accept that a text was harmless this time; the shape of the whole request is compared.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { addFault, clearFaults, openWarmSession, recordMark, records, request } from "./client.mjs";
import { startStack } from "./harness.mjs";

const scenes = {};
const transports = ["ai_run", "custom_provider"];
before(async () => {
  for (const EGRESS of transports) {
    const stack = await startStack({ settings: { EGRESS } });
    scenes[EGRESS] = { stack, session: await openWarmSession(stack, await stack.connect("alice")) };
  }
});
after(() => Promise.all(Object.values(scenes).map(({ stack }) => stack.stop())));

/** Calls a tool, and gives its result with everything that Graph was asked meanwhile. */
async function observed({ stack, session }, tool, args) {
  const mark = await recordMark(stack);
  const result = await session.call(tool, args);
  const asked = (await records(stack, "graph", mark)).map(({ method, path }) => ({ method, path }));
  return { ...result, asked };
}

/** A refusal says which argument to change, is short, and shows nothing of the inside. */
function assertRefused({ isError, message, asked }, argument, shown) {
  assert.deepEqual(asked, [], shown);
  assert.equal(isError, true, shown);
  assert.ok(message.includes(`\`${argument}\``), `${shown}: ${message}`);
  assert.ok(message.length < 400, shown);
  assert.doesNotMatch(message, /panicked|\.rs\b|\n\s+at |m365at_|Bearer/, shown);
}

const team = "11111111-aaaa-4000-8000-000000000001";
const channel = "19:channel@thread.tacv2";
const times = { start: "2027-01-05T10:00:00Z", end: "2027-01-05T11:00:00Z", timeZone: "UTC" };
/** Every argument of every tool that becomes a part of a path, with the only path that may come of it. */
const identifiers = [
  { tool: "getEmails", argument: "folder", rest: {}, method: "GET", path: ["/v1.0/me/mailFolders/", "/messages"] },
  { tool: "getCalendarEvents", argument: "calendarId", rest: times, method: "GET", path: ["/v1.0/me/calendars/", "/calendarView"] },
  {
    tool: "createCalendarEvent", argument: "calendarId", rest: { ...times, subject: "Never made" },
    method: "POST", path: ["/v1.0/me/calendars/", "/events"],
  },
  {
    tool: "sendTeamsMessage", argument: "teamId", rest: { channelId: channel, body: "Never sent" },
    method: "POST", path: ["/v1.0/teams/", `/channels/${channel}/messages`],
  },
  {
    tool: "sendTeamsMessage", argument: "channelId", rest: { teamId: team, body: "Never sent" },
    method: "POST", path: [`/v1.0/teams/${team}/channels/`, "/messages"],
  },
  { tool: "sendTeamsMessage", argument: "chatId", rest: { body: "Never sent" }, method: "POST", path: ["/v1.0/chats/", "/messages"] },
];

const impossible = [
  "..", ".", "../", "../../users", "x/../../../users?$top=1&a=", "x/../../me/sendMail?a=", "/", "//evil.example/", "a/b",
  "https://evil.example/", "?", "x?$expand=attachments", "#", "x#y", "\\", "x\\y", "..\\..\\users", "%", "%2e%2e%2f", "%2E%2E/",
  "%2e%2e", "%252e%252e%252f", "a%2fb", "a%5cb", "a%3fb", "a%23b", "%00", "a\0b", "a\nb", "a\r\nHost: evil.example", "a\r\n\r\nGET /",
  "a b", " a", "a ", "a\tb", "a\u00a0b", "a\u2028b", "a\u0085b", "a\u3000b", "$value", "$batch", "$count", "delta()", "('x')", "x'y",
  'x"y', "", " ", "x".repeat(1025), "x".repeat(100_000), "ä".repeat(513), 7, true, ["x"], { id: "x" },
];

const possible = [
  "AAMkAGI1-_==", "19:abc_def@thread.v2", "a;b", "a&b=c", "a+b", "a,b", "*", "...", "~", "!", "<script>", "{id}", "a|b^c`d", "Ärger", "a\u0301",
  "日本", "💥", "\u202ea", "a\u200bb", "\uff0e\uff0e\uff0f", "\u2025\u2215", "x".repeat(1024),
];

for (const transport of transports) {
  describe(`paths over ${transport}`, () => {
    for (const { tool, argument, rest, method, path } of identifiers) {
      test(`${tool} ${argument}: ${impossible.length} ways out of a segment are refused, and nothing leaves`, async () => {
        for (const value of impossible) {
          const shown = `${tool} ${argument} ${JSON.stringify(value).slice(0, 80)}`;
          assertRefused(await observed(scenes[transport], tool, { ...rest, [argument]: value }), argument, shown);
        }
      });

      test(`${tool} ${argument}: whatever else is one encoded segment of the one path`, async () => {
        for (const value of possible) {
          const { asked, isError, message } = await observed(scenes[transport], tool, { ...rest, [argument]: value });
          const shown = `${value.slice(0, 80)}: ${message} ${JSON.stringify(asked)}`;
          assert.equal(asked.length, 1, shown);
          assert.equal(asked[0].method, method, shown);
          const [whole] = asked[0].path.split("?");
          assert.ok(whole.startsWith(path[0]) && whole.endsWith(path[1]), shown);
          const segment = whole.slice(path[0].length, whole.length - path[1].length);
          assert.match(segment, /^(?:[A-Za-z0-9._~=!*,;:@-]|%[0-9A-F]{2})+$/, shown);
          assert.equal(decodeURIComponent(segment), value, shown);
          assert.equal(isError, true, shown);
          assert.doesNotMatch(message, /panicked|\.rs\b|\n\s+at |m365at_|Bearer/, shown);
        }
      });
    }
  });
}

/** The parameters of a query, encoded as they are, in their order. */
const parametersOf = (path) =>
  path.split("?")[1].split("&").map((pair) => [pair.slice(0, pair.indexOf("=")), decodeURIComponent(pair.slice(pair.indexOf("=") + 1))]);

/** What stands inside of a `$search`: in double quotes, with a backslash before each quote and backslash. */
function insideSearch(value) {
  assert.match(value, /^"(?:[^"\\]|\\["\\])*"$/, value);
  return value.slice(1, -1).replace(/\\(["\\])/g, "$1");
}

const words = [
  'x" OR from:"bob', '"', '""', '"""', "\\", "\\\\", '\\"', 'x\\" OR \\"y', 'a" &$top=999&a="', "x&$filter=1", "x=y", "a'b", "x)&(", "#", "?", "+",
  "%22 OR %22", "%2522", "a\u201d OR \u201cb", "日本 💥", "${x}", "$search", "from:*", "NOT a", "x".repeat(500),
];

describe("searches", () => {
  const search = (args) => observed(scenes.custom_provider, "searchEmails", args);

  async function clauseOf(args) {
    const { asked, message } = await search(args);
    const shown = `${JSON.stringify(args)}: ${message}`;
    assert.equal(asked.length, 1, shown);
    assert.equal(asked[0].path.split("?")[0], "/v1.0/me/messages", shown);
    const parameters = parametersOf(asked[0].path);
    assert.deepEqual(parameters.map(([name]) => name), ["$search", "$select", "$top"], shown);
    assert.equal(parameters[2][1], "10", shown);
    return insideSearch(parameters[0][1]);
  }

  test("`query` is the whole of one clause, whatever is in it", async () => {
    for (const query of words) assert.equal(await clauseOf({ query }), query);
  });

  for (const property of ["from", "subject"]) {
    test(`\`${property}\` is one phrase of its property, in which no word is an operator`, async () => {
      for (const value of words) {
        assert.equal(await clauseOf({ [property]: value }), `${property}:"${value.replace(/["\\]/g, " ")}"`);
      }
    });
  }

  test("beside other conditions `query` stays in its brackets or is refused", async () => {
    for (const query of ["a OR b", "(a) OR (b)", '"a)" b', "NOT (a OR (b))"]) {
      assert.equal(await clauseOf({ query, from: "bob" }), `(${query}) AND from:"bob"`);
    }
    for (const query of ["a) OR (b", ")(", "(", ")", '"', 'a" OR b', '"a" "', '(")"']) {
      assertRefused(await search({ query, from: "bob" }), "query", query);
    }
  });

  test("dates are dates, and a line is a line", async () => {
    for (const argument of ["after", "before"]) {
      for (const value of ["2026-01-01 OR x", "2026-01-01&$top=9", '2026-01-01"', "2026-13-01", "*", "x", 5]) {
        assertRefused(await search({ query: "a", [argument]: value }), argument, `${argument} ${value}`);
      }
    }
    for (const argument of ["query", "from", "subject"]) {
      for (const value of ["a\nb", "a\r\nb", "a\0b", "x".repeat(501), "", 5, ["a"]]) {
        assertRefused(await search({ [argument]: value }), argument, `${argument} ${JSON.stringify(value)}`);
      }
    }
  });
});

describe("literals and bounds", () => {
  const names = ["O'Neil", "'", "''", "'''", "x') or (1 eq 1", "x',1) or contains(displayName,'", '" OR "', "\\", "%27", "a&$top=1", "a#b", "日本 💥"];

  test("`search` of getContacts is one literal three times, one clause, and one clause three times", async () => {
    for (const search of names) {
      const { asked, message } = await observed(scenes.custom_provider, "getContacts", { search });
      const shown = `${search}: ${message} ${JSON.stringify(asked)}`;
      assert.deepEqual(asked.map(({ path }) => path.split("?")[0]), ["/v1.0/me/contacts", "/v1.0/me/people", "/v1.0/users"], shown);
      const [contacts, people, users] = asked.map(({ path }) => parametersOf(path));
      assert.deepEqual(contacts.map(([name]) => name), ["$select", "$filter", "$top"], shown);
      const literal = "'((?:[^']|'')*)'";
      const [, ...literals] = contacts[1][1].match(
        new RegExp(`^startswith\\(displayName,${literal}\\) or startswith\\(givenName,${literal}\\) or startswith\\(surname,${literal}\\)$`),
      ) ?? assert.fail(contacts[1][1]);
      for (const text of literals) assert.equal(text.replaceAll("''", "'"), search, shown);
      assert.deepEqual(people.map(([name]) => name), ["$search", "$select", "$top"], shown);
      assert.equal(insideSearch(people[0][1]), search, shown);
      assert.deepEqual(users.map(([name]) => name), ["$search", "$select", "$top"], shown);
      const clauses = users[0][1].match(/"(?:[^"\\]|\\["\\])*"/g);
      assert.equal(clauses.join(" OR "), users[0][1], shown);
      const properties = ["displayName", "mail", "userPrincipalName"];
      assert.deepEqual(clauses.map(insideSearch), properties.map((property) => `${property}:${search}`), shown);
    }
  });

  test("a time or a zone that is none is refused before anything leaves", async () => {
    const wrong = ["2027-01-05T10:00:00Z&$top=1", "2027-01-05T10:00:00Z'", "now", "2027-01-05T10:00:00+99:00", "x".repeat(5000), 5];
    for (const tool of ["getCalendarEvents", "createCalendarEvent", "createTeamsMeeting"]) {
      const rest = tool === "getCalendarEvents" ? times : { ...times, subject: "Never made" };
      for (const argument of ["start", "end"]) {
        for (const value of wrong) {
          assertRefused(await observed(scenes.custom_provider, tool, { ...rest, [argument]: value }), argument, `${tool} ${argument} ${value}`);
        }
      }
      for (const timeZone of ['UTC", IdType="x', "UTC\r\nx: y", "../../etc/passwd", "Europe/Atlantis", "x".repeat(65)]) {
        assertRefused(await observed(scenes.custom_provider, tool, { ...rest, timeZone }), "timeZone", `${tool} ${timeZone}`);
      }
    }
  });
});

describe("resource URIs", () => {
  const uris = [
    "microsoft://profile/", "microsoft://profile/../teams", "microsoft://profile?x=1", "microsoft://profile#x", "microsoft://profile%2f..",
    "MICROSOFT://PROFILE", " microsoft://profile", "microsoft://profile\n", "microsoft://calendars/x/../../me/messages", "microsoft://users",
    "microsoft:///me/messages", "microsoft://../me", "microsoft://teams/%2e%2e/", "microsoft://teams\\x", "microsoft://te\u0000ams", "file:///etc/passwd",
    "https://graph.microsoft.com/v1.0/me", "javascript:alert(1)", "//evil.example", "..", "", "\u202emicrosoft://profile", `microsoft://${"x".repeat(100_000)}`,
  ];
  test(`${uris.length} that are not one of the three exist nowhere, and nothing leaves`, async () => {
    const { stack, session } = scenes.ai_run;
    const mark = await recordMark(stack);
    for (const [at, uri] of uris.entries()) {
      const { status, json, text } = await session.send(request(`u${at}`, "resources/read", { uri }));
      assert.deepEqual([status, json.error?.code], [200, -32002], `${uri.slice(0, 60)} ${text}`);
      assert.ok(json.error.message.length < 400, text);
    }
    for (const [at, uri] of [5, null, ["microsoft://profile"], { uri: "microsoft://profile" }].entries()) {
      const { json, text } = await session.send(request(`n${at}`, "resources/read", { uri }));
      assert.equal(json.error?.code, -32602, text);
    }
    assert.deepEqual(await records(stack, "graph", mark), []);
  });
});

describe("what Microsoft answers is no more trusted", () => {
  const scene = () => scenes.custom_provider;
  after(() => clearFaults(scene().stack));
  const answerOnce = (pathContains, body) =>
    addFault(scene().stack, { service: "graph", method: "GET", pathContains, times: 1, action: { respond: { status: 200, body } } });

  test("a next page is asked of the same list here, or not at all", async () => {
    const links = {
      "https://evil.example/v1.0/me/calendarView?$skip=1": "/v1.0/me/calendarView?$skip=1",
      "https://graph.microsoft.com/v1.0/users?$top=1": undefined,
      "https://graph.microsoft.com/v1.0/me/calendarView/../../users?$top=1": undefined,
      "https://graph.microsoft.com/v1.0/me/calendarView?$skip=1#x": undefined,
      "https://graph.microsoft.com/v1.0/me/calendarView?a b\r\nHost: evil.example": undefined,
      "javascript:alert(1)": undefined,
    };
    for (const [link, expected] of Object.entries(links)) {
      await answerOnce("/me/calendarView", { value: [], "@odata.nextLink": link });
      const { asked } = await observed(scene(), "getCalendarEvents", times);
      assert.match(asked[0].path, /^\/v1\.0\/me\/calendarView\?startDateTime=/);
      assert.deepEqual(asked.slice(1).map(({ path }) => path), expected ? [expected] : [], link);
    }
  });

  test("an identifier that cannot stand in a path is left alone", async () => {
    const teams = ["x/../../me/sendMail?a=", "..", "a?b", "%2e%2e", "", 5].map((id) => ({ id, displayName: "Hostile" }));
    await answerOnce("/me/joinedTeams", { value: teams });
    const { stack, session } = scene();
    const mark = await recordMark(stack);
    const { json, text } = await session.send(request("hostile teams", "resources/read", { uri: "microsoft://teams" }));
    assert.ok(json.result, text);
    assert.deepEqual((await records(stack, "graph", mark)).map(({ path }) => path), ["/v1.0/me/joinedTeams"]);
  });
});
