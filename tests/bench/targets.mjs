// What is measured: this product, the peer that a user would pick instead, and the floor below which nothing can be.
// Holds: each runs alone in a workerd of its own, on a private folder, against the same stand-in.
// Must never: give one of them a shorter way to the stand-in than the others.
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { inRoot } from "../tools/project.mjs";
import { OpenStream, inbox, noticeOf } from "./delivery.mjs";
import { Connection } from "./http.mjs";
import { isAnswer, messageBytes, messageOf, revisions, stateless } from "./messages.mjs";
import { peerModules } from "./peer_build.mjs";
import { gateway, microsoft, origin, resource } from "./places.mjs";
import { register, renew, signIn } from "./sign_in.mjs";
import { prepare, startWorkerd } from "./workerd.mjs";

const key = () => randomBytes(32).toString("hex");

/** Production's defaults, but for the two limits that a benchmark would otherwise measure. */
function ownSettings() {
  return {
    PUBLIC_URL: origin, ACCESS_MODE: "open", GRAPH_API_VERSION: "v1.0", EGRESS: "custom_provider",
    MICROSOFT_CLIENT_ID: microsoft.clientId, MICROSOFT_CLIENT_SECRET: microsoft.clientSecret,
    MICROSOFT_TENANT_ID: microsoft.tenantId, MICROSOFT_LOGIN_URL: microsoft.loginUrl,
    GATEWAY_ID: gateway.id, GATEWAY_BASE_URL: gateway.baseUrl, AI_GATEWAY_SERVICE_TOKEN: gateway.token,
    ENCRYPTION_KEY: key(), COOKIE_ENCRYPTION_KEY: key(), COOKIE_SECRET: key(),
    RATE_LIMIT_PER_MINUTE: "1000000", REGISTRATIONS_PER_MINUTE: "1000000",
  };
}

const file = (folder, name) => ({ name, path: join(folder, name) });

const mailScopes = "profile mail.read mail.send mail.write";

/** This product as `npm run build` leaves it, or another build of it. */
export function ours({ build = inRoot("build"), settings = {}, granted } = {}) {
  return {
    granted,
    worker: {
      modules: [file(build, "index.js"), file(build, "index_bg.wasm")],
      settings: { ...ownSettings(), ...settings },
      objects: { MCP_OBJECT: "UserSession", DIRECTORY: "Directory" },
      kv: ["OAUTH_KV"],
    },
    // The everyday scopes, as a client asks for them that was challenged.
    scope: settings.TOOLSETS === "mail" ? mailScopes : `${mailScopes} calendar.read calendar.write teams.read contacts.read`,
  };
}

const here = (...parts) => inRoot("tests", "bench", ...parts);

/** The product's catalogue as it stands in the sources: what the floor lists where the product itself was not asked. */
function catalogue() {
  const folder = inRoot("protocol", "src", "tools", "catalogue");
  const tools = readdirSync(folder).filter((name) => name.endsWith(".json")).sort()
    .map((name) => ({ name: name.replace(".json", ""), ...JSON.parse(readFileSync(join(folder, name), "utf8")) }));
  return JSON.stringify({ tools });
}

/** A Worker and an object that do the least for the same traffic. */
export function floor(list = catalogue()) {
  return {
    worker: {
      modules: [file(here("floor"), "worker.mjs"), { name: "list.txt", content: list }],
      settings: { GATEWAY_URL: `${gateway.baseUrl}/v1.0`, GATEWAY_TOKEN: gateway.token, ...microsoftSettings() },
      objects: { USER: "User" },
    },
    scope: "mail",
    noticeOf: ({ token }) => ({ path: `/notify?person=${token}`, body: JSON.stringify({ params: { uri: inbox } }) }),
  };
}

/** McpAgent behind workers-oauth-provider, with the handler without sessions beside it, as its documentation advises. */
export async function peer() {
  return {
    worker: {
      modules: await peerModules(),
      settings: { MCP_RESOURCE: resource, GATEWAY_URL: `${gateway.baseUrl}/v1.0`, GATEWAY_TOKEN: gateway.token, ...microsoftSettings() },
      objects: { MCP_OBJECT: "MicrosoftAgent" },
      kv: ["OAUTH_KV"],
    },
    scope: "mail calendar teams contacts",
  };
}

const microsoftSettings = () => ({
  MICROSOFT_CLIENT_ID: microsoft.clientId, MICROSOFT_CLIENT_SECRET: microsoft.clientSecret,
  MICROSOFT_TENANT_ID: microsoft.tenantId, MICROSOFT_LOGIN_URL: microsoft.loginUrl,
});

/** A target that runs, with people who are signed in and have a session each. */
export class Running {
  users = [];

  constructor(name, target, workerd, restarted) {
    Object.assign(this, { name, target, workerd, restarted });
  }

  static async start(name, target, { standIn, folder, inspect = false }) {
    const own = join(folder, name);
    mkdirSync(own, { recursive: true });
    const config = prepare(target.worker, { standIn, folder: own });
    const started = () => startWorkerd(config, { inspect, temporary: folder });
    const workerd = await started();
    const running = new Running(name, target, workerd, started);
    try {
      running.clientId = await running.#using(register);
      return running;
    } catch (error) {
      await workerd.kill();
      throw new Error(`${name}: ${error.message}\n${workerd.said()}`, { cause: error });
    }
  }

