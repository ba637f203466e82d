// The floor: a Worker and a Durable Object that do the least possible for the traffic that the benchmark makes.
// Holds: no authentication, no check, no retry, no state but one row for each call; the same call to the gateway; lists are a
// constant that the Worker answers itself. Nothing that serves this traffic can be much faster.
// Must never: be taken for a server that anybody should run.
import { DurableObject } from "cloudflare:workers";
import list from "list.txt";

const json = { "content-type": "application/json" };
const answer = (id, result, headers = json) =>
  new Response(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${result}}`, { headers });
const opening = '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"floor","version":"1"}}';
const page = '<form method="post"><input type="hidden" name="request" value="1"><button name="decision" value="allow">Allow</button></form>';
const away = (location) => new Response(null, { status: 302, headers: { location } });
const made = (value, status = 200) => new Response(JSON.stringify(value), { status, headers: json });

function gatewayHeaders(env) {
  return {
    ...json, authorization: "Bearer eyJ0-floor", "cf-aig-authorization": `Bearer ${env.GATEWAY_TOKEN}`,
    "cf-aig-skip-cache": "true", "cf-aig-collect-log-payload": "false", "cf-aig-max-attempts": "1",
  };
}

const fields = "id,parentFolderId,subject,from,receivedDateTime,isRead,hasAttachments,flag,bodyPreview";
const calls = {
  getEmails: ({ count }) => [`/me/mailFolders/inbox/messages?$select=${fields}&$top=${count}&$orderby=receivedDateTime%20desc`, {}],
  sendEmail: ({ to, subject, body }) => {
    const toRecipients = to.map((address) => ({ emailAddress: { address } }));
    const message = { subject, body: { contentType: "text", content: body }, toRecipients };
    return ["/me/sendMail", { method: "POST", body: JSON.stringify({ message, saveToSentItems: true }) }];
  },
};

/** One person's object. */
export class User extends DurableObject {
  #streams = new Set();

  constructor(state, env) {
    super(state, env);
    state.storage.sql.exec("CREATE TABLE IF NOT EXISTS calls (id INTEGER PRIMARY KEY, at INTEGER, tool TEXT)");
  }

  async fetch(request) {
    if (request.method === "GET") return this.#open();
    const { id, params } = await request.json();
    if (params.uri) return this.#tell(params);
    this.ctx.storage.sql.exec("INSERT INTO calls (at, tool) VALUES (?, ?)", Date.now(), params.name);
    if (!calls[params.name]) return answer(id, "{}");
    const [path, init] = calls[params.name](params.arguments);
    const response = await fetch(this.env.GATEWAY_URL + path, { ...init, headers: gatewayHeaders(this.env) });
    const text = await response.text();
    if (!response.ok) return answer(id, JSON.stringify({ content: [], isError: true }));
    return answer(id, `{"content":[{"type":"text","text":${JSON.stringify(text)}}]}`);
  }

  #open() {
    const { readable, writable } = new IdentityTransformStream();
    this.#streams.add(writable.getWriter());
    return new Response(readable, { headers: { "content-type": "text/event-stream" } });
  }

  #tell(params) {
    const event = `data: {"jsonrpc":"2.0","method":"notifications/resources/updated","params":${JSON.stringify(params)}}\n\n`;
    const bytes = new TextEncoder().encode(event);
    for (const writer of this.#streams) writer.write(bytes).catch(() => this.#streams.delete(writer));
    return new Response(null, { status: 202 });
  }
}

const personOf = (request) => request.headers.get("authorization") ?? "";
const objectOf = (env, name) => env.USER.get(env.USER.idFromName(name));

async function callback(url, env) {
  const form = {
    grant_type: "authorization_code", code: url.searchParams.get("code"), client_id: env.MICROSOFT_CLIENT_ID,
    client_secret: env.MICROSOFT_CLIENT_SECRET,
  };
  const at = `${env.MICROSOFT_LOGIN_URL}/${env.MICROSOFT_TENANT_ID}/oauth2/v2.0/token`;
  const tokens = await (await fetch(at, { method: "POST", body: new URLSearchParams(form) })).json();
  const code = crypto.randomUUID();
  const row = { id: 1, params: { name: tokens.access_token.slice(-36) } };
  await objectOf(env, `Bearer ${code}`).fetch("https://object/", { method: "POST", body: JSON.stringify(row) });
  return away(`http://127.0.0.1:53682/callback?code=${code}`);
}

const routes = {
  "POST /register": () => made({ client_id: "floor" }, 201),
  "GET /authorize": () => new Response(page, { headers: { "content-type": "text/html" } }),
  "POST /authorize": () => away("https://login.microsoftonline.com/?state=1&nonce=1&scope=mail"),
  "GET /callback": (_, env, url) => callback(url, env),
  "POST /token": async (request) => {
    const form = await request.formData();
    const token = form.get("code") ?? form.get("refresh_token");
    return made({ access_token: token, refresh_token: token, token_type: "bearer" });
  },
  "GET /mcp": (request, env) => objectOf(env, personOf(request)).fetch("https://object/"),
  "POST /notify": async (request, env, url) =>
    objectOf(env, `Bearer ${url.searchParams.get("person")}`).fetch("https://object/", { method: "POST", body: request.body }),
  "POST /mcp": mcp,
};

async function mcp(request, env) {
  const text = await request.text();
  const { id, method } = JSON.parse(text);
  if (method === "tools/list") return answer(id, list);
  if (method === "initialize") return answer(id, opening, { ...json, "mcp-session-id": crypto.randomUUID() });
  if (method === "subscriptions/listen") return objectOf(env, personOf(request)).fetch("https://object/");
  if (id === undefined) return new Response(null, { status: 202 });
  return objectOf(env, personOf(request)).fetch("https://object/", { method: "POST", body: text });
}

export default {
  fetch(request, env) {
    const url = new URL(request.url);
    const serve = routes[`${request.method} ${url.pathname}`];
    return serve ? serve(request, env, url) : new Response(null, { status: 404 });
  },
};
