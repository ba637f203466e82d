// The curves of growth, as far as they can be held to counts: their arithmetic, the rows that fill a ledger, the report.
// Holds: nothing here looks at a clock.
// Must never: assert how fast anything is; that is what the benchmark itself shows.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, test } from "node:test";
import { fillLedger, ledgerSize, requestIdAt, timeOf, withEntries } from "../bench/ledger_fill.mjs";
import { inParallel, sizesOf } from "../bench/scale.mjs";
import { axisEnd, scaleChart } from "../bench/scale_chart.mjs";
import { growth, percents, scaleText, withScale } from "../bench/scale_report.mjs";
import { summary } from "../bench/statistics.mjs";
import { inRoot } from "../tools/project.mjs";
import { decodeCbor } from "./rows.mjs";

const dayMs = 24 * 60 * 60 * 1000;
const hex = (text) => Buffer.from(text.replaceAll(" ", ""), "hex");
const id = hex("01a206ebd8c3 871a b7ff bc65226bfef8");
/** {"v": 2, "l": {"f": null, "p": 0, "b": 0, "k": "0", "s": null}}, as an object writes it. */
const meta = hex("a2 6176 02 616c a5 6166 f6 6170 00 6162 00 616b 6130 6173 f6");
/** {"s": "d", "k": {"t": "sendEmail"}} */
const mail = hex("a2 6173 6164 616b a1 6174 69 73656e64456d61696c");

