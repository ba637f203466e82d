// From the curves of growth to what people read: tables as text, the same in docs/performance.md, and the chart beside it.
// Holds: pure functions of the results but for `writeScale`; what was required stands beside what was found.
// Must never: round a requirement into being met, or change the document outside of its own marks.
import { readFileSync, writeFileSync } from "node:fs";
import { inRoot } from "../tools/project.mjs";
import { quietLoad } from "./measure.mjs";
import { aligned, between, document, figure, spread, table } from "./report.mjs";
import { scaleChart } from "./scale_chart.mjs";

const drawing = inRoot("docs", "performance-scale.svg");
const marks = ["<!-- scale: written by npm run bench -- --scale, not by hand -->", "<!-- end of scale -->"];

const whole = (value) => value.toLocaleString("en");
const kinds = [["list", "tools/list"], ["getEmails", "tools/call getEmails"]];
const verdict = (isMet) => (isMet ? "met" : "missed");

/** By how much more the last point costs than the first, as a share: below zero where it costs less. */
export const growth = (points, kind) => points.at(-1)[kind].cpuMs.median / points[0][kind].cpuMs.median - 1;

/** Away from zero and not to the nearest, so that what missed by little does not read as met. */
export const percents = (share) => `${Math.sign(share) * Math.ceil(Math.abs(share) * 1000 - 1e-9) / 10} %`;

/** What was required and what was found; only where the curve goes as far as the requirement. */
function requirements({ ledger, streams }) {
  const rows = [];
  if (ledger?.points.at(-1).size >= 1_000_000) {
    for (const [kind, name] of kinds) {
      const share = growth(ledger.points, kind);
      rows.push([`${name}: CPU with ${whole(ledger.points.at(-1).size)} entries`, "at most 10 % more than with none", percents(share), verdict(share <= 0.1)]);
    }
  }
  for (const [title, points] of [["each its own user's", streams?.own], ["one user's", streams?.shared]]) {
    const last = points?.at(-1);
    if (!last || last.size < 1000) continue;
    const slowest = Math.max(...points.map(({ latencyMs }) => latencyMs.max));
    rows.push([`up to ${whole(last.size)} open streams, ${title}: the slowest arrival`, "within 1,000 ms of its push", `${figure(slowest)} ms`, verdict(slowest < 1000)]);
  }
  return table(["Requirement", "Bound", "Found", ""], rows);
}

const costs = (points, more = () => []) => points.map((point) =>
  [whole(point.size), ...["list", "getEmails"].flatMap((kind) => [spread(point[kind].perSecond), spread(point[kind].cpuMs)]), ...more(point)]);
const costHeader = ["tools/list a second", "CPU, ms", "getEmails a second", "CPU, ms"];

const ledgerTable = ({ ledger }) => (ledger ? table(["Entries before", ...costHeader], costs(ledger.points)) : "");

const sessionTable = ({ sessions }) => (sessions
  ? table(["Sessions", ...costHeader, "memory once they are open, MiB"], costs(sessions.points, ({ memoryMiB }) => [figure(memoryMiB)]))
  : "");

function peopleTable({ people }) {
  if (!people) return "";
  const states = { start: "after the start", working: "while they come", rested: `after ${people.restS} s of rest` };
  const rows = people.points.map(({ when, people: count, perSecond, memoryMiB, objects }) =>
    [whole(count), states[when], perSecond === undefined ? "–" : figure(perSecond), whole(objects), figure(memoryMiB)]);
  return table(["Users so far", "When", "new users a second", "objects in memory", "resident memory, MiB"], rows);
}

/** What has to be said with the table of users: what the last of them added, while others left. */
function peopleRemark({ people }) {
  const [one, other] = (people?.points ?? []).filter(({ when }) => when === "working").slice(-2);
  if (!other) return "";
  const kibibytes = ((other.memoryMiB - one.memoryMiB) * 1024) / (other.people - one.people);
  return `\n\nFrom ${whole(one.people)} to ${whole(other.people)} users resident memory changed by ${figure(other.memoryMiB - one.memoryMiB)} MiB, ` +
    `${figure(kibibytes)} KiB for each user who came, with ${whole(one.objects)} and ${whole(other.objects)} objects in memory.`;
}

function streamTable({ streams }) {
  const rows = [["one each", streams?.own], ["one in all", streams?.shared]].flatMap(([users, points = []]) =>
    points.map(({ size, due, latencyMs, memoryMiB }) =>
      [whole(size), users, whole(due), ...["p50", "p99", "max"].map((name) => figure(latencyMs[name])), figure(memoryMiB)]));
  return table(["Open streams", "Users", "Events, all arrived", "median, ms", "p99, ms", "largest, ms", "resident memory, MiB"], rows);
}

/** What has to be said with the table of sessions. */
function sessionRemark({ sessions }) {
  if (!sessions) return "";
  const { points, opened, lost } = sessions;
  const more = kinds.map(([kind, name]) => `${percents(growth(points, kind))} for ${name}`).join(" and ");
  const grown = `\n\nWith ${whole(points.at(-1).size)} sessions CPU differs from that with ${whole(points[0].size)} by ${more}.`;
  if (lost === 0) return grown;
  return `${grown}\nThe bound of one user is ${whole(opened - lost)} sessions: of ${whole(opened)} that were opened one after the other, ` +
    `${whole(lost)} were answered 404, and all others rightly.`;
}

const sections = (results) => [
  ["Required", requirements(results)],
  ["Entries in the ledger of one user", ledgerTable(results)],
  ["Sessions of one user", sessionTable(results), sessionRemark(results)],
  ["Users in one run", peopleTable(results), peopleRemark(results)],
  ["Open streams", streamTable(results)],
].filter(([, text]) => text !== "");

function surroundings({ date, commit, machine, versions, options, loadAtStart }) {
  return `Measured on ${date} at ${commit}: ${machine.cores} cores (${machine.model}), ${machine.memoryGiB} GiB, ${machine.platform}.\n` +
    `workerd ${versions.workerd}, Node ${versions.node}; ${options.rounds} rounds of ${options.seconds} s after ${options.warmUpS} s of warm-up for each point under load.\n` +
    `The load of the machine at the start was ${figure(loadAtStart)}` +
    (loadAtStart > quietLoad ? ": **others used it too, and CPU time differs from round to round by what the brackets show.**" : ".");
}

/** For a terminal. */
export function scaleText(results) {
  const all = sections(results).map(([title, text, remark]) => `${title}\n${aligned(text)}${remark ?? ""}`);
  return `${surroundings(results)}\n\n${all.join("\n\n")}\n`;
}

/** The document with these results between its marks. */
export function withScale(text, results) {
  const picture = "![Costs of a request by entries, sessions, users and streams](performance-scale.svg)";
  const all = sections(results).map(([title, inner, remark]) => `### ${title}\n\n${inner}${remark ?? ""}`);
  return between(text, marks, `\n${surroundings(results)}\n\n${picture}\n\n${all.join("\n\n")}\n\n`);
}

/** Writes the tables into the document, and the chart beside it. */
export function writeScale(results) {
  writeFileSync(document, withScale(readFileSync(document, "utf8"), results));
  writeFileSync(drawing, scaleChart(results));
  return ["docs/performance.md", "docs/performance-scale.svg"];
}
