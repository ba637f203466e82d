// The checklist's lines about the authorization server: documents, the challenge, and a client's way up to Microsoft's page.
// Holds: a client is registered, which stores nothing anywhere; nobody is signed in and no code is issued.
// Must never: follow a redirect to a client or to Microsoft.
import { createHash, randomBytes } from "node:crypto";
import { isOfAccess } from "./outside.mjs";

const redirectUri = "http://127.0.0.1:53682/callback";
/** Where Microsoft's clouds sign people in; a local run has the emulator in their place. */
const microsoftHosts = ["login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn"];
const whatToRead = "docs/oauth-conformance.md says what each answer has to be.";

const check = ({ report }, what, isRight, why = "", next = whatToRead) =>
  report.add(isRight ? "pass" : "fail", what, isRight ? "" : why, isRight ? "" : next);

function challenge(scene) {
  const { seen, origin } = scene;
  const of = ({ headers }) => headers.get("www-authenticate") ?? "";
  const named = of(seen.mcp).match(/resource_metadata="([^"]+)"/)?.[1];
  const why = `${seen.mcp.status} ${of(seen.mcp)}`;
  const isRight = seen.mcp.status === 401 && named === `${origin}/.well-known/oauth-protected-resource/mcp`;
  check(scene, "without a token: 401 that names the resource's document", isRight, why);
  check(scene, "that challenge names no error", isRight && !/error=/.test(of(seen.mcp)), why);
  const isInvalid = seen.mcpJunk.status === 401 && /error="invalid_token"/.test(of(seen.mcpJunk));
  check(scene, "with a wrong token: 401 with invalid_token", isInvalid, `${seen.mcpJunk.status} ${of(seen.mcpJunk)}`);
}

function documents(scene) {
  const { seen, origin } = scene;
  const resource = seen.resource.json ?? {};
  const server = seen.server.json ?? {};
  const isResource = resource.resource === `${origin}/mcp` && resource.authorization_servers?.[0] === origin;
  check(scene, "the resource's document names this host", isResource, `it names ${resource.resource}`, "PUBLIC_URL must be this host.");
  const endpoints = ["authorization_endpoint", "token_endpoint", "revocation_endpoint"];
  const isServer = server.issuer === origin && endpoints.every((name) => server[name]?.startsWith(`${origin}/`));
  check(scene, "the authorization server is this host", isServer, `its issuer is ${server.issuer}`, "PUBLIC_URL must be this host.");
  const only = (name, value) => JSON.stringify(server[name]) === JSON.stringify([value]);
  const isNarrow = only("response_types_supported", "code") && only("code_challenge_methods_supported", "S256");
  check(scene, "codes alone, and S256 alone", isNarrow);
  check(scene, "answers name their issuer (RFC 9207)", server.authorization_response_iss_parameter_supported === true);
}

/** A client of this run's own. */
async function registered(scene) {
  const { report, seen, to } = scene;
  const what = "a client can register (RFC 7591)";
  const next = "Use a client that CLIENTS names, or walk the flow with one that has a document.";
  if (!seen.server.json?.registration_endpoint) return void report.add("cannot tell", what, "registration is switched off", next);
  const answer = await to.json("/register", { client_name: "Deployment check", redirect_uris: [redirectUri] });
  if (answer.status === 429) return void report.add("cannot tell", what, "too many registrations from here", "Wait a minute.");
  check(scene, what, answer.status === 201 && Boolean(answer.json?.client_id), `${answer.status} ${answer.text}`);
  return answer.json?.client_id;
}

function authorizePath(client, changes = {}) {
  const challengeText = createHash("sha256").update(randomBytes(32)).digest("base64url");
  const all = {
    client_id: client, redirect_uri: redirectUri, response_type: "code", state: "check",
    code_challenge: challengeText, code_challenge_method: "S256", ...changes,
  };
  return `/authorize?${new URLSearchParams(Object.entries(all).filter(([, value]) => value !== undefined))}`;
}

/** An error that goes back to the client, or a page; never a code, never another place. */
function isRefusal({ status, location }) {
  if (status >= 400 && status < 500) return true;
  if (!location?.startsWith(`${redirectUri}?`)) return false;
  const { searchParams } = new URL(location);
  return searchParams.has("error") && !searchParams.has("code");
}

