// From results to what people read: tables as text, the same in docs/performance.md, and the chart beside it.
// Holds: pure functions of the results but for `writeReport`; every ratio is of medians, and what it is of is said.
// Must never: round a target into being met, or change the document outside of its marks.
import { readFileSync, writeFileSync } from "node:fs";
import { Advice, inRoot } from "../tools/project.mjs";
import { chart } from "./chart.mjs";

/** Where results are written. */
export const document = inRoot("docs", "performance.md");
const drawing = inRoot("docs", "performance.svg");
const marks = ["<!-- results: written by npm run bench, not by hand -->", "<!-- end of results -->"];

const names = { ours: "this server", peer: "peer", floor: "floor" };
const order = Object.keys(names);

/** Digits that the spread of a benchmark supports: three, and no more than two behind the point. */
export function figure(value) {
  if (value === undefined) return "–";
  const decimals = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

export const spread = (summary) => (summary ? `${figure(summary.median)} (${figure(summary.least)}–${figure(summary.greatest)})` : "–");
const middle = (summary) => figure(summary?.median);

/** How many times as much; `undefined` where one of them was not measured. */
export const ratio = (one, other) => (one && other ? one.median / other.median : undefined);

/** Cut and not rounded, so that 7.99 times never reads as 8. */
const cut = (value, decimals) => Math.floor(value * 10 ** decimals + 1e-9) / 10 ** decimals;
const times = (value) => (value === undefined ? "–" : `${cut(value, 1).toFixed(1)}×`);
const percent = (value) => (value === undefined ? "–" : `${cut(value * 100, 0)} %`);

export function table(header, rows) {
  if (rows.length === 0) return "";
  return [header, header.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

const named = ["Workload", "Revision", "Over"];
const labelled = ({ title, revision = "", spread: over }) => [title, revision, over];

const smallTitles = { list: "tools/list, `TOOLSETS=mail`", sendEmail: "tools/call sendEmail in one call" };

/** A row for each workload, and one more where the product was also measured in its small form. */
const withSmall = (workloads) => workloads.flatMap((workload) => {
  const { small, ...targets } = workload.targets;
  const more = small && { ...workload, title: smallTitles[workload.kind], targets: { ...targets, ours: small } };
  return [{ ...workload, targets }, ...(more ? [more] : [])];
});

function throughput({ closed }) {
  const rows = withSmall(closed).map((workload) => {
    const { ours, peer, floor } = workload.targets;
    return [
      ...labelled(workload), ...[ours, peer, floor].map((target) => spread(target?.perSecond)),
      times(ratio(ours?.perSecond, peer?.perSecond)), percent(ratio(ours?.perSecond, floor?.perSecond)),
    ];
  });
  return table([...named, ...order.map((name) => names[name]), "to the peer", "of the floor"], rows);
}

function processorTime({ closed }) {
  const rows = withSmall(closed).map((workload) => {
    const { ours, peer, floor } = workload.targets;
    return [
      ...labelled(workload), ...[ours, peer, floor].map((target) => spread(target?.cpuMs)),
      times(ratio(peer?.cpuMs, ours?.cpuMs)),
    ];
  });
  return table([...named, ...order.map((name) => names[name]), "less than the peer"], rows);
}

function latencies(workloads, which) {
  const rows = withSmall(workloads).map((workload) => {
    const cells = which.flatMap((name) => order.map((target) => middle(workload.targets[target]?.latencyMs[name])));
    const share = ratio(workload.targets.ours?.latencyMs.p99, workload.targets.peer?.latencyMs.p99);
    return [...labelled(workload), ...cells, share === undefined ? "–" : `${Math.ceil(share * 100)} %`];
  });
  const header = which.flatMap((name) => order.map((target) => `${name.replace("p999", "p99.9")} ${names[target]}`));
  return table([...named, ...header, "p99 of the peer's"], rows);
}

function memory({ memoryAtStart, closed }) {
  const largest = (fits) => order.map((name) => {
    const values = closed.filter(fits).map(({ targets }) => targets[name]?.memoryMiB).filter((value) => value !== undefined);
    return values.length === 0 ? "–" : figure(Math.max(...values));
  });
  const rows = [
    ["after the start and one request", ...order.map((name) => figure(memoryAtStart[name]))],
    ["after one hot user", ...largest(({ users, kind }) => users === 1 && kind !== "signIn")],
    ["after a thousand users", ...largest(({ users }) => users === 1000)],
  ];
  return table(["Resident memory, MiB", ...order.map((name) => names[name])], rows);
}

function starting({ starts, sizes }) {
  const rows = [];
  const kib = (bytes) => (bytes === undefined ? "–" : figure(bytes / 1024));
  const row = (title, of, share) => rows.push([title, of("ours"), of("peer"), share]);
  const less = (one, other) => (one && other ? `${Math.ceil((one / other) * 100)} %` : "–");
  for (const [when, title] of [["listening", "CPU until it listens, ms"], ["answered", "CPU until the first answer, ms"]]) {
    if (starts) row(title, (name) => spread(starts[name]?.[when]), less(starts.ours?.[when].median, starts.peer?.[when].median));
  }
  for (const [kind, title] of [["raw", "bundle, KiB"], ["gzip", "bundle as gzip, KiB"]]) {
    row(title, (name) => kib(sizes[name]?.[kind]), less(sizes.ours?.[kind], sizes.peer?.[kind]));
  }
  return table(["", names.ours, names.peer, "of the peer's"], rows);
}

const listTitles = { ours: "this server, all tools", small: "this server, `TOOLSETS=mail`", peer: "peer", floor: "floor" };

function lengths({ lists }) {
  const rows = Object.entries(lists).map(([name, revisions]) =>
    [listTitles[name], String(Object.values(revisions)[0].tools), ...Object.values(revisions).map(({ bytes }) => figure(bytes / 1024))]);
  const revisions = Object.keys(Object.values(lists)[0] ?? {}).map((revision) => `KiB in ${revision}`);
  return table(["Whose list", "Tools", ...revisions], rows);
}

/** What was aimed at, in the order of the workloads. */
function aims({ closed, open, starts, options }) {
  const verdict = (isMet) => (isMet ? "met" : "missed");
  const least = { list: 8, getEmails: 3, sendEmail: 3 };
  const striven = { list: 0.65, getEmails: 0.8, sendEmail: 0.8 };
  const hot = (workloads) => workloads.filter(({ users, kind, targets }) => users === 1 && least[kind] && targets.ours && targets.peer);
  const rows = hot(closed).flatMap(({ title, revision, kind, targets: { ours, peer, floor } }) => {
    const [toPeer, ofFloor] = [ratio(ours.perSecond, peer.perSecond), ratio(ours.perSecond, floor?.perSecond)];
    const strives = ofFloor === undefined ? "" : `; ${percent(ofFloor)} of the floor, ${percent(striven[kind])} striven for`;
    return [[`${title}, ${revision}: requests a second`, `${least[kind]}× the peer`, `${times(toPeer)}${strives}`, verdict(toPeer >= least[kind])]];
  });
  for (const { title, revision, targets: { ours, peer } } of hot(open)) {
    const share = ratio(ours.latencyMs.p99, peer.latencyMs.p99);
    rows.push([`${title}, ${revision}: p99 at ${options.rate} a second`, "a third of the peer's", `${Math.ceil(share * 100)} %`, verdict(share < 1 / 3)]);
  }
  if (starts?.ours && starts.peer) {
    const share = ratio(starts.ours.answered, starts.peer.answered);
    rows.push(["CPU of a start, until the first answer", "a third of the peer's", `${Math.ceil(share * 100)} %`, verdict(share <= 1 / 3)]);
  }
  return table(["Aim", "At least", "Found", ""], rows);
}

/** What a reader has to know before believing the rest. */
function doubts({ loadAtStart, isDisturbed, closed, open }) {
  const busiest = Math.max(0, ...[...closed, ...open].flatMap(({ targets }) => Object.values(targets).map(({ generator }) => generator ?? 0)));
  const load = isDisturbed ? `**Others used the machine at the start (load ${figure(loadAtStart)}): only ratios of CPU time mean anything.**\n` : "";
  return `${load}The generator of load used at most ${percent(busiest)} of a core.`;
}

function surroundings({ date, commit, machine, versions, options, ...results }) {
  const { workerd, wrangler, node, ...peer } = versions;
  const packages = Object.entries(peer).map(([name, version]) => `${name} ${version}`).join(", ");
  return `Measured on ${date} at ${commit}: ${machine.cores} cores (${machine.model}), ${machine.memoryGiB} GiB, ${machine.platform}.\n` +
    `workerd ${workerd}, wrangler ${wrangler}, Node ${node}; peer: ${packages}.\n` +
    `${options.rounds} rounds of ${options.seconds} s after ${options.warmUpS} s of warm-up each; open loop at ${options.rate} requests a second.\n${doubts(results)}`;
}

/** Titles and tables, those that have rows. */
function sections(results) {
  return [
    ["Aims", aims(results)],
    ["Requests per second", throughput(results)],
    ["CPU time of a request, in milliseconds", processorTime(results)],
    [`Latency at ${results.options.rate} requests a second (open loop), in milliseconds`, latencies(results.open, ["p50", "p90", "p99", "p999"])],
    ["Latency at full speed (closed loop), in milliseconds", latencies(results.closed, ["p50", "p99"])],
    ["Lists", lengths(results)],
    ["Memory", memory(results)],
    ["Starting", starting(results)],
  ].filter(([, text]) => text !== "");
}

const joined = (results, heading) => sections(results).map(([title, text]) => `${heading} ${title}\n\n${text}`).join("\n\n");

/** A table for a terminal: its columns aligned. */
export function aligned(text) {
  const rows = text.split("\n").filter((line) => !line.startsWith("| ---")).map((line) => line.slice(2, -2).split(" | "));
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column])).join("  ").trimEnd()).join("\n");
}

/** For a terminal: the same tables. */
export function asText(results) {
  const all = sections(results).map(([title, text]) => `${title}\n${aligned(text)}`);
  return `${surroundings(results)}\n\n${all.join("\n\n")}\n`;
}

/** The document with something else between two marks. */
export function between(text, marks, inner) {
  const [begin, end] = marks.map((mark) => text.indexOf(mark));
  if (begin < 0 || end < begin) throw new Advice(`docs/performance.md has lost its marks: ${marks.join(" and ")}`);
  return text.slice(0, begin + marks[0].length) + inner + text.slice(end);
}

/** The document with these results between its marks. */
export function withResults(text, results) {
  const picture = "![Requests per second of this server and of its peer, as shares of the floor](performance.svg)";
  return between(text, marks, `\n${surroundings(results)}\n\n${picture}\n\n${joined(results, "###")}\n\n`);
}

/** Writes the tables into the document, and the chart beside it. */
export function writeReport(results) {
  writeFileSync(document, withResults(readFileSync(document, "utf8"), results));
  writeFileSync(drawing, chart(results));
  return ["docs/performance.md", "docs/performance.svg"];
}
