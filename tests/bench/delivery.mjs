// Open streams and what is told on them: the client's end of `GET /mcp`, and one notification after the other.
// Holds: a stream stays open for a whole run; an event counts for the notification that it follows.
// Must never: tell a stream anything while an event is still awaited on it, because the two could not be told apart.
import { connect } from "node:net";
import { requestBytes } from "./http.mjs";
import { host } from "./places.mjs";

const common = { host, "x-forwarded-proto": "https" };
const patience = 10_000;
const mark = "notifications/resources/updated";

/** A stream that a session keeps open. */
class OpenStream {
  #arrived;
  #rest = "";

  constructor(port, { token, session }) {
    const fields = {
      ...common, accept: "text/event-stream", authorization: `Bearer ${token}`, "mcp-session-id": session,
      "mcp-protocol-version": "2025-11-25",
    };
    this.socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.socket.write(requestBytes({ method: "GET", path: "/mcp", fields }));
    this.opened = new Promise((done, failed) => {
      this.socket.once("data", (chunk) => {
        const head = chunk.toString();
        if (/^HTTP\/1\.1 200 [^]*content-type: *text\/event-stream/i.test(head)) done();
        else failed(new Error(`no stream: ${head.slice(0, 300)}`));
      });
      this.socket.once("error", failed);
    });
    this.socket.on("data", (chunk) => this.#take(chunk.toString()));
  }

  #take(text) {
    this.#rest += text;
    if (!this.#rest.includes(mark)) return void (this.#rest = this.#rest.slice(-mark.length));
    this.#rest = "";
    this.#arrived?.();
    this.#arrived = undefined;
  }

  /** Resolves with the next event. */
  next() {
    if (this.#arrived) throw new Error("an event is still awaited on this stream");
    return new Promise((done, failed) => {
      const timer = setTimeout(() => failed(new Error(`no event within ${patience / 1000} s`)), patience);
      this.#arrived = () => {
        clearTimeout(timer);
        done();
      };
    });
  }
}

/** Opens a stream for each user; `tell` notifies one of them and waits for the event and for the webhook's answer. */
export async function openStreams(port, users) {
  const streams = users.map((user) => new OpenStream(port, user));
  await Promise.all(streams.map(({ opened }) => opened));
  const notices = users.map(({ notice: { path, body } }) =>
    requestBytes({ path, fields: { ...common, "content-type": "application/json" }, body }));
  const tell = async (connection, number) => {
    const index = number % streams.length;
    const arrived = streams[index].next();
    const answer = await connection.send(notices[index]);
    if (answer.status !== 202) throw new Error(`a notification was answered ${answer.status}`);
    await arrived;
    return 0;
  };
  return { tell, close: () => streams.forEach(({ socket }) => socket.destroy()) };
}

/** What Graph sends to the address of a subscription. */
export function noticeOf({ id, clientState, notificationUrl, resource }) {
  const value = [{
    subscriptionId: id, clientState, changeType: "created", resource, tenantId: "11111111-2222-4333-8444-555555555555",
    subscriptionExpirationDateTime: "2026-12-01T00:00:00Z", resourceData: { "@odata.type": "#Microsoft.Graph.Message", id: "AAMk" },
  }];
  return { path: new URL(notificationUrl).pathname, body: JSON.stringify({ value }) };
}
