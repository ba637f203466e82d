// The benchmark, as far as it can be held to counts: its arithmetic, its HTTP, its report, and that what it measures answers.
// Holds: nothing here looks at a clock, and the peer's packages are not needed.
// Must never: assert how fast anything is; that is what the benchmark itself shows.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Bench } from "../bench/bench.mjs";
import { chart } from "../bench/chart.mjs";
import { MessageReader, header, headers, statusOf } from "../bench/http.mjs";
import { checkWhole, isAnswer, messageOf, revisions } from "../bench/messages.mjs";
import { byFunction } from "../bench/profile.mjs";
import { asText, figure, ratio, withResults } from "../bench/report.mjs";
import { median, percentiles, quantile, summary } from "../bench/statistics.mjs";
import { chosen, closedLoops, openLoops } from "../bench/workloads.mjs";
import { inRoot } from "../tools/project.mjs";

describe("the arithmetic", () => {
  test("percentiles are nearest ranks, and the order of the values does not matter", () => {
    const values = Array.from({ length: 1000 }, (_, index) => 1000 - index);
    assert.deepEqual(percentiles(values), { p50: 500, p90: 900, p99: 990, p999: 999, max: 1000 });
    assert.equal(quantile([7], 0.5), 7);
    assert.equal(quantile([], 0.5), undefined);
  });

  test("medians are the middle, and the spread is all of it", () => {
    assert.equal(median([9, 1, 5]), 5);
    assert.equal(median([9, 1]), 5);
    assert.equal(median([]), undefined);
    assert.deepEqual(summary([4, 2, 9]), { median: 4, least: 2, greatest: 9 });
  });

  test("a profile's time is counted once for whoever calls itself, and idle time is nobody's", () => {
    const frame = (functionName) => ({ functionName, url: "", lineNumber: 0, columnNumber: 0 });
    const nodes = [
      { id: 1, callFrame: frame("(root)"), children: [2, 5] },
      { id: 2, callFrame: frame("seal::h0123456789abcdef"), children: [3] },
      { id: 3, callFrame: frame("again"), children: [4] },
      { id: 4, callFrame: frame("again") },
      { id: 5, callFrame: frame("(idle)") },
    ];
    const { functions, busyUs } = byFunction({ nodes, samples: [2, 3, 4, 5], timeDeltas: [10, 20, 30, 40] });
    assert.equal(busyUs, 60);
    assert.deepEqual(functions.find(({ name }) => name === "seal"), { name: "seal", selfUs: 10, totalUs: 60 });
    assert.deepEqual(functions.find(({ name }) => name === "again"), { name: "again", selfUs: 50, totalUs: 50 });
  });
});

describe("the generator's HTTP", () => {
  const plain = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nset-cookie: a=1\r\nSet-Cookie: b=2\r\n\r\nab";
  const chunked = "HTTP/1.1 202 Accepted\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
  const bare = "HTTP/1.1 204 No Content\r\n\r\n";

  test("messages are taken whole, however they are cut", () => {
    const all = Buffer.from(plain + chunked + bare);
    for (const size of [1, 2, 3, 7, all.length]) {
      const seen = [];
      const reader = new MessageReader((head, body) => seen.push([statusOf(head), body.toString()]));
      for (let at = 0; at < all.length; at += size) reader.push(all.subarray(at, at + size));
      assert.deepEqual(seen, [[200, "ab"], [202, "abc"], [204, ""]], `in pieces of ${size}`);
    }
  });

  test("headers have no case, and may stand twice", () => {
    assert.equal(header(plain, "content-length"), "2");
    assert.equal(header(plain, "location"), undefined);
    assert.deepEqual(headers(plain, "set-cookie"), ["a=1", "b=2"]);
  });
});

describe("what counts as an answer", () => {
  const given = (status, text) => ({ status, body: Buffer.from(text) });
  const mails = '{"content":[{"type":"text","text":"Figures of the third quarter, part 10"}]}';

  test("is a result with the right id, as JSON or as an event", () => {
    const json = given(200, `{"jsonrpc":"2.0","id":7,"result":${mails}}`);
    const event = given(200, `event: message\ndata: {"result":${mails},"jsonrpc":"2.0","id":7}\n\n`);
    for (const answer of [json, event]) {
      assert.ok(isAnswer(answer, 7));
      assert.ok(!isAnswer(answer, 8));
      assert.equal(messageOf(answer).id, 7);
      checkWhole("getEmails", answer, 7);
    }
  });

  test("is no error of any kind, and nothing that lacks what was asked for", () => {
    const refused = [
      given(503, '{"jsonrpc":"2.0","id":7,"result":{}}'),
      given(200, '{"jsonrpc":"2.0","id":7,"error":{"code":-32603,"message":"x"}}'),
      given(200, '{"jsonrpc":"2.0","id":7,"result":{"content":[],"isError":true}}'),
    ];
    for (const answer of refused) assert.ok(!isAnswer(answer, 7), answer.body.toString());
    assert.throws(() => checkWhole("getEmails", given(200, '{"id":7,"result":{"content":[]}}'), 7));
    assert.throws(() => checkWhole("list", given(200, '{"id":7,"result":{"tools":[]}}'), 7));
  });
});

