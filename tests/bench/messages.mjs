// The messages of MCP that the benchmark sends, in both revisions, and what it accepts as their answers.
// Holds: each request has an id of its own and each mail a subject of its own; an answer counts only if it is the right one.
// Must never: take an error for an answer.
import { requestBytes } from "./http.mjs";
import { host } from "./places.mjs";

export const revisions = ["2025-11-25", "2026-07-28"];
/** The revision without sessions. */
export const stateless = "2026-07-28";
const meta = {
  "io.modelcontextprotocol/protocolVersion": stateless,
  "io.modelcontextprotocol/clientCapabilities": {},
  "io.modelcontextprotocol/clientInfo": { name: "benchmark", version: "1" },
};

const body = "Hello,\n\nthe figures for the third quarter are in. Please look at the second page before our meeting on Thursday, " +
  "and tell me whether the assumptions about renewals still hold.\n\nKind regards\nAlice\n";
const methods = {
  list: () => ["tools/list", {}],
  getEmails: () => ["tools/call", { name: "getEmails", arguments: { count: 10 } }],
  sendEmail: (id) => ["tools/call", { name: "sendEmail", arguments: { to: ["bob@contoso.example"], subject: `Figures ${id}`, body } }],
};

const common = { host, "x-forwarded-proto": "https", "content-type": "application/json", accept: "application/json, text/event-stream" };

function fieldsOf(user, revision, method, name) {
  const own = { ...common, authorization: `Bearer ${user.token}`, "mcp-protocol-version": revision };
  if (revision !== stateless) return { ...own, ...(user.session && { "mcp-session-id": user.session }) };
  return { ...own, "mcp-method": method, ...(name && { "mcp-name": name }) };
}

/** Gives the bytes of one request after the other for a user; the headers are written once. */
export function writer(user, { kind, revision }) {
  const [method, { name }] = methods[kind](0);
  const lines = Object.entries(fieldsOf(user, revision, method, name)).map(([field, value]) => `${field}: ${value}\r\n`).join("");
  const head = `POST /mcp HTTP/1.1\r\n${lines}content-length: `;
  return (id) => {
    const [, params] = methods[kind](id);
    const all = revision === stateless ? { ...params, _meta: meta } : params;
    const message = JSON.stringify({ jsonrpc: "2.0", id, method, params: all });
    return `${head}${Buffer.byteLength(message)}\r\n\r\n${message}`;
  };
}

/** Any request or notification of a session, or before one. */
export function messageBytes(user, { message, revision = revisions[0] }) {
  const whole = revision === stateless ? { ...message, params: { ...message.params, _meta: meta } } : message;
  return requestBytes({ path: "/mcp", fields: fieldsOf(user, revision, message.method), body: JSON.stringify(whole) });
}

/** Whether these bytes answer this request with a result; cheap, because it is asked of every answer. */
export const isAnswer = ({ status, body: bytes }, id) =>
  status === 200 && bytes.includes(`"id":${id}`) && bytes.includes('"result":') && !bytes.includes('"isError":true');

/** The message of an answer, which may be JSON or a stream of events. */
export function messageOf({ body: bytes }) {
  const all = bytes.toString();
  if (all.startsWith("{")) return JSON.parse(all);
  const events = all.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim());
  return JSON.parse(events.findLast((event) => event !== ""));
}

const resultChecks = {
  list: ({ tools }) => tools.length >= 9 && tools.some(({ name }) => name === "getEmails"),
  getEmails: ({ content }) => content.some(({ text }) => text.includes("Figures of the third quarter, part 10")),
  sendEmail: ({ content }) => content[0].type === "text",
};

/** Reads an answer whole: what is asked of the first one of each run. */
export function checkWhole(kind, answer, id) {
  const message = isAnswer(answer, id) ? messageOf(answer) : undefined;
  if (message?.id === id && resultChecks[kind](message.result)) return;
  throw new Error(`${kind}: not the expected answer: ${answer.status} ${answer.body.toString().slice(0, 600)}`);
}
