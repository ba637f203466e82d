// `npm run provision -- wishes.json [--apply] [--settings FILE [--upload --env production]]`: what can be scripted of a
// deployment's surroundings: Access applications and policies, the AI Gateway with its custom provider, the KV namespace, and
// the Worker's secrets. It prints what it would do and does it only with --apply; docs/operations/provision.md has an example.
// Holds: run twice it changes nothing the second time; nothing is ever deleted; the API token comes from the environment.
// Must never: print a secret. The one that Access shows once goes into the file of settings, which is its owner's alone.
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { parseSettings, setInFile } from "./dev_vars.mjs";
import { cloudflareApi } from "./operations/cloudflare_api.mjs";
import { readSettings } from "./operations/doctor_inside.mjs";
import { applyPlan, planOf } from "./operations/plan.mjs";
import { readWishes, resourcesOf } from "./operations/wishes.mjs";
import { wranglerCommand, wranglerEnvironment } from "./operations/wrangler.mjs";
import { Advice, root, runIfMain, say } from "./project.mjs";

function chosenOptions() {
  const text = { type: "string" };
  const flag = { type: "boolean", default: false };
  const { values, positionals } = parseArgs({
    allowPositionals: true, options: { apply: flag, upload: flag, settings: text, env: text },
  });
  if (positionals.length !== 1) throw new Advice("Usage: npm run provision -- wishes.json [--apply] [--settings FILE [--upload]]");
  if (values.upload && !(values.apply && values.settings)) throw new Advice("--upload needs --apply and --settings FILE.");
  const settingsFile = values.settings && resolve(values.settings);
  return { wishesFile: positionals[0], isApplied: values.apply, isUploaded: values.upload, settingsFile, env: values.env ?? "production" };
}

/** The settings that follow from what exists; a secret of Access is among them only when it was just made. */
async function settingsThatFollow(wishes, made, api) {
  const { host, mode, account, gateway } = wishes;
  const { auth_domain: team } = mode === "open" ? {} : await api.one("access/organizations");
  const client = made.signIn?.saas_app;
  const all = {
    PUBLIC_URL: `https://${host}`,
    ACCESS_MODE: mode,
    ACCESS_TEAM_DOMAIN: team,
    ACCESS_AUD: made.application?.aud,
    OPS_AUD: made.operations?.aud,
    ACCESS_CLIENT_ID: client?.client_id,
    ACCESS_CLIENT_SECRET: client?.client_secret,
    EGRESS: "custom_provider",
    GATEWAY_ID: gateway.id,
    GATEWAY_BASE_URL: `https://gateway.ai.cloudflare.com/v1/${account}/${gateway.id}/custom-${gateway.provider ?? "graph"}`,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

const secretNames = new Set(["ACCESS_CLIENT_SECRET"]);

function showPlan({ steps }) {
  for (const { action, title, differs } of steps) {
    say(`  ${action.padEnd(6)}  ${title}`);
    for (const text of action === "change" ? differs : []) say(`            ${text}`);
  }
}

/** Secrets as JSON on standard input, so that they are in no argument and in no second file. */
function uploadSecrets(settings, env) {
  const [program, args] = wranglerCommand("secret", "bulk", "--env", env);
  return new Promise((done, failed) => {
    const stdio = ["pipe", "inherit", "inherit"];
    const child = spawn(program, args, { cwd: root, stdio, env: { ...process.env, ...wranglerEnvironment } });
    child.once("error", failed);
    child.once("close", (code) => (code === 0 ? done() : failed(new Advice(`wrangler secret bulk ended with ${code}`))));
    child.stdin.on("error", () => {});
    child.stdin.end(JSON.stringify(settings));
  });
}

/** What follows for the settings and for `wrangler.toml`, for a person to put there or already written. */
function tell(made, follow, settingsFile) {
  say(settingsFile ? `\nWritten to ${settingsFile}:` : "\nSettings that follow:");
  for (const [name, value] of Object.entries(follow)) say(`  ${name}=${secretNames.has(name) ? "<secret>" : value}`);
  say(`\nFor wrangler.toml: the id of OAUTH_KV is ${made.namespace.id}; the route is ${new URL(follow.PUBLIC_URL).host}.`);
  const uid = made.linkedApps && made.linkedApps.include?.[0]?.linked_app_token?.app_uid;
  if (uid) say(`Attach the policy for linked apps (${made.linkedApps.id}) to each internal application that LINKED_APPS names.`);
  say("AI_GATEWAY_SERVICE_TOKEN: make an API token with the permission AI Gateway - Run; it is shown once and made by hand.");
}

function check(settingsFile) {
  const { problems } = readSettings(settingsFile);
  if (problems.length === 0) return parseSettings(readFileSync(settingsFile, "utf8"));
  const named = problems.map(({ setting, problem }) => `${setting} ${problem}`);
  throw new Advice(`Nothing was uploaded: ${settingsFile} is not complete:\n  ${named.join("\n  ")}`);
}

/** Resolves with the steps that the plan had. */
export async function provision(options, { upload = uploadSecrets } = {}) {
  const { wishesFile, isApplied, isUploaded, settingsFile, env } = options;
  const token = process.env.CLOUDFLARE_API_TOKEN;
  const wishes = readWishes(wishesFile);
  if (!token) throw new Advice("No credential: set CLOUDFLARE_API_TOKEN. docs/operations/provision.md lists its permissions.");
  const api = cloudflareApi({ account: wishes.account, token });
  const plan = await planOf(resourcesOf(wishes), api);
  say(isApplied ? "Doing:" : "It would:");
  showPlan(plan);
  const open = plan.steps.filter(({ action }) => action !== "keep");
  const showsSecret = open.some(({ action, keepsSecret }) => action === "create" && keepsSecret);
  if (showsSecret && !settingsFile) {
    const why = "Access shows the secret of the sign-in application once: give --settings FILE, where it goes.";
    if (isApplied) throw new Advice(`Nothing was done. ${why}`);
    say(`\n${why}`);
  }
  if (!isApplied) {
    say(open.length > 0 ? `\n${open.length} to do. Nothing was done: say --apply to do it.` : "\nThere is nothing to do.");
    return plan.steps;
  }
  const made = await applyPlan(plan, api, (step, result) => {
    const secret = step.keepsSecret && result.saas_app?.client_secret;
    // At once, because a later step that fails must not lose what is never shown again.
    if (secret && settingsFile) setInFile(settingsFile, { ACCESS_CLIENT_SECRET: secret });
    if (step.action !== "keep") say(`  done: ${step.title}`);
  });
  const follow = await settingsThatFollow(wishes, made, api);
  if (settingsFile) setInFile(settingsFile, follow);
  tell(made, follow, settingsFile);
  if (isUploaded) {
    const settings = check(settingsFile);
    say(`\nUploading ${Object.keys(settings).length} secrets to ${env}, which is a deploy: ${Object.keys(settings).join(", ")}`);
    await upload(settings, env);
  } else if (settingsFile && existsSync(settingsFile)) say(`\nThen look it over: npm run doctor -- --settings ${settingsFile}`);
  return plan.steps;
}

runIfMain(import.meta.url, () => provision(chosenOptions()));
