// A stand-in for Cloudflare's API, as strict as its reference: each request and each answer is held against a schema of its
// own, and a field that the reference does not have is refused. Written from Cloudflare's API reference and the types of its
// own library (version 7.3.0), apart from the command that it tests.
// Holds: what was stored is what was asked for, with what the service adds; secrets are shown once, where they are made.
// Must never: repair a request, or answer anything that the reference does not describe.
import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { createRequire } from "node:module";

const { default: Ajv } = createRequire(import.meta.url)("ajv");
const formats = { uuid: /^[0-9a-f-]{36}$/, uri: /^https:\/\/[^/]+(\/.*)?$/, time: /^\d{4}-\d\d-\d\dT[\d:.]+Z$/ };
const ajv = new Ajv({ allErrors: true, strict: true, strictTypes: false, formats });

const text = { type: "string", minLength: 1 };
const flag = { type: "boolean" };
const list = (items) => ({ type: "array", items });
const choice = (...values) => ({ enum: values });
const closed = (properties, required = []) => ({ type: "object", additionalProperties: false, properties, required });
const whole = { type: ["integer", "null"], minimum: 0 };
const times = { created_at: { type: "string", format: "time" }, updated_at: { type: "string", format: "time" } };
const modified = { created_at: times.created_at, modified_at: times.created_at };
const only = (name, inner) => closed({ [name]: inner }, [name]);

const rule = {
  oneOf: [
    only("email", only("email", text)), only("email_domain", only("domain", text)), only("group", only("id", text)),
    only("everyone", closed({})), only("service_token", only("token_id", text)), only("any_valid_service_token", closed({})),
    only("auth_method", only("auth_method", text)), only("linked_app_token", only("app_uid", text)),
    only("device_posture", closed({ integration_uid: text, account_id: text }, ["integration_uid"])),
  ],
};
const policyFields = {
  name: text, decision: choice("allow", "deny", "non_identity", "bypass"), include: { ...list(rule), minItems: 1 },
  exclude: list(rule), require: list(rule), session_duration: { type: ["string", "null"] }, isolation_required: flag,
  approval_required: flag, purpose_justification_required: flag,
};
const policy = closed(policyFields, ["name", "decision", "include"]);
const policyLink = closed({ id: { type: "string", format: "uuid" }, precedence: { type: "integer", minimum: 1 } }, ["id"]);
const destination = closed({ type: choice("public"), uri: { type: "string", pattern: "^[a-z0-9.-]+(/.*)?$" } }, ["type", "uri"]);
const registration = closed({ enabled: flag, allow_any_on_localhost: flag, allow_any_on_loopback: flag, allowed_uris: list(text) });
const oauth = closed({
  enabled: flag, dynamic_client_registration: registration,
  grant: closed({ access_token_lifetime: text, session_duration: text }),
});
const saasFields = {
  auth_type: choice("oidc"), redirect_uris: list({ type: "string", format: "uri" }), access_token_lifetime: text,
  grant_types: list(choice("authorization_code", "authorization_code_with_pkce", "refresh_tokens", "hybrid", "implicit")),
  scopes: list(choice("openid", "groups", "email", "profile")), refresh_token_options: closed({ lifetime: text }),
};
const saasApp = closed({ ...saasFields, client_id: text, client_secret: text }, ["auth_type"]);
const common = { name: text, policies: list(policyLink), app_launcher_visible: flag, allowed_idps: list(text), tags: list(text) };
const selfHostedFields = {
  ...common, type: choice("self_hosted"), domain: text, destinations: list(destination), session_duration: text,
  http_only_cookie_attribute: flag, same_site_cookie_attribute: text, enable_binding_cookie: flag, oauth_configuration: oauth,
  skip_interstitial: flag, service_auth_401_redirect: flag, logo_url: text,
};
const application = {
  oneOf: [
    closed(selfHostedFields, ["type", "domain"]),
    closed({ ...common, type: choice("saas"), saas_app: saasApp }, ["type"]),
  ],
};
const storedApplication = { id: text, uid: text, aud: text, ...times, logo_url: { type: ["string", "null"] }, policies: list(closed({ ...policyFields, ...times, id: text, precedence: whole, reusable: flag }, ["id"])) };
const dlp = closed({ enabled: flag, action: choice("BLOCK", "FLAG"), profiles: list(text) }, ["enabled", "action", "profiles"]);
const gatewayFields = {
  authentication: flag, cache_invalidate_on_update: flag, cache_ttl: whole, collect_logs: flag, dlp, logpush: flag,
  log_management: whole, log_management_strategy: choice("STOP_INSERTING", "DELETE_OLDEST", null), zdr: flag,
  rate_limiting_interval: whole, rate_limiting_limit: whole, rate_limiting_technique: choice("fixed", "sliding", null),
};
const gatewayRequired = ["cache_invalidate_on_update", "cache_ttl", "collect_logs", "rate_limiting_interval", "rate_limiting_limit"];
const gatewayId = { type: "string", minLength: 1, maxLength: 64 };
const providerFields = {
  name: text, slug: text, base_url: { type: "string", format: "uri" }, enable: flag, description: text, link: text, beta: flag,
};

