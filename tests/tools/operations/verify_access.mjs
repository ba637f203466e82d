// The checklist's lines about Cloudflare Access: what stands in front, and what must not.
// Holds: what Access asks of a person inside its own pages is never claimed to be known here.
// Must never: count the Worker's own refusal as Access: whoever comes past Access reaches the Worker.
import { isGuardedByWorker } from "./observe.mjs";
import { isOfAccess } from "./outside.mjs";

const inFront = "Add or repair the self-hosted application of this host in Zero Trust, Access controls, Applications.";

/** A page that Access has to answer: it passes if Access did, and fails if the Worker had to. */
function guarded({ report }, what, answer) {
  if (isOfAccess(answer)) return report.add("pass", what, `Access answers with ${answer.status}`);
  const why = isGuardedByWorker(answer) || answer.json?.error?.startsWith?.("access_")
    ? "Access is not in front; the Worker itself refused"
    : `neither Access nor the Worker refused: ${answer.status || answer.failure}`;
  return report.add("fail", what, why, inFront);
}

export async function verifyAccess(scene) {
  const { report, seen } = scene;
  report.section("Access prompt");
  if (seen.mode === "perimeter") {
    guarded(scene, "Access stands in front of the MCP endpoint", seen.mcp);
    guarded(scene, "Access stands in front of pages", seen.landing);
    guarded(scene, "Access stands in front of the operators' pages", seen.operators);
    managedOAuth(scene);
  } else if (seen.mode === "oauth") oauthMode(scene);
  else if (seen.mode === "open") {
    const why = "the mode is open: there is no Access, by decision";
    report.add("cannot tell", "Access asks whoever signs in", why, "Set ACCESS_MODE if there should be one.");
  }
  insideAccess(scene);
  notifications(scene);
  const how = "In the dashboard: Workers & Pages, the Worker, Settings, Domains & Routes: workers.dev and previews are off.";
  report.add("cannot tell", "no other hostname leads to the Worker", "other names are not visible from here", how);
}

function managedOAuth({ report, seen }) {
  const challenge = seen.mcp.headers.get("www-authenticate") ?? "";
  const what = "clients are told how to sign in (Managed OAuth)";
  if (seen.mcp.status === 401 && /^bearer/i.test(challenge)) return report.add("pass", what, "401 with a challenge");
  const next = "Switch on Managed OAuth in the application, unless service tokens alone are to come here.";
  if (seen.mcp.status === 302) return report.add("fail", what, "clients without a browser get a redirect", next);
  return report.add("cannot tell", what, `the answer is ${seen.mcp.status}`, next);
}

function oauthMode(scene) {
  const { report, seen } = scene;
  const hasSignIn = seen.accessCallback.status !== 404;
  const hasApplication = isOfAccess(seen.authorize) || isGuardedByWorker(seen.authorize);
  if (hasApplication) {
    guarded(scene, "Access stands in front of /authorize", seen.authorize);
    guarded(scene, "Access stands in front of /ops", seen.operators);
  }
  if (hasSignIn) report.add("pass", "people sign in through Access for SaaS", "/callback/access is there");
  const open = [["MCP endpoint", seen.mcp], ["resource's document", seen.resource], ["authorization server's document", seen.server]];
  const closed = open.filter(([, answer]) => isOfAccess(answer)).map(([name]) => name);
  const next = "The application's paths are exactly /authorize and /ops; clients have to reach the rest.";
  if (closed.length === 0) report.add("pass", "Access leaves clients' endpoints alone");
  else report.add("fail", "Access leaves clients' endpoints alone", `it answers for the ${closed.join(", ")}`, next);
}

/** What happens on Access's own pages, to a person. */
function insideAccess({ report, seen }) {
  const why = seen.mode === "open" ? "the mode is open: only Microsoft's sign-in could ask for it" : "it happens on Access's own pages";
  const log = "Zero Trust, Logs, Access: open one sign-in of today";
  const lines = [
    ["single sign-on is asked for", `${log}; it names the identity provider.`],
    ["multi-factor authentication is asked for", `${log}; then open the policy: it requires an authentication method, or MFA is on.`],
    [
      "the device's posture is asked for",
      "Sign in from a device that is not enrolled: Access must refuse it. The policy lists the posture checks.",
    ],
  ];
  for (const [what, how] of lines) report.add("cannot tell", what, why, how);
}

function notifications({ report, seen }) {
  const what = "Microsoft's notifications reach the Worker";
  const next = "Add an application for the path /notifications with a policy Bypass for everyone.";
  if (isOfAccess(seen.notifications)) return report.add("fail", what, "Access answers for /notifications", next);
  // An address that was never given out is no page.
  if (seen.notifications.status === 404) return report.add("pass", what, "the Worker answers for /notifications");
  const why = `an address that was never given out is answered with ${seen.notifications.status || seen.notifications.failure}`;
  return report.add(seen.isConfigured ? "fail" : "cannot tell", what, why, next);
}
