// `npm run verify`: the checklist walked against deployments that are right, and against some that are not.
// Holds: what is right has no failing line, and every fault that was built in has one; the exit code says the same.
// Must never: pass a line because nothing was asked.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { accessMode, audience } from "./access.mjs";
import { recordMark, records } from "./client.mjs";
import { accessFront, command, failing, findings, tlsFront, withoutTls, wrongDeployment } from "./deployments.mjs";
import { startStack } from "./harness.mjs";

const states = (output, what) => findings(output).filter(({ rest }) => what.test(rest)).map(({ state }) => state);

describe("the local run", () => {
  let stack, token, tokenFile;
  before(async () => {
    stack = await startStack();
    token = await stack.connect("alice");
    tokenFile = join(stack.folder, "token");
    writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
  });
  after(() => stack?.stop());

  test("has no failing line, with a token or without", async () => {
    const [stranger, person] = await Promise.all([
      command("verify", [stack.origin]),
      command("verify", [stack.origin, "--expect", "open", "--token-file", tokenFile]),
    ]);
    for (const { code, output } of [stranger, person]) {
      assert.deepEqual(failing(output), [], output);
      assert.equal(code, 0, output);
    }
    const passed = ({ output }) => findings(output).filter(({ state }) => state === "pass").length;
    assert.ok(passed(person) >= passed(stranger) + 10, "the token opened no more lines");
    assert.deepEqual(states(person.output, /getEmails works through AI Gateway/), ["pass"]);
    assert.ok(!person.output.includes(token), "the token is in the output");
  });

  test("what happens on Access's pages cannot be told, and it says how a person finds out", async () => {
    const { output } = await command("verify", [stack.origin]);
    for (const what of [/multi-factor/, /device's posture/, /single sign-on/]) {
      assert.deepEqual(states(output, what), ["cannot tell"]);
    }
    assert.match(output, /device's posture.*\n.*-> Sign in from a device that is not enrolled/);
  });

  test("nothing is written, and nobody's mail is read without a token", async () => {
    const mark = await recordMark(stack);
    await command("verify", [stack.origin]);
    assert.deepEqual(await records(stack, "graph", mark), []);
    await command("verify", [stack.origin, "--token-file", tokenFile]);
    const methods = (await records(stack, "graph", mark)).map(({ method }) => method);
    assert.deepEqual([...new Set(methods)], ["GET"]);
  });

  test("the name of a request is the one in the Worker's log", async () => {
    const { output } = await command("verify", [stack.origin, "--token-file", tokenFile]);
    const [, id] = output.match(/the answer names its request: ([0-9a-f-]{36})/);
    assert.equal((await stack.waitForRequest(id)).tool, "getEmails");
  });

  test("a token that is not good is a failing line", async () => {
    const { code, output } = await command("verify", [stack.origin], { M365_ACCESS_TOKEN: `${token.slice(0, -4)}AAAA` });
    assert.equal(code, 1);
    assert.match(failing(output).join("\n"), /a session opens/);
  });

  test("another mode than the expected one is a failing line", async () => {
    const { code, output } = await command("verify", [stack.origin, "--expect", "perimeter"]);
    assert.equal(code, 1);
    assert.match(failing(output).join("\n"), /mode perimeter: it looks like open/);
  });
});

describe("deployments that are wrong", () => {
  test("one that says yes to everybody fails line by line", async () => {
    const wrong = await wrongDeployment();
    const { code, output } = await command("verify", [wrong.origin], { M365_ACCESS_TOKEN: "anything" });
    await wrong.stop();
    assert.equal(code, 1);
    const lines = failing(output).join("\n");
    for (const what of [
      /401 that names the resource's document/, /401 with invalid_token/, /resource's document names this host/,
      /S256 alone/, /PKCE cannot be left out/, /not registered gets a page/, /made-up code/, /other origins may not call/,
      /token in the address/, /forged way back/, /no other page can agree/, /plain 404/, /wrong verb/,
      /operators' pages are closed/, /neither cached nor guessed/, /a session opens/, /notifications reach/,
    ]) assert.match(lines, what);
  });

  test("one whose settings are not complete names what is missing, and no value", async () => {
    const stack = await startStack({ settings: { GATEWAY_ID: undefined, EGRESS: "sideways" } });
    const { code, output } = await command("verify", [stack.origin]);
    const secrets = ["ENCRYPTION_KEY", "COOKIE_SECRET", "MICROSOFT_CLIENT_SECRET"].map((name) => stack.settings[name]);
    await stack.stop();
    assert.equal(code, 1);
    assert.match(failing(output)[0], /settings are complete: .*EGRESS must be one of.*GATEWAY_ID is missing/);
    for (const value of [...secrets, "sideways"]) assert.ok(!output.includes(value));
  });

  test("nothing at all is one failing line with the reason", async () => {
    const gone = await wrongDeployment();
    await gone.stop();
    const { code, output } = await command("verify", [gone.origin]);
    assert.equal(code, 1);
    assert.deepEqual(failing(output), ["it answers: nothing listens there"]);
  });
});

describe("Access in front", () => {
  const behind = async (mode, front, use) => {
    let stack;
    const access = await accessFront({ to: () => stack.origin, ...front });
    stack = await startStack({
      settings: (places) => ({
        ...accessMode(mode, { ACCESS_AUD: audience })(places), PUBLIC_URL: access.origin, LOCAL_CLIENT_DOCUMENTS: undefined,
      }),
    });
    try {
      return await use({ stack, access });
    } finally {
      await access.stop();
      await stack.stop();
    }
  };
  const verified = (mode) => ({ access }) => command("verify", [access.origin, "--expect", mode]);

  for (const isNamed of [true, false]) {
    test(`perimeter: no failing line, and Access's lines pass, ${isNamed ? "by its headers" : "by what it does alone"}`, async () => {
      const { code, output } = await behind("perimeter", { isNamed }, verified("perimeter"));
      assert.deepEqual(failing(output), []);
      assert.equal(code, 0);
      assert.deepEqual(states(output, /^Access stands in front/), ["pass", "pass", "pass"]);
      assert.deepEqual(states(output, /Managed OAuth/), ["pass"]);
    });
  }

  test("perimeter without a way for notifications fails that line alone", async () => {
    const { code, output } = await behind("perimeter", { open: [] }, verified("perimeter"));
    assert.equal(code, 1);
    assert.deepEqual(failing(output).map((line) => line.split(":")[0]), ["Microsoft's notifications reach the Worker"]);
  });

  test("perimeter with nobody in front fails, although the Worker refuses", async () => {
    const stack = await startStack({ settings: accessMode("perimeter", { ACCESS_AUD: audience }) });
    const { code, output } = await command("verify", [stack.origin]);
    await stack.stop();
    assert.equal(code, 1);
    assert.match(failing(output)[0], /in front of the MCP endpoint: Access is not in front; the Worker itself refused/);
  });

  test("oauth: /authorize and /ops are guarded and the rest is not", async () => {
    const guards = (path) => path === "/authorize" || path.startsWith("/ops");
    const { code, output } = await behind("oauth", { guards }, verified("oauth"));
    assert.deepEqual(failing(output), []);
    assert.equal(code, 0);
    assert.deepEqual(states(output, /^Access stands in front of/), ["pass", "pass"]);
    assert.deepEqual(states(output, /401 that names the resource's document/), ["pass"]);
  });

  test("oauth with Access before everything keeps clients out, and says so", async () => {
    const guards = (path) => !path.startsWith("/.well-known/oauth-authorization-server");
    const { code, output } = await behind("oauth", { guards }, ({ access }) => command("verify", [access.origin]));
    assert.equal(code, 1);
    assert.match(failing(output).join("\n"), /it answers for the MCP endpoint, resource's document/);
  });
});

describe("TLS in front", { skip: withoutTls }, () => {
  const folder = mkdtempSync(join(tmpdir(), "m365-verify-"));
  after(() => rmSync(folder, { recursive: true, force: true }));

  async function verified(front, env) {
    let stack;
    const tls = await tlsFront({ to: () => stack.origin, folder, ...front });
    stack = await startStack({ settings: { PUBLIC_URL: tls.origin, LOCAL_CLIENT_DOCUMENTS: undefined } });
    const result = await command("verify", [tls.origin], env(tls));
    await tls.stop();
    await stack.stop();
    return result;
  }
  const trusting = ({ file }) => ({ NODE_EXTRA_CA_CERTS: file });

  test("a good certificate, and HSTS", async () => {
    const { output } = await verified({ days: 90 }, trusting);
    assert.deepEqual(states(output, /connection is encrypted|without encryption|HSTS/), ["pass", "pass", "pass"]);
    assert.match(output, /TLSv1\.3, certificate for (89|90) more days/);
    // The emulator stands where Microsoft would: on a deployment, that is somebody else.
    assert.deepEqual(failing(output).map((line) => line.split(":")[0]), ["a person's yes leads to Microsoft's page"]);
  });

  test("a certificate that ends, and no HSTS, are failing lines", async () => {
    // Somebody in between takes back what the Worker says (RFC 6797, section 6.1.1).
    const headers = { "strict-transport-security": "max-age=0" };
    const lines = failing((await verified({ days: 5, headers }, trusting)).output).join("\n");
    assert.match(lines, /connection is encrypted: the certificate ends in [45] days/);
    assert.match(lines, /HSTS/);
  });

  test("a certificate of nobody's is one failing line with the reason", async () => {
    const { code, output } = await verified({ days: 90 }, () => ({}));
    assert.equal(code, 1);
    assert.deepEqual(failing(output), ["it answers: the certificate is self-signed"]);
  });
});

describe("arguments", () => {
  const refused = {
    "plain http to somewhere else": [["http://mcp.contoso.com"], /must begin with https/],
    "a path": [["https://mcp.contoso.com/mcp"], /origin alone/],
    "no address": [[], /Usage/],
    "a token": [["https://mcp.contoso.com", "m365at_secret"], /never an argument/],
    "a mode that does not exist": [["https://mcp.contoso.com", "--expect", "closed"], /takes one of/],
    "no URL": [["mcp.contoso.com"], /is no URL/],
  };
  for (const [title, [args, why]] of Object.entries(refused)) {
    test(`${title} is refused in one sentence`, async () => {
      const { code, output } = await command("verify", args);
      assert.equal(code, 1);
      assert.match(output, why);
      assert.doesNotMatch(output, /\n\s+at /);
    });
  }
});
