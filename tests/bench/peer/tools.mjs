// The nine tools of the peer, as they are written for McpAgent: a schema in zod and a call of Graph each.
// Holds: they register with either generation of the MCP SDK's server; what they answer is what a model needs and no more.
// Must never: do what the product does beside the call (ledger, repeats, policy), because a user of McpAgent would not have it.
import { z } from "zod";
import { callGraph } from "./graph.mjs";

const address = z.string().email();
const reads = { readOnlyHint: true, openWorldHint: true };
const writes = { readOnlyHint: false, destructiveHint: false, openWorldHint: true };
const immutable = 'IdType="ImmutableId"';
const mailFields = "id,parentFolderId,subject,from,receivedDateTime,isRead,hasAttachments,flag,bodyPreview";
const recipients = (list) => list.map((one) => ({ emailAddress: { address: one } }));
const path = (base, parameters) => `${base}?${Object.entries(parameters).map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&")}`;

const mail = (one) => ({
  id: one.id, subject: one.subject, receivedAt: one.receivedDateTime, isRead: one.isRead, hasAttachments: one.hasAttachments,
  preview: one.bodyPreview, from: { name: one.from?.emailAddress?.name, address: one.from?.emailAddress?.address },
});
const event = (one) => ({ id: one.id, subject: one.subject, start: one.start, end: one.end, location: one.location?.displayName });
const eventBody = ({ subject, start, end, timeZone, attendees, body }) => ({
  subject, start: { dateTime: start, timeZone }, end: { dateTime: end, timeZone },
  attendees: recipients(attendees).map((one) => ({ ...one, type: "required" })), body: { contentType: "text", content: body ?? "" },
});
const eventShape = {
  subject: z.string(), start: z.string().describe("2026-01-31T09:00:00"), end: z.string(), timeZone: z.string().default("UTC"),
  attendees: z.array(address).default([]), body: z.string().optional(),
};

/** Registers the tools. `call(path, options)` speaks with Graph as the person. */
export function registerTools(server, call) {
  const tool = (name, annotations, description, inputSchema, work) =>
    server.registerTool(name, { description, inputSchema, annotations }, async (input) => {
      try {
        return { content: [{ type: "text", text: JSON.stringify(await work(input)) }] };
      } catch (error) {
        return { content: [{ type: "text", text: error.message }], isError: true };
      }
    });
  registerMail(tool, call);
  registerCalendar(tool, call);
  registerPeople(tool, call);
}

function registerMail(tool, call) {
  const count = z.number().int().min(1).max(50).default(10);
  const shape = { folder: z.string().regex(/^[\w=-]+$/).default("inbox"), count, unread: z.boolean().optional() };
  tool("getEmails", reads, "List a folder's emails, newest first, with sender, subject, time and preview.", shape, async (input) => {
    const filter = input.unread === undefined ? {} : { $filter: `receivedDateTime ge 1970-01-01T00:00:00Z and isRead eq ${!input.unread}` };
    const query = { $select: mailFields, $top: input.count, $orderby: "receivedDateTime desc", ...filter };
    const { value } = await call(path(`/me/mailFolders/${input.folder}/messages`, query), { prefer: immutable });
    return { folder: input.folder, messages: value.map(mail) };
  });
  tool("searchEmails", reads, "Search all emails by words, sender or subject.", { query: z.string(), count }, async (input) => {
    const query = { $search: `"${input.query.replace(/["\\]/g, " ")}"`, $select: mailFields, $top: input.count };
    const { value } = await call(path("/me/messages", query), { prefer: immutable });
    return { messages: value.map(mail) };
  });
  const message = {
    to: z.array(address).min(1), cc: z.array(address).default([]), bcc: z.array(address).default([]), subject: z.string().max(255),
    body: z.string(), bodyType: z.enum(["text", "html"]).default("text"), importance: z.enum(["low", "normal", "high"]).default("normal"),
  };
  tool("sendEmail", writes, "Send an email.", message, async (input) => {
    const sent = {
      subject: input.subject, body: { contentType: input.bodyType, content: input.body }, importance: input.importance,
      toRecipients: recipients(input.to), ccRecipients: recipients(input.cc), bccRecipients: recipients(input.bcc),
    };
    await call("/me/sendMail", { method: "POST", body: { message: sent, saveToSentItems: true } });
    return { status: "sent", recipients: input.to.length + input.cc.length + input.bcc.length };
  });
}

function registerCalendar(tool, call) {
  const range = { start: z.string().describe("2026-01-31T00:00:00Z"), end: z.string(), count: z.number().int().min(1).max(250).default(50) };
  tool("getCalendarEvents", reads, "List the events between two times.", range, async (input) => {
    const query = { startDateTime: input.start, endDateTime: input.end, $top: input.count, $orderby: "start/dateTime" };
    const { value } = await call(path("/me/calendarView", query), { prefer: immutable });
    return { events: value.map(event) };
  });
  tool("createCalendarEvent", writes, "Create an event and invite people.", eventShape, async (input) =>
    event(await call("/me/events", { method: "POST", body: eventBody(input) })));
  tool("createTeamsMeeting", writes, "Create a Teams meeting and invite people.", eventShape, async (input) => {
    const body = { ...eventBody(input), isOnlineMeeting: true, onlineMeetingProvider: "teamsForBusiness" };
    const made = await call("/me/events", { method: "POST", body });
    return { ...event(made), joinUrl: made.onlineMeeting?.joinUrl };
  });
}

function registerPeople(tool, call) {
  const target = { chatId: z.string().optional(), teamId: z.string().optional(), channelId: z.string().optional(), message: z.string() };
  tool("sendTeamsMessage", writes, "Send a message to a Teams chat or channel.", target, async (input) => {
    const [chat, team, channel] = [input.chatId, input.teamId, input.channelId].map((id) => id && encodeURIComponent(id));
    if (!chat && !(team && channel)) throw new Error("Give chatId, or teamId and channelId.");
    const to = chat ? `/chats/${chat}/messages` : `/teams/${team}/channels/${channel}/messages`;
    const { id } = await call(to, { method: "POST", body: { body: { content: input.message } } });
    return { status: "sent", id };
  });
  const who = { query: z.string().optional(), count: z.number().int().min(1).max(100).default(20) };
  tool("getContacts", reads, "Find people among the contacts.", who, async (input) => {
    const search = input.query ? { $search: `"${input.query.replace(/["\\]/g, " ")}"` } : {};
    const { value } = await call(path("/me/people", { $top: input.count, ...search }));
    return { contacts: value.map((one) => ({ name: one.displayName, addresses: one.scoredEmailAddresses?.map((each) => each.address) })) };
  });
  tool("authenticate", reads, "Say who is signed in to Microsoft.", {}, async () => {
    const { displayName, mail: own } = await call("/me");
    return { connected: true, name: displayName, address: own };
  });
}

/** The call that the tools get: Graph as the person whose token this is. */
export const caller = (env, token) => (where, options) => callGraph(env, token(), where, options);
