// `npm start` as a person runs it, on wrangler's development server: it comes up, gives a token, and leaves
// nothing behind. Settings and data are in a folder of the test's own.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { inRoot, root } from "../tools/project.mjs";
import { tokenFor } from "../tools/token.mjs";

const folder = mkdtempSync(join(tmpdir(), "m365-npm-start-"));
const settings = join(folder, "settings");
const taken = createServer();
let child;
let output = "";
let ended;

before(async () => {
  await new Promise((done) => taken.listen(0, "127.0.0.1", done));
  const args = ["--port", String(taken.address().port), "--emulator-port", "0"];
  args.push("--settings", settings, "--state", join(folder, "state"));
  child = spawn(process.execPath, [inRoot("tests", "tools", "start.mjs"), ...args], { cwd: root });
  ended = new Promise((done) => child.once("close", (code) => done(code)));
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
  const until = Date.now() + 60_000;
  while (!output.includes("ready after") && child.exitCode === null && Date.now() < until) {
    await new Promise((done) => setTimeout(done, 50));
  }
});

after(async () => {
  if (child.exitCode === null) child.kill("SIGINT");
  await ended;
  taken.close();
  rmSync(folder, { recursive: true, force: true });
});

const shown = (label) => output.match(new RegExp(`${label}\\s+(http://\\S+)`))?.[1];

test("it says that a port is taken, and where everything is", () => {
  assert.match(output, /port \d+ is taken: the worker uses \d+ instead/);
  assert.ok(shown("MCP URL")?.endsWith("/mcp"), output);
  assert.match(output, /alice@contoso\.example/);
});

test("the settings file is readable by its owner alone", { skip: process.platform === "win32" }, () => {
  assert.equal(statSync(settings).mode & 0o777, 0o600);
});

test("npm run token gives a token and connects Microsoft", async () => {
  const { accessToken, mcpUrl } = await tokenFor("alice", { envFile: settings });
  assert.ok(accessToken);
  assert.equal(mcpUrl, shown("MCP URL"));
});

test("Ctrl-C ends everything within five seconds", async () => {
  const origin = new URL(shown("MCP URL")).origin;
  const since = Date.now();
  child.kill("SIGINT");
  assert.equal(await ended, 0, output);
  assert.ok(Date.now() - since < 5000);
  await assert.rejects(fetch(`${origin}/healthz`));
  await assert.rejects(fetch(shown("Emulator")));
});
