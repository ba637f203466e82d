// The emulated tenant, asked behind the worker's back: what is really in a person's mailbox, calendars and teams.
// Holds: what is expected of an answer is computed from the tenant and never written down; requests made here carry a
// header by which they can be told from the worker's.
// Must never: change anything.
import assert from "node:assert/strict";
import { address } from "./client.mjs";

/** On every request to Graph that is the test's own. */
export const testHeader = "x-test-look";

/** What can be asked about a person of a stack. */
export function tenantOf(stack, name) {
  const user = address(name);
  const state = () => stack.emulator.get("/_emulator/state");
  const person = async (who = name) => (await state()).users.find((one) => one.address === address(who));
  /** A GET on Graph as the person, with everything allowed. */
  const graph = async (path, headers = {}) => {
    const scopes = ["User.Read", "User.Read.All", "MailboxSettings.Read", "Mail.Read", "Calendars.Read"];
    const { accessToken } = await stack.emulator.post("/_emulator/token", { user, scopes, lifetimeS: 60 });
    const all = { ...headers, authorization: `Bearer ${accessToken}`, [testHeader]: "1" };
    const response = await fetch(`${stack.emulator.url}/graph/v1.0${path}`, { headers: all });
    assert.equal(response.status, 200, path);
    return response.json();
  };
  return {
    person,
    graph,
    timeZone: async () => (await graph("/me/mailboxSettings")).timeZone,
    /** Mails of a subject in a folder. */
    mails: async (who, folder, subject) => {
      return (await person(who)).folders[folder].filter((mail) => mail.subject === subject);
    },
    /** Events of a subject in any calendar, as stored. */
    events: async (who, subject) => {
      return (await person(who)).calendars.flatMap(({ events }) => events).filter((event) => event.subject === subject);
    },
    /** Events of a subject as the calendar view shows them in the mailbox's own zone; the day is anyone's on earth. */
    view: async (day, subject, calendar) => {
      const { timeZone } = await graph("/me/mailboxSettings");
      const range = { startDateTime: `${day}T00:00:00+14:00`, endDateTime: `${day}T23:59:59-12:00`, $top: "100" };
      const path = `${calendar ? `/me/calendars/${calendar}` : "/me"}/calendarView?${new URLSearchParams(range)}`;
      const { value } = await graph(path, { prefer: `outlook.timezone="${timeZone}"` });
      return value.filter((event) => event.subject === subject);
    },
    teams: async () => (await state()).teams.filter(({ members }) => members.includes(user)),
    sites: async () => (await state()).sites,
    chats: async () => (await state()).chats.filter(({ members }) => members.includes(user)),
  };
}
