// `npm run provision`: plans and their application, held against a strict stand-in for Cloudflare's API.
// Holds: a plan writes nothing; what was applied is found again and left alone; what others set by hand stays.
// Must never: let a secret into the output, or believe the output where the stand-in knows better.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, beforeEach, describe, test } from "node:test";
import { freshSettings, parseSettings, writeSettings } from "../tools/dev_vars.mjs";
import { provision } from "../tools/provision.mjs";
import { startApi } from "./cloudflare_api.mjs";
import { command } from "./deployments.mjs";

const account = "0123456789abcdef0123456789abcdef";
const token = "token-of-the-api";
const id = (digit) => `${digit.repeat(8)}-2222-4333-8444-555555555555`;
const people = { emailDomains: ["contoso.com"], multiFactor: true, devicePosture: [id("a")] };
const base = {
  account, host: "mcp.contoso.com", gateway: { id: "m365-gateway" }, namespace: "m365-production",
};
const perimeter = { ...base, mode: "perimeter", people, serviceTokens: [id("b")], health: true };
const oauth = { ...base, mode: "oauth", people, signIn: true, linkedApps: true };

const folder = mkdtempSync(join(tmpdir(), "m365-provision-"));
after(() => rmSync(folder, { recursive: true, force: true }));
let api;
beforeEach(async () => void (api = await startApi({ account, token })));
afterEach(() => api.stop());

let counter = 0;
function wishesFile(wishes) {
  const file = join(folder, `wishes-${(counter += 1)}.json`);
  writeFileSync(file, typeof wishes === "string" ? wishes : JSON.stringify(wishes));
  return file;
}
const run = (wishes, ...args) =>
  command("provision", [wishesFile(wishes), ...args], { CLOUDFLARE_API_TOKEN: token, CLOUDFLARE_API_BASE_URL: api.url });
const names = (path) => api.store[path].map(({ name, title, id: known }) => name ?? title ?? known);

describe("a plan", () => {
  test("says what it would do, and writes nothing", async () => {
    const { code, output } = await run(perimeter);
    assert.equal(code, 0, output);
    assert.deepEqual(api.writes(), []);
    for (const what of [
      "KV namespace m365-production", "AI Gateway m365-gateway", "custom provider custom-graph",
      'Access policy "m365-mcp-server: people"', 'Access application "m365-mcp-server" (mcp.contoso.com)',
      'Access application "m365-mcp-server notifications" (mcp.contoso.com/notifications)',
    ]) assert.ok(output.includes(`create  ${what}`), what);
    assert.match(output, /Nothing was done: say --apply/);
  });

  test("without a credential it asks nobody", async () => {
    const { code, output } = await command("provision", [wishesFile(perimeter)], { CLOUDFLARE_API_BASE_URL: api.url });
    assert.equal(code, 1);
    assert.match(output, /set CLOUDFLARE_API_TOKEN/);
    assert.deepEqual(api.requests, []);
  });

  test("a token that may not is told with Cloudflare's reason, and is not shown", async () => {
    const { code, output } = await command("provision", [wishesFile(perimeter)], {
      CLOUDFLARE_API_TOKEN: "another-token", CLOUDFLARE_API_BASE_URL: api.url,
    });
    assert.equal(code, 1);
    assert.match(output, /403 10000 Authentication error\. Does the token have the permission\?/);
    assert.ok(!output.includes("another-token"));
  });
});

