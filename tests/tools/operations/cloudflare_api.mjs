// Cloudflare's API, as much of it as `npm run provision` needs: each kind of resource with its paths and its fields.
// Sources of the shapes: Cloudflare's API reference (client/v4) and its own TypeScript library, version 7.3.0.
// Holds: a change of something that exists keeps every field that it had and nobody asked to change, because these PUTs
// replace the whole; every list is read to its end.
// Must never: print the token or an answer's secrets, or delete anything.
import { Advice } from "../project.mjs";
import { shown } from "./report.mjs";

const patience = 30_000;
const perPage = 100;
const pagesMax = 100;
const standard = "https://api.cloudflare.com/client/v4";

/** wrangler's own name for another place of the API, which tests use. */
function apiBase() {
  const base = (process.env.CLOUDFLARE_API_BASE_URL ?? standard).replace(/\/$/, "");
  const { protocol, hostname } = new URL(base);
  if (protocol !== "https:" && hostname !== "127.0.0.1") throw new Advice("CLOUDFLARE_API_BASE_URL must begin with https://");
  return base;
}

const applicationFields = [
  "allow_authenticate_via_warp", "allow_iframe", "allowed_idps", "app_launcher_visible", "auto_redirect_to_identity",
  "cors_headers", "custom_deny_message", "custom_deny_url", "custom_non_identity_deny_url", "custom_pages", "destinations",
  "domain", "eager_redirect_cookie_setting", "enable_binding_cookie", "http_only_cookie_attribute", "logo_url", "mfa_config",
  "name", "oauth_configuration", "options_preflight_bypass", "path_cookie_attribute", "policies",
  "read_service_tokens_from_header", "saas_app", "same_site_cookie_attribute", "scim_config", "service_auth_401_redirect",
  "session_duration", "skip_interstitial", "tags", "type", "use_clientless_isolation_app_launcher_url",
];
const policyFields = [
  "approval_groups", "approval_required", "connection_rules", "decision", "exclude", "include", "isolation_required",
  "mfa_config", "name", "purpose_justification_prompt", "purpose_justification_required", "require", "session_duration",
];
const gatewayFields = [
  "authentication", "byok_only", "cache_invalidate_on_update", "cache_ttl", "collect_logs", "dlp", "guardrails",
  "log_classification", "log_management", "log_management_strategy", "logpush", "logpush_public_key", "otel",
  "rate_limiting_interval", "rate_limiting_limit", "rate_limiting_technique", "retry_backoff", "retry_delay",
  "retry_max_attempts", "spend_limits", "store_id", "stripe", "workers_ai_billing_mode", "zdr",
];

/** How each kind is listed, recognised, called in sentences, made and changed. */
export const kinds = {
  namespace: {
    path: "storage/kv/namespaces", title: ({ title }) => `KV namespace ${title}`, same: (a, b) => a.title === b.title,
  },
  gateway: {
    path: "ai-gateway/gateways", title: ({ id }) => `AI Gateway ${id}`, same: (a, b) => a.id === b.id,
    fields: gatewayFields, verb: "PUT",
  },
  provider: {
    path: "ai-gateway/custom-providers", title: ({ slug }) => `custom provider custom-${slug}`, same: (a, b) => a.slug === b.slug,
    verb: "PATCH",
  },
  policy: {
    path: "access/policies", title: ({ name }) => `Access policy "${name}"`, same: (a, b) => a.name === b.name,
    fields: policyFields, verb: "PUT",
  },
  application: {
    path: "access/apps", title: ({ name, domain, type }) => `Access application "${name}" (${domain ?? type})`,
    // A name is a person's to change; whatever stands before the same address is the same application.
    same: (a, b) => a.type === b.type && (b.type === "self_hosted" ? a.domain === b.domain : a.name === b.name),
    fields: applicationFields, verb: "PUT",
  },
};

/** What a change sends: the wanted fields over those that were there, as far as they can be written. */
export function changeBody({ fields, verb }, existing, wanted) {
  if (verb === "PATCH") return wanted;
  // What was never set is answered as null, which is no value to send back.
  const kept = Object.entries(existing).filter(([name, value]) => fields.includes(name) && value !== null);
  const all = { ...Object.fromEntries(kept), ...wanted };
  // Its client identifier and whatever else belongs to a sign-in application stay as they are.
  if (wanted.saas_app) all.saas_app = { ...existing.saas_app, ...wanted.saas_app };
  // The identifier of a gateway stands in the path.
  return Object.fromEntries(Object.entries(all).filter(([name]) => fields.includes(name)));
}

export function cloudflareApi({ account, token }) {
  const base = `${apiBase()}/accounts/${account}`;
  async function call(method, path, body) {
    let response;
    try {
      response = await fetch(`${base}/${path}`, {
        method,
        redirect: "error",
        signal: AbortSignal.timeout(patience),
        headers: { authorization: `Bearer ${token}`, ...(body && { "content-type": "application/json" }) },
        body: body && JSON.stringify(body),
      });
    } catch (error) {
      throw new Advice(`${method} ${path}: Cloudflare's API did not answer: ${error.cause?.code ?? error.name}`);
    }
    const answer = await response.json().catch(() => ({}));
    if (response.ok && answer.success) return answer;
    const errors = (answer.errors ?? []).map(({ code, message }) => `${code} ${message}`).join("; ");
    const hint = response.status === 403 || response.status === 401 ? " Does the token have the permission?" : "";
    throw new Advice(`${method} ${path}: ${response.status} ${shown(errors || "without a reason")}.${hint}`);
  }
  /** All pages; an answer that names no further ones ends the list by a page that is not full. */
  async function list(path) {
    const all = [];
    for (let page = 1; page <= pagesMax; page += 1) {
      const { result, result_info: info } = await call("GET", `${path}?page=${page}&per_page=${perPage}`);
      all.push(...result);
      const size = info?.per_page ?? perPage;
      const isLast = info?.total_pages ? page >= info.total_pages : result.length < size;
      if (isLast) return all;
    }
    throw new Advice(`${path}: more than ${pagesMax} pages`);
  }
  return {
    list,
    one: async (path) => (await call("GET", path)).result,
    make: async (kind, body) => (await call("POST", kinds[kind].path, body)).result,
    change: async (kind, existing, body) => {
      const { path, verb } = kinds[kind];
      return (await call(verb, `${path}/${encodeURIComponent(existing.id)}`, changeBody(kinds[kind], existing, body))).result;
    },
  };
}
