// The MCP clients that people start from a command line: mcp-remote, which stands between a local client and this server,
// and the Inspector's command. Both listen for the redirect themselves and say on standard error where a person has to go.
// Holds: what they keep stands in a private folder; they find no browser, so that a test opens no window.
// Must never: hand a token to a client, or reach a home folder.
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { freePort } from "../tools/ports.mjs";
import { inRoot, wranglerNode } from "../tools/project.mjs";
import { address } from "./client.mjs";
import { signIn } from "./sign_in.mjs";

let count = 0;

/** A home of its own, no display and no program to be found: nothing there could open a browser. */
function privateWorld(stack) {
  const home = join(stack.folder, `home-${(count += 1)}`);
  const nothing = join(home, "no-programs");
  mkdirSync(nothing, { recursive: true });
  const env = { HOME: home, USERPROFILE: home, PATH: nothing, MCP_REMOTE_CONFIG_DIR: join(home, "remote") };
  return { ...env, MCP_STORAGE_DIR: join(home, "inspector"), MCP_AUTO_OPEN_ENABLED: "true", NO_COLOR: "1" };
}

/** Signs the person in as soon as the program's words name the page, and lets the program's listener have the redirect. */
function person(user, words) {
  let said = "";
  let asked = false;
  const gone = Promise.withResolvers();
  words.setEncoding("utf8").on("data", async (text) => {
    said = (said + text).slice(-20_000);
    const page = said.match(/https?:\/\/\S+\/authorize\?\S+(?=\s)/)?.[0];
    if (!page || asked) return;
    asked = true;
    try {
      const { redirect } = await signIn(page, { user: address(user) });
      const answer = await fetch(redirect);
      if (!answer.ok) throw new Error(`its listener answered ${answer.status}: ${await answer.text()}`);
      gone.resolve();
    } catch (error) {
      gone.reject(error);
    }
  });
  gone.promise.catch(() => {}); // who waits for it sees it
  return { said: () => said, signedIn: gone.promise };
}

/** A local client of the older revisions, as hosts have it, and mcp-remote, which speaks with the server in its place. */
async function remote(stack, user, ...protocol) {
  const script = inRoot("node_modules", "mcp-remote", "dist", "proxy.js");
  const args = [script, stack.mcpUrl, String(await freePort()), "--host", "127.0.0.1", ...protocol];
  const transport = new StdioClientTransport({ command: wranglerNode(), args, env: privateWorld(stack), stderr: "pipe" });
  const { said, signedIn } = person(user, transport.stderr);
  const client = new Client({ name: "end-to-end", version: "1" });
  try {
    await client.connect(transport);
    await signedIn;
  } catch (error) {
    throw new Error(`mcp-remote:\n${said()}`, { cause: error });
  }
  return {
    listTools: () => client.listTools(),
    callTool: (name, args) => client.callTool({ name, arguments: args }),
    close: () => client.close(),
  };
}

/** One run of the Inspector's command, which ends; what it printed. */
async function inspect(stack, user, env, words) {
  const script = inRoot("node_modules", "@modelcontextprotocol", "inspector", "clients", "launcher", "build", "index.js");
  const args = [script, "--cli", "--server-url", stack.mcpUrl, "--transport", "http", "--format", "json", ...words];
  const child = spawn(wranglerNode(), args, { env, stdio: ["ignore", "pipe", "pipe"] });
  const copy = new PassThrough();
  child.stderr.pipe(copy);
  const { said } = person(user, copy);
  let printed = "";
  child.stdout.setEncoding("utf8").on("data", (text) => { printed += text; });
  const code = await new Promise((done) => child.once("close", (code, signal) => done(code ?? signal)));
  if (code !== 0) throw new Error(`the Inspector ended with ${code}:\n${said()}\n${printed}`);
  return JSON.parse(printed).result;
}

/** The first run signs in, and the next ones find what it kept. */
async function inspector(stack, user, era) {
  const env = privateWorld(stack);
  const callback = `http://127.0.0.1:${await freePort()}/oauth/callback`;
  const run = (...words) => inspect(stack, user, env, ["--protocol-era", era, "--callback-url", callback, ...words]);
  return {
    listTools: () => run("--method", "tools/list"),
    callTool: (name, args) =>
      run("--method", "tools/call", "--tool-name", name, "--tool-args-json", JSON.stringify(args)),
    close: async () => {},
  };
}

/** As in `openings` of official_clients.mjs. */
export const commandLineOpenings = [
  ["mcp-remote", "legacy", (...who) => remote(...who)],
  ["mcp-remote, auto", "modern", (...who) => remote(...who, "--protocol", "auto")],
  ["Inspector, legacy", "legacy", (...who) => inspector(...who, "legacy")],
  ["Inspector, modern", "modern", (...who) => inspector(...who, "modern")],
];
