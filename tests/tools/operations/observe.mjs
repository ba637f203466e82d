// What a stranger sees of a deployment, asked once and looked at by `doctor` and `verify` alike.
// Holds: nothing is signed in and nothing is changed; the mode is inferred from what is there, never from a guess.
// Must never: judge: what is right for which mode is decided by those who read this.
import { deployment, isOfAccess, request } from "./outside.mjs";

const foreign = "https://attacker.invalid";
const list = request(1, "tools/list");

/** Requests of no harm, each by the name under which its answer is found. */
const questions = {
  landing: (to) => to.get("/"),
  health: (to) => to.get("/healthz"),
  mcp: (to) => to.rpc(list),
  mcpJunk: (to) => to.rpc(list, { token: "nonsense" }),
  mcpQuery: (to) => to.json("/mcp?access_token=nonsense", list),
  mcpForeign: (to) => to.rpc(list, { headers: { origin: foreign } }),
  resource: (to) => to.get("/.well-known/oauth-protected-resource/mcp"),
  server: (to) => to.get("/.well-known/oauth-authorization-server"),
  authorize: (to) => to.get("/authorize"),
  decideForeign: (to) => to.form("/authorize", { decision: "allow" }, { origin: foreign }),
  callbackForged: (to) => {
    const state = Buffer.from(JSON.stringify({ redirectUri: `${foreign}/steal`, clientId: "x" })).toString("base64url");
    return to.get(`/callback?code=forged&state=${state}`);
  },
  accessCallback: (to) => to.get("/callback/access"),
  notifications: (to) => to.form("/notifications/nobody", {}),
  operators: (to) => to.get("/ops"),
  operatorsApi: (to) => to.get("/ops/api/users"),
  metrics: (to) => to.get("/ops/metrics"),
  unknown: (to) => to.get("/no-such-page"),
  wrongVerb: (to) => to.form("/healthz", {}),
};

/** The mode, as far as it shows: `perimeter`, `oauth`, `open`, or nothing while the settings are not complete. */
function modeOf(seen, isOwnServer) {
  if (isOfAccess(seen.mcp) && isOwnServer) return "oauth";
  if (isOfAccess(seen.mcp) || seen.mcp.json?.error === "access_assertion_missing") return "perimeter";
  if (seen.server.status !== 200) return undefined;
  const hasSignIn = seen.accessCallback.status !== 404 && seen.accessCallback.status !== 0;
  // Behind Access or not, the page of an application in front refuses whoever comes without an assertion.
  const isGuarded = isOfAccess(seen.authorize) || isGuardedByWorker(seen.authorize);
  return hasSignIn || isGuarded ? "oauth" : "open";
}

/** Whether the Worker itself missed the assertion: Access ought to stand in front of this page and does not. */
export function isGuardedByWorker({ status, text }) {
  return status === 403 && /assertion|Cloudflare Access/i.test(text);
}

/** Everything that was seen. `seen.unreachable` says why, where there is nothing to see. */
export async function observe(origin) {
  const to = deployment(origin);
  const first = await questions.health(to);
  if (first.status === 0) return { origin, unreachable: first.failure };
  const names = Object.keys(questions);
  const answers = await Promise.all(names.map((name) => (name === "health" ? first : questions[name](to))));
  const seen = Object.fromEntries(names.map((name, index) => [name, answers[index]]));
  // The Worker's own document is there in every mode in which the Worker signs clients in. Without it a challenge for
  // bearers is that of Managed OAuth, which need not name Access.
  const isOwnServer = seen.server.json?.authorization_endpoint === `${origin}/authorize`;
  for (const name of ["mcp", "mcpJunk", "mcpQuery", "mcpForeign"]) {
    const isChallenge = seen[name].status === 401 && /^bearer/i.test(seen[name].headers.get("www-authenticate") ?? "");
    seen[name].ofAccess = isChallenge && !isOwnServer;
  }
  return { origin, ...seen, mode: modeOf(seen, isOwnServer), isConfigured: first.status !== 503 };
}
