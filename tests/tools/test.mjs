// `npm test`: every check there is, in the order in which a mistake is cheapest to find.
// Holds: each stage runs even when an earlier one failed, except what cannot run without a build; the summary names
// each test that was skipped and why; the last line sums the runners, and the exit code says whether anything failed.
// Must never: count a stage as passed because its runner said nothing.
// Options: --native or --e2e for one half; --long runs alone, and at full length, what an ordinary run cuts short; other
// words pick end-to-end files by a part of their name.
import { readdirSync } from "node:fs";
import { build } from "./build.mjs";
import { Advice, inRoot, runIfMain, wranglerNode } from "./project.mjs";
import { setup } from "./setup.mjs";
import { cargo, runStages, sourceChecks, streamed } from "./stages.mjs";

const e2eFolder = inRoot("tests", "end_to_end");

const native = [
  ...sourceChecks,
  { ...cargo("cargo test", "test", "--workspace", "--no-fail-fast"), tests: true },
];

function endToEnd(words) {
  const named = (name) => words.length === 0 || words.some((word) => name.includes(word));
  const files = () => readdirSync(e2eFolder).filter((name) => name.endsWith(".test.mjs") && named(name)).sort();
  const run = () => {
    const paths = files().map((name) => `tests/end_to_end/${name}`);
    if (paths.length === 0) throw new Advice(`no end-to-end test is named ${words.join(" or ")}`);
    // Two files at a time, each with a stack of its own: most of what they do is waiting.
    const options = ["--test-reporter=spec", "--test-timeout=600000", "--test-concurrency=2"];
    return streamed(wranglerNode(), ["--test", ...options, ...paths]);
  };
  return [
    { name: "build", run: () => build(["--worker", "--probe", "--conformance", "--native"]).then(() => ({ ok: true, kept: [] })), needed: true },
    { name: "end-to-end tests", run, tests: true },
  ];
}

export async function test(options) {
  const isLong = options.includes("--long");
  if (isLong) process.env.M365_LONG_TESTS = "1";
  const words = [...options.filter((option) => !option.startsWith("--")), ...(isLong ? ["short_tokens"] : [])];
  const wants = (half) => options.includes(half) || !(options.includes("--native") || options.includes("--e2e"));
  await setup({ tests: wants("--e2e") });
  const stages = [...(wants("--native") ? native : []), ...(wants("--e2e") ? endToEnd(words) : [])];
  return runStages(stages);
}

runIfMain(import.meta.url, async () => {
  if ((await test(process.argv.slice(2))) > 0) process.exitCode = 1;
});
