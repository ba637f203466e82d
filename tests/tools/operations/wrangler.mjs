// wrangler as the operations' commands use it: its reading of `wrangler.toml`, and its commands.
// Holds: what would be deployed is what wrangler itself reads; nothing is asked at a terminal.
// Must never: take a secret as an argument, or run a command that changes an account without its caller's word.
import { capture, inRoot, wranglerNode, wranglerProgram } from "../project.mjs";
import { quietWrangler } from "../workerd.mjs";

export const workerConfig = "wrangler.toml";
export const fetcherConfig = "src/metadata_fetcher/wrangler.toml";
/** Identifiers that stand in `wrangler.toml` until somebody puts real ones there: one digit throughout. */
const placeholderId = /^(\w)\1{31}$/;
/** Names that nobody can own (RFC 2606). */
const placeholderHost = /(^|\.)example(\.(com|net|org))?$/;

export const wranglerEnvironment = { ...quietWrangler, WRANGLER_LOG: "log", CI: "true" };

/** A command of wrangler: the program and its arguments. */
export const wranglerCommand = (...args) => [wranglerNode(), [wranglerProgram(), ...args]];

const reader = `
  const { unstable_readConfig } = require("wrangler");
  const [config, env] = process.argv.slice(1);
  console.log(JSON.stringify(unstable_readConfig({ config, env: env || undefined }, { hideWarnings: true })));
`;

/** A configuration as wrangler reads it; wrangler may need a newer Node than this one, hence a process of its own. */
export function readConfig(file, env = "") {
  const options = { stdio: ["ignore", "pipe", "ignore"], env: { ...process.env, ...wranglerEnvironment } };
  const text = capture(wranglerNode(), ["-e", reader, inRoot(file), env], options);
  if (text === undefined) throw new Error(`wrangler cannot read ${file}${env ? ` for the environment ${env}` : ""}`);
  return JSON.parse(text.slice(text.indexOf("{")));
}

/** What a deployment of an environment would be: names, hosts and bindings. */
export function plannedDeployment(env = "") {
  const config = readConfig(workerConfig, env);
  const fetcher = readConfig(fetcherConfig);
  return {
    name: config.name,
    fetcher: fetcher.name,
    hosts: (config.routes ?? []).map((route) => (typeof route === "string" ? route : route.pattern)),
    namespaces: config.kv_namespaces.map(({ binding, id }) => ({ binding, id })),
    bindings: [
      ...(config.ai ? [config.ai.binding] : []),
      ...config.durable_objects.bindings.map(({ name, class_name: type }) => `${name} (${type})`),
      ...config.kv_namespaces.map(({ binding, id }) => `${binding} (${id})`),
      ...config.services.map(({ binding, service }) => `${binding} (${service})`),
    ],
    migrations: config.migrations.map(({ tag }) => tag),
    compatibilityDate: config.compatibility_date,
    hasFetcher: config.services.some(({ service }) => service === fetcher.name),
    requiredSecrets: config.secrets?.required ?? [],
    isClosed: config.workers_dev === false && config.preview_urls === false,
    redactsQueries: config.observability?.redact_query_string === true,
  };
}

/** What of it still is a placeholder, each with what belongs there. */
export function placeholders({ hosts, namespaces }) {
  const found = namespaces.filter(({ id }) => placeholderId.test(id)).map(({ binding }) => {
    return `${binding} has a placeholder as its id: put the one that \`npx wrangler kv namespace create ${binding}\` prints`;
  });
  if (hosts.length === 0) found.push("there is no route: put the custom domain that PUBLIC_URL names");
  const unowned = hosts.filter((host) => placeholderHost.test(host.split("/")[0]));
  found.push(...unowned.map((host) => `the route ${host} is a placeholder: put the host that PUBLIC_URL names`));
  return found;
}
