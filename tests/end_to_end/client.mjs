// What the tests speak with: the official MCP client, raw JSON-RPC, and questions to the emulator.
// Holds: nothing here waits for a time, only for a condition; an answer is given back as it came.
// Must never: repair or retry what the worker answers, because that is what is being tested.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

import { eventsOf } from "./event_stream.mjs";

export const address = (name) => `${name}@contoso.example`;
const tick = () => new Promise((done) => setTimeout(done, 20));

/** Resolves with the first truthy value of `look`; fails loudly when `patience` is over. */
export async function until(what, look, patience = 20_000) {
  const end = Date.now() + patience;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`it did not happen within ${patience} ms: ${what}`);
    await tick();
  }
}

/** The official client, connected; `close()` it. */
export async function sdkClient(stack, token) {
  const requestInit = { headers: { Authorization: `Bearer ${token}` } };
  const client = new Client({ name: "end-to-end", version: "1" });
  await client.connect(new StreamableHTTPClientTransport(new URL(stack.mcpUrl), { requestInit }));
  return client;
}

/** One POST to the endpoint, answered by JSON or by a stream, whose last message counts; `body` is sent as it is when it is no plain object or array. */
export async function post(stack, { token, session, revision, headers = {}, body, method = "POST" } = {}) {
  const raw = body === undefined || typeof body === "string" || ArrayBuffer.isView(body);
  const all = {
    "content-type": "application/json",
    accept: "application/json, text/event-stream",
    ...(token && { authorization: `Bearer ${token}` }),
    ...(session && { "mcp-session-id": session }),
    ...(revision && { "mcp-protocol-version": revision }),
    ...headers,
  };
  const response = await fetch(stack.mcpUrl, { method, headers: all, body: raw ? body : JSON.stringify(body) });
  const text = await response.text();
  const isStream = response.headers.get("content-type")?.startsWith("text/event-stream");
  const json = isStream ? eventsOf(text).at(-1)?.message : parsed(text);
  return { status: response.status, headers: response.headers, text, json };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export const request = (id, method, params) => ({ jsonrpc: "2.0", id, method, ...(params && { params }) });
export const toolCall = (id, name, args = {}) => request(id, "tools/call", { name, arguments: args });
export const mailTo = (to, subject, more = {}) => ({ to: [address(to)], subject, body: "A body.", ...more });

/** The part of an answer that says how a tool call ended. */
export function toolResult({ status, json, text }) {
  if (status !== 200 || !json?.result) throw new Error(`no tool result: ${status} ${text}`);
  const { result } = json;
  return { ...result, message: result.content?.[0]?.text ?? "" };
}

/** A session of the older revisions over raw HTTP: `call(name, arguments)` takes the next id by itself. */
export async function openSession(stack, token, revision = "2025-11-25", capabilities = {}, headers = {}) {
  const opening = { protocolVersion: revision, capabilities, clientInfo: { name: "end-to-end", version: "1" } };
  const answer = await post(stack, { token, headers, body: request(0, "initialize", opening) });
  const session = answer.headers.get("mcp-session-id");
  if (!session) throw new Error(`no session: ${answer.status} ${answer.text}`);
  let id = 0;
  const send = (body, more = {}) => post(stack, { token, session, revision, headers, body, ...more });
  const call = async (name, args, at = (id += 1)) => toolResult(await send(toolCall(at, name, args)));
  return { id: session, revision, token, send, call };
}

/** The same of a person whose mailbox has told its zone, which it is asked before the first reading: from then on a test
 * counts its own calls alone. */
export async function openWarmSession(stack, token, ...more) {
  const session = await openSession(stack, token, ...more);
  const { isError, message } = await session.call("getEmails", { count: 1 });
  if (isError) throw new Error(`no mail: ${message}`);
  return session;
}

/** Every folder of a person's mailbox, by name. */
export async function folders(stack, name) {
  const { users } = await stack.emulator.get("/_emulator/state");
  return users.find((user) => user.address === address(name)).folders;
}

/** Where mails of this subject are: how many left, how many arrived, how many are drafts still. */
export async function traces(stack, subject, { from = "alice", to = "bob" } = {}) {
  const { users } = await stack.emulator.get("/_emulator/state");
  const count = (name, folder) =>
    users.find((user) => user.address === address(name)).folders[folder].filter((mail) => mail.subject === subject).length;
  return { sent: count(from, "sentitems"), arrived: count(to, "inbox"), drafts: count(from, "drafts") };
}

/** Requests that one of the emulated services saw, or all of them did, oldest first. */
export async function records(stack, service, after = 0) {
  const which = service ? `service=${service}&` : "";
  const { records: list } = await stack.emulator.get(`/_emulator/records?${which}after=${after}`);
  return list;
}

/** The number of the newest record, to look only at what comes after it. */
export async function recordMark(stack) {
  return (await stack.emulator.get("/_emulator/records?after=999999999999")).last;
}

/** Refresh grants that Entra was asked for. */
export async function refreshes(stack, after = 0) {
  const list = await records(stack, "entra", after);
  return list.filter(({ method, body }) => method === "POST" && body?.grant_type === "refresh_token");
}

export const setEmulator = (stack, settings) => stack.emulator.post("/_emulator/settings", settings);
export const addFault = (stack, rule) => stack.emulator.post("/_emulator/faults", rule);
export const clearFaults = (stack) => stack.emulator.post("/_emulator/faults/clear");
/** A send of a draft, as fault rules name it. */
export const sendOfDraft = { service: "graph", method: "POST", pathContains: "/send" };
/** The worker's one line for each request that ended. */
export const requestLines = (stack, tool) =>
  stack.logLines().filter(({ event, tool: name }) => event === "request" && (!tool || name === tool));
