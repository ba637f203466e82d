// As much HTTP/1.1 as the benchmark needs, on bare sockets: Node's own client and server would cost more than what they measure.
// Holds: a connection has one request under way at a time and stays open; a message counts once all of it is there.
// Must never: repair or repeat anything, because a request that fails has to be seen.
import { connect } from "node:net";

const nothing = Buffer.alloc(0);
const endOfHead = Buffer.from("\r\n\r\n");

/** Takes whole messages out of what arrives: `onMessage(head, body)`. */
export class MessageReader {
  #rest = nothing;
  #onMessage;

  constructor(onMessage) {
    this.#onMessage = onMessage;
  }

  push(chunk) {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    for (let message = taken(bytes); message; message = taken(bytes)) {
      bytes = bytes.subarray(message.length);
      this.#onMessage(message.head, message.body);
    }
    this.#rest = bytes;
  }
}

/** The first message of some bytes, once it is whole. */
function taken(bytes) {
  const end = bytes.indexOf(endOfHead);
  if (end < 0) return undefined;
  const head = bytes.latin1Slice(0, end);
  const begin = end + endOfHead.length;
  const length = header(head, "content-length");
  if (length !== undefined) {
    const last = begin + Number(length);
    return last > bytes.length ? undefined : { head, body: bytes.subarray(begin, last), length: last };
  }
  if (header(head, "transfer-encoding") === "chunked") return chunked(bytes, begin, head);
  return { head, body: nothing, length: begin };
}

/** RFC 9112, section 7.1. */
function chunked(bytes, begin, head) {
  const parts = [];
  for (let at = begin; ; ) {
    const lineEnd = bytes.indexOf("\r\n", at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(bytes.latin1Slice(at, lineEnd), 16);
    const next = lineEnd + 2 + size + 2;
    if (next > bytes.length) return undefined;
    if (size === 0) return { head, body: parts.length === 1 ? parts[0] : Buffer.concat(parts), length: next };
    parts.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = next;
  }
}

const patterns = new Map();

/** A header's value; `name` in small letters. */
export function header(head, name) {
  let pattern = patterns.get(name);
  if (!pattern) patterns.set(name, (pattern = new RegExp(`\\r\\n${name}:[ \\t]*([^\\r]*)`, "i")));
  return pattern.exec(head)?.[1].trim();
}

/** Every value of a header that may stand more than once. */
export const headers = (head, name) =>
  [...head.matchAll(new RegExp(`\\r\\n${name}:[ \\t]*([^\\r]*)`, "gi"))].map(([, value]) => value.trim());

/** The status of an answer. */
export const statusOf = (head) => Number(head.slice(9, 12));

/** The bytes of a request; `fields` are its headers as an object. */
export function requestBytes({ method = "POST", path, fields = {}, body = "" }) {
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const length = body === "" && method === "GET" ? "" : `content-length: ${Buffer.byteLength(body)}\r\n`;
  return `${method} ${path} HTTP/1.1\r\n${lines}${length}\r\n${body}`;
}

/** A connection that stays open: `send` gives the answer to one request, and the next may follow then. */
export class Connection {
  #socket;
  #waiting;
  #ended;

  constructor(port) {
    this.#socket = connect({ port, host: "127.0.0.1", noDelay: true });
    const reader = new MessageReader((head, body) => {
      const { answered } = this.#waiting ?? {};
      this.#waiting = undefined;
      answered?.({ head, body, status: statusOf(head) });
    });
    this.#socket.on("data", (chunk) => reader.push(chunk));
    this.#socket.on("error", (error) => this.#end(error));
    this.#socket.on("close", () => this.#end(new Error("the connection was closed")));
  }

  #end(error) {
    this.#ended ??= error;
    this.#waiting?.failed(this.#ended);
    this.#waiting = undefined;
  }

  send(bytes) {
    return new Promise((answered, failed) => {
      if (this.#ended) return failed(this.#ended);
      this.#waiting = { answered, failed };
      this.#socket.write(bytes);
    });
  }

  close() {
    this.#socket.destroy();
  }
}
