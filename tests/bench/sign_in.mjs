// A whole sign-in, as a client and a browser make it together, against any of the targets.
// Holds: the same requests for each target; the browser's part at Microsoft, which is not measured, is settled by the code
// that it would have brought back.
// Must never: follow a redirect to the client's own address, or take an answer that is not the expected one.
import { createHash, randomBytes } from "node:crypto";
import { header, headers, requestBytes } from "./http.mjs";
import { host, origin, redirectUri, resource } from "./places.mjs";

const common = { host, "x-forwarded-proto": "https" };
const formType = "application/x-www-form-urlencoded";
const get = (path, fields = {}) => requestBytes({ method: "GET", path, fields: { ...common, ...fields } });
const form = (path, values, fields = {}) =>
  requestBytes({ path, fields: { ...common, "content-type": formType, ...fields }, body: new URLSearchParams(values).toString() });
const encoded = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

const redirects = [302, 303];

function expect(answer, statuses, step) {
  if ([statuses].flat().includes(answer.status)) return answer;
  throw new Error(`${step}: ${answer.status} instead of ${statuses}: ${answer.body.toString().slice(0, 300)}`);
}

/** Registers a client, once for each target. */
export async function register(connection) {
  const body = JSON.stringify({
    client_name: "Benchmark", redirect_uris: [redirectUri], token_endpoint_auth_method: "none",
    grant_types: ["authorization_code", "refresh_token"], response_types: ["code"],
  });
  const fields = { ...common, "content-type": "application/json" };
  const answer = expect(await connection.send(requestBytes({ path: "/register", fields, body })), 201, "the registration");
  return JSON.parse(answer.body).client_id;
}

/** Cookies of one browser for one sign-in. */
function take(jar, head) {
  for (const line of headers(head, "set-cookie")) {
    const [pair] = line.split(";");
    const [name, value] = [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)];
    if (value && !/max-age=0\b/i.test(line)) jar.set(name, value);
    else jar.delete(name);
  }
  return { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join("; ") };
}

function hiddenFields(html) {
  const found = html.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g);
  return [...found].map(([, name, value]) => [name, value.replaceAll("&amp;", "&")]);
}

/**
 * Signs a person in: consent page, decision, way back from Microsoft, code against tokens. `oid` is the person at
 * Microsoft, `granted` what Microsoft granted, if it is not all that was asked for.
 */
export async function signIn(connection, { clientId, scope, oid, granted }) {
  const verifier = randomBytes(32).toString("base64url");
  const asked = {
    client_id: clientId, redirect_uri: redirectUri, response_type: "code", state: "client-state", scope, resource,
    code_challenge: createHash("sha256").update(verifier).digest("base64url"), code_challenge_method: "S256",
  };
  const jar = new Map();
  const page = expect(await connection.send(get(`/authorize?${new URLSearchParams(asked)}`)), 200, "the consent page");
  const decision = [...hiddenFields(page.body.toString()), ["decision", "allow"]];
  const decided = expect(await connection.send(form("/authorize", decision, { ...take(jar, page.head), origin })), redirects, "the decision");
  const atMicrosoft = new URL(header(decided.head, "location")).searchParams;
  const code = encoded({ oid, nonce: atMicrosoft.get("nonce"), scope: granted ?? atMicrosoft.get("scope") });
  const back = `/callback?${new URLSearchParams({ code, state: atMicrosoft.get("state") })}`;
  const returned = expect(await connection.send(get(back, take(jar, decided.head))), redirects, "the way back");
  const own = new URL(header(returned.head, "location")).searchParams;
  if (!own.get("code")) throw new Error(`the sign-in ended with ${header(returned.head, "location")}`);
  const redeemed = form("/token", {
    grant_type: "authorization_code", client_id: clientId, code: own.get("code"), code_verifier: verifier,
    redirect_uri: redirectUri, resource,
  });
  const tokens = JSON.parse(expect(await connection.send(redeemed), 200, "the tokens").body);
  if (!tokens.access_token || !tokens.refresh_token) throw new Error("a sign-in brought no tokens");
  return { token: tokens.access_token, refresh: tokens.refresh_token };
}

/** Renews a person's tokens. */
export async function renew(connection, { clientId, refresh }) {
  const asked = form("/token", { grant_type: "refresh_token", client_id: clientId, refresh_token: refresh, resource });
  const tokens = JSON.parse(expect(await connection.send(asked), 200, "the renewal").body);
  return { token: tokens.access_token, refresh: tokens.refresh_token ?? refresh, livesS: tokens.expires_in };
}