describe("the report", () => {
  const target = (perSecond) => {
    const some = summary([perSecond - 1, perSecond, perSecond + 1]);
    const latencyMs = { p50: some, p90: some, p99: some, p999: some };
    return { perSecond: some, cpuMs: some, latencyMs, memoryMiB: 100, bytes: 10, requests: 30 };
  };
  const targets = { ours: target(799), peer: target(100), floor: target(1000) };
  const [workload] = closedLoops;
  const results = {
    date: "2026-11-23", commit: "abc", machine: { cores: 2, model: "x", memoryGiB: 4, platform: "linux x64" },
    versions: { workerd: "1", wrangler: "2", node: "3", agents: "0.32.0" }, options: { rounds: 3, seconds: 4, warmUpS: 1, rate: 200 },
    sizes: { ours: { raw: 1024, gzip: 512 }, peer: { raw: 4096, gzip: 2048 } }, memoryAtStart: { ours: 1, peer: 2, floor: 3 },
    lists: { ours: { "2025-11-25": { tools: 33, bytes: 2048 } } }, closed: [{ ...workload, targets }], open: [],
  };

  test("cuts ratios, so that nothing that was missed reads as met", () => {
    assert.equal(ratio(targets.ours.perSecond, targets.peer.perSecond), 7.99);
    assert.match(asText(results), /799 \(798–800\) +100 \(99\.0–101\) +1,000 \(999–1,001\) +7\.9× +79 %/);
    assert.match(asText(results), /tools\/list, 2025-11-25: requests a second +8× the peer +7\.9×; 79 % of the floor, 65 % striven for +missed/);
    assert.equal(ratio(undefined, targets.peer.perSecond), undefined);
    assert.deepEqual([figure(0.123), figure(12.34), figure(1234.5), figure(undefined)], ["0.12", "12.3", "1,235", "–"]);
  });

  test("changes the document between its marks alone, and again in the same way", () => {
    const text = readFileSync(inRoot("docs", "performance.md"), "utf8");
    const once = withResults(text, results);
    assert.equal(withResults(once, results), once);
    assert.match(once, /\| tools\/list \| 2025-11-25 \| one user \| 799 \(798–800\) \|/);
    const [before, rest] = text.split("<!-- results:");
    assert.ok(once.startsWith(before));
    assert.ok(once.endsWith(rest.slice(rest.indexOf("<!-- end of results"))));
    assert.throws(() => withResults("no marks", results), /lost its marks/);
  });

  test("draws a bar for each target that was measured", () => {
    const svg = chart(results);
    assert.equal(svg.match(/<rect /g).length, 4, "two of the legend, one for each but the floor");
    assert.match(svg, /799\/s, 79 %/);
    assert.equal(chart({ ...results, closed: [{ ...workload, targets: { ours: targets.ours } }] }).match(/<rect /g).length, 2);
  });

  test("workloads are chosen by their whole name first, and by its beginning otherwise", () => {
    const names = (only) => chosen(closedLoops, only).map(({ name }) => name);
    assert.deepEqual(names(["list-2025-11-25"]), ["list-2025-11-25"]);
    assert.equal(names(["list"]).length, 4);
    assert.equal(names(undefined).length, closedLoops.length);
    assert.ok(openLoops(200).every(({ rate, name }) => rate === 200 && name.startsWith("open-")));
  });
});

const elsewhere = existsSync("/proc/self/schedstat") ? false : "only Linux says what a process costs";

describe("on raw workerd", { skip: elsewhere }, () => {
  let bench;
  let folder;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "m365-bench-test-"));
    bench = new Bench({ targets: ["ours", "floor"], seconds: 0.2, warmUpS: 0 }, folder);
    await bench.start();
  });

  after(async () => {
    await bench.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  for (const name of ["ours", "floor"]) {
    for (const kind of ["list", "getEmails", "sendEmail", "delivery"]) {
      test(`${name} answers ${kind} in both revisions, and the stand-in sees what it is to see`, async () => {
        for (const revision of revisions) {
          const skip = revision === revisions[1] ? 2 : 0;
          const workload = { name: kind, kind, revision, users: skip + 2, skip, connections: 2 };
          // A wrong answer, or another count at the stand-in, is an error of its own.
          const { requests, performed, cpuMs } = await bench.perform(bench.running.get(name), workload);
          assert.ok(requests > 0 && performed >= requests && cpuMs > 0);
        }
      });
    }

    test(`${name} signs people in, and renews their tokens`, async () => {
      const target = bench.running.get(name);
      const { performed } = await bench.perform(target, { name: "signIn", kind: "signIn", users: 1, connections: 2 });
      assert.ok(performed > 0);
      const earlier = target.users.map(({ refresh }) => refresh);
      assert.equal(await target.renewTokens(-1), target.users.length);
      if (name === "ours") target.users.forEach(({ refresh }, index) => assert.notEqual(refresh, earlier[index]));
    });
  }

  test("an open loop begins as many requests as are due", async () => {
    const workload = { name: "open", kind: "list", revision: revisions[0], users: 1, connections: 4, rate: 100 };
    const { performed } = await bench.perform(bench.running.get("floor"), workload, { durationS: 0.3 });
    assert.equal(performed, 30);
  });
});