/** Each kind: where it lies, what may be sent to make and to change it, what is answered, and what the service adds. */
const kinds = {
  "storage/kv/namespaces": {
    make: closed({ title: text }, ["title"]), answer: closed({ id: text, title: text, supports_url_encoding: flag }, ["id", "title"]),
    unique: "title", added: () => ({ id: randomBytes(16).toString("hex"), supports_url_encoding: true }),
  },
  "ai-gateway/gateways": {
    make: closed({ ...gatewayFields, id: gatewayId }, ["id", ...gatewayRequired]), verb: "PUT", change: closed(gatewayFields, gatewayRequired),
    answer: closed({ ...gatewayFields, ...modified, id: gatewayId }, ["id", ...gatewayRequired]), unique: "id",
    added: () => ({ created_at: new Date().toISOString(), modified_at: new Date().toISOString(), logpush: false }),
  },
  "ai-gateway/custom-providers": {
    make: closed(providerFields, ["name", "slug", "base_url"]), verb: "PATCH", change: closed(providerFields),
    answer: closed({ ...providerFields, ...modified, id: text }, ["id", "slug", "base_url"]), unique: "slug",
    added: () => ({ id: randomUUID(), created_at: new Date().toISOString(), modified_at: new Date().toISOString() }),
  },
  "access/policies": {
    make: policy, verb: "PUT", change: policy,
    answer: closed({ ...policyFields, ...times, id: text, reusable: flag, app_count: whole }, ["id", "name"]),
    added: () => ({ id: randomUUID(), reusable: true, app_count: 0, created_at: new Date().toISOString(), updated_at: new Date().toISOString() }),
  },
  "access/apps": {
    make: application, verb: "PUT", change: application,
    answer: {
      oneOf: [
        closed({ ...selfHostedFields, ...storedApplication }, ["id", "aud"]),
        closed({ ...common, type: choice("saas"), saas_app: saasApp, ...storedApplication }, ["id"]),
      ],
    },
    added: () => {
      const id = randomUUID();
      // What was never set is answered as null, and refused as such.
      return { id, uid: id, aud: randomBytes(32).toString("hex"), created_at: new Date().toISOString(), logo_url: null };
    },
  },
};
for (const kind of Object.values(kinds)) {
  for (const name of ["make", "change", "answer"]) if (kind[name]) kind[name] = ajv.compile(kind[name]);
}

const failure = (status, code, message) => ({ status, body: { success: false, errors: [{ code, message }], messages: [], result: null } });
const success = (result, more = {}) => ({ status: 200, body: { success: true, errors: [], messages: [], result, ...more } });

/** What of a resource a list shows: a secret that was made is not among it. */
function listed(resource) {
  if (!resource.saas_app) return resource;
  const { client_secret: _, ...rest } = resource.saas_app;
  return { ...resource, saas_app: rest };
}

