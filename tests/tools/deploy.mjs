// `npm run deploy [-- --env production] [--host https://mcp.example.com]`: validates, shows what would be deployed, asks,
// deploys the fetcher of documents and then the Worker that calls it, and verifies it where a host is given.
// Options: --yes asks nothing; --dry-run stops before the first deployment and needs no account.
// Holds: nothing is deployed while a check fails, while a placeholder stands in `wrangler.toml`, without a credential, or
// without somebody's word; a step that fails is the last one.
// Must never: print a credential, or deploy the Worker without the one that it calls.
import { createInterface } from "node:readline/promises";
import { parseArgs } from "node:util";
import {
  fetcherConfig, placeholders, plannedDeployment, workerConfig, wranglerCommand, wranglerEnvironment,
} from "./operations/wrangler.mjs";
import { Advice, capture, exitCode, runIfMain, say } from "./project.mjs";
import { validate } from "./validate.mjs";
import { verify } from "./verify.mjs";

function chosenOptions() {
  const text = { type: "string" };
  const flag = { type: "boolean", default: false };
  const { values } = parseArgs({ options: { env: text, host: text, yes: flag, "dry-run": flag } });
  return { env: values.env ?? "", host: values.host, isAsked: !values.yes, isDry: values["dry-run"] };
}

const quietly = { stdio: ["ignore", "pipe", "ignore"], env: { ...process.env, ...wranglerEnvironment } };

/** What a deployment needs of this machine; tests put their own in the place of each. */
const machine = {
  /** An API token, or a login of wrangler's that still stands. */
  mayDeploy: () =>
    Boolean(process.env.CLOUDFLARE_API_TOKEN) || capture(...wranglerCommand("whoami", "--json"), quietly) !== undefined,
  validate,
  verify,
  wrangler: (...args) => exitCode(...wranglerCommand(...args), { env: { ...process.env, ...wranglerEnvironment } }),
  planned: plannedDeployment,
  revision: () => capture("git", ["describe", "--always", "--dirty"]) ?? "unknown",
  ask: askAtTerminal,
};

async function askAtTerminal(question) {
  if (!process.stdin.isTTY) throw new Advice("Nobody is at the terminal to agree: say --yes to deploy without being asked.");
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return /^y(es)?$/i.test((await terminal.question(question)).trim());
  } finally {
    terminal.close();
  }
}

function show(planned, { env, revision }) {
  say(`
  would be deployed
    environment  ${env || "the top level"}
    sources      ${revision}
    first        ${planned.hasFetcher ? planned.fetcher : "no fetcher of documents: METADATA is not bound"}
    then         ${planned.name}
    answers at   ${planned.hosts.join(", ") || "no host"}
    bindings     ${planned.bindings.join(", ")}
    migrations   ${planned.migrations.join(", ")}
  Running instances end and open connections close; clients connect again, and what was under way is found out.
`);
}

async function step(on, ...args) {
  say(`wrangler ${args.join(" ")}`);
  const code = await on.wrangler(...args);
  if (code !== 0) throw new Advice(`wrangler ${args[0]} ended with ${code}. Nothing after it was done.`);
}

/** Resolves with whether everything that was asked for was done and found right. */
export async function deploy(options, on = machine) {
  const { env, host, isAsked, isDry } = options;
  if (!isDry && !(await on.mayDeploy())) {
    throw new Advice("No credential: set CLOUDFLARE_API_TOKEN, or sign in with `npx wrangler login`.");
  }
  const planned = on.planned(env);
  const unfinished = placeholders(planned);
  if (!isDry && unfinished.length > 0) throw new Advice(`wrangler.toml is not complete:\n  ${unfinished.join("\n  ")}`);
  if ((await on.validate()) > 0) throw new Advice("Nothing was deployed: a check failed.");
  show(planned, { env, revision: on.revision() });
  if (isDry) {
    for (const text of unfinished) say(`before a deployment: ${text}`);
    return true;
  }
  if (isAsked && !(await on.ask(`Deploy ${planned.name}? [y/N] `))) {
    say("Nothing was deployed.");
    return false;
  }
  // The binding of the Worker names it, so that it has to be there first.
  if (planned.hasFetcher) await step(on, "deploy", "--strict", "-c", fetcherConfig, "--env=");
  await step(on, "deploy", "--strict", "-c", workerConfig, ...(env ? ["--env", env] : ["--env="]));
  if (!host) {
    say("Deployed. Now verify it: npm run verify -- https://<host>");
    return true;
  }
  return on.verify({ origin: host });
}

runIfMain(import.meta.url, async () => {
  if (!(await deploy(chosenOptions()))) process.exitCode = 1;
});
