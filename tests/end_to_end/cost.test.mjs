// The computation of the monthly bill: counts, habits and prices in, dollars out, and the section that they are told in.
// Holds: counts are fixed ones; what they really are, the benchmark measures, and rows of a call have tests of their own.
// Must never: look at a clock, or need the peer's packages.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { costChart } from "../bench/cost/chart.mjs";
import { habits } from "../bench/cost/habits.mjs";
import { added, difference, items, scaled } from "../bench/cost/items.mjs";
import { bill, bursts, month, tailDollars, times } from "../bench/cost/model.mjs";
import { prices } from "../bench/cost/prices.mjs";
import { asMarkdown, curves, withCost } from "../bench/cost/report.mjs";
import { inRoot } from "../tools/project.mjs";

const names = [
  "signIn", "session", "list", "read", "readLate", "write", "writeLate", "streamOpening", "streamHour", "workday", "otherDay", "pruning",
  "wake", "listStateless", "readStateless", "readLateStateless", "writeStateless", "writeLateStateless", "workdayStateless",
  "workdayReports", "workdayReportsStateless", "otherDayReports",
];
const nothing = scaled({}, 0);

/** Units that cost nothing but for those that are given. */
function unitsOf(given = {}, storage = { bytesAtFirst: 0, bytesOfWorkday: 0, bytesOfWorkdayStateless: 0 }) {
  const units = Object.fromEntries(names.map((name) => [name, { counts: { ...nothing, ...given[name] }, rowsOfCalls: [[3, 1]] }]));
  units.streamHour = { ...units.streamHour, hasLeft: true, seconds: 405 };
  return { ...units, renewal: { counts: { ...nothing, ...given.renewal }, livesS: given.livesS ?? 600 }, storage };
}

