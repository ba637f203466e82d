// A deployment seen from outside: requests as a stranger, a browser or a client sends them, and what came back.
// Holds: a request ends within its time, its answer is read within a bound, and redirects are not followed; the token is
// sent to the deployment's own origin and to nobody else.
// Must never: throw because a deployment is wrong, since that is what is being found out, or keep an answer.
import { connect } from "node:tls";
import { Advice } from "../project.mjs";

const patience = 15_000;
const answerBytesMax = 512 * 1024;
const loopback = ["127.0.0.1", "localhost", "[::1]"];

/** What `fetch` hides in a cause, in words. */
const reasons = {
  ENOTFOUND: "the host name is not known: is the custom domain deployed, and its DNS record there?",
  ECONNREFUSED: "nothing listens there",
  ECONNRESET: "the connection was reset",
  CERT_HAS_EXPIRED: "the certificate has expired",
  ERR_TLS_CERT_ALTNAME_INVALID: "the certificate is for another host",
  DEPTH_ZERO_SELF_SIGNED_CERT: "the certificate is self-signed",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the certificate's issuer is not known",
};

/** The origin that a person typed, checked; a path is refused because it would be ignored silently. */
export function originOf(text) {
  let url;
  try {
    url = new URL(text);
  } catch {
    throw new Advice(`${text} is no URL; write https://mcp.example.com`);
  }
  // The local run: this machine, without TLS.
  const isLocal = url.protocol === "http:" && loopback.includes(url.hostname);
  if (url.protocol !== "https:" && !isLocal) {
    throw new Advice("The address must begin with https:// (http:// for this machine alone).");
  }
  if (url.pathname !== "/" || url.search || url.hash || url.username) {
    throw new Advice("Give the origin alone, without a path: https://mcp.example.com");
  }
  return { origin: url.origin, isLocal };
}

async function bounded(response) {
  const reader = response.body?.getReader();
  const pieces = [];
  let bytes = 0;
  for (;;) {
    const { done, value } = reader ? await reader.read() : { done: true };
    if (done) break;
    pieces.push(value);
    bytes += value.length;
    if (bytes > answerBytesMax) {
      await reader.cancel();
      break;
    }
  }
  return Buffer.concat(pieces).toString("utf8");
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The last message of a stream of events, or the text as JSON. */
function messageOf(text, type) {
  if (!type.startsWith("text/event-stream")) return parsed(text);
  const events = text.split(/\r?\n\r?\n/).map((event) => {
    return event.split(/\r?\n/).filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim()).join("\n");
  });
  return events.map(parsed).filter(Boolean).at(-1);
}

/** One request. An answer that did not come has the status 0 and says why in `failure`. */
export async function ask(url, { headers = {}, ...init } = {}) {
  try {
    const signal = AbortSignal.timeout(patience);
    const response = await fetch(url, { redirect: "manual", signal, ...init, headers });
    const text = await bounded(response);
    const type = response.headers.get("content-type") ?? "";
    const location = response.headers.get("location");
    const cookies = response.headers.getSetCookie?.() ?? [];
    const json = messageOf(text, type);
    return { url: String(url), status: response.status, headers: response.headers, text, type, location, cookies, json };
  } catch (error) {
    const code = error.cause?.code ?? error.cause?.message ?? error.name;
    const failure = reasons[code] ?? (code === "TimeoutError" ? `no answer within ${patience / 1000} s` : String(code));
    const none = { headers: new Headers(), text: "", type: "", location: null, cookies: [], json: undefined };
    return { url: String(url), status: 0, failure, code, ...none };
  }
}

/** A deployment: `get(path)`, `post(path, body)`, `rpc(message)`. */
export function deployment(origin) {
  const at = (path) => `${origin}${path}`;
  const form = (fields) => new URLSearchParams(fields).toString();
  const type = { form: "application/x-www-form-urlencoded", json: "application/json" };
  return {
    origin,
    get: (path, init) => ask(at(path), init),
    json: (path, body, headers) =>
      ask(at(path), { method: "POST", headers: { "content-type": type.json, ...headers }, body: JSON.stringify(body) }),
    form: (path, fields, headers) =>
      ask(at(path), { method: "POST", headers: { "content-type": type.form, ...headers }, body: form(fields) }),
    /** One message to the MCP endpoint; `body` may be a text that is no message. */
    rpc: (body, { token, session, headers } = {}) =>
      ask(at("/mcp"), {
        method: "POST",
        headers: {
          "content-type": type.json,
          accept: "application/json, text/event-stream",
          ...(token && { authorization: `Bearer ${token}` }),
          ...(session && { "mcp-session-id": session, "mcp-protocol-version": "2025-11-25" }),
          ...headers,
        },
        body: typeof body === "string" ? body : JSON.stringify(body),
      }),
  };
}

export const request = (id, method, params) => ({ jsonrpc: "2.0", id, method, ...(params && { params }) });
export const toolCall = (id, name, args = {}) => request(id, "tools/call", { name, arguments: args });

/** Whether it was Access that answered, and not what stands behind it; `ofAccess` is what somebody found out otherwise. */
export function isOfAccess({ status, location, headers, ofAccess }) {
  const challenge = headers.get("www-authenticate") ?? "";
  if (ofAccess || headers.get("cf-access-domain") || headers.get("cf-access-aud")) return true;
  if (/cloudflareaccess\.com|^cloudflare-access/i.test(challenge)) return true;
  if (!location || status < 300 || status >= 400) return false;
  try {
    const { hostname, pathname } = new URL(location);
    // Our own sign-in through Access for SaaS goes to another path of the team.
    return hostname.endsWith(".cloudflareaccess.com") && pathname.startsWith("/cdn-cgi/access/login");
  } catch {
    return false;
  }
}

/** Days until the certificate of a host ends, or why that is not known. */
export function certificate(origin) {
  const { hostname, port } = new URL(origin);
  return new Promise((done) => {
    const options = { host: hostname, port: Number(port || 443), servername: hostname, timeout: patience };
    const socket = connect(options, () => {
      const { valid_to: end } = socket.getPeerCertificate();
      done({ protocol: socket.getProtocol(), days: Math.floor((Date.parse(end) - Date.now()) / 86_400_000) });
      socket.destroy();
    });
    const fail = (code) => {
      done({ failure: reasons[code] ?? String(code) });
      socket.destroy();
    };
    socket.once("error", (error) => fail(error.code ?? error.message));
    socket.once("timeout", () => fail("no answer"));
  });
}
