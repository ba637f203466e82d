// `npm run verify -- https://mcp.example.com [--expect perimeter|oauth|open] [--token-file FILE]`: the playbook's checklist as
// a program: each line passes, fails, or cannot be told from here, and then says how a person finds out.
// With an access token, from a file or in M365_ACCESS_TOKEN, the lines that need a person are walked too; it reads one mail's
// headers and changes nothing.
// Holds: the exit code is 1 exactly if a line failed; what cannot be told never counts as passed.
// Must never: take a token as an argument, where other processes see it, print one, or send one anywhere but to the host.
import { readFileSync, statSync } from "node:fs";
import { parseArgs } from "node:util";
import { verifyAccess } from "./operations/verify_access.mjs";
import { verifyDoors, verifyTransport } from "./operations/verify_doors.mjs";
import { verifyOAuth } from "./operations/verify_oauth.mjs";
import { verifySignedIn } from "./operations/verify_signed_in.mjs";
import { observe } from "./operations/observe.mjs";
import { deployment, originOf } from "./operations/outside.mjs";
import { Report } from "./operations/report.mjs";
import { Advice, runIfMain, say } from "./project.mjs";

export const modes = ["perimeter", "oauth", "open"];
const tokenBytesMax = 16 * 1024;

/** The token of `--token-file`, or of the environment. */
export function presentedToken(file) {
  if (file && statSync(file).size > tokenBytesMax) throw new Advice(`${file} is too large for an access token`);
  const token = (file ? readFileSync(file, "utf8") : (process.env.M365_ACCESS_TOKEN ?? "")).trim();
  if (/[^\x21-\x7e]/.test(token)) throw new Advice("The access token must be one word; nothing else belongs into its file.");
  return token || undefined;
}

/** The arguments that `verify` and `doctor` share. */
export function readArguments(more = {}) {
  const text = { type: "string" };
  const { values, positionals } = parseArgs({
    allowPositionals: true, options: { expect: text, "token-file": text, ...more },
  });
  if (values.expect && !modes.includes(values.expect)) throw new Advice(`--expect takes one of ${modes.join(", ")}`);
  if (positionals.length > 1) throw new Advice("Give one address. A token is never an argument: use --token-file.");
  return { values, address: positionals[0], token: presentedToken(values["token-file"]) };
}

/** Walks the checklist and prints it; resolves with whether no line failed. */
export async function verify({ origin: address, expect, token }) {
  const { origin, isLocal } = originOf(address);
  const report = new Report(["pass", "fail", "cannot tell"]);
  say(`Checklist of ${origin}`);
  const seen = await observe(origin);
  const scene = { origin, isLocal, seen, report, token, to: deployment(origin), expect };
  report.section("The deployment");
  if (seen.unreachable) {
    report.add("fail", "it answers", seen.unreachable, "Run npm run doctor with the same address.");
  } else {
    whatItIs(scene);
    await verifyTransport(scene);
    await verifyAccess(scene);
    await verifyOAuth(scene);
    await verifySignedIn(scene);
    verifyDoors(scene);
  }
  report.print();
  return report.failures.length === 0;
}

function whatItIs({ report, seen, expect }) {
  const { health, mode } = seen;
  if (health.status === 200) report.add("pass", "its settings are complete", `version ${health.json?.version ?? "unknown"}`);
  else if (health.status === 503) {
    const problems = (health.json?.problems ?? []).map(({ setting, problem }) => `${setting} ${problem}`);
    report.add("fail", "its settings are complete", problems.join("; "), "Set them as docs/settings.md says.");
  } else {
    const why = "/healthz is not reachable from here";
    report.add("cannot tell", "its settings are complete", why, "Bypass Access for /healthz, or look with a browser.");
  }
  if (health.json?.microsoftCredentialRefusedAt) {
    const why = `Microsoft refused it at ${health.json.microsoftCredentialRefusedAt}`;
    report.add("fail", "Microsoft accepts the application's credential", why, "Renew the secret or the certificate.");
  }
  if (!mode) report.add("cannot tell", "the mode of Access shows", "neither Access nor an authorization server is there");
  else if (expect && expect !== mode) report.add("fail", `it runs in the mode ${expect}`, `it looks like ${mode}`);
  else report.add("pass", "the mode of Access shows", mode);
}

runIfMain(import.meta.url, async () => {
  const { values, address, token } = readArguments();
  if (!address) throw new Advice("Usage: npm run verify -- https://mcp.example.com [--expect MODE] [--token-file FILE]");
  if (!(await verify({ origin: address, expect: values.expect, token }))) process.exitCode = 1;
});
