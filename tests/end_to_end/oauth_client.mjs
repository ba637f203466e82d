// An OAuth client of the tests' own: registers, sends a person through the sign-in, redeems, renews, gives back.
// Holds: every answer is given back as it came, status and headers included, so that refusals can be looked at.
// Must never: follow a redirect to the client's own address, or keep a token between two tests.
import { createHash, randomBytes } from "node:crypto";
import { address } from "./client.mjs";
import { signIn } from "./sign_in.mjs";

export const redirectUri = "http://127.0.0.1:53682/callback";
export const asJson = (body) => ({
  method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body),
});
/** `fields` may be an object, or a list of pairs where a name stands twice. */
export const asForm = (fields, headers = {}) => ({ method: "POST", headers, body: new URLSearchParams(fields) });
export const pkce = () => {
  const verifier = randomBytes(32).toString("base64url");
  return { verifier, challenge: createHash("sha256").update(verifier).digest("base64url") };
};

async function jsonOf(response) {
  const text = await response.text();
  const { status, headers } = response;
  return { status, headers, text, ...(text.startsWith("{") ? JSON.parse(text) : {}) };
}

export function oauth(stack) {
  const at = (path) => `${stack.origin}${path}`;

  const register = async (more = {}) =>
    jsonOf(await fetch(at("/register"), asJson({ client_name: "Test", redirect_uris: [redirectUri], ...more })));

  /** The address that a client sends a person to. `changes` replace parameters, and remove them where undefined. */
  const authorizeUrl = (client, { challenge } = pkce(), changes = {}) => {
    const all = {
      client_id: client.client_id, redirect_uri: redirectUri, response_type: "code", state: "state-1",
      code_challenge: challenge, code_challenge_method: "S256", ...changes,
    };
    const url = new URL(at("/authorize"));
    url.search = new URLSearchParams(Object.entries(all).filter(([, value]) => value !== undefined));
    return url;
  };

  const token = async (fields, headers) => jsonOf(await fetch(at("/token"), asForm(fields, headers)));

  /** The whole way up to a code; `token()` redeems it, with changes to the form. */
  const begin = async ({ user, registered, authorize, ...how } = {}) => {
    const client = registered ?? (await register());
    const secret = pkce();
    const url = authorizeUrl(client, secret, authorize);
    const { redirect, consent } = await signIn(url.href, { user, ...how });
    const back = new URL(redirect);
    const form = {
      grant_type: "authorization_code", client_id: client.client_id, code: back.searchParams.get("code"),
      code_verifier: secret.verifier, redirect_uri: redirectUri,
    };
    return { client, back, consent, url, form, token: (changes = {}) => token({ ...form, ...changes }) };
  };

  const renew = (client, refresh, more = {}) =>
    token({ grant_type: "refresh_token", client_id: client.client_id, refresh_token: refresh, ...more });

  const revoke = async (client, value, more = {}) =>
    jsonOf(await fetch(at("/revoke"), asForm({ client_id: client.client_id, token: value, ...more })));

  /** Opens an MCP session with a token: 200 where the token is good, 401 where it is not. */
  const ask = (accessToken) => {
    const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "t", version: "1" } };
    const { headers, ...rest } = asJson({ jsonrpc: "2.0", id: 1, method: "initialize", params });
    return fetch(stack.mcpUrl, { ...rest, headers: { ...headers, authorization: `Bearer ${accessToken}` } });
  };

  return { register, authorizeUrl, begin, token, renew, revoke, ask };
}

/** A demo user who signed in: the access token in hand, `renew()` for a new one, `revoke()` to give the grant back. */
export async function signedIn(stack, user) {
  const { begin, renew, revoke } = oauth(stack);
  const { client, token } = await begin({ user: address(user) });
  const person = {};
  const keep = ({ status, text, access_token, refresh_token }) => {
    if (status !== 200) throw new Error(`no tokens: ${status} ${text}`);
    Object.assign(person, { token: access_token, refreshToken: refresh_token });
  };
  keep(await token());
  person.renew = async () => keep(await renew(client, person.refreshToken));
  person.revoke = () => revoke(client, person.refreshToken);
  return person;
}
