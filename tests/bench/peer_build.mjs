// Installs and bundles the peer, the first time and whenever its sources changed.
// Holds: exact versions by its own lock file; bundled by wrangler, as the peer's users do.
// Must never: run during `npm test`, or deploy anything.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Advice, inRoot, run, say, withLock, wranglerNode, wranglerProgram } from "../tools/project.mjs";
import { quietWrangler } from "../tools/workerd.mjs";

const folder = inRoot("tests", "bench", "peer");
const built = join(folder, "build");
const mark = join(built, ".built-from");

function fingerprint() {
  const digest = createHash("sha256");
  for (const name of readdirSync(folder, { withFileTypes: true }).filter((one) => one.isFile()).map((one) => one.name).sort()) {
    digest.update(`\n${name}\n`).update(readFileSync(join(folder, name)));
  }
  return digest.digest("hex");
}

/** The peer's modules, the entry first. */
export async function peerModules() {
  const wanted = fingerprint();
  const isBuilt = () => existsSync(mark) && readFileSync(mark, "utf8") === wanted;
  await withLock(inRoot(".wrangler", "peer.lock"), async () => {
    if (isBuilt()) return;
    say("the peer: installing and bundling (once)");
    const npm = process.platform === "win32" ? "npm.cmd" : "npm";
    await run(npm, ["ci", "--loglevel=error", "--no-audit", "--no-fund"], { cwd: folder });
    const args = [wranglerProgram(), "deploy", "--config", join(folder, "wrangler.toml"), "--dry-run", "--outdir", built];
    await run(wranglerNode(), args, { cwd: folder, env: { ...process.env, ...quietWrangler }, stdio: ["ignore", "ignore", "inherit"] });
    writeFileSync(mark, wanted);
  });
  const names = readdirSync(built).filter((name) => /\.(js|mjs|wasm)$/.test(name));
  if (!names.includes("worker.js")) throw new Advice(`The peer's bundle is not in ${built}`);
  const sorted = ["worker.js", ...names.filter((name) => name !== "worker.js")];
  return sorted.map((name) => ({ name, path: join(built, name) }));
}

/** The versions that its lock file names. */
export function peerVersions() {
  const { dependencies } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return dependencies;
}