describe("the sums", () => {
  test("a record has every item, whatever it was made of", () => {
    const one = { ...nothing, rowsRead: 3, kvReads: 1 };
    assert.deepEqual(Object.keys(scaled({}, 2)), items);
    assert.deepEqual(added(one, { rowsRead: 2 }), { ...nothing, rowsRead: 5, kvReads: 1 });
    assert.deepEqual(difference(scaled(one, 4), one), scaled(one, 3));
  });

  test("every item has a price, a place where it stands, and what is included", () => {
    assert.deepEqual(Object.keys(prices).toSorted(), [...items, "storedGb"].toSorted());
    for (const { dollars, per, included, source } of Object.values(prices)) {
      assert.ok(dollars > 0 && per > 0 && included > 0);
      assert.match(source, /^https:\/\/developers\.cloudflare\.com\//);
    }
  });
});

describe("a month", () => {
  test("has as many of each unit as the habits say", () => {
    const found = times(habits, unitsOf());
    const calls = habits.workdays * (habits.readsOfDay + habits.writesOfDay);
    assert.equal(found.read + found.readLate + found.write + found.writeLate, calls);
    assert.equal(found.readLate + found.writeLate, calls / habits.lateEvery);
    assert.equal(found.pruning, calls);
    assert.equal(found.streamHour, 22 * 8);
    assert.equal(found.list, found.session);
  });

  test("renews tokens as often as they end", () => {
    assert.equal(times(habits, unitsOf({ livesS: 600 })).renewal, 22 * 8 * 6);
    assert.equal(times(habits, unitsOf({ livesS: 3600 })).renewal, 22 * 8);
  });

  test("without sessions has neither sessions nor streams, and the other calls", () => {
    const found = times(habits, unitsOf(), "stateless");
    assert.equal(found.session ?? found.streamHour ?? found.read ?? found.workday, undefined);
    assert.equal(found.readStateless + found.readLateStateless, 22 * 30);
  });

  test("adds up units, removal of entries and what is stored", () => {
    const units = unitsOf({ read: { rowsWritten: 3 }, pruning: { rowsWritten: 1 } }, { bytesAtFirst: 1e6, bytesOfWorkday: 1e5, bytesOfWorkdayStateless: 0 });
    const found = month(habits, units);
    assert.equal(found.rowsWritten, 22 * 27 * 3 + 22 * 40);
    assert.ok(Math.abs(found.storedGb - (1e6 + 3 * 22 * 1e5) / 1e9) < 1e-12);
    assert.equal(month(habits, units, "stateless").storedGb, 0, "nothing is left, so that there is no object");
    assert.equal(found.kvReads, 0);
  });

  test("adds what it costs an object to come back, once for each burst of work", () => {
    const units = unitsOf({ read: { objectRequests: 1 }, readLate: { objectRequests: 2 }, wake: { rowsRead: 10 }, pruning: { objectRequests: 0.5 } });
    assert.equal(bursts(habits, units), 22 * 30, "a late call is one burst, and removal is part of another");
    assert.equal(month(habits, units).rowsRead, 22 * 30 * 10);
    assert.ok(Math.abs(tailDollars(1_000_000) - 10 * 0.128 * 12.5) < 1e-9);
  });
});

describe("a bill", () => {
  const person = { ...nothing, storedGb: 0 };

  test("is the subscription alone as long as everything is included", () => {
    assert.equal(bill({ ...person, workerRequests: 100_000, rowsWritten: 500_000 }, 100).total, 5);
  });

  test("charges what is above the included amount of the account, and no other item pays for it", () => {
    const { byItem, total } = bill({ ...person, workerRequests: 1_000, rowsWritten: 10 }, 100_000);
    assert.ok(Math.abs(byItem.workerRequests - 27) < 1e-9, "(100 M - 10 M) at $0.30");
    assert.equal(byItem.rowsWritten, 0);
    assert.ok(Math.abs(total - 32) < 1e-9);
  });

  test("is Cloudflare's own examples to the cent", () => {
    // Workers, examples 1 and 4: 7 ms for each of 15 million and of 100 million requests.
    assert.ok(Math.abs(bill({ ...person, workerRequests: 15e6, cpuMs: 105e6 }, 1).total - 8) < 1e-9);
    assert.ok(Math.abs(bill({ ...person, workerRequests: 100e6, cpuMs: 700e6 }, 1).total - 45.4) < 1e-9);
    // Durable Objects, example 2, before its amounts are rounded up to whole millions.
    const { byItem } = bill({ ...person, objectRequests: 3.75e6, objectGbS: 11_059_200 }, 1);
    assert.ok(Math.abs(byItem.objectRequests - 2.75 * 0.15) < 1e-9);
    assert.ok(Math.abs(byItem.objectGbS - 10.6592 * 12.5) < 1e-9);
  });
});

describe("the section", () => {
  const ours = unitsOf({ read: { workerRequests: 1, objectRequests: 1, rowsWritten: 3 } }, { bytesAtFirst: 1, bytesOfWorkday: 2048, bytesOfWorkdayStateless: 2048 });
  const peer = { ...unitsOf({ read: { workerRequests: 1, objectRequests: 3, kvReads: 1 }, livesS: 3600 }) };
  const results = { date: "2026-11-23", commit: "abc", isDisturbed: false, targets: { ours, peer } };

  test("tells both side by side, and which object left memory", () => {
    const text = asMarkdown({ ...results, targets: { ours, peer: { ...peer, streamHour: { ...peer.streamHour, hasLeft: false } } } });
    assert.match(text, /\| `getEmails` \| 1 \/ 1 \| 0 \/ 0 \| 1 \/ 3 \|/);
    assert.match(text, /this server left memory/);
    assert.match(text, /the peer stayed in memory/);
    assert.match(text, /\*\*\$5\.00\*\*/);
  });

  test("holds the rows of most calls against what a call may write, and tells how many wrote what", () => {
    const rule = (rowsOfCalls) => asMarkdown({ ...results, targets: { ours: { ...ours, readStateless: { ...ours.readStateless, rowsOfCalls } }, peer } });
    assert.match(rule([[3, 26], [4, 1]]), /\| rows written by a read, removal excluded \| 3 \| 3 \| met \|/);
    assert.match(rule([[3, 26], [4, 1]]), /Of its reads, 26 wrote 3, 1 wrote 4;/);
    assert.match(rule([[3, 10], [4, 17]]), /\| rows written by a read, removal excluded \| 3 \| 4 \| \*\*missed\*\* \|/);
  });

  test("changes the document between its marks alone, and again in the same way", () => {
    const text = readFileSync(inRoot("docs", "performance.md"), "utf8");
    const once = withCost(text, results);
    assert.equal(withCost(once, results), once);
    assert.ok(once.startsWith(text.slice(0, text.indexOf("<!-- cost:"))));
    assert.ok(once.endsWith(text.slice(text.indexOf("<!-- end of cost"))));
    assert.throws(() => withCost("no marks", results), /lost its marks/);
  });

  test("draws a curve for each, from a hundred persons to a million", () => {
    const both = curves(results);
    assert.deepEqual([both.ours[0].users, both.ours.at(-1).users], [100, 1_000_000]);
    assert.equal(both.ours[0].dollars, 0.05);
    assert.equal(costChart(both, "2026-11-23").match(/<polyline /g).length, 2);
  });
});
