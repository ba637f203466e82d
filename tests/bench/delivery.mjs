// Open streams and what is told on them: the client's end of `GET /mcp` or of `subscriptions/listen`, and one notification
// after the other.
// Holds: a stream stays open for a whole run; an event counts for the notification that it follows.
// Must never: tell a stream anything while an event is still awaited on it, because the two could not be told apart.
import { connect } from "node:net";
import { requestBytes } from "./http.mjs";
import { messageBytes, stateless } from "./messages.mjs";
import { host } from "./places.mjs";

const common = { host, "x-forwarded-proto": "https" };
/** The resource whose watchers are told of new mail. */
export const inbox = "microsoft://mail/inbox";
const patience = 10_000;
const mark = "notifications/resources/updated";

/** The request that opens a stream: a session's own, or a subscription of the revision without sessions. */
function openingOf(user, revision) {
  if (revision === stateless) {
    const message = { jsonrpc: "2.0", id: 1, method: "subscriptions/listen", params: { notifications: { resourceSubscriptions: [inbox] } } };
    return messageBytes(user, { message, revision });
  }
  const fields = {
    ...common, accept: "text/event-stream", authorization: `Bearer ${user.token}`, "mcp-session-id": user.session,
    "mcp-protocol-version": revision,
  };
  return requestBytes({ method: "GET", path: "/mcp", fields });
}

/** A stream that stays open. */
export class OpenStream {
  /** Events that arrived on it so far, awaited or not. */
  events = 0;
  #arrived;
  #rest = "";

  constructor(port, user, revision) {
    this.socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.socket.write(openingOf(user, revision));
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
    const parts = (this.#rest + text).split(mark);
    // What may be the beginning of a mark whose end is still to come.
    this.#rest = parts.at(-1).slice(1 - mark.length);
    if (parts.length === 1) return;
    this.events += parts.length - 1;
    this.#arrived?.();
    this.#arrived = undefined;
  }

  close() {
    this.socket.destroy();
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
export async function openStreams(port, users, revision) {
  const streams = users.map((user) => new OpenStream(port, user, revision));
  await Promise.all(streams.map(({ opened }) => opened));
  const notices = users.map(({ notice: { path, body } }) =>
    requestBytes({ path, fields: { ...common, "content-type": "application/json" }, body }));
  // The one that was told longest ago is next.
  const idle = streams.map((_, index) => index);
  const tell = async (connection) => {
    const index = idle.shift();
    const arrived = streams[index].next();
    const answer = await connection.send(notices[index]);
    if (answer.status !== 202) throw new Error(`a notification was answered ${answer.status}`);
    await arrived;
    idle.push(index);
    return 0;
  };
  return { tell, close: () => streams.forEach((stream) => stream.close()) };
}

/** What Graph sends to the address of a subscription. */
export function noticeOf({ id, clientState, notificationUrl, resource }) {
  const value = [{
    subscriptionId: id, clientState, changeType: "created", resource, tenantId: "11111111-2222-4333-8444-555555555555",
    subscriptionExpirationDateTime: "2026-12-01T00:00:00Z", resourceData: { "@odata.type": "#Microsoft.Graph.Message", id: "AAMk" },
  }];
  return { path: new URL(notificationUrl).pathname, body: JSON.stringify({ value }) };
}
