// `npm run token -- alice`: an access token of a demo user, with Microsoft connected, without a browser.
// Holds: the sign-in takes the same redirects as a browser's, cookies included.
// Must never: be pointed at anything but this machine, or print a token anywhere but to standard output.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { parseArgs, promisify } from "node:util";
import { Advice, devVarsFile, nativeProgram, runIfMain, say } from "./project.mjs";

const runFile = promisify(execFile);
const maxHops = 10;
const isLocal = (url) => ["127.0.0.1", "localhost", "[::1]"].includes(url.hostname);

/** Cookies per origin: enough for a chain of redirects that lasts a second. */
class CookieJar {
  #origins = new Map();

  header(url) {
    return [...(this.#origins.get(url.origin) ?? [])].map(([name, value]) => `${name}=${value}`).join("; ");
  }

  take(url, response) {
    const cookies = this.#origins.get(url.origin) ?? new Map();
    for (const line of response.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split(";");
      const at = pair.indexOf("=");
      const [name, value] = [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
      const gone = attributes.some((text) => /^\s*max-age\s*=\s*(0|-\d+)\s*$/i.test(text));
      if (gone) cookies.delete(name);
      else cookies.set(name, value);
    }
    this.#origins.set(url.origin, cookies);
  }
}

/** Follows the redirects from `connectUrl` to a page; anything but 200 at the end is an error. */
export async function followConnect(connectUrl) {
  const jar = new CookieJar();
  let url = new URL(connectUrl);
  for (let hop = 0; hop <= maxHops; hop += 1) {
    if (!isLocal(url)) throw new Advice(`The sign-in leads to ${url.host}, which is not this machine`);
    const cookie = jar.header(url);
    const response = await fetch(url, { redirect: "manual", headers: cookie ? { cookie } : {} });
    jar.take(url, response);
    const text = await response.text();
    const next = response.headers.get("location");
    if (response.status >= 300 && response.status < 400 && next) {
      url = new URL(next, url);
      continue;
    }
    if (response.status === 200) return { url: url.href, text };
    const where = url.origin + url.pathname; // the query holds codes and tickets
    throw new Advice(`The sign-in ended with ${response.status} at ${where}: ${text.slice(0, 300)}`);
  }
  throw new Advice(`The sign-in took more than ${maxHops} redirects`);
}

/** Makes a token for `user` (a name or an address) and connects Microsoft. */
export async function tokenFor(user, { envFile = devVarsFile } = {}) {
  if (!existsSync(nativeProgram("mint-token"))) throw new Advice("mint-token is not built: run npm run build");
  if (!existsSync(envFile)) throw new Advice("There are no settings yet: run npm start first");
  let minted;
  try {
    const { stdout } = await runFile(nativeProgram("mint-token"), ["--env-file", envFile, "--user", user]);
    minted = JSON.parse(stdout);
  } catch (error) {
    throw new Advice(`mint-token: ${(error.stderr || error.message).trim()}`);
  }
  await followConnect(minted.connectUrl).catch((error) => {
    if (error.cause?.code === "ECONNREFUSED") throw new Advice("Nothing answers there: run npm start first");
    throw error;
  });
  return minted;
}

function explain({ accessToken, mcpUrl }) {
  const opening = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "curl", version: "1" } };
  const message = (id, method, params) => JSON.stringify({ jsonrpc: "2.0", id, method, params });
  say(`MCP URL:      ${mcpUrl}\nAccess token: ${accessToken}\n\nTry it: open a session, then read three mails.\n`);
  say(`TOKEN='${accessToken}'`);
  say(`mcp() { curl -s ${mcpUrl} -H "authorization: Bearer $TOKEN" -H 'content-type: application/json' "$@"; }`);
  say(`SESSION=$(mcp -D - -o /dev/null -d '${message(1, "initialize", opening)}' \\`);
  say("  | tr -d '\\r' | sed -n 's/^mcp-session-id: //p')");
  const call = message(2, "tools/call", { name: "getEmails", arguments: { count: 3 } });
  say(`mcp -H "mcp-session-id: $SESSION" -d '${call}'`);
}

runIfMain(import.meta.url, async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: "boolean" }, settings: { type: "string" } },
  });
  const [user] = positionals;
  if (!user) throw new Advice("Usage: npm run token -- <user> [--json] [--settings FILE], as in npm run token -- alice");
  const minted = await tokenFor(user, { envFile: values.settings });
  if (values.json) say(JSON.stringify(minted));
  else explain(minted);
});
