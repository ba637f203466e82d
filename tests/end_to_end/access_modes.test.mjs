// The modes of Cloudflare Access at start-up: each with what it needs, and none with what it does not use.
// Holds: a mixed or half configuration serves nothing and says which setting is missing or too much, never its value.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { accessMode, audience } from "./access.mjs";
import { startStack } from "./harness.mjs";

const team = "ACCESS_TEAM_DOMAIN";
const saas = { ACCESS_CLIENT_ID: "a-client-of-access", ACCESS_CLIENT_SECRET: "a-secret-of-access" };
const cases = [
  { title: "open with a team", mode: "open", named: [team] },
  { title: "open with everything", mode: "open", more: { ACCESS_AUD: audience, ...saas },
    named: [team, "ACCESS_AUD", ...Object.keys(saas)] },
  { title: "perimeter without an audience", mode: "perimeter", named: ["ACCESS_AUD"] },
  { title: "perimeter without a team", mode: "perimeter", more: { [team]: undefined, ACCESS_AUD: audience }, named: [team] },
  { title: "perimeter with a sign-in", mode: "perimeter", more: { ACCESS_AUD: audience, ...saas }, named: Object.keys(saas) },
  { title: "oauth without Access", mode: "oauth", named: ["ACCESS_MODE"] },
  { title: "oauth with half a sign-in", mode: "oauth", more: { ACCESS_CLIENT_ID: saas.ACCESS_CLIENT_ID },
    named: ["ACCESS_CLIENT_SECRET"] },
  { title: "a team that is a URL of the network", mode: "perimeter",
    more: { ACCESS_AUD: audience, [team]: "https://team.cloudflareaccess.com" }, named: [team] },
  { title: "a mode that does not exist", mode: "both", more: { ACCESS_AUD: audience }, named: ["ACCESS_MODE"] },
];

for (const { title, mode, more, named } of cases) {
  test(`${title} is refused by name`, async () => {
    const stack = await startStack({ settings: accessMode(mode, more) });
    const health = await fetch(`${stack.origin}/healthz`);
    const text = await health.text();
    assert.equal(health.status, 503, text);
    assert.deepEqual(JSON.parse(text).problems.map(({ setting }) => setting), named);
    for (const value of Object.values(saas)) assert.ok(!text.includes(value) && !stack.output().includes(value));
    for (const path of ["/mcp", "/ops", "/authorize", "/connect"]) {
      assert.equal((await fetch(stack.origin + path, { redirect: "manual" })).status, 503, path);
    }
    await stack.stop();
  });
}

const authorization = ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp",
  "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/register", "/authorize", "/token",
  "/revoke"];

describe("a mode has its own pages", () => {
  const modes = {
    open: { settings: {}, authorization: true, ops: 401 },
    perimeter: { settings: accessMode("perimeter", { ACCESS_AUD: audience }), authorization: false, ops: 403 },
    oauth: { settings: accessMode("oauth", { ACCESS_AUD: audience }), authorization: true, ops: 403 },
  };
  for (const [mode, expected] of Object.entries(modes)) {
    describe(mode, () => {
      let stack;
      before(async () => void (stack = await startStack({ settings: expected.settings })));
      after(() => stack?.stop());

      test("the authorization server is there or does not exist at all", async () => {
        for (const path of authorization) {
          for (const method of ["GET", "POST", "OPTIONS", "DELETE"]) {
            const { status } = await fetch(stack.origin + path, { method, redirect: "manual" });
            if (expected.authorization) assert.notEqual(status, 404, `${method} ${path}`);
            else assert.equal(status, 404, `${method} ${path}`);
          }
        }
      });

      test("the operators' API and health", async () => {
        assert.equal((await fetch(`${stack.origin}/ops`)).status, expected.ops);
        assert.equal((await fetch(`${stack.origin}/callback/access`)).status, 404);
        assert.equal((await fetch(`${stack.origin}/healthz`)).status, 200);
      });
    });
  }
});
