// The peer's pages of a sign-in: consent, then Microsoft, then back, by the provider's own helpers.
// Holds: the order and the checks that the provider's documentation shows for signing in through another provider.
// Must never: trust the form for anything but its handle and the decision.

const text = new TextEncoder();
const base64url = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));
const escape = (value) => value.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
const asked = "openid profile email offline_access User.Read Mail.Read Mail.Send Calendars.ReadWrite Contacts.Read People.Read " +
  "Chat.ReadWrite ChannelMessage.Send OnlineMeetings.ReadWrite";

const microsoft = (env, name) => `${env.MICROSOFT_LOGIN_URL}/${env.MICROSOFT_TENANT_ID}/oauth2/v2.0/${name}`;
const callbackOf = (env) => `${new URL(env.MCP_RESOURCE).origin}/callback`;

/** Speaks with Microsoft's token endpoint; nothing if it refuses. */
export async function exchange(env, form) {
  const all = { client_id: env.MICROSOFT_CLIENT_ID, client_secret: env.MICROSOFT_CLIENT_SECRET, scope: asked, ...form };
  const response = await fetch(microsoft(env, "token"), { method: "POST", body: new URLSearchParams(all) });
  return response.ok ? response.json() : undefined;
}

function consentPage(details, handle) {
  const scopes = details.scope.map((scope) => `<input type="hidden" name="scope" value="${escape(scope)}">${escape(scope)}`).join(", ");
  const local = details.redirectIsLoopback ? "<p><strong>This sends access to an app on your computer.</strong></p>" : "";
  return `<!doctype html><meta charset="utf-8"><title>Authorize</title><h1>Allow ${escape(details.clientName)} to use Microsoft 365?</h1>` +
    `<p>This app registered itself; its name is not verified. Access will be sent to <strong>${escape(details.redirectHost)}</strong>.</p>` +
    `${local}<form method="post"><input type="hidden" name="handle" value="${escape(handle)}"><p>${scopes}</p>` +
    '<button name="decision" value="allow">Allow</button> <button name="decision" value="deny">Deny</button></form>';
}

async function consent(request, oauth) {
  const wanted = await oauth.parseAuthRequest(request);
  const details = await oauth.describeConsent(wanted);
  const { handle, headers } = await oauth.beginConsent(wanted);
  headers.set("content-type", "text/html; charset=utf-8");
  return new Response(consentPage(details, handle), { headers });
}

async function decide(request, oauth, env) {
  const form = await request.formData();
  const handle = String(form.get("handle"));
  if (form.get("decision") !== "allow") {
    const { headers } = await oauth.denyConsent(request, handle);
    return new Response(null, { status: 302, headers });
  }
  const approved = await oauth.approveConsent(request, handle, { scope: form.getAll("scope").map(String) });
  const [verifier, nonce] = [random(), random()];
  const { state, headers } = await oauth.beginUpstream(approved.request, { data: { verifier, nonce }, headers: approved.headers });
  const challenge = base64url(await crypto.subtle.digest("SHA-256", text.encode(verifier)));
  const parameters = {
    client_id: env.MICROSOFT_CLIENT_ID, response_type: "code", redirect_uri: callbackOf(env), scope: asked, state, nonce,
    code_challenge: challenge, code_challenge_method: "S256",
  };
  headers.set("location", `${microsoft(env, "authorize")}?${new URLSearchParams(parameters)}`);
  return new Response(null, { status: 302, headers });
}

/** The ID token came straight from the token endpoint, so that its signature need not be checked (OpenID Connect Core, 3.1.3.7). */
function identify(env, idToken, nonce) {
  const claims = JSON.parse(atob(idToken.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
  const isBelieved = claims.aud === env.MICROSOFT_CLIENT_ID && claims.tid === env.MICROSOFT_TENANT_ID && claims.nonce === nonce &&
    claims.exp * 1000 > Date.now();
  return isBelieved ? claims : undefined;
}

async function callback(request, oauth, env, url) {
  const { request: original, data, headers } = await oauth.finishUpstream(request);
  const tokens = await exchange(env, {
    grant_type: "authorization_code", code: url.searchParams.get("code"), code_verifier: data.verifier, redirect_uri: callbackOf(env),
  });
  const claims = tokens && identify(env, tokens.id_token, data.nonce);
  if (!claims) return new Response("Microsoft did not accept the sign-in.", { status: 400 });
  const { redirectTo } = await oauth.completeAuthorization({
    request: original, userId: claims.oid, metadata: {}, scope: original.scope,
    props: { userId: claims.oid, accessToken: tokens.access_token, refreshToken: tokens.refresh_token },
  });
  headers.set("location", redirectTo);
  return new Response(null, { status: 302, headers });
}

/** Serves the pages. */
export function pages(request, env, url) {
  const oauth = env.OAUTH_PROVIDER;
  if (url.pathname === "/authorize") return request.method === "POST" ? decide(request, oauth, env) : consent(request, oauth);
  if (url.pathname === "/callback") return callback(request, oauth, env, url);
  return new Response("Not found", { status: 404 });
}
