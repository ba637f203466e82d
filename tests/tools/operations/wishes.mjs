// A file of wishes for `npm run provision`: read, checked, and turned into the resources that it asks for.
// Holds: the whole file is understood or refused; a resource says what it needs of earlier ones; everything that this makes
// has a name by which it is found again.
// Must never: hold a secret, or ask for something that a mode does not use.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Advice, inRoot } from "../project.mjs";

const schemaFile = inRoot("tests", "tools", "operations", "wishes.schema.json");
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The wishes in a file, or one sentence for each mistake. */
export function readWishes(file) {
  let wishes;
  try {
    wishes = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new Advice(`${file}: ${error.message}`);
  }
  const { default: Ajv } = createRequire(import.meta.url)("ajv");
  const check = new Ajv({ allErrors: true, formats: { uuid } }).compile(JSON.parse(readFileSync(schemaFile, "utf8")));
  const mistakes = check(wishes) ? incoherent(wishes) : check.errors.map(described);
  if (mistakes.length > 0) throw new Advice(`${file} is not right:\n  ${mistakes.join("\n  ")}`);
  return { name: "m365-mcp-server", application: true, signIn: false, health: false, linkedApps: false, ...wishes };
}

function described({ instancePath, message, params }) {
  const which = params.additionalProperty ? ` (${params.additionalProperty})` : "";
  return `${instancePath.slice(1).replaceAll("/", ".") || "the file"} ${message}${which}`;
}

/** What the schema alone does not see: a mode has what it needs and nothing that it does not use. */
function incoherent({ mode, people, operators, serviceTokens, application = true, signIn, linkedApps }) {
  const mistakes = [];
  if (mode === "open") {
    const wanted = Object.entries({ people, operators, serviceTokens, signIn, linkedApps }).filter(([, value]) => value);
    const unused = wanted.map(([name]) => name);
    if (unused.length > 0) mistakes.push(`mode open has no Access, so that ${unused.join(", ")} would do nothing`);
    return mistakes;
  }
  if (!people) mistakes.push(`mode ${mode} needs people: who may come in`);
  if (serviceTokens && !operators && !application) mistakes.push("serviceTokens need an application: operators, or application");
  if (mode === "perimeter" && signIn) mistakes.push("signIn belongs to the mode oauth");
  if (mode === "perimeter" && !application) mistakes.push("mode perimeter is an application; it cannot be left out");
  if (mode === "oauth" && !application && !signIn) mistakes.push("mode oauth needs application, signIn or both");
  if (mode === "oauth" && linkedApps && !signIn) mistakes.push("linkedApps needs signIn in the mode oauth");
  return mistakes;
}

const some = (list, rule) => (list ?? []).map(rule);

/** A policy for people: any of these, and everything that is required of them besides. */
function peoplePolicy(name, people) {
  const include = [
    ...some(people.emails, (email) => ({ email: { email } })),
    ...some(people.emailDomains, (domain) => ({ email_domain: { domain } })),
    ...some(people.groups, (id) => ({ group: { id } })),
  ];
  const require = [
    ...(people.multiFactor ? [{ auth_method: { auth_method: "mfa" } }] : []),
    ...some(people.devicePosture, (id) => ({ device_posture: { integration_uid: id } })),
  ];
  return { name, decision: "allow", include, require, exclude: [] };
}

function policies({ name, mode, people, operators, serviceTokens, linkedApps }) {
  const list = [{ key: "people", kind: "policy", body: () => peoplePolicy(`${name}: people`, people) }];
  if (operators) list.push({ key: "operators", kind: "policy", body: () => peoplePolicy(`${name}: operators`, operators) });
  if (serviceTokens) {
    const include = serviceTokens.map((id) => ({ service_token: { token_id: id } }));
    const body = { name: `${name}: service tokens`, decision: "non_identity", include, require: [], exclude: [] };
    list.push({ key: "programs", kind: "policy", body: () => body });
  }
  if (mode === "perimeter") {
    const body = { name: `${name}: everyone`, decision: "bypass", include: [{ everyone: {} }], require: [], exclude: [] };
    list.push({ key: "everyone", kind: "policy", body: () => body });
  }
  if (linkedApps) {
    const owner = mode === "oauth" ? "signIn" : "application";
    const rule = (made) => ({ linked_app_token: { app_uid: made[owner].uid ?? made[owner].id } });
    const body = (made) => ({ name: `${name}: linked apps`, decision: "non_identity", include: [rule(made)], require: [], exclude: [] });
    list.push({ key: "linkedApps", kind: "policy", body });
  }
  return list;
}