  get client() {
    const { scope, granted } = this.target;
    return { clientId: this.clientId, scope, granted };
  }

  async #using(work) {
    const connection = new Connection(this.workerd.port);
    try {
      return await work(connection);
    } finally {
      connection.close();
    }
  }

  /** Signs in `count` people and opens a session for each. */
  async connectPeople(count) {
    await this.#using(async (connection) => {
      while (this.users.length < count) {
        const oid = `${this.name}-person-${this.users.length}`;
        const user = { ...(await signIn(connection, { ...this.client, oid })), oid, since: Date.now() };
        user.session = await openSession(connection, user);
        await callOnce(connection, user);
        this.users.push(user);
      }
    });
  }

  /** Access tokens may live for a few minutes only. */
  async renewTokens(olderThanMs = 240_000) {
    const due = this.users.filter(({ since }) => Date.now() - since > olderThanMs);
    await this.#using(async (connection) => {
      for (const user of due) {
        Object.assign(user, await renew(connection, { clientId: this.clientId, refresh: user.refresh }), { since: Date.now() });
      }
    });
    return due.length;
  }

  /** Has some people told of new mail: how Microsoft would tell each is kept with the user. */
  async watch({ skip = 0, users, revision }, standIn) {
    const subscribes = revision === stateless ? listened : subscribed;
    await this.#using(async (connection) => {
      for (const user of this.users.slice(skip, users).filter(({ notice }) => !notice)) {
        const told = this.target.noticeOf?.(user);
        user.notice = told ?? (await noticed(standIn, () => subscribes(connection, user, this.workerd.port)));
      }
    });
  }

  /** The result of one request without parameters, for what is told about an answer and not measured. */
  ask(method, revision) {
    return this.#using(async (connection) => {
      const message = { jsonrpc: "2.0", id: 1, method, params: {} };
      const answer = await connection.send(messageBytes(this.users[0], { message, revision }));
      return { bytes: answer.body.length, result: messageOf(answer).result };
    });
  }

  /** Opens more sessions for one of the people, until there are this many: of each, what a request of it needs. */
  openSessions(index, count) {
    return this.#using(async (connection) => {
      const user = this.users[index];
      const sessions = [user];
      while (sessions.length < count) {
        const { session: _, ...person } = user;
        sessions.push({ ...user, session: await openSession(connection, person) });
      }
      return sessions;
    });
  }

  /** Ends workerd, has `between` done while nothing is open, and starts it again on the same rows. */
  async restart(between) {
    await this.workerd.kill();
    await between();
    this.workerd = await this.restarted();
  }

  kill() {
    return this.workerd.kill();
  }
}

/** Opens a session and gives its identifier. */
export async function openSession(connection, user) {
  const params = { protocolVersion: revisions[0], capabilities: {}, clientInfo: { name: "benchmark", version: "1" } };
  const opening = { jsonrpc: "2.0", id: "opening", method: "initialize", params };
  const answer = await connection.send(messageBytes(user, { message: opening }));
  const session = /\r\nmcp-session-id:\s*(\S+)/i.exec(answer.head)?.[1];
  if (!session || !isAnswer(answer, '"opening"')) {
    throw new Error(`no session: ${answer.status} ${answer.body.toString().slice(0, 300)}`);
  }
  const opened = { jsonrpc: "2.0", method: "notifications/initialized" };
  const noted = await connection.send(messageBytes({ ...user, session }, { message: opened }));
  if (noted.status !== 202) throw new Error(`notifications/initialized: ${noted.status}`);
  return session;
}

/** What is asked of Microsoft once for each person, such as the mailbox's zone, belongs to no run. */
async function callOnce(connection, user) {
  const message = { jsonrpc: "2.0", id: 800_000, method: "tools/call", params: { name: "getEmails", arguments: { count: 10 } } };
  const answer = await connection.send(messageBytes(user, { message }));
  if (!isAnswer(answer, message.id)) throw new Error(`the first call: ${answer.status} ${answer.body}`);
}

/** In a session. */
async function subscribed(connection, user) {
  const message = { jsonrpc: "2.0", id: 900_000, method: "resources/subscribe", params: { uri: inbox } };
  const answer = await connection.send(messageBytes(user, { message }));
  if (!isAnswer(answer, message.id)) throw new Error(`resources/subscribe: ${answer.status} ${answer.body}`);
  return () => {};
}

/** Without one: by a stream, whose end leaves the subscription with Graph as it is. */
async function listened(_, user, port) {
  const stream = new OpenStream(port, user, stateless);
  await stream.opened;
  return () => stream.close();
}

/** Waits until the target has subscribed with Graph in turn. */
async function noticed(standIn, subscribe) {
  const known = (await standIn.look()).counts.subscriptions;
  const leave = await subscribe();
  for (let looks = 0; looks < 10_000; looks += 1) {
    const { subscriptions } = await standIn.look({ since: known });
    if (subscriptions.length === 0) continue;
    leave();
    return noticeOf(subscriptions.at(-1));
  }
  throw new Error("nothing was subscribed to with Graph");
}

/** What is deployed of a target: bytes of all its modules. */
export const bytesOf = ({ worker }) => worker.modules.map(({ path, content }) => (path ? readFileSync(path) : Buffer.from(content)));