describe("applied", () => {
  test("perimeter: everything is there, and a second run changes nothing", async () => {
    const first = await run(perimeter, "--apply");
    assert.equal(first.code, 0, first.output);
    const [gateway] = api.store["ai-gateway/gateways"];
    assert.deepEqual([gateway.authentication, gateway.cache_ttl, gateway.rate_limiting_limit], [true, 0, 600]);
    assert.equal(api.store["ai-gateway/custom-providers"][0].base_url, "https://graph.microsoft.com");
    assert.deepEqual(names("access/policies"), ["people", "service tokens", "everyone"].map((name) => `m365-mcp-server: ${name}`));
    const [who] = api.store["access/policies"];
    assert.deepEqual(who.require, [{ auth_method: { auth_method: "mfa" } }, { device_posture: { integration_uid: id("a") } }]);
    const [main, notifications, health] = api.store["access/apps"];
    assert.equal(main.oauth_configuration.enabled, true);
    assert.deepEqual(main.policies.map(({ decision }) => decision), ["allow", "non_identity"]);
    for (const bypassed of [notifications, health]) assert.deepEqual(bypassed.policies.map(({ decision }) => decision), ["bypass"]);
    assert.deepEqual([notifications.domain, health.domain], ["mcp.contoso.com/notifications", "mcp.contoso.com/healthz"]);
    for (const line of [
      "ACCESS_TEAM_DOMAIN=contoso.cloudflareaccess.com", `ACCESS_AUD=${main.aud}`,
      `GATEWAY_BASE_URL=https://gateway.ai.cloudflare.com/v1/${account}/m365-gateway/custom-graph`,
    ]) assert.ok(first.output.includes(line), line);

    const before = api.writes().length;
    const again = await run(perimeter, "--apply");
    assert.equal(again.code, 0, again.output);
    assert.equal(api.writes().length, before, again.output);
    assert.match((await run(perimeter)).output, /There is nothing to do/);
  });

  test("what drifted is put right, and what was set by hand stays", async () => {
    await run(perimeter, "--apply");
    const dlp = { enabled: true, action: "BLOCK", profiles: ["p"] };
    Object.assign(api.store["ai-gateway/gateways"][0], { cache_ttl: 300, dlp });
    Object.assign(api.store["access/apps"][0], { session_duration: "720h", allowed_idps: [id("c")] });
    api.store["ai-gateway/custom-providers"][0].base_url = "https://elsewhere.example";
    const plan = await run(perimeter);
    assert.match(plan.output, /change {2}AI Gateway m365-gateway\n +cache_ttl: 300 -> 0/);
    assert.match(plan.output, /base_url: "https:\/\/elsewhere\.example" -> "https:\/\/graph\.microsoft\.com"/);
    const before = api.writes().length;
    const { code, output } = await run(perimeter, "--apply");
    assert.equal(code, 0, output);
    assert.deepEqual(api.writes().slice(before).map(({ method }) => method).sort(), ["PATCH", "PUT", "PUT"]);
    const [gateway] = api.store["ai-gateway/gateways"];
    assert.deepEqual([gateway.cache_ttl, gateway.dlp], [0, dlp]);
    const [main] = api.store["access/apps"];
    assert.deepEqual([main.session_duration, main.allowed_idps], ["24h", [id("c")]]);
    assert.match((await run(perimeter)).output, /There is nothing to do/);
  });

  test("somebody else's applications and gateways are left alone", async () => {
    await run({ ...perimeter, name: "another", host: "other.contoso.com", gateway: { id: "other" }, namespace: "other" }, "--apply");
    const others = JSON.stringify(api.store);
    await run(perimeter, "--apply");
    for (const list of Object.values(JSON.parse(others))) {
      for (const resource of list) {
        const all = Object.values(api.store).flat();
        assert.ok(all.some((known) => JSON.stringify(known) === JSON.stringify(resource)), JSON.stringify(resource));
      }
    }
  });

  test("operators' pages have an application, policies and an audience of their own", async () => {
    for (const mode of ["perimeter", "oauth"]) {
      const wishes = { ...base, mode, name: mode, host: `${mode}.contoso.com`, people, operators: { groups: [id("d")] }, serviceTokens: [id("b")] };
      const { code, output } = await run(wishes, "--apply");
      assert.equal(code, 0, output);
      const found = (domain) => api.store["access/apps"].find((application) => application.domain === domain);
      const [main, operations] = [found(`${mode}.contoso.com${mode === "oauth" ? "/authorize" : ""}`), found(`${mode}.contoso.com/ops`)];
      assert.deepEqual(main.policies.map(({ name }) => name), [`${mode}: people`]);
      assert.deepEqual(operations.policies.map(({ name }) => name), [`${mode}: operators`, `${mode}: service tokens`]);
      assert.equal(main.destinations.length, 1, "operators' pages stand behind both");
      assert.ok(output.includes(`OPS_AUD=${operations.aud}`) && output.includes(`ACCESS_AUD=${main.aud}`));
    }
  });

  test("open: a gateway and a namespace, and no question about Access", async () => {
    const { code, output } = await run({ ...base, mode: "open" }, "--apply");
    assert.equal(code, 0, output);
    assert.deepEqual(api.requests.filter(({ path }) => path.includes("/access/")), []);
    assert.match(output, /ACCESS_MODE=open/);
    assert.doesNotMatch(output, /ACCESS_TEAM_DOMAIN/);
  });
});

