// The checklist's lines that need a person's access token: tools, the way through AI Gateway, request IDs, sessions.
// Holds: it reads one mail's headers and changes nothing; what it cannot see names the identifier to look for.
// Must never: print what a mailbox holds, or the token.
import { randomUUID } from "node:crypto";
import { request, toolCall } from "./outside.mjs";

const everyday = ["authenticate", "getEmails", "searchEmails", "getCalendarEvents"];
const oversized = 4 * 1024 * 1024 + 1;
const hungUp = ["EPIPE", "ECONNRESET", "UND_ERR_SOCKET"];
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const failureOf = (answer) =>
  answer.failure ?? answer.json?.error?.message ?? answer.json?.result?.content?.[0]?.text ?? `${answer.status}`;

export async function verifySignedIn(scene) {
  const { report, token } = scene;
  report.section("Tools, AI Gateway and what joins them");
  if (!token) {
    const how = "Give an access token with --token-file, or connect a client and call getEmails.";
    return report.add("cannot tell", "tools work through AI Gateway", "no access token was given", how);
  }
  const session = await opened(scene);
  if (!session) return undefined;
  await toolsListed(scene, session);
  await account(scene, session);
  await oneCall(scene, session);
  await doorsBehindTheToken(scene, session);
  return undefined;
}

async function opened({ report, to, token }) {
  const opening = {
    protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "Deployment check", version: "1" },
  };
  const answer = await to.rpc(request(0, "initialize", opening), { token });
  const session = answer.headers.get("mcp-session-id");
  if (answer.status === 200 && session) {
    report.add("pass", "a session opens: the person's object is bound and answers");
    return session;
  }
  const next = answer.status === 401 ? "The token has ended: they last ten minutes. Get another one." : "Run npm run doctor.";
  report.add("fail", "a session opens: the person's object is bound and answers", failureOf(answer), next);
  return undefined;
}

async function toolsListed({ report, to, token }, session) {
  const answer = await to.rpc(request("list", "tools/list"), { token, session });
  const names = (answer.json?.result?.tools ?? []).map(({ name }) => name);
  const missing = everyday.filter((name) => !names.includes(name));
  if (answer.status !== 200) report.add("fail", "tools are listed", failureOf(answer));
  else if (names.length === 0) report.add("fail", "tools are listed", "the list is empty", "Look at TOOLSETS.");
  else report.add("pass", "tools are listed", `${names.length}${missing.length > 0 ? `, without ${missing.join(", ")}: TOOLSETS` : ""}`);
}

async function account({ report, to, token }, session) {
  const answer = await to.rpc(toolCall("who", "authenticate"), { token, session });
  const said = answer.json?.result?.structuredContent;
  if (!said || answer.json.result.isError) return report.add("fail", "a Microsoft account is connected", failureOf(answer));
  if (!said.connected) return report.add("fail", "a Microsoft account is connected", "none is", said.whatToDo ?? "Connect it.");
  report.add("pass", "a Microsoft account is connected", `${said.permissions?.length ?? 0} permissions`);
  const missing = said.missingPermissions ?? [];
  const next = "Add them to the application in Entra ID, and let the person sign in again.";
  if (missing.length === 0) return report.add("pass", "every permission that is asked for was granted");
  return report.add("fail", "every permission that is asked for was granted", `missing: ${missing.join(", ")}`, next);
}

/** A read with an identifier that is new, repeated as a client repeats it that lost the answer. */
async function oneCall({ report, to, token }, session) {
  const call = toolCall(randomUUID(), "getEmails", { count: 1 });
  const answer = await to.rpc(call, { token, session });
  const isRight = answer.status === 200 && answer.json?.result?.isError === false;
  const id = answer.headers.get("x-request-id") ?? "";
  const next = "Its message says whose fault it is; /healthz and the Worker's log say more.";
  if (isRight) report.add("pass", "getEmails works through AI Gateway");
  else report.add("fail", "getEmails works through AI Gateway", failureOf(answer), next);
  if (uuid.test(id)) report.add("pass", "the answer names its request", id);
  else report.add("fail", "the answer names its request", "no x-request-id", "Something in between removes headers.");
  const again = await to.rpc(call, { token, session });
  const isSame = again.status === 200 && JSON.stringify(again.json?.result) === JSON.stringify(answer.json?.result);
  if (isSame) report.add("pass", "state outlives a call: the same request gets the first answer and does nothing again");
  else report.add("fail", "state outlives a call: the same request gets the first answer and does nothing again", failureOf(again));
  const named = id || "of a call";
  const gateway = `AI, AI Gateway, the gateway, Logs: filter the metadata by requestId ${named}; userId and mcpTool stand beside it.`;
  report.add("cannot tell", "the gateway's log has the call with its metadata", "it is inside the account", gateway);
  const logs = `Workers & Pages, the Worker, Logs: filter by requestId ${named}; accessIdentity is in Access's log too.`;
  report.add("cannot tell", "the logs of Access and the Worker agree", "they are inside the account", logs);
}

async function doorsBehindTheToken({ report, to, token }, session) {
  const closed = (what, isClosed, answer) =>
    report.add(isClosed ? "pass" : "fail", what, isClosed ? "" : `it is answered with ${answer.status || answer.failure}`);
  const list = request("door", "tools/list");
  const foreign = await to.rpc(list, { token, session, headers: { origin: "https://attacker.invalid" } });
  closed("another origin is refused in spite of the token", foreign.status === 403, foreign);
  const large = await to.rpc(" ".repeat(oversized), { token, session });
  // Whoever refuses by the announced length may hang up before the rest was sent, and then the answer is lost.
  closed("a body above 4 MiB is refused", large.status === 413 || hungUp.includes(large.code), large);
  const stranger = await to.rpc(list, { token, session: "0".repeat(32) });
  closed("a session that never was is 404", stranger.status === 404, stranger);
  const middle = Math.floor(token.length / 2);
  const changed = token.slice(0, middle) + (token[middle] === "A" ? "B" : "A") + token.slice(middle + 1);
  const forged = await to.rpc(list, { token: changed, session });
  closed("a changed token is refused", forged.status === 401, forged);
  const path = await to.rpc(toolCall(randomUUID(), "getEmails", { folder: "x/../../../users?$top=1&a=" }), { token, session });
  const isRefused = path.status !== 200 || Boolean(path.json?.error) || path.json?.result?.isError === true;
  closed("an argument that is a path goes nowhere", isRefused, path);
}
