// `npm test`: every check there is, in the order in which a mistake is cheapest to find.
// Holds: each stage runs even when an earlier one failed, except what cannot run without a build; the summary names
// each test that was skipped and why; the last line sums the runners, and the exit code says whether anything failed.
// Must never: count a stage as passed because its runner said nothing.
// Options: --native or --e2e for one half; --long runs alone, and at full length, what an ordinary run cuts short; other
// words pick end-to-end files by a part of their name.
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { createInterface } from "node:readline";
import { build } from "./build.mjs";
import { Advice, inRoot, root, runIfMain, say, wranglerNode } from "./project.mjs";
import { setup } from "./setup.mjs";

const started = Date.now();
const closing = /^(test result: |ℹ (tests|pass|fail|cancelled|skipped|todo) \d)/;
const skippedTest = /^\s*﹣ (.+) \([\d.]+ms\) # (.+)$/;
const e2eFolder = inRoot("tests", "end_to_end");

/** Runs one program; its output streams through, and its closing lines are kept. */
function streamed(command, args) {
  return new Promise((done, failed) => {
    const env = { ...process.env, NO_COLOR: "1", CARGO_TERM_COLOR: "never" };
    delete env.FORCE_COLOR; // Node would warn about the contradiction
    const child = spawn(command, args, { cwd: root, env, stdio: ["ignore", "pipe", "inherit"] });
    const kept = [];
    createInterface({ input: child.stdout }).on("line", (text) => {
      if (closing.test(text)) kept.push(text);
      const [, name, why] = text.match(skippedTest) ?? [];
      if (name) kept.push(`skipped: ${name}: ${why}`);
      say(text);
    });
    for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => child.kill(signal));
    child.once("error", failed);
    child.once("close", (code, signal) => done({ ok: code === 0, ended: code ?? signal, kept }));
  });
}

/** Passed, failed and skipped tests according to a runner's own closing lines. */
function counted(lines) {
  const numbers = (text, patterns) => patterns.map((pattern) => Number(text.match(pattern)?.[1] ?? 0));
  const sum = (patterns) => lines.flatMap((text) => numbers(text, patterns)).reduce((a, b) => a + b, 0);
  return {
    passed: sum([/(\d+) passed;/, /^ℹ pass (\d+)/]),
    failed: sum([/(\d+) failed;/, /^ℹ fail (\d+)/, /^ℹ cancelled (\d+)/]),
    skipped: sum([/^ℹ skipped (\d+)/]),
  };
}

const cargo = (name, ...args) => ({ name, run: () => streamed("cargo", args) });

const native = [
  cargo("cargo fmt", "fmt", "--all", "--check"),
  cargo("clippy, native", "lint"),
  cargo("clippy, wasm32", "lint-wasm"),
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

async function runStage(stage) {
  say(`\n=== ${stage.name} ===`);
  const since = Date.now();
  const outcome = await Promise.resolve()
    .then(stage.run)
    .catch((error) => ({ ok: false, ended: error instanceof Advice ? error.message : error.stack, kept: [] }));
  const count = counted(outcome.kept);
  // A runner that says nothing has not tested anything, whatever its exit code.
  const ok = outcome.ok && !(stage.tests && outcome.kept.length === 0);
  const seconds = ((Date.now() - since) / 1000).toFixed(1);
  say(`--- ${stage.name}: ${ok ? "ok" : `FAILED (${outcome.ended})`}, ${seconds} s`);
  return { ...stage, ...count, ok, kept: outcome.kept, seconds };
}

function summary(results, notRun) {
  say("\n=== summary ===");
  for (const { name, ok, seconds, kept } of results) {
    say(`${ok ? "ok    " : "FAILED"}  ${name} (${seconds} s)`);
    for (const text of kept) say(`        ${text}`);
  }
  for (const { name } of notRun) say(`FAILED  ${name} (not run: there is no build)`);
  // A stage that failed without naming a failed test counts as one.
  const failures = results.map(({ ok, failed }) => failed || (ok ? 0 : 1));
  const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
  const failed = sum(failures) + notRun.length;
  say(`all of it took ${((Date.now() - started) / 1000).toFixed(0)} s`);
  const [passed, skipped] = ["passed", "skipped"].map((kind) => sum(results.map((result) => result[kind])));
  say(`${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ""}`);
  return failed;
}

export async function test(options) {
  const isLong = options.includes("--long");
  if (isLong) process.env.M365_LONG_TESTS = "1";
  const words = [...options.filter((option) => !option.startsWith("--")), ...(isLong ? ["short_tokens"] : [])];
  const wants = (half) => options.includes(half) || !(options.includes("--native") || options.includes("--e2e"));
  await setup({ tests: wants("--e2e") });
  const stages = [...(wants("--native") ? native : []), ...(wants("--e2e") ? endToEnd(words) : [])];
  const results = [];
  for (const [index, stage] of stages.entries()) {
    const result = await runStage(stage);
    results.push(result);
    if (stage.needed && !result.ok) return summary(results, stages.slice(index + 1));
  }
  return summary(results, []);
}

runIfMain(import.meta.url, async () => {
  if ((await test(process.argv.slice(2))) > 0) process.exitCode = 1;
});