describe("a ledger is filled", () => {
  test("with request IDs that differ in their time alone", () => {
    const moved = requestIdAt(id, 1_795_412_449_381);
    assert.equal(moved.readUIntBE(0, 6), 1_795_412_449_381);
    assert.deepEqual(moved.subarray(6), id.subarray(6));
    const now = 2_000 * dayMs;
    assert.equal(timeOf(0, 10, now), now - 60 * dayMs);
    assert.ok(timeOf(999_999, 1_000_000, now) < now - 30 * dayMs);
    assert.equal(new Set(Array.from({ length: 1000 }, (_, number) => timeOf(number, 1_000_000, now))).size, 1000);
  });

  test("and its object's own row counts them, or is left alone where it is not as expected", () => {
    const changed = decodeCbor(withEntries(meta, 1_000_000, id));
    assert.deepEqual(changed, { v: 2, l: { f: id, p: 0, b: 1_000_000, k: "0", s: null } });
    assert.throws(() => withEntries(withEntries(meta, 5, id), 5, id), /not as expected/);
    assert.throws(() => withEntries(Buffer.concat([meta, meta]), 5, id), /not as expected/);
  });

  test("on disk, before what is there", () => {
    const folder = mkdtempSync(join(tmpdir(), "m365-fill-test-"));
    try {
      const file = join(folder, "person.sqlite");
      const database = new DatabaseSync(file);
      for (const table of ["meta", "ledger"]) database.exec(`CREATE TABLE ${table} (k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID`);
      database.prepare("INSERT INTO meta VALUES (?, ?)").run(Buffer.from("object"), meta);
      database.close();
      assert.throws(() => fillLedger(file, 7), /no settled mail/);
      const again = new DatabaseSync(file);
      again.prepare("INSERT INTO ledger VALUES (?, ?)").run(id, mail);
      again.close();
      fillLedger(file, 0);
      assert.equal(ledgerSize(file), 1);
      fillLedger(file, 7, id.readUIntBE(0, 6) + 1);
      assert.equal(ledgerSize(file), 8);
      const filled = new DatabaseSync(file, { readOnly: true });
      const { k } = filled.prepare("SELECT k FROM ledger ORDER BY k DESC").get();
      const { v } = filled.prepare("SELECT v FROM meta").get();
      filled.close();
      assert.deepEqual(Buffer.from(k), id);
      assert.equal(decodeCbor(v).l.b, 7);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe("the curves", () => {
  test("do each thing once, however many connections there are", async () => {
    for (const connections of [1, 3, 20]) {
      const seen = [];
      await inParallel(Array.from({ length: connections }, (_, index) => index), 10, async (_, number) => {
        await undefined;
        seen.push(number);
      });
      assert.deepEqual(seen.sort((a, b) => a - b), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }
  });

  test("ascend, and a quick run is smaller in everything", () => {
    const [quick, whole] = [sizesOf({ quick: true }), sizesOf({})];
    for (const name of ["ledger", "sessions", "people", "streams"]) {
      for (const sizes of [quick[name], whole[name]]) assert.deepEqual(sizes, [...sizes].sort((a, b) => a - b));
      assert.ok(quick[name].at(-1) < whole[name].at(-1));
    }
  });
});

const load = (cpuMs) => ({ perSecond: summary([1000 / cpuMs]), cpuMs: summary([cpuMs]) });
const point = (size, cpuMs) => ({ size, list: load(cpuMs), getEmails: load(cpuMs), memoryMiB: 100 });
const stream = (size, max) => ({ size, due: size * 5, latencyMs: { p50: 1, p99: 2, max }, memoryMiB: 100 });
const results = {
  date: "2026-11-23", commit: "abc", machine: { cores: 2, model: "x", memoryGiB: 4, platform: "linux x64" },
  versions: { workerd: "1", node: "3" }, options: { rounds: 3, seconds: 4, warmUpS: 1 }, loadAtStart: 0.25,
  ledger: { points: [point(0, 1), point(1_000_000, 1.1001)] },
  sessions: { points: [point(1, 1), point(1000, 0.9)], opened: 1100, lost: 100 },
  people: {
    restS: 60,
    points: [
      { when: "start", people: 0, memoryMiB: 80, objects: 0 }, { when: "working", people: 1000, perSecond: 50, memoryMiB: 90, objects: 7 },
      { when: "working", people: 2024, perSecond: 50, memoryMiB: 96, objects: 8 }, { when: "rested", people: 2024, memoryMiB: 85, objects: 0 },
    ],
  },
  streams: { own: [stream(1, 5), stream(1000, 999.9)], shared: [stream(1, 1000), stream(1000, 6)] },
};

describe("the report of growth", () => {
  test("says what was missed, also by little", () => {
    assert.equal(percents(0.1001), "10.1 %");
    assert.equal(percents(-0.1001), "-10.1 %");
    assert.equal(percents(0), "0 %");
    assert.ok(Math.abs(growth(results.ledger.points, "list") - 0.1001) < 1e-9);
    const text = scaleText(results);
    assert.match(text, /tools\/list: CPU with 1,000,000 entries +at most 10 % more than with none +10\.1 % +missed/);
    assert.match(text, /each its own user's: the slowest arrival .+ met$/m);
    assert.match(text, /one user's: the slowest arrival .+ missed$/m);
    assert.match(text, /of 1,100 that were opened one after the other, 100 were answered 404/);
    assert.match(text, /From 1,000 to 2,024 users resident memory changed by 6\.00 MiB, 6\.00 KiB for each user who came, with 7 and 8 objects/);
    assert.doesNotMatch(scaleText({ ...results, ledger: { points: [point(0, 1), point(1000, 1)] }, streams: undefined }), /Required/);
  });

  test("changes the document between its own marks alone, and again in the same way", () => {
    const text = readFileSync(inRoot("docs", "performance.md"), "utf8");
    const once = withScale(text, results);
    assert.equal(withScale(once, results), once);
    assert.match(once, /\| 1,000 \| while they come \| 50\.0 \| 7 \| 90\.0 \|/);
    const [before, rest] = text.split("<!-- scale:");
    assert.ok(once.startsWith(before));
    assert.ok(once.endsWith(rest.slice(rest.indexOf("<!-- end of scale"))));
    assert.throws(() => withScale("no marks", results), /lost its marks/);
  });

  test("draws a line for each value and a dot for each point that was measured", () => {
    const svg = scaleChart(results);
    assert.equal(svg.match(/<polyline /g).length, 2 + 2 + 1 + 3);
    assert.equal(svg.match(/<circle /g).length, 2 * 2 + 2 * 2 + 4 + 3 * 2);
    assert.equal(scaleChart({ date: "x", people: results.people }).match(/<polyline /g).length, 1);
    assert.deepEqual([0.3, 1, 1.2, 4.9, 5.1, 480, 3000].map((value) => axisEnd([value])), [0.5, 1, 2, 5, 10, 500, 5000]);
  });
});
