// Plays everything outside of a Worker at once and without delay: AI Gateway with Graph behind it, Entra ID's token endpoint
// and keys, and a KV namespace in memory. A process of its own, the same for all that is measured.
// Holds: data are fixed, writes are counted, and a request that no target should make is counted as unknown.
// Must never: wait unless it was told to, or answer what has no token and no gateway credential.
import { generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { createServer } from "node:net";
import { MessageReader, header } from "./http.mjs";
import { gateway, microsoft } from "./places.mjs";

const counts = { lists: 0, drafts: 0, sends: 0, profiles: 0, zones: 0, subscriptions: 0, tokens: 0, keys: 0, kvReads: 0, kvWrites: 0, kvDeletes: 0, kvLists: 0, unknown: 0 };
/** What a benchmark may ask for: how long Graph takes to answer, and how far the clocks of the targets are ahead. */
const wishes = { graphDelayMs: 0, aheadMs: 0 };
const unknown = new Set();
const subscriptions = [];
const values = new Map();
const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const json = "application/json; charset=utf-8";
const graphJson = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";
const prefix = `${new URL(gateway.baseUrl).pathname}/v1.0`;

/** As long as identifiers and tokens of Microsoft's are. */
const immutableId = (number) => `AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A${String(number).padStart(114, "0")}=`;
const graphToken = () => `eyJ0eXAiOiJKV1QiLCJub25jZSI6IlBsYXl${"Zm9yR3JhcGg".repeat(190)}${randomUUID()}`;

function mail(number) {
  const name = `Person ${number}`;
  const preview = "The figures for the third quarter are in. Please look at the second page before our meeting on Thursday, " +
    "and tell me whether the assumptions about renewals still hold. The draft of the board's paper is attached; " +
    "comments by Wednesday noon, please. ";
  return {
    "@odata.etag": `W/"CQAAABYAAAAiIsqMbYjsT5e/T7KzowPTAAXR${number}"`,
    id: immutableId(number),
    parentFolderId: immutableId(0),
    subject: `Figures of the third quarter, part ${number}`,
    receivedDateTime: `2026-11-${String(1 + (number % 28)).padStart(2, "0")}T09:15:00Z`,
    isRead: number % 2 === 0,
    hasAttachments: number % 5 === 0,
    bodyPreview: preview.slice(0, 255),
    flag: { flagStatus: "notFlagged" },
    from: { emailAddress: { name, address: `person${number}@contoso.example` } },
  };
}

const context = "https://graph.microsoft.com/v1.0/$metadata#users('x')/mailFolders('inbox')/messages";
const mails = Array.from({ length: 51 }, (_, count) => Buffer.from(JSON.stringify({
  "@odata.context": context,
  value: Array.from({ length: count }, (_, index) => mail(index + 1)),
  "@odata.nextLink": `https://graph.microsoft.com/v1.0/me/mailFolders/inbox/messages?%24top=${count}&%24skip=${count}`,
})));

const answer = (status, body = "", type = json) => ({ status, body, type });
const graph = (status, value) => answer(status, typeof value === "object" ? JSON.stringify(value) : value, graphJson);

function callGraph(method, path, body) {
  const [resource, query = ""] = path.split("?");
  if (method === "GET" && /^\/me\/(mailFolders\/\w+\/)?messages$/.test(resource)) {
    counts.lists += 1;
    const count = Number(new URLSearchParams(query).get("$top") ?? 10);
    return answer(200, mails[count], graphJson);
  }
  if (method === "POST" && resource === "/me/messages") {
    counts.drafts += 1;
    return graph(201, { ...JSON.parse(body), id: immutableId(1_000_000 + counts.drafts), isDraft: true });
  }
  if (method === "POST" && (resource === "/me/sendMail" || /^\/me\/messages\/[^/]+\/send$/.test(resource))) {
    counts.sends += 1;
    return graph(202);
  }
  if (resource === "/me" && method === "GET") {
    counts.profiles += 1;
    return graph(200, { id: randomUUID(), displayName: "Alice", mail: "alice@contoso.example", userPrincipalName: "alice@contoso.example" });
  }
  if (resource === "/me/mailboxSettings" && method === "GET") {
    counts.zones += 1;
    return graph(200, { timeZone: "W. Europe Standard Time" });
  }
  if (method === "POST" && resource === "/subscriptions") {
    counts.subscriptions += 1;
    const made = { ...JSON.parse(body), id: randomUUID() };
    subscriptions.push(made);
    return graph(201, made);
  }
  return undefined;
}

const part = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

function idToken({ oid, nonce }) {
  const now = Math.floor((Date.now() + wishes.aheadMs) / 1000);
  const address = `${oid}@contoso.example`;
  const claims = {
    aud: microsoft.clientId, iss: `${microsoft.loginUrl}/${microsoft.tenantId}/v2.0`, iat: now, nbf: now, exp: now + 3600,
    name: "Alice", nonce, oid, preferred_username: address, email: address, sub: oid, tid: microsoft.tenantId, ver: "2.0",
  };
  const signed = `${part({ typ: "JWT", alg: "RS256", kid: "stand-in" })}.${part(claims)}`;
  return `${signed}.${sign("sha256", signed, privateKey).toString("base64url")}`;
}

/** A code is what the browser's part of the sign-in would have settled: whose it is, its nonce and what was granted. */
function issueTokens(body) {
  counts.tokens += 1;
  const form = new URLSearchParams(body.toString());
  if (form.get("client_secret") !== microsoft.clientSecret) return answer(401, '{"error":"invalid_client"}');
  const code = form.get("code");
  const person = code ? JSON.parse(Buffer.from(code, "base64url")) : undefined;
  return answer(200, JSON.stringify({
    token_type: "Bearer", scope: person?.scope ?? form.get("scope") ?? "", expires_in: 4799, access_token: graphToken(),
    refresh_token: `1.${graphToken()}`, ...(person && { id_token: idToken(person) }),
  }));
}

/** The protocol between workerd and a KV namespace. */
function callKv(method, path, body) {
  const [encoded, query = ""] = path.slice(1).split("?");
  const key = decodeURIComponent(encoded);
  if (method === "PUT") {
    counts.kvWrites += 1;
    values.set(key, Buffer.from(body));
    return answer(200);
  }
  if (method === "DELETE") {
    counts.kvDeletes += 1;
    values.delete(key);
    return answer(200);
  }
  if (key !== "") {
    counts.kvReads += 1;
    return values.has(key) ? answer(200, values.get(key), "application/octet-stream") : answer(404, "Not Found");
  }
  counts.kvLists += 1;
  const wanted = new URLSearchParams(query).get("prefix") ?? "";
  const keys = [...values.keys()].filter((name) => name.startsWith(wanted)).map((name) => ({ name }));
  return answer(200, JSON.stringify({ keys, list_complete: true, cacheStatus: null }));
}

function reply(head, body) {
  const [method, path] = head.split(" ", 2);
  if (header(head, "x-stand-in") === "kv") return callKv(method, path, body);
  if (path.startsWith(prefix)) {
    const isCredible = header(head, "cf-aig-authorization") === `Bearer ${gateway.token}` &&
      header(head, "authorization")?.startsWith("Bearer eyJ0");
    return isCredible ? callGraph(method, path.slice(prefix.length), body) : answer(401, '{"error":[{"code":2009}]}');
  }
  if (path.endsWith("/oauth2/v2.0/token")) return issueTokens(body);
  if (path.endsWith("/discovery/v2.0/keys")) {
    counts.keys += 1;
    const key = { ...publicKey.export({ format: "jwk" }), kid: "stand-in", use: "sig", alg: "RS256" };
    return answer(200, JSON.stringify({ keys: [key] }));
  }
  return undefined;
}

function respond(socket, head, body) {
  let sent = reply(head, body);
  if (!sent) {
    counts.unknown += 1;
    unknown.add(head.split("\r\n", 1)[0]);
    sent = answer(404, '{"error":{"code":"UnknownError"}}');
  }
  if (wishes.graphDelayMs > 0 && head.split(" ", 2)[1].startsWith(prefix)) setTimeout(() => write(socket, sent), wishes.graphDelayMs);
  else write(socket, sent);
}

function write(socket, sent) {
  const start = `HTTP/1.1 ${sent.status} OK\r\ncontent-type: ${sent.type}\r\nrequest-id: ${randomUUID()}\r\n` +
    `cf-aig-log-id: 01JADMCQQQBWH3NXZ5GCRN98DP\r\ncontent-length: ${Buffer.byteLength(sent.body)}\r\n\r\n`;
  if (typeof sent.body === "string") return socket.write(start + sent.body);
  socket.cork();
  socket.write(start);
  socket.write(sent.body);
  return socket.uncork();
}

const server = createServer({ noDelay: true }, (socket) => {
  const reader = new MessageReader((head, body) => respond(socket, head, body));
  socket.on("data", (chunk) => reader.push(chunk));
  socket.on("error", () => {});
});
server.listen(0, "127.0.0.1", () => process.send({ port: server.address().port }));
process.on("message", ({ since = 0, ...wished }) => {
  Object.assign(wishes, wished);
  process.send({ counts, subscriptions: subscriptions.slice(since), unknown: [...unknown] });
});
process.on("disconnect", () => process.exit(0));