describe("secrets", () => {
  const settings = () => {
    const file = join(folder, `settings-${(counter += 1)}`);
    const places = { origin: "https://mcp.contoso.com", emulator: "http://127.0.0.1:1" };
    const { LOCAL_CLIENT_DOCUMENTS: _, MICROSOFT_LOGIN_URL: __, POLICY: ___, ...all } = freshSettings(places);
    writeSettings(file, { ...all, CLIENTS: '[{"client_id":"a","client_name":"It\'s $HOME","redirect_uris":["https://a.example/b"]}]' });
    return file;
  };

  test("the one that Access shows once goes into the file of settings, and nowhere else", async () => {
    const file = settings();
    const { code, output } = await run(oauth, "--apply", "--settings", file);
    assert.equal(code, 0, output);
    const [secret] = api.secrets;
    const written = parseSettings(readFileSync(file, "utf8"));
    const signIn = api.store["access/apps"].find(({ type }) => type === "saas");
    assert.deepEqual([written.ACCESS_CLIENT_ID, written.ACCESS_CLIENT_SECRET], [signIn.saas_app.client_id, secret]);
    assert.deepEqual([written.ACCESS_MODE, written.EGRESS, written.PUBLIC_URL], ["oauth", "custom_provider", "https://mcp.contoso.com"]);
    assert.ok(!output.includes(secret));
    if (process.platform !== "win32") assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.deepEqual(signIn.saas_app.redirect_uris, ["https://mcp.contoso.com/callback/access"]);
    const linked = api.store["access/policies"].find(({ name }) => name.endsWith("linked apps"));
    assert.deepEqual(linked.include, [{ linked_app_token: { app_uid: signIn.uid } }]);

    const before = api.writes().length;
    assert.equal((await run(oauth, "--apply", "--settings", file)).code, 0);
    assert.equal(api.writes().length, before);
    assert.equal(parseSettings(readFileSync(file, "utf8")).ACCESS_CLIENT_SECRET, secret, "a second run lost the secret");

    const clientId = signIn.saas_app.client_id;
    signIn.saas_app.scopes = ["openid"];
    assert.equal((await run(oauth, "--apply", "--settings", file)).code, 0);
    const changed = api.store["access/apps"].find(({ type }) => type === "saas").saas_app;
    assert.deepEqual([changed.client_id, changed.scopes], [clientId, ["openid", "email", "profile"]]);
  });

  test("without a file for it the application is not made", async () => {
    const { code, output } = await run(oauth, "--apply");
    assert.equal(code, 1);
    assert.match(output, /Nothing was done\. Access shows the secret/);
    assert.deepEqual(api.writes(), []);
  });

  /** In this process, with the upload written down instead of done. */
  async function uploading(file) {
    const uploaded = [];
    const known = { ...process.env };
    Object.assign(process.env, { CLOUDFLARE_API_TOKEN: token, CLOUDFLARE_API_BASE_URL: api.url });
    try {
      const options = { wishesFile: wishesFile(oauth), isApplied: true, isUploaded: true, settingsFile: file, env: "production" };
      await provision(options, { upload: async (...args) => void uploaded.push(args) });
    } finally {
      for (const name of ["CLOUDFLARE_API_TOKEN", "CLOUDFLARE_API_BASE_URL"]) {
        if (known[name] === undefined) delete process.env[name];
        else process.env[name] = known[name];
      }
    }
    return uploaded;
  }

  test("a complete file is uploaded as it is, character by character", async () => {
    const file = settings();
    const [[values, env]] = await uploading(file);
    assert.equal(env, "production");
    assert.equal(values.ACCESS_CLIENT_SECRET, api.secrets[0]);
    assert.match(values.CLIENTS, /It's \$HOME/);
    assert.match(values.ENCRYPTION_KEY, /^[0-9a-f]{64}$/);
  });

  test("a file that makes no configuration is not uploaded, and says what it lacks", async () => {
    const file = settings();
    writeFileSync(file, readFileSync(file, "utf8").replace(/^ENCRYPTION_KEY=.*$/m, ""));
    await assert.rejects(uploading(file), /Nothing was uploaded: .*\n {2}ENCRYPTION_KEY is missing/);
  });
});

describe("wishes", () => {
  const mistakes = {
    "no JSON": ["{", /JSON/],
    "a field that there is not": [{ ...perimeter, hostname: "x" }, /additional properties \(hostname\)/],
    "a host with a scheme": [{ ...perimeter, host: "https://mcp.contoso.com" }, /host must match pattern/],
    "nobody who may come in": [{ ...perimeter, people: undefined }, /needs people/],
    "people in the mode open": [{ ...perimeter, mode: "open" }, /has no Access, so that people, serviceTokens would do nothing/],
    "service tokens without an application": [{ ...oauth, application: false, serviceTokens: [id("b")] }, /serviceTokens need an application/],
    "a sign-in in the perimeter": [{ ...perimeter, signIn: true }, /signIn belongs to the mode oauth/],
    "oauth with neither": [{ ...base, mode: "oauth", people, application: false }, /needs application, signIn or both/],
    "Graph somewhere else": [{ ...perimeter, gateway: { id: "g", graph: "https://attacker.example" } }, /gateway.graph/],
  };
  for (const [title, [wishes, why]] of Object.entries(mistakes)) {
    test(`${title} is refused before anything is asked`, async () => {
      const { code, output } = await run(wishes, "--apply");
      assert.equal(code, 1);
      assert.match(output, why);
      assert.doesNotMatch(output, /\n\s+at /);
      assert.deepEqual(api.requests, []);
    });
  }
});

test("the stand-in refuses what the reference does not have", async () => {
  const send = (path, body) =>
    fetch(`${api.url}/accounts/${account}/${path}`, { method: "POST", headers: { authorization: `Bearer ${token}` }, body: JSON.stringify(body) });
  const policy = { name: "p", decision: "allow", include: [{ everyone: {} }] };
  assert.equal((await send("access/policies", policy)).status, 200);
  assert.equal((await send("access/policies", { ...policy, colour: "red" })).status, 400);
  assert.equal((await send("access/policies", { ...policy, include: [{ everybody: {} }] })).status, 400);
  assert.equal((await send("ai-gateway/gateways", { id: "g" })).status, 400);
  assert.equal((await send("ai-gateway/routes", {})).status, 404);
});
