// What `doctor` finds out through a person's eyes: the KV namespace, the object, consent and scopes, the way out.
// Holds: without a token it says what it cannot tell; a client that it registers is stored nowhere.
// Must never: print what a mailbox holds, or the token.
import { request, toolCall } from "./outside.mjs";

const redirectUri = "http://127.0.0.1:53682/callback";

export async function lookAsPerson(scene) {
  scene.report.section("Bindings, consent and the way out");
  await namespace(scene);
  if (scene.token) return signedIn(scene);
  const how = "Give an access token with --token-file, or connect a client and call authenticate and getEmails.";
  for (const what of ["MCP_OBJECT", "consent and scopes", "AI Gateway"]) {
    scene.report.add("cannot tell", what, "no access token was given", how);
  }
  return undefined;
}

/** The list of denied clients is read before a consent page is shown, so that the page proves the namespace. */
async function namespace({ report, seen, to }) {
  const what = "OAUTH_KV";
  if (!seen.server.json?.registration_endpoint) return report.add("cannot tell", what, "nobody can register here to ask");
  const registered = await to.json("/register", { client_name: "Deployment check", redirect_uris: [redirectUri] });
  const id = registered.json?.client_id;
  if (!id) return report.add("cannot tell", what, `no client could be registered: ${registered.status}`);
  const query = new URLSearchParams({
    client_id: id, redirect_uri: redirectUri, response_type: "code", code_challenge: "x".repeat(43), code_challenge_method: "S256",
  });
  const page = await to.get(`/authorize?${query}`);
  if (page.status === 200) return report.add("ok", what, "the list of denied clients was read");
  const next = "Look at the binding and its id in wrangler.toml, and deploy again.";
  if (page.status >= 500) return report.add("fail", what, `the consent page answers ${page.status}`, next);
  return report.add("cannot tell", what, `the consent page answers ${page.status}`);
}

async function signedIn({ report, to, token }) {
  const opening = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "Deployment check", version: "1" } };
  const opened = await to.rpc(request(0, "initialize", opening), { token });
  const session = opened.headers.get("mcp-session-id");
  if (!session) {
    const next = opened.status === 401 ? "Tokens last ten minutes: get another one." : "Look at the Worker's log and at the migrations.";
    return report.add("fail", "MCP_OBJECT", opened.failure ?? `a session is answered with ${opened.status}`, next);
  }
  report.add("ok", "MCP_OBJECT", "the person's object opened a session");
  const who = (await to.rpc(toolCall("who", "authenticate"), { token, session })).json?.result?.structuredContent;
  const missing = who?.missingPermissions ?? [];
  if (!who?.connected) report.add("fail", "consent and scopes", "no Microsoft account is connected", who?.whatToDo ?? "Connect it.");
  else if (missing.length > 0) {
    const next = "Add them to the application in Entra ID, and let the person connect again.";
    report.add("warn", "consent and scopes", `not granted: ${missing.join(", ")}`, next);
  } else report.add("ok", "consent and scopes", `${who.permissions.length} permissions, none missing`);
  const read = await to.rpc(toolCall("read", "getEmails", { count: 1 }), { token, session });
  const result = read.json?.result;
  const id = read.headers.get("x-request-id");
  if (result?.isError === false) report.add("ok", "AI Gateway", `a call went through; its request is ${id}`);
  else report.add("fail", "AI Gateway", result?.content?.[0]?.text ?? `${read.status}`, `Look for ${id} in the Worker's log.`);
  return undefined;
}