const ordered = (made, keys) => keys.filter((key) => made[key]).map((key, at) => ({ id: made[key].id, precedence: at + 1 }));

/** A self-hosted application in front of some paths of the host; the first of them is its address in lists. */
function selfHosted({ name, host, sessionDuration = "24h" }, suffix, paths, keys, more = {}) {
  const uris = paths.map((path) => `${host}${path}`);
  return (made) => ({
    type: "self_hosted",
    name: `${name}${suffix}`,
    domain: uris[0],
    destinations: uris.map((uri) => ({ type: "public", uri })),
    session_duration: sessionDuration,
    app_launcher_visible: false,
    http_only_cookie_attribute: true,
    policies: ordered(made, keys),
    ...more,
  });
}

/** Access as the authorization server of clients: they register, and come back to this machine or to listed addresses. */
const managedOAuth = (redirects = []) => ({
  oauth_configuration: {
    enabled: true,
    dynamic_client_registration: {
      enabled: true, allow_any_on_localhost: true, allow_any_on_loopback: true, allowed_uris: redirects,
    },
  },
});

function applications(wishes) {
  const { name, host, mode, operators, clientRedirects } = wishes;
  // A service token has no mailbox: where operators have an application of their own, it belongs there alone.
  const inside = operators ? ["people"] : ["people", "programs"];
  const list = [];
  if (mode === "perimeter") {
    const main = selfHosted(wishes, "", [""], inside, managedOAuth(clientRedirects));
    list.push({ key: "application", kind: "application", body: main });
    const open = ["/notifications", ...(wishes.health ? ["/healthz"] : [])];
    const bypassed = (path) => selfHosted(wishes, ` ${path.slice(1)}`, [path], ["everyone"]);
    list.push(...open.map((path) => ({ key: path, kind: "application", body: bypassed(path) })));
  }
  if (mode === "oauth" && wishes.application) {
    const paths = operators ? ["/authorize"] : ["/authorize", "/ops"];
    list.push({ key: "application", kind: "application", body: selfHosted(wishes, "", paths, inside) });
  }
  if (operators) {
    // The longer path wins at Access: these policies count for it, and the host's do not.
    list.push({ key: "operations", kind: "application", body: selfHosted(wishes, " operators", ["/ops"], ["operators", "programs"]) });
  }
  if (mode === "oauth" && wishes.signIn) {
    const saas = {
      auth_type: "oidc",
      redirect_uris: [`https://${host}/callback/access`],
      grant_types: ["authorization_code", "refresh_tokens"],
      scopes: ["openid", "email", "profile"],
      refresh_token_options: { lifetime: "90d" },
    };
    const fixed = { type: "saas", name: `${name} sign-in`, app_launcher_visible: false, saas_app: saas };
    const body = (made) => ({ ...fixed, policies: ordered(made, ["people"]) });
    list.push({ key: "signIn", kind: "application", body, keepsSecret: true });
  }
  return list;
}

/** Every resource, in an order in which each finds what it needs. */
export function resourcesOf(wishes) {
  const { gateway, namespace, mode } = wishes;
  const { id, provider = "graph", graph = "https://graph.microsoft.com", requestsPerMinute = 600, logs = true } = gateway;
  const gatewayBody = {
    id,
    // Whoever has no token of this account is turned away before Microsoft hears of it.
    authentication: true,
    collect_logs: logs,
    // An answer that is kept would be shown again after a change, and a hit passes by every policy.
    cache_ttl: 0,
    cache_invalidate_on_update: false,
    rate_limiting_interval: 60,
    rate_limiting_limit: requestsPerMinute,
    rate_limiting_technique: "sliding",
  };
  const list = [
    { key: "namespace", kind: "namespace", body: () => ({ title: namespace }) },
    { key: "gateway", kind: "gateway", body: () => gatewayBody },
    { key: "provider", kind: "provider", body: () => ({ name: "Microsoft Graph", slug: provider, base_url: graph, enable: true }) },
  ];
  if (mode === "open") return list;
  const all = policies(wishes);
  const later = all.filter(({ key }) => key === "linkedApps");
  return [...list, ...all.filter((policy) => !later.includes(policy)), ...applications(wishes), ...later];
}
