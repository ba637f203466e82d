// Reads server-sent events as they come, the way a client does.
// Holds: an event is what the HTML Standard, section 9.2, makes of the bytes; comments are counted and not shown.
// Must never: reconnect by itself, because that is what the tests decide.

/** The events of a text that holds whole events. */
export function eventsOf(text) {
  return text.split("\n\n").filter((block) => block !== "").map(eventOf).filter((event) => !event.isComment);
}

function eventOf(block) {
  const event = { data: [] };
  for (const line of block.split("\n").filter((line) => !line.startsWith(":"))) {
    const colon = line.includes(":") ? line.indexOf(":") : line.length;
    const [field, value] = [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")];
    if (field === "data") event.data.push(value);
    else event[field] = value;
  }
  // A block without data is no event, whatever else it says.
  const isComment = !block.split("\n").some((line) => line.startsWith("data"));
  const data = event.data.join("\n");
  return { ...event, data, isComment, message: data === "" ? undefined : JSON.parse(data) };
}

/** An open stream: `next()` gives the next event, `undefined` at the end; `drop()` closes the connection. */
export class OpenStream {
  #reader;
  #abort;
  #rest = "";
  #waiting = [];
  #decoder = new TextDecoder();
  comments = 0;

  constructor(response, abort) {
    this.response = response;
    this.#reader = response.body.getReader();
    this.#abort = abort;
  }

  async next() {
    for (;;) {
      const event = this.#waiting.shift();
      if (event?.isComment) this.comments += 1;
      else if (event) return event;
      else {
        const { done, value } = await this.#reader.read();
        if (done) return undefined;
        const blocks = (this.#rest + this.#decoder.decode(value, { stream: true })).split("\n\n");
        this.#rest = blocks.pop();
        this.#waiting.push(...blocks.map(eventOf));
      }
    }
  }

  /** Every event up to the end. */
  async rest() {
    const events = [];
    for (let event = await this.next(); event; event = await this.next()) events.push(event);
    return events;
  }

  drop() {
    this.#abort.abort();
    this.#reader.read().catch(() => {});
  }
}

/** Sends a request whose answer may be a stream; gives the response, and the stream if it is one. */
export async function open(stack, { token, session, revision = "2025-11-25", lastEventId, body, headers = {} }) {
  const abort = new AbortController();
  const response = await fetch(stack.mcpUrl, {
    method: body ? "POST" : "GET",
    signal: abort.signal,
    headers: {
      accept: body ? "application/json, text/event-stream" : "text/event-stream",
      authorization: `Bearer ${token}`,
      ...(session && { "mcp-session-id": session }),
      ...(revision && { "mcp-protocol-version": revision }),
      ...(body && { "content-type": "application/json" }),
      ...(lastEventId && { "last-event-id": lastEventId }),
      ...headers,
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  const isStream = response.headers.get("content-type")?.startsWith("text/event-stream");
  return { response, stream: isStream ? new OpenStream(response, abort) : undefined };
}
