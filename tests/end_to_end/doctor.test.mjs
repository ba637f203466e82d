// `npm run doctor`: what it finds in settings, in services, in a clone and in a running deployment.
// Holds: each fault that is built in has a line of its own that says what to do; no value of a setting is shown.
// Must never: be satisfied by an exit code alone.
import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { writeSettings } from "../tools/dev_vars.mjs";
import { lookAtClone } from "../tools/operations/doctor_inside.mjs";
import { Report } from "../tools/operations/report.mjs";
import { accessMode, audience } from "./access.mjs";
import { address, setEmulator } from "./client.mjs";
import { accessFront, command, failing, findings, wrongDeployment } from "./deployments.mjs";
import { startStack } from "./harness.mjs";
import { oauth } from "./oauth_client.mjs";

const stateOf = (output, what) => findings(output).find(({ rest }) => rest.startsWith(what))?.state;

let stack, token, file;
before(async () => {
  stack = await startStack({ settings: { EGRESS: "custom_provider" } });
  token = await stack.connect("alice");
  file = join(stack.folder, "settings");
});
after(() => stack?.stop());

/** A file of settings beside the stack's own, with some changed or left out. */
function changed(name, changes) {
  const path = join(stack.folder, `changed-${name}`);
  const all = Object.entries({ ...stack.settings, ...changes }).filter(([, value]) => value !== undefined);
  writeSettings(path, Object.fromEntries(all));
  return path;
}

const values = () =>
  ["ENCRYPTION_KEY", "COOKIE_ENCRYPTION_KEY", "COOKIE_SECRET", "MICROSOFT_CLIENT_SECRET", "AI_GATEWAY_SERVICE_TOKEN"]
    .map((name) => stack.settings[name]);

describe("the local run", () => {
  test("is looked over from its settings to a call through the gateway", async () => {
    const { code, output } = await command("doctor", ["--settings", file], { M365_ACCESS_TOKEN: token });
    assert.deepEqual(failing(output), [], output);
    assert.equal(code, 0);
    for (const what of [
      "they are complete", "mode of Access: open", "ENCRYPTION_KEY: 1 key, newest 0", "way out: custom_provider",
      "Microsoft knows the tenant", "the gateway is there and asks for its token", "it answers", "settings: complete",
      "clients are told where to sign in", "clients may be named by a document", "Microsoft's notifications come through",
      "OAUTH_KV", "MCP_OBJECT", "consent and scopes", "AI Gateway: a call went through",
    ]) assert.equal(stateOf(output, what), "ok", what);
    for (const value of [...values(), token]) assert.ok(!output.includes(value), "a secret is in the output");
  });

  test("that is not running fails in one line, after the settings were judged", async () => {
    const gone = await wrongDeployment();
    await gone.stop();
    const { code, output } = await command("doctor", ["--settings", changed("gone", { PUBLIC_URL: gone.origin })]);
    assert.equal(code, 1);
    assert.deepEqual(failing(output), ["it answers: nothing listens there"]);
    assert.match(output, /-> Run npm start/);
  });
});

describe("settings", () => {
  const faults = {
    "a missing one": [{ GATEWAY_ID: undefined }, /^GATEWAY_ID: is missing/],
    "a malformed key": [{ COOKIE_SECRET: "hunter2" }, /^COOKIE_SECRET: /],
    "a mode with a setting too much": [{ ACCESS_AUD: "a" }, /^ACCESS_AUD: /],
    "half a certificate": [{ MICROSOFT_CLIENT_CERTIFICATE: "ab".repeat(32), MICROSOFT_CLIENT_SECRET: undefined }, /^MICROSOFT_CLIENT_PRIVATE_KEY: /],
  };
  for (const [title, [changes, line]] of Object.entries(faults)) {
    test(`${title} is named, and no value`, async () => {
      const { code, output } = await command("doctor", ["--settings", changed(title.replaceAll(" ", "-"), changes)]);
      assert.equal(code, 1);
      assert.match(failing(output).join("\n"), new RegExp(line.source, "m"));
      for (const value of ["hunter2", ...values()]) assert.ok(!output.includes(value));
    });
  }

  test("a rotated ring without a registration ring is a warning, and keys are named by their identifiers", async () => {
    const ring = ["2026b", "2026a"].map((kid, at) => `${kid}:${Buffer.alloc(32, at + 1).toString("base64")}`).join(",");
    const { output } = await command("doctor", ["--settings", changed("rotated", { ENCRYPTION_KEY: ring })]);
    assert.match(output, /ok +ENCRYPTION_KEY: 2 keys, newest 2026b/);
    assert.equal(stateOf(output, "REGISTRATION_KEY"), "warn");
    assert.ok(!output.includes(ring.split(":")[1]));
  });

  test("a file that others may read is a warning", { skip: process.platform === "win32" }, async () => {
    const path = changed("readable", {});
    chmodSync(path, 0o644);
    const { output } = await command("doctor", ["--settings", path]);
    assert.equal(stateOf(output, "the file is its owner's alone"), "warn");
  });

  test("a file that is not there is one sentence", async () => {
    const { code, output } = await command("doctor", ["--settings", join(stack.folder, "nowhere")]);
    assert.equal(code, 1);
    assert.match(output, /does not exist\. npm start writes/);
  });
});

