// Runs the official conformance suite as its own program and reads what it wrote.
// Holds: the version is the one that package.json pins; a result is what the suite's files say, not what it prints.
// Must never: run anything in this process, or leave a file behind.
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { wranglerNode, inRoot } from "../tools/project.mjs";

const program = inRoot("node_modules", "@modelcontextprotocol", "conformance", "dist", "index.js");

/** The suite's program; its exit code says too little, because warnings and unscored scenarios do not change it. */
export function runProgram(args, { onChild } = {}) {
  return new Promise((done, failed) => {
    const env = { ...process.env, NO_COLOR: "1" };
    const options = { env, timeout: 240_000, maxBuffer: 64 * 1024 * 1024 };
    const child = execFile(wranglerNode(), [program, ...args], options, (error, stdout, stderr) => {
      if (error?.killed) failed(new Error(`the suite did not end: ${args.join(" ")}`));
      else done({ code: error?.code ?? 0, output: stdout + stderr });
    });
    onChild?.(child);
  });
}

/** The name of a scenario in the name of its folder: `server-<name>-<time>`. */
const scenarioOf = (folder) => folder.replace(/^server-/, "").replace(/-\d{4}-\d\d-\d\dT.*$/, "");

/** Every check of a run: `{ scenario, id, name, status, errorMessage }`. */
export async function runSuite(args, options) {
  const folder = mkdtempSync(join(tmpdir(), "m365-conformance-"));
  try {
    const { output } = await runProgram([...args, "-o", folder], options);
    const checks = [];
    for (const entry of readdirSync(folder, { recursive: true }).filter((name) => name.endsWith("checks.json"))) {
      const scenario = scenarioOf(entry.split(/[\\/]/).at(-2));
      const read = JSON.parse(readFileSync(join(folder, entry), "utf8"));
      checks.push(...read.map((check) => ({ scenario, ...check })));
    }
    if (checks.length === 0) throw new Error(`the suite checked nothing:\n${output.slice(-4000)}`);
    return checks;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** How many checks ended in which way. */
export function totals(checks) {
  const count = {};
  for (const { status } of checks) count[status] = (count[status] ?? 0) + 1;
  return count;
}
