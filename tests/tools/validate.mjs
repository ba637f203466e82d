// `npm run validate`: what must hold before anything is deployed: form, lints of both targets with warnings denied, the
// house rules, and a dry run of both Workers in every environment that is deployed.
// Holds: nothing leaves this machine; each stage runs even when an earlier one failed; the exit code says whether any did.
// Must never: need an account, or build what it does not look at.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runIfMain } from "./project.mjs";
import { setup } from "./setup.mjs";
import { cargo, runStages, sourceChecks, streamed } from "./stages.mjs";
import { fetcherConfig, workerConfig, wranglerCommand, wranglerEnvironment } from "./operations/wrangler.mjs";

/** wrangler bundles and checks as for a deployment, and stops before it would speak to anybody. */
export async function dryRun(config, env) {
  const folder = mkdtempSync(join(tmpdir(), "m365-dry-run-"));
  const environment = env ? ["--env", env] : ["--env="];
  const args = ["deploy", "--dry-run", "--strict", "-c", config, ...environment, "--outdir", folder];
  try {
    return await streamed(...wranglerCommand(...args), wranglerEnvironment);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export const validation = [
  ...sourceChecks,
  { ...cargo("house rules", "test", "--test", "tidy"), tests: true },
  { name: "dry run, fetcher of documents", run: () => dryRun(fetcherConfig) },
  { name: "dry run, top level", run: () => dryRun(workerConfig) },
  { name: "dry run, production", run: () => dryRun(workerConfig, "production") },
];

/** How many of the checks failed. */
export async function validate(stages = validation, prepare = setup) {
  await prepare();
  return runStages(stages);
}

runIfMain(import.meta.url, async () => {
  if ((await validate()) > 0) process.exitCode = 1;
});
