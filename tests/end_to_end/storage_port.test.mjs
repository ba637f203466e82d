// The storage port: the same random operations on real SQLite inside workerd and on the reference in memory.
// Holds: every result of every read is equal; a difference is shown with the seed that shows it again.
// Must never: compare anything but results, such as time or query plans.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { inRoot } from "../tools/project.mjs";
import { quietWrangler } from "../tools/workerd.mjs";

const seeds = [1, 2, 3, 4, 5];
const operationsPerSeed = 2_000;

test("real SQLite and the reference in memory answer every read alike", async (t) => {
  Object.assign(process.env, quietWrangler);
  const { Miniflare, Log, LogLevel, convertV4MiniflareOptions } = createRequire(import.meta.url)("miniflare");
  const folder = inRoot("tests", "storage_port", "build");
  const miniflare = new Miniflare(convertV4MiniflareOptions({
    log: new Log(LogLevel.NONE),
    cf: false,
    workers: [{
      name: "storage-port",
      compatibilityDate: "2026-11-17",
      modulesRoot: folder,
      modules: [
        { type: "ESModule", path: `${folder}/index.js` },
        { type: "CompiledWasm", path: `${folder}/index_bg.wasm` },
      ],
      durableObjects: { PROBE: { className: "StorageProbe", useSQLite: true } },
    }],
  }));
  t.after(() => miniflare.dispose());
  const origin = await miniflare.ready;
  let compared = 0;
  for (const seed of seeds) {
    const response = await fetch(new URL(`/?seed=${seed}&count=${operationsPerSeed}`, origin));
    const text = await response.text();
    assert.equal(response.status, 200, text);
    const { differences, operations } = JSON.parse(text);
    assert.deepEqual(differences, [], `seed ${seed}`);
    compared += operations;
  }
  t.diagnostic(`${compared} operations compared, 0 differences`);
  assert.equal(compared, seeds.length * operationsPerSeed);
});
