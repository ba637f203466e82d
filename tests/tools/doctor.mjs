// `npm run doctor [-- https://mcp.example.com] [--settings FILE] [--env production] [--expect MODE] [--token-file FILE]`:
// what a deployment, or without an address the local run, lacks, on one page: each line is ok, a warning, a failure or
// cannot be told from here, with what to do next.
// Of a deployment it looks from outside; `--settings` adds the file that its secrets were set from, `--env` says which
// environment of wrangler.toml it is, and an access token, from a file or in M365_ACCESS_TOKEN, adds what a person sees.
// Holds: the exit code is 1 exactly if a line failed; nothing is changed anywhere.
// Must never: print the value of a secret, or take one as an argument.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { lookAtClone, lookAtServices, lookAtSettings } from "./operations/doctor_inside.mjs";
import { lookAtDeployment } from "./operations/doctor_outside.mjs";
import { lookAsPerson } from "./operations/doctor_person.mjs";
import { observe } from "./operations/observe.mjs";
import { deployment, originOf } from "./operations/outside.mjs";
import { Report } from "./operations/report.mjs";
import { Advice, devVarsFile, runIfMain, say } from "./project.mjs";
import { readArguments } from "./verify.mjs";

/** Looks at everything and prints it; resolves with whether no line failed. */
export async function doctor({ address, settingsFile, env, expect, token }) {
  const report = new Report(["ok", "warn", "fail", "cannot tell"]);
  const settings = settingsFile && lookAtSettings(report, settingsFile);
  if (!address && !settings?.publicUrl) {
    report.print();
    return false;
  }
  if (settings) await lookAtServices(report, settings);
  const { origin, isLocal } = originOf(address ?? settings.publicUrl);
  if (!isLocal) lookAtClone(report, env, origin);
  const seen = await observe(origin);
  const scene = { report, origin, isLocal, seen, settings, token, expect: expect ?? settings?.mode, to: deployment(origin) };
  await lookAtDeployment(scene);
  if (!seen.unreachable) await lookAsPerson(scene);
  report.print();
  return report.failures.length === 0;
}

runIfMain(import.meta.url, async () => {
  const text = { type: "string" };
  const more = { settings: text, env: text, local: { type: "boolean", default: false } };
  const { values, address, token } = readArguments(more);
  if (values.local && address) throw new Advice("--local is this machine's own run; leave the address out.");
  const file = values.settings ? resolve(values.settings) : address ? undefined : devVarsFile;
  if (file && !existsSync(file)) throw new Advice(`${file} does not exist. npm start writes the local run's settings.`);
  say(`Looking at ${address ?? "the local run"}`);
  const options = { address, settingsFile: file, env: values.env ?? "production", expect: values.expect, token };
  if (!(await doctor(options))) process.exitCode = 1;
});
