// The checklist's lines about the transport and about doors that must be closed to strangers.
// Holds: what Access answered says nothing about the Worker behind it, and is not counted for it.
// Must never: send anything that would do harm where a door is open.
import { ask, certificate, isOfAccess } from "./outside.mjs";

const daysMin = 14;
const headersWanted = { "cache-control": "no-store", "x-content-type-options": "nosniff" };

export async function verifyTransport({ report, origin, isLocal, seen }) {
  if (isLocal) {
    const why = "this machine's own address has no TLS";
    return report.add("cannot tell", "the connection is encrypted", why, "Run this against the deployment.");
  }
  const found = await certificate(origin);
  const next = "In the dashboard: SSL/TLS, Edge Certificates.";
  if (found.failure) report.add("fail", "the connection is encrypted", found.failure, next);
  else if (found.days < daysMin) report.add("fail", "the connection is encrypted", `the certificate ends in ${found.days} days`, next);
  else report.add("pass", "the connection is encrypted", `${found.protocol}, certificate for ${found.days} more days`);
  const plain = await ask(`${origin.replace(/^https/, "http")}/healthz`);
  const goesOn = plain.location?.startsWith("https://");
  if (plain.status === 0 || goesOn) report.add("pass", "nothing is served without encryption");
  else report.add("fail", "nothing is served without encryption", `http answers ${plain.status}`, `${next} Always Use HTTPS.`);
  const lasting = Number((seen.landing.headers.get("strict-transport-security") ?? "").match(/max-age=(\d+)/)?.[1] ?? 0);
  const what = "browsers are told to stay encrypted (HSTS)";
  if (lasting > 0) report.add("pass", what, `for ${lasting} s`);
  else report.add("fail", what, "no Strict-Transport-Security", `${next} HTTP Strict Transport Security.`);
  return undefined;
}

/** A refusal that the Worker owes, by status; Access may stand before it. */
function refused({ report, seen }, what, answer, statuses, next = "") {
  if (isOfAccess(answer)) return report.add("cannot tell", what, "Access answers first", "Ask again from behind Access.");
  if (statuses.includes(answer.status)) return report.add("pass", what, String(answer.status));
  if (!seen.isConfigured) return report.add("cannot tell", what, "the settings are not complete");
  return report.add("fail", what, `it is answered with ${answer.status || answer.failure}`, next);
}

export function verifyDoors(scene) {
  const { report, seen } = scene;
  const isPerimeter = seen.mode === "perimeter";
  report.section("Closed doors");
  refused(scene, "pages of other origins may not call", seen.mcpForeign, [403]);
  refused(scene, "a token in the address is no token", seen.mcpQuery, isPerimeter ? [403] : [401]);
  refused(scene, "a forged way back from Microsoft leads nowhere", seen.callbackForged, [400, 403]);
  if (!isPerimeter) refused(scene, "no other page can agree in a person's name", seen.decideForeign, [403]);
  refused(scene, "an unknown page is a plain 404", seen.unknown, [404], "Portals fall back on nothing else.");
  refused(scene, "a wrong verb is a 405 that names the right ones", seen.wrongVerb, [405]);
  refused(scene, "operators' pages are closed to strangers", seen.operators, [401, 403, 404]);
  refused(scene, "operators' API is closed to strangers", seen.operatorsApi, [401, 403, 404]);
  refused(scene, "metrics are closed to strangers", seen.metrics, [401, 403, 404]);
  pageHeaders(scene);
}

function pageHeaders({ report, seen }) {
  const what = "answers are neither cached nor guessed at, pages neither framed nor scripted";
  if (isOfAccess(seen.landing)) return report.add("cannot tell", what, "Access answers first");
  const lacking = [];
  for (const [where, answer] of Object.entries({ "/": seen.landing, "/mcp": seen.mcp, "/healthz": seen.health })) {
    if (isOfAccess(answer)) continue;
    for (const [name, value] of Object.entries(headersWanted)) {
      if (!(answer.headers.get(name) ?? "").includes(value)) lacking.push(`${name} at ${where}`);
    }
  }
  const policy = seen.landing.headers.get("content-security-policy") ?? "";
  if (seen.isConfigured && !/frame-ancestors 'none'/.test(policy)) lacking.push("content-security-policy at /");
  if (lacking.length === 0) return report.add("pass", what);
  return report.add("fail", what, `missing: ${lacking.join(", ")}`, "Something in between changes headers.");
}
