// The storage port on real SQLite inside workerd: the same answers as the reference in memory, and a cost that does not
// grow with the ledger.
// Holds: every result of every read is equal, a difference is shown with the seed that shows it again; what is asserted of
// cost is counts of rows, and times are printed only. LEDGER_ENTRIES=1000000 fills the ledger to its bound.
// Must never: assert a time.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { inRoot } from "../tools/project.mjs";
import { quietWrangler } from "../tools/workerd.mjs";

const seeds = [1, 2, 3, 4, 5];
const operationsPerSeed = 2_000;
const entries = Number(process.env.LEDGER_ENTRIES ?? 20_000);
const filledAtOnce = 20_000;
const times = 100;

let miniflare, origin;
before(async () => {
  Object.assign(process.env, quietWrangler);
  const { Miniflare, Log, LogLevel, convertV4MiniflareOptions } = createRequire(import.meta.url)("miniflare");
  const folder = inRoot("tests", "storage_port", "build");
  miniflare = new Miniflare(convertV4MiniflareOptions({
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
  origin = await miniflare.ready;
});
after(() => miniflare?.dispose());

async function probe(path, query = {}) {
  const response = await fetch(new URL(`${path}?${new URLSearchParams(query)}`, origin));
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return JSON.parse(text);
}

test("real SQLite and the reference in memory answer every read alike", async (t) => {
  let compared = 0;
  for (const seed of seeds) {
    const { differences, operations } = await probe("/compare", { seed, count: operationsPerSeed });
    assert.deepEqual(differences, [], `seed ${seed}`);
    compared += operations;
  }
  t.diagnostic(`${compared} operations compared, 0 differences`);
  assert.equal(compared, seeds.length * operationsPerSeed);
});

test("every statement searches by the primary key", async (t) => {
  const { plans } = await probe("/plans", { object: "plans" });
  for (const { statement, plan } of plans) {
    // Writing by key needs no search of its own, and SQLite has no plan to tell of it.
    if (/^INSERT/.test(statement)) assert.equal(plan, "", statement);
    else assert.match(plan, /^SEARCH \w+ USING PRIMARY KEY \(k[=>]\?( AND k<\?)?\)$/, statement);
  }
  t.diagnostic(`${plans.length} statements, each by primary key`);
  assert.equal(plans.length, 8 * 7);
});

const kinds = ["recovery and ping", "read", "write in two steps", "repeat of a read", "alarm"];

/** What each kind of call costs with so many entries in the ledger. */
async function measured(count, t) {
  const object = `ledger of ${count}`;
  for (let first = 0; first < count; first += filledAtOnce) {
    await probe("/fill", { object, first, count: Math.min(filledAtOnce, count - first), of: count });
  }
  await probe("/adopt", { object, of: count });
  // Beside what is filled in there is one call, so that no ledger is so empty that there is nothing to find.
  await probe("/calls", { object, what: "read", count: 1, of: count });
  const results = {};
  for (const what of kinds) {
    const began = performance.now();
    const { costs } = await probe("/calls", { object, what, count: times, of: count });
    const each = ((performance.now() - began) / times).toFixed(3);
    results[what] = costs;
    const { read, written } = costs.at(-1);
    t.diagnostic(`${what}, ${count} entries: ${each} ms, rows read ${read}, rows written ${written}`);
  }
  return results;
}

test(`a call reads and writes as many rows with ${entries} entries in the ledger as with none`, async (t) => {
  const [empty, full] = [await measured(0, t), await measured(entries, t)];
  for (const what of kinds) assert.deepEqual(full[what], empty[what], what);
});
