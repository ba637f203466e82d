// `npm run operator -- ada`: a credential for /ops of a deployment that no application of Cloudflare Access protects.
// Holds: the key comes from the settings of the local run, or from the environment for any other deployment.
// Must never: take a key as an argument, or print anything of it.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { parseArgs, promisify } from "node:util";
import { Advice, devVarsFile, nativeProgram, runIfMain, say } from "./project.mjs";

const runFile = promisify(execFile);

/** Makes a credential for an operator: `{ credential, consoleUrl, expiresAt }`. */
export async function credentialFor(name, { envFile = devVarsFile, hours = "8", fromEnvironment = false } = {}) {
  if (!existsSync(nativeProgram("mint-operator"))) throw new Advice("mint-operator is not built: run npm run build");
  if (!fromEnvironment && !existsSync(envFile)) throw new Advice("There are no settings yet: run npm start first");
  const source = fromEnvironment ? [] : ["--env-file", envFile];
  try {
    const { stdout } = await runFile(nativeProgram("mint-operator"), ["--name", name, "--hours", hours, ...source]);
    return JSON.parse(stdout);
  } catch (error) {
    throw new Advice(`mint-operator: ${(error.stderr || error.message).trim()}`);
  }
}

runIfMain(import.meta.url, async () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: "boolean" }, hours: { type: "string" }, settings: { type: "string" }, env: { type: "boolean" } },
  });
  const [name] = positionals;
  if (!name) {
    throw new Advice(
      "Usage: npm run operator -- <name> [--hours N] [--json] [--settings FILE | --env], as in npm run operator -- ada\n" +
        "With --env the key is read from ENCRYPTION_KEY and the deployment from PUBLIC_URL of the environment",
    );
  }
  const made = await credentialFor(name, { envFile: values.settings, hours: values.hours, fromEnvironment: values.env });
  if (values.json) say(JSON.stringify(made));
  else say(`Console:    ${made.consoleUrl}\nCredential: ${made.credential}\nGood until: ${made.expiresAt}`);
});