describe("services", () => {
  test("a tenant that Microsoft does not know", async () => {
    const unknown = "99999999-2222-4333-8444-555555555555";
    const { code, output } = await command("doctor", ["--settings", changed("tenant", { MICROSOFT_TENANT_ID: unknown })]);
    assert.equal(code, 1);
    assert.match(failing(output).join("\n"), /Microsoft knows the tenant/);
  });

  test("an Access team without keys", async () => {
    const elsewhere = { ...accessMode("perimeter", { ACCESS_AUD: audience })({ emulator: `${stack.emulator.url}/nowhere` }) };
    const { output } = await command("doctor", ["--settings", changed("team", elsewhere)]);
    const lines = failing(output).join("\n");
    assert.match(lines, /keys of the Access team/);
    assert.match(lines, /mode of Access: it looks like open, and perimeter is expected/);
  });

  test("the keys of a team that is there", async () => {
    const there = accessMode("perimeter", { ACCESS_AUD: audience })({ emulator: stack.emulator.url });
    const { output } = await command("doctor", ["--settings", changed("there", there)]);
    assert.equal(stateOf(output, "the keys of the Access team"), "ok");
  });
});

test("wrangler.toml of the clone: its bindings, what keeps it closed, and a route that is not the host", () => {
  const report = new Report(["ok", "warn", "fail", "cannot tell"]);
  lookAtClone(report, "production", "https://nobody-has-this.contoso.com");
  const found = Object.fromEntries(report.lines.map(({ state, what }) => [what, state]));
  assert.equal(found.bindings, "ok");
  for (const what of ["no address of workers.dev, no previews", "query strings stay out of Cloudflare's logs", "the fetcher of clients' documents is bound"]) {
    assert.equal(found[what], "ok");
  }
  assert.ok(found["a placeholder stands there"] === "warn" || found["its route is this host"] === "warn", "any host will do");
});

describe("a deployment", () => {
  test("from outside: what it shows, and what cannot be told", async () => {
    const { code, output } = await command("doctor", [stack.origin]);
    assert.equal(code, 0, output);
    for (const what of ["MCP_OBJECT", "consent and scopes", "AI Gateway"]) assert.equal(stateOf(output, what), "cannot tell");
    assert.ok(!output.includes("Settings in"), "it looked at this machine's settings");
  });

  test("a person who lacks a permission", async () => {
    await setEmulator(stack, { deniedScopes: { [address("carol")]: ["Mail.ReadWrite"] } });
    const lacking = join(stack.folder, "carol");
    writeFileSync(lacking, await stack.connect("carol"), { mode: 0o600 });
    const { output } = await command("doctor", [stack.origin, "--token-file", lacking]);
    await setEmulator(stack, { deniedScopes: {} });
    assert.match(output, /warn +consent and scopes: not granted: Mail\.ReadWrite/);
  });

  test("everything that the wrong one gets wrong", async () => {
    const wrong = await wrongDeployment();
    const { code, output } = await command("doctor", [wrong.origin], { M365_ACCESS_TOKEN: "anything" });
    await wrong.stop();
    assert.equal(code, 1);
    const lines = failing(output).join("\n");
    for (const what of [/^\/ops is closed/m, /told where to sign in/, /documents name this host/, /^MCP_OBJECT/m]) assert.match(lines, what);
    assert.equal(stateOf(output, "clients may be named by a document"), "warn");
  });

  test("Access before everything hides its health, and stands where notifications come through", async () => {
    let behind;
    const front = await accessFront({ to: () => behind.origin, open: [] });
    behind = await startStack({
      settings: (places) => ({
        ...accessMode("perimeter", { ACCESS_AUD: audience })(places), PUBLIC_URL: front.origin, LOCAL_CLIENT_DOCUMENTS: undefined,
      }),
    });
    const { code, output } = await command("doctor", [front.origin, "--expect", "perimeter"]);
    await front.stop();
    await behind.stop();
    assert.equal(code, 1);
    assert.deepEqual(failing(output).map((line) => line.split(":")[0]), ["Microsoft's notifications come through"]);
    assert.equal(stateOf(output, "settings"), "cannot tell");
    assert.equal(stateOf(output, "Access in front of /mcp"), "ok");
  });

  test("a refused credential shows with what to do", async () => {
    const refusing = await startStack({ settings: { MICROSOFT_CLIENT_SECRET: "not-the-secret" } });
    await oauth(refusing).begin();
    const { code, output } = await command("doctor", [refusing.origin]);
    await refusing.stop();
    assert.equal(code, 1);
    assert.match(failing(output).join("\n"), /the application's credential: Microsoft refused it at/);
    assert.ok(!output.includes("not-the-secret"));
  });
});
