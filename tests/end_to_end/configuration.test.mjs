// wrangler.toml: what a named environment does not inherit must stand in it again, and nothing may drift.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { fetcherConfig, plannedDeployment, placeholders, workerConfig } from "../tools/operations/wrangler.mjs";
import { inRoot } from "../tools/project.mjs";
import { dryRun } from "../tools/validate.mjs";

const { unstable_readConfig } = createRequire(import.meta.url)("wrangler");
const read = (env) => unstable_readConfig({ config: inRoot("wrangler.toml"), env }, { hideWarnings: true });
const [top, production, local] = [undefined, "production", "local"].map(read);

/** Differences between environments that are meant: their names, where they answer, and identifiers of what each owns. */
function comparable(config) {
  const { name, topLevelName, targetEnvironment, definedEnvironments, routes, ...rest } = config;
  return { ...rest, kv_namespaces: rest.kv_namespaces.map(({ id, ...binding }) => binding) };
}

const bindingNames = (config) =>
  [
    config.ai && config.ai.binding,
    ...config.services.map(({ binding }) => binding),
    ...config.durable_objects.bindings.map(({ name }) => name),
    ...config.kv_namespaces.map(({ binding }) => binding),
  ].filter(Boolean).sort();

test("production equals the top level, apart from names, routes and identifiers", () => {
  assert.deepEqual(comparable(production), comparable(top));
});

test("production answers on a custom domain alone", () => {
  assert.deepEqual(production.routes.map(({ custom_domain: isCustom }) => isCustom), [true]);
});

for (const [what, config, env] of [
  ["the fetcher of documents", fetcherConfig], ["the top level", workerConfig], ["production", workerConfig, "production"],
]) {
  test(`wrangler would deploy ${what}`, async () => {
    assert.deepEqual(await dryRun(config, env), { ok: true, ended: 0, kept: [] });
  });
}

test("what a clone leaves to its operators is found, and what they put there is not", () => {
  const found = (hosts, id) => placeholders({ hosts, namespaces: [{ binding: "OAUTH_KV", id }] });
  const real = "0f2ac74b498b48028cb68387c421e279";
  assert.deepEqual(found(["mcp.contoso.com"], real), []);
  assert.match(found(["mcp.contoso.com"], "1".repeat(32))[0], /^OAUTH_KV has a placeholder/);
  for (const host of ["mcp.example.com", "mcp.example/mcp"]) assert.match(found([host], real)[0], /^the route .* is a placeholder/);
  assert.match(found([], real)[0], /^there is no route/);
});

test("what would be deployed is read from the same file", () => {
  const planned = plannedDeployment("production");
  assert.equal(planned.name, production.name);
  assert.deepEqual(planned.hosts, production.routes.map(({ pattern }) => pattern));
  assert.deepEqual([planned.isClosed, planned.redactsQueries, planned.hasFetcher], [true, true, true]);
});

test("the environments do not share a namespace", () => {
  const ids = [top, production].flatMap(({ kv_namespaces: list }) => list.map(({ id }) => id));
  assert.equal(new Set(ids).size, ids.length);
});

test("local has the same bindings and objects, with the emulator in the place of AI", () => {
  assert.deepEqual(bindingNames(local), bindingNames(top));
  assert.equal(local.ai, undefined);
  assert.deepEqual(local.durable_objects, top.durable_objects);
  assert.deepEqual(local.migrations, top.migrations);
  assert.equal(local.compatibility_date, top.compatibility_date);
  assert.deepEqual(local.compatibility_flags, top.compatibility_flags);
});

test("local starts the emulator's worker by the name that wrangler gives it", () => {
  const config = inRoot("tests", "emulator", "ai-binding", "wrangler.toml");
  const binding = unstable_readConfig({ config }, { hideWarnings: true });
  assert.equal(local.services.find((service) => service.binding === "AI")?.service, `${binding.name}-local`);
});

test("the fetcher of documents, and nothing else, reaches the public web only, and answers no address", () => {
  const config = inRoot("src", "metadata_fetcher", "wrangler.toml");
  const fetcher = unstable_readConfig({ config }, { hideWarnings: true });
  assert.deepEqual(fetcher.compatibility_flags, ["global_fetch_strictly_public"]);
  assert.deepEqual([top, production, local].flatMap(({ compatibility_flags }) => compatibility_flags), []);
  assert.deepEqual([fetcher.workers_dev, fetcher.preview_urls, fetcher.routes], [false, false, undefined]);
  assert.deepEqual([bindingNames(fetcher), fetcher.vars], [[], {}]);
  const named = (one) => one.services.find(({ binding }) => binding === "METADATA").service;
  assert.deepEqual([top, production, local].map(named), [fetcher.name, fetcher.name, `${fetcher.name}-local`]);
});

for (const [name, config] of Object.entries({ top, production })) {
  test(`${name}: bindings, secrets and what keeps it closed`, () => {
    assert.deepEqual(bindingNames(config), ["AI", "DIRECTORY", "MCP_OBJECT", "METADATA", "OAUTH_KV"]);
    assert.deepEqual(config.vars, {}, "settings are secrets");
    assert.equal(config.workers_dev, false);
    assert.equal(config.preview_urls, false);
    assert.equal(config.observability.redact_query_string, true);
    assert.ok(config.compatibility_date >= "2026-11-17", "older dates lack the request's abort signal");
    assert.deepEqual(config.migrations.map((migration) => ({ ...migration })), [
      { tag: "v1", new_sqlite_classes: ["UserSession"] },
      { tag: "v2", new_sqlite_classes: ["Directory"] },
    ]);
    const required = ["MICROSOFT_CLIENT_ID", "MICROSOFT_TENANT_ID", "GRAPH_API_VERSION",
      "ENCRYPTION_KEY", "COOKIE_ENCRYPTION_KEY", "COOKIE_SECRET", "PUBLIC_URL", "ACCESS_MODE", "EGRESS", "GATEWAY_ID"];
    assert.deepEqual(config.secrets.required, required);
  });
}