/** Links become the policies that they name, as in answers of the service. */
function withPolicies(store, body) {
  if (!body.policies) return body;
  const policies = body.policies.map(({ id, precedence }) => ({ ...store["access/policies"].find((known) => known.id === id), precedence }));
  return { ...body, policies: policies.map(({ app_count: _, ...rest }) => rest) };
}

function write(api, path, kind, body, existing) {
  const check = existing ? kind.change : kind.make;
  if (!check(body)) return failure(400, 10001, ajv.errorsText(check.errors));
  const links = body.policies ?? [];
  if (links.some(({ id }) => !api.store["access/policies"].some((known) => known.id === id))) return failure(400, 12130, "unknown policy");
  const list = api.store[path];
  if (!existing && kind.unique && list.some((known) => known[kind.unique] === body[kind.unique])) return failure(409, 1003, "already exists");
  const own = existing ? { id: existing.id, uid: existing.uid, aud: existing.aud, created_at: existing.created_at, logo_url: body.logo_url ?? existing.logo_url } : kind.added();
  const kept = kind.verb === "PATCH" && existing ? existing : {};
  const known = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined));
  const stored = { ...kept, ...withPolicies(api.store, body), ...known };
  let shown = stored;
  if (body.type === "saas" && !existing) {
    const made = { ...body.saas_app, client_id: randomBytes(32).toString("hex") };
    stored.saas_app = made;
    api.secrets.push(randomBytes(32).toString("hex"));
    shown = { ...stored, saas_app: { ...made, client_secret: api.secrets.at(-1) } };
  }
  if (existing) list.splice(list.indexOf(existing), 1, stored);
  else list.push(stored);
  assert.ok(kind.answer(shown), ajv.errorsText(kind.answer.errors));
  return success(shown);
}

function answer(api, method, url, body) {
  const prefix = `/client/v4/accounts/${api.account}/`;
  if (!url.pathname.startsWith(prefix)) return failure(404, 7003, "could not route to the account");
  const rest = url.pathname.slice(prefix.length);
  if (method === "GET" && rest === "access/organizations") return success({ auth_domain: "contoso.cloudflareaccess.com", name: "Contoso" });
  const path = Object.keys(kinds).find((known) => rest === known || rest.startsWith(`${known}/`));
  if (!path) return failure(404, 7000, "no route for that URI");
  const kind = kinds[path];
  if (method === "GET" && rest === path) {
    const [page, wanted] = ["page", "per_page"].map((name) => Number(url.searchParams.get(name)));
    assert.ok(page >= 1 && wanted >= 1, "a list is asked for by pages");
    const size = Math.min(wanted, api.pageSize);
    const result = api.store[path].slice((page - 1) * size, page * size).map(listed);
    for (const each of result) assert.ok(kind.answer(each), ajv.errorsText(kind.answer.errors));
    return success(result, { result_info: { page, per_page: size, count: result.length, total_count: api.store[path].length } });
  }
  if (method === "POST" && rest === path) return write(api, path, kind, body);
  const existing = api.store[path].find(({ id }) => rest === `${path}/${id}`);
  if (existing && method === kind.verb) return write(api, path, kind, body, existing);
  return failure(existing ? 405 : 404, 10000, "no such method or resource");
}

/** Starts it for one account and one token. `requests` are those that came, and `store` is what there is. */
export async function startApi({ account, token, pageSize = 2 }) {
  const api = { account, pageSize, requests: [], secrets: [], store: Object.fromEntries(Object.keys(kinds).map((path) => [path, []])) };
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const url = new URL(request.url, "http://api");
    const sent = Buffer.concat(chunks).toString("utf8");
    api.requests.push({ method: request.method, path: url.pathname, body: sent && JSON.parse(sent) });
    const isKnown = request.headers.authorization === `Bearer ${token}`;
    const { status, body } = isKnown ? answer(api, request.method, url, sent && JSON.parse(sent)) : failure(403, 10000, "Authentication error");
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const url = `http://127.0.0.1:${server.address().port}/client/v4`;
  const stop = () => {
    server.closeAllConnections();
    return new Promise((done) => server.close(done));
  };
  const writes = () => api.requests.filter(({ method }) => method !== "GET");
  return Object.assign(api, { url, stop, writes });
}
