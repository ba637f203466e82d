// What `doctor` finds out about a deployment as a stranger.
// Holds: whatever is wrong has a line of its own that says what to do; what Access hides is called hidden.
// Must never: take the Worker's own refusal for Access.
import { isGuardedByWorker } from "./observe.mjs";
import { certificate, isOfAccess } from "./outside.mjs";

const daysWarn = 21;

export async function lookAtDeployment(scene) {
  const { report, origin, isLocal, seen } = scene;
  report.section(isLocal ? `The local run at ${origin}` : `The deployment at ${origin}`);
  if (seen.unreachable) {
    const next = isLocal ? "Run npm start in another terminal." : "Deploy it: npm run deploy. Then wait a minute for DNS and certificate.";
    return report.add("fail", "it answers", seen.unreachable, next);
  }
  report.add("ok", "it answers");
  if (!isLocal) await transport(scene);
  health(scene);
  mode(scene);
  access(scene);
  if (seen.mode === "open" || seen.mode === "oauth") clients(scene);
  notifications(scene);
  return undefined;
}

async function transport({ report, origin, seen }) {
  const found = await certificate(origin);
  const next = "SSL/TLS, Edge Certificates, in the dashboard.";
  if (found.failure) report.add("fail", "TLS", found.failure, next);
  else if (found.days < daysWarn) report.add("warn", "TLS", `the certificate ends in ${found.days} days`, next);
  else report.add("ok", "TLS", `${found.protocol}, ${found.days} more days`);
  const hsts = seen.landing.headers.get("strict-transport-security");
  if (hsts) report.add("ok", "HSTS", hsts);
  else report.add("warn", "HSTS", "browsers are not told to stay encrypted", `${next} HTTP Strict Transport Security.`);
}

function health({ report, seen }) {
  const { health: answer } = seen;
  if (answer.status === 200 && answer.json?.status === "ok") report.add("ok", "settings", `complete, version ${answer.json.version}`);
  else if (answer.status === 503) {
    for (const { setting, problem } of answer.json?.problems ?? [{ setting: "settings", problem: answer.text }]) {
      report.add("fail", setting, problem, "Set it with wrangler secret bulk; docs/settings.md has the table.");
    }
  } else if (isOfAccess(answer)) {
    report.add("cannot tell", "settings", "Access stands before /healthz", "Open it in a browser, or add a policy Bypass for that path.");
  } else report.add("fail", "settings", `/healthz answers ${answer.status}`, "Is this the right host? Compare PUBLIC_URL and the route.");
  const refusedAt = answer.json?.microsoftCredentialRefusedAt;
  const next = "Renew the secret or the certificate, and set it; nobody has to sign in again.";
  if (refusedAt) report.add("fail", "the application's credential", `Microsoft refused it at ${refusedAt}`, next);
}

function mode({ report, seen, expect }) {
  if (!seen.mode) return report.add("cannot tell", "mode of Access", "neither Access nor an authorization server is there");
  if (expect && expect !== seen.mode) {
    return report.add("fail", "mode of Access", `it looks like ${seen.mode}, and ${expect} is expected`, "Compare ACCESS_MODE.");
  }
  return report.add("ok", "mode of Access", seen.mode);
}

function access(scene) {
  const { report, seen, isLocal } = scene;
  const next = "Add the self-hosted application of this host: npm run provision, or Zero Trust, Access controls, Applications.";
  // A local run has the emulator's assertions and nobody in front.
  const state = isLocal ? "warn" : "fail";
  const inFront = (what, answer) => {
    if (isOfAccess(answer)) report.add("ok", what);
    else if (isGuardedByWorker(answer) || answer.json?.error) {
      report.add(state, what, "the Worker refuses, but Access is not in front", next);
    } else report.add(state, what, `it is answered with ${answer.status}`, next);
  };
  if (seen.mode === "perimeter") {
    inFront("Access in front of /mcp", seen.mcp);
    const why = "clients get a redirect and cannot sign in";
    if (seen.mcp.status === 302) report.add("warn", "Managed OAuth", why, "Switch it on in the application.");
  }
  if (seen.mode === "oauth") {
    if (isOfAccess(seen.authorize) || isGuardedByWorker(seen.authorize)) {
      inFront("Access in front of /authorize", seen.authorize);
      inFront("Access in front of /ops", seen.operators);
    }
    const paths = "The application's paths are /authorize and /ops.";
    if (isOfAccess(seen.mcp)) report.add("fail", "clients reach /mcp", "Access stands before it", paths);
  }
  if (seen.mode === "open") report.add("warn", "Access", "none, by decision: Microsoft's sign-in alone decides who comes in");
  const isOpen = seen.operators.status >= 200 && seen.operators.status < 300;
  if (isOpen) report.add("fail", "/ops is closed", "a stranger gets a page", "Take the route away until that is mended.");
  else report.add("ok", "/ops is closed", `${seen.operators.status}`);
}

function clients({ report, seen, origin, isLocal }) {
  const challenge = seen.mcp.headers.get("www-authenticate") ?? "";
  const isRight = seen.mcp.status === 401 && challenge.includes(`resource_metadata="${origin}/`);
  const next = "PUBLIC_URL must be exactly the address that people use.";
  if (isRight) report.add("ok", "clients are told where to sign in");
  else report.add("fail", "clients are told where to sign in", `${seen.mcp.status} ${challenge}`, next);
  const named = seen.resource.json?.resource;
  if (named === `${origin}/mcp` && seen.server.json?.issuer === origin) report.add("ok", "discovery documents name this host");
  else report.add("fail", "discovery documents name this host", `${named}, ${seen.server.json?.issuer}`, next);
  if (seen.server.json?.registration_endpoint) report.add("ok", "clients may register themselves");
  else report.add("ok", "clients may not register themselves", "REGISTRATION is off");
  const hasFetcher = seen.server.json?.client_id_metadata_document_supported === true;
  const deploy = isLocal ? "npm start starts it." : "npx wrangler deploy -c src/metadata_fetcher/wrangler.toml, and then the Worker.";
  if (hasFetcher) report.add("ok", "clients may be named by a document", "METADATA is bound");
  else report.add("warn", "clients may be named by a document", "METADATA is not bound", deploy);
}

function notifications({ report, seen }) {
  const what = "Microsoft's notifications come through";
  if (isOfAccess(seen.notifications)) {
    return report.add("fail", what, "Access stands before /notifications", "Add an application for that path with a policy Bypass.");
  }
  if (seen.notifications.status === 404) return report.add("ok", what);
  return report.add("cannot tell", what, `${seen.notifications.status}`, "Mend what stands above first.");
}
