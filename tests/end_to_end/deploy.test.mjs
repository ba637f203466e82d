// `npm run deploy` and `npm run validate`: the order of their steps, and what keeps a deployment from beginning.
// Holds: steps are counted by what would have been run; nothing here can reach an account.
// Must never: run a real deployment, or take a printed sentence for a step.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { plannedDeployment } from "../tools/operations/wrangler.mjs";
import { Advice } from "../tools/project.mjs";
import { deploy } from "../tools/deploy.mjs";
import { validate, validation } from "../tools/validate.mjs";
import { command } from "./deployments.mjs";

const real = plannedDeployment("production");
const complete = {
  ...real, hosts: ["mcp.contoso.com"], namespaces: [{ binding: "OAUTH_KV", id: "0f2ac74b498b48028cb68387c421e279" }],
};
const unfinished = { ...complete, hosts: ["mcp.example.com"], namespaces: [{ binding: "OAUTH_KV", id: "1".repeat(32) }] };
const host = "https://mcp.contoso.com";

/** A machine that writes down what it is told to do. */
function recorder(changes = {}) {
  const steps = [];
  const noted = (name, value) => (...args) => {
    steps.push([name, ...args.flat()].map((part) => (typeof part === "object" ? JSON.stringify(part) : part)).join(" "));
    return value;
  };
  const machine = {
    mayDeploy: noted("mayDeploy", true), planned: noted("planned", complete), validate: noted("validate", 0),
    revision: () => "abc", ask: noted("ask", true), wrangler: noted("wrangler", 0), verify: noted("verify", true),
  };
  for (const [name, value] of Object.entries(changes)) machine[name] = noted(name, value);
  const names = () => steps.map((step) => step.split(" ")[0]);
  return { machine, steps, names };
}

const asked = { env: "production", isAsked: true, isDry: false };

describe("deploy", () => {
  test("validates, asks, deploys the fetcher and then the Worker, and verifies", async () => {
    const { machine, steps, names } = recorder();
    assert.equal(await deploy({ ...asked, host }, machine), true);
    assert.deepEqual(names(), ["mayDeploy", "planned", "validate", "ask", "wrangler", "wrangler", "verify"]);
    assert.equal(steps[4], "wrangler deploy --strict -c src/metadata_fetcher/wrangler.toml --env=");
    assert.equal(steps[5], "wrangler deploy --strict -c wrangler.toml --env production");
    assert.equal(steps[6], `verify {"origin":"${host}"}`);
  });

  test("--yes asks nothing, and without a host nothing is verified", async () => {
    const { machine, names } = recorder();
    assert.equal(await deploy({ ...asked, isAsked: false }, machine), true);
    assert.deepEqual(names(), ["mayDeploy", "planned", "validate", "wrangler", "wrangler"]);
  });

  test("without METADATA the fetcher is left out", async () => {
    const { machine, steps } = recorder({ planned: { ...complete, hasFetcher: false } });
    await deploy({ ...asked, env: "" }, machine);
    assert.deepEqual(steps.filter((step) => step.startsWith("wrangler")), ["wrangler deploy --strict -c wrangler.toml --env="]);
  });

  const stopped = {
    "without a credential": [{ mayDeploy: false }, /No credential/, 1],
    "while placeholders stand in wrangler.toml": [{ planned: unfinished }, /not complete:\n {2}OAUTH_KV has a placeholder/, 2],
    "when a check fails": [{ validate: 2 }, /a check failed/, 3],
    "after the step that failed": [{ wrangler: 1 }, /wrangler deploy ended with 1/, 5],
  };
  for (const [title, [changes, why, count]] of Object.entries(stopped)) {
    test(`stops ${title}`, async () => {
      const { machine, steps } = recorder(changes);
      await assert.rejects(deploy({ ...asked, host }, machine), (error) => error instanceof Advice && why.test(error.message));
      assert.equal(steps.length, count, steps.join("\n"));
    });
  }

  test("a no deploys nothing", async () => {
    const { machine, names } = recorder({ ask: false });
    assert.equal(await deploy({ ...asked, host }, machine), false);
    assert.ok(!names().includes("wrangler"));
  });

  test("a deployment that does not hold is reported as such", async () => {
    const { machine } = recorder({ verify: false });
    assert.equal(await deploy({ ...asked, host }, machine), false);
  });

  test("--dry-run needs no credential and tolerates placeholders, and deploys nothing", async () => {
    const { machine, names } = recorder({ planned: unfinished, mayDeploy: false });
    assert.equal(await deploy({ ...asked, isDry: true }, machine), true);
    assert.deepEqual(names(), ["planned", "validate"]);
  });

  test("the command itself stops where nobody is signed in, before it does anything", async () => {
    const home = mkdtempSync(join(tmpdir(), "m365-deploy-"));
    const { code, output } = await command("deploy", ["--env", "production"], { HOME: home, XDG_CONFIG_HOME: home, USERPROFILE: home });
    rmSync(home, { recursive: true, force: true });
    assert.equal(code, 1);
    assert.equal(output, "No credential: set CLOUDFLARE_API_TOKEN, or sign in with `npx wrangler login`.\n");
  });
});

describe("validate", () => {
  test("looks at form, lints of both targets, the house rules and a dry run of whatever is deployed", () => {
    const names = validation.map(({ name }) => name);
    assert.deepEqual(names, [
      "cargo fmt", "clippy, native", "clippy, wasm32", "house rules",
      "dry run, fetcher of documents", "dry run, top level", "dry run, production",
    ]);
  });

  test("goes on after a failure and counts it", async () => {
    const ran = [];
    const stage = (name, ok) => ({ name, run: async () => (ran.push(name), { ok, ended: 1, kept: [] }) });
    const thrown = { name: "thrown", run: () => Promise.reject(new Advice("no such tool")) };
    const prepare = () => void ran.push("prepare");
    assert.equal(await validate([stage("first", false), thrown, stage("last", true)], prepare), 2);
    assert.deepEqual(ran, ["prepare", "first", "last"]);
    assert.equal(await validate([stage("alone", true)], prepare), 0);
  });
});
