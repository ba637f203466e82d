// The worker starts with good settings, and with bad ones it serves nothing but the reason.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { startStack } from "./harness.mjs";

const otherPaths = ["/", "/mcp", "/ops", "/authorize", "/token", "/register", "/callback", "/connect",
  "/.well-known/oauth-protected-resource", "/.well-known/oauth-authorization-server", "/nothing"];

describe("with complete settings", () => {
  let stack;
  before(async () => void (stack = await startStack()));
  after(() => stack?.stop());

  test("/healthz answers 200", async () => {
    assert.equal((await fetch(`${stack.origin}/healthz`)).status, 200);
  });

  test("it answers again after SIGKILL, on the same port and state", async () => {
    const before = stack.pid();
    await stack.restart();
    assert.notEqual(stack.pid(), before);
    assert.equal((await fetch(`${stack.origin}/healthz`)).status, 200);
  });
});

const secretText = `leak-${randomBytes(8).toString("hex")}`;
const faults = [
  { title: "a missing setting", setting: "MICROSOFT_CLIENT_SECRET", value: undefined },
  { title: "a malformed key", setting: "ENCRYPTION_KEY", value: secretText },
  { title: "an unknown Graph version", setting: "GRAPH_API_VERSION", value: secretText },
];

for (const { title, setting, value } of faults) {
  describe(`with ${title}`, () => {
    let stack;
    before(async () => void (stack = await startStack({ settings: { [setting]: value } })));
    after(() => stack?.stop());

    test("/healthz answers 503, names it and never shows a value", async () => {
      const response = await fetch(`${stack.origin}/healthz`);
      const body = await response.text();
      assert.equal(response.status, 503);
      assert.match(body, new RegExp(`\\b${setting}\\b`));
      for (const text of secretsOf(stack)) {
        assert.ok(!body.includes(text), "the answer shows a setting's value");
        assert.ok(!stack.output().includes(text), "the log shows a setting's value");
      }
    });

    test("nothing else is served", async () => {
      for (const path of otherPaths) {
        for (const method of ["GET", "POST"]) {
          const response = await fetch(stack.origin + path, { method, redirect: "manual" });
          assert.equal(response.status, 503, `${method} ${path}`);
        }
      }
    });
  });
}

/** Values that are long enough not to occur by accident; addresses and names are no secrets. */
function secretsOf({ settings }) {
  const secret = /KEY|SECRET|TOKEN/;
  const values = Object.entries(settings).filter(([name]) => secret.test(name)).map(([, value]) => value);
  return [...values, secretText];
}
