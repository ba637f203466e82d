// What `doctor` finds on this machine: a file of settings, the services that it names, and `wrangler.toml`.
// Holds: the settings are judged by the Worker's own reader, so that no rule is written twice.
// Must never: print a value that is a secret; of keys it knows identifiers alone.
import { existsSync, statSync } from "node:fs";
import { Advice, capture, nativeProgram } from "../project.mjs";
import { ask } from "./outside.mjs";
import { placeholders, plannedDeployment } from "./wrangler.mjs";

const settingsDocument = "docs/settings.md has the table.";

/** What the Worker's own reader says of a file. */
export function readSettings(file) {
  const program = nativeProgram("check-settings");
  if (!existsSync(program)) throw new Advice("check-settings is not built: run npm run build -- --native");
  const text = capture(program, [file]);
  if (text === undefined) throw new Advice(`${file} cannot be read`);
  return JSON.parse(text);
}

/** The settings, or nothing if they make no configuration. */
export function lookAtSettings(report, file) {
  report.section(`Settings in ${file}`);
  if (process.platform !== "win32") {
    const isPrivate = (statSync(file).mode & 0o077) === 0;
    if (isPrivate) report.add("ok", "the file is its owner's alone");
    else report.add("warn", "the file is its owner's alone", "others on this machine may read it", `chmod 600 ${file}`);
  }
  const settings = readSettings(file);
  for (const { setting, problem } of settings.problems) report.add("fail", setting, problem, settingsDocument);
  if (settings.problems.length > 0) return undefined;
  report.add("ok", "they are complete and fit together");
  report.add("ok", "mode of Access", settings.mode);
  for (const [name, identifiers] of Object.entries(settings.keys)) keyRing(report, name, identifiers);
  if (!settings.keys.REGISTRATION_KEY && settings.keys.ENCRYPTION_KEY.length > 1) {
    const next = "Set it to the ring that ENCRYPTION_KEY had before its first rotation, or clients have to be added again.";
    report.add("warn", "REGISTRATION_KEY", "not set, although ENCRYPTION_KEY was rotated", next);
  }
  credential(report, settings);
  gateway(report, settings);
  return settings;
}

function keyRing(report, name, identifiers) {
  const why = `${identifiers.length} ${identifiers.length === 1 ? "key" : "keys"}, newest ${identifiers[0]}`;
  const next = "An old key may go forty days after the rotation.";
  if (identifiers.length > 4) report.add("warn", name, why, next);
  else report.add("ok", name, why);
}

function credential(report, { credential: kind, graphVersion }) {
  if (kind === "certificate") report.add("ok", "the application proves itself by a certificate");
  else report.add("ok", "the application proves itself by a secret", "a certificate would be of no use to a thief");
  if (graphVersion === "beta") report.add("warn", "Graph's version", "beta changes without notice", "Set GRAPH_API_VERSION to v1.0.");
}

function gateway(report, { egress, gatewayId, hasGatewayToken, publicUrl }) {
  const isLocal = publicUrl.startsWith("http://");
  if (egress === "ai_run" && !isLocal) {
    const why = "Cloudflare documents dynamic routes for model calls only; AI needs a handler that proxies Graph";
    report.add("warn", "way out", `ai_run, gateway ${gatewayId}: ${why}`, "Set EGRESS to custom_provider.");
  } else report.add("ok", "way out", `${egress}, gateway ${gatewayId}`);
  if (egress === "custom_provider" && !hasGatewayToken) {
    report.add("warn", "AI_GATEWAY_SERVICE_TOKEN", "not set", "Switch authentication on at the gateway, and set its token.");
  }
}

/** The services that the settings name, as far as they answer a stranger. */
export async function lookAtServices(report, settings) {
  report.section("Services");
  const { loginUrl, tenantId, teamUrl, egress, gatewayBaseUrl, graphVersion } = settings;
  const tenant = await ask(`${loginUrl}/${tenantId}/v2.0/.well-known/openid-configuration`);
  const what = "Microsoft knows the tenant";
  if (tenant.status === 200 && tenant.json?.issuer?.includes(tenantId)) report.add("ok", what);
  else {
    const isEmulated = tenant.failure && loginUrl.startsWith("http://");
    const next = isEmulated ? "Run npm start: the emulator is in its place." : "Compare MICROSOFT_TENANT_ID and MICROSOFT_LOGIN_URL.";
    report.add("fail", what, tenant.failure ?? `${tenant.status}`, next);
  }
  if (teamUrl) {
    const certs = await ask(`${teamUrl}/cdn-cgi/access/certs`);
    const count = certs.json?.keys?.length ?? 0;
    if (certs.status === 200 && count > 0) report.add("ok", "the keys of the Access team are there", `${count}`);
    else report.add("fail", "the keys of the Access team are there", certs.failure ?? `${certs.status}`, "Compare ACCESS_TEAM_DOMAIN.");
  }
  if (egress === "custom_provider") gatewayAnswer(report, await ask(`${gatewayBaseUrl}/${graphVersion}/me`));
}

/** What a gateway says to a stranger tells whether it is there, and whether it asks for its own token. */
function gatewayAnswer(report, { status, json, failure }) {
  const code = json?.internalCode ?? json?.error?.[0]?.code ?? json?.errors?.[0]?.code;
  const what = "the gateway is there and asks for its token";
  if (status === 401 && code === 2009) return report.add("ok", what);
  if (code === 2001) return report.add("fail", what, "there is no such gateway", "Compare GATEWAY_BASE_URL.");
  if (status === 401) {
    const next = "Switch on Authenticated Gateway, and set AI_GATEWAY_SERVICE_TOKEN.";
    return report.add("warn", what, "it lets strangers through to Microsoft", next);
  }
  return report.add("cannot tell", what, failure ?? `it answers a stranger with ${status}`);
}

/** What `wrangler.toml` of this clone would deploy. */
export function lookAtClone(report, env, origin) {
  report.section(`wrangler.toml of this clone, ${env}`);
  const planned = plannedDeployment(env);
  report.add("ok", "bindings", planned.bindings.join(", "));
  const unfinished = placeholders(planned);
  for (const why of unfinished) report.add("warn", "a placeholder stands there", why);
  const { host } = new URL(origin);
  if (unfinished.length === 0 && !planned.hosts.includes(host)) {
    report.add("warn", "its route is this host", planned.hosts.join(", "), "PUBLIC_URL and the route name the same host.");
  }
  const flags = [
    ["no address of workers.dev, no previews", planned.isClosed, "Set workers_dev and preview_urls to false."],
    ["query strings stay out of Cloudflare's logs", planned.redactsQueries, "Set redact_query_string in [observability]."],
    ["the fetcher of clients' documents is bound", planned.hasFetcher, "Without METADATA clients have to register."],
  ];
  for (const [what, isSo, next] of flags) report.add(isSo ? "ok" : "warn", what, "", isSo ? "" : next);
}