async function clientsWay(scene, client) {
  const { to } = scene;
  const plain = await to.get(authorizePath(client, { code_challenge_method: "plain" }));
  const without = await to.get(authorizePath(client, { code_challenge: undefined, code_challenge_method: undefined }));
  check(scene, "PKCE cannot be left out or weakened", isRefusal(plain) && isRefusal(without), `${without.status}, ${plain.status}`);
  const elsewhere = await to.get(authorizePath(client, { redirect_uri: "https://attacker.invalid/steal" }));
  const isPage = elsewhere.status >= 400 && elsewhere.status < 500 && !elsewhere.location;
  check(scene, "an address that was not registered gets a page and no redirect", isPage, `${elsewhere.status}`);
  const page = await to.get(authorizePath(client));
  const policy = page.headers.get("content-security-policy") ?? "";
  const isConsent = page.status === 200 && /frame-ancestors 'none'/.test(policy) && page.text.includes("Deployment check");
  check(scene, "the consent page names the client and cannot be framed", isConsent, `${page.status}`);
  if (isConsent) await agreed(scene, page);
  const answer = await to.form("/token", {
    grant_type: "authorization_code", client_id: client, code: "junk", code_verifier: "x".repeat(43), redirect_uri: redirectUri,
  });
  const isRefused = answer.status === 400 && answer.json?.error === "invalid_grant";
  check(scene, "a made-up code is worth nothing", isRefused, `${answer.status} ${answer.text}`);
}

/** A person's yes leads to Microsoft's page, or through Access first; nobody goes there. */
async function agreed(scene, page) {
  const { to, origin, isLocal, report } = scene;
  const what = "a person's yes leads to Microsoft's page";
  const fields = [...page.text.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)];
  const form = { ...Object.fromEntries(fields.map(([, name, value]) => [name, value])), decision: "allow" };
  const cookie = page.cookies.map((text) => text.split(";")[0]).join("; ");
  const withoutCookie = await to.form("/authorize", form, { origin });
  check(scene, "that page's answer counts in its own browser alone", isRefusal(withoutCookie), `${withoutCookie.status}`);
  const answer = await to.form("/authorize", form, { origin, cookie });
  let next;
  try {
    next = new URL(answer.location ?? "");
  } catch {
    return check(scene, what, false, `${answer.status} and no redirect`);
  }
  if (next.pathname.includes("/cdn-cgi/access/sso/oidc/")) return report.add("pass", what, "Access for SaaS comes first");
  const isMicrosoft = microsoftHosts.includes(next.hostname) || (isLocal && ["127.0.0.1", "localhost"].includes(next.hostname));
  check(scene, what, isMicrosoft, `it leads to ${next.host}`, "Compare MICROSOFT_LOGIN_URL.");
  const asked = next.searchParams;
  const isBound = asked.get("code_challenge_method") === "S256" && asked.has("state") && asked.has("nonce");
  return check(scene, "the journey to Microsoft has PKCE, state and nonce", isBound);
}

export async function verifyOAuth(scene) {
  const { report, seen } = scene;
  report.section("OAuth 2.1 flow");
  if (seen.mode === "perimeter") {
    const how = "Connect a client: Access signs it in; then the link of the tool `authenticate` leads to Microsoft.";
    return report.add("cannot tell", "clients are signed in", "Access is the authorization server", how);
  }
  if (seen.server.status !== 200) {
    const why = `its document is answered with ${seen.server.status || seen.server.failure}`;
    return report.add("fail", "the authorization server is there", why, "Complete the settings first: npm run doctor.");
  }
  challenge(scene);
  documents(scene);
  const client = await registered(scene);
  const inFront = isOfAccess(seen.authorize);
  const how = "Connect a client by hand and look at the pages.";
  if (inFront) report.add("cannot tell", "the consent page", "Access stands in front of it", how);
  else if (client && seen.authorize.status === 403) report.add("cannot tell", "the consent page", "it wants an assertion of Access", how);
  else if (client) await clientsWay(scene, client);
  const consent = "Sign in once as somebody who never did: Microsoft lists the permissions.";
  report.add("cannot tell", "Microsoft's own consent screen appears", "nobody is signed in here", consent);
  return undefined;
}
