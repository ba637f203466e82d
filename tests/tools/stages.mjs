// What `npm test` and `npm run validate` have in common: stages that run one after the other, and their summary.
// Holds: the summary names each test that was skipped and why; its last line sums the runners.
// Must never: count a stage as passed because its runner said nothing, or hide a failure behind a later success.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { Advice, root, say } from "./project.mjs";

const started = Date.now();
const closing = /^(test result: |ℹ (tests|pass|fail|cancelled|skipped|todo) \d)/;
const skippedTest = /^\s*﹣ (.+) \([\d.]+ms\) # (.+)$/;

/** Runs one program; its output streams through, and its closing lines are kept. */
export function streamed(command, args, more = {}) {
  return new Promise((done, failed) => {
    const env = { ...process.env, ...more, NO_COLOR: "1", CARGO_TERM_COLOR: "never" };
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

/** A stage that is one cargo command. */
export const cargo = (name, ...args) => ({ name, run: () => streamed("cargo", args) });

/** What finds a mistake soonest: form, and lints of both targets with warnings denied. */
export const sourceChecks = [
  cargo("cargo fmt", "fmt", "--all", "--check"),
  cargo("clippy, native", "lint"),
  cargo("clippy, wasm32", "lint-wasm"),
];

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

/** Runs the stages in order and says how many tests or stages failed; after one that is `needed` nothing else can run. */
export async function runStages(stages) {
  const results = [];
  for (const [index, stage] of stages.entries()) {
    const result = await runStage(stage);
    results.push(result);
    if (stage.needed && !result.ok) return summary(results, stages.slice(index + 1));
  }
  return summary(results, []);
}
