// From counts and bills to what people read: the tables of the section "Cost" in docs/performance.md, and its chart.
// Holds: pure functions of the results but for `writeCost`; the order is what was measured, habits, prices, bill.
// Must never: change the document outside of its marks.
import { readFileSync, writeFileSync } from "node:fs";
import { Advice, inRoot } from "../../tools/project.mjs";
import { costChart } from "./chart.mjs";
import { habits, told, usersOfBills } from "./habits.mjs";
import { bill, bursts, byUnit, month, tailDollars } from "./model.mjs";
import { prices, readOn, subscription } from "./prices.mjs";
import { median } from "../statistics.mjs";

const document = inRoot("docs", "performance.md");
const drawing = inRoot("docs", "performance-cost.svg");
const marks = ["<!-- cost: written by npm run bench -- --cost, not by hand -->", "<!-- end of cost -->"];
const names = ["ours", "peer"];

const titles = {
  signIn: "a sign-in of somebody known", renewal: "a client renews its access token", session: "a session opens (`initialize`, `initialized`)",
  list: "`tools/list`", read: "`getEmails`", readLate: "`getEmails`, late", write: "`sendEmail`", writeLate: "`sendEmail`, late",
  listStateless: "`tools/list` without a session", readStateless: "`getEmails` without a session",
  readLateStateless: "`getEmails`, late, without a session",
  writeStateless: "`sendEmail` without a session", writeLateStateless: "`sendEmail`, late, without a session",
  streamOpening: "a stream opens", streamHour: "an hour of an open idle stream",
  workday: "alarms of a workday with sessions: Microsoft's tokens, upkeep", workdayStateless: "the same without sessions",
  workdayReports: "reports of a workday to the directory of operators, with sessions", workdayReportsStateless: "the same without sessions",
  wake: "more for an object that had left memory",
  otherDay: "alarms of a day without use", otherDayReports: "reports of a day without use", pruning: "removal of one call's entry, after 90 days",
};

const columns = ["workerRequests", "cpuMs", "objectRequests", "objectGbS", "rowsRead", "rowsWritten", "kvReads", "kvWrites"];
const short = ["Worker requests", "CPU ms", "object requests", "GB-s", "rows read", "rows written", "KV reads", "KV writes"];

const table = (header, rows) => [header, header.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
const digits = (value, most) => value.toLocaleString("en", { maximumFractionDigits: most });
const count = (item, value) => (["objectGbS", "storedGb"].includes(item) ? digits(value, value < 0.1 ? 4 : 2) : digits(value, 2));
const dollars = (value) => `$${value.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;

/** Of each unit: this server's count, and the peer's behind a slash. */
function counts({ targets }) {
  const rows = Object.entries(titles).filter(([name]) => names.every((target) => targets[target][name])).map(([name, title]) => {
    const cells = columns.map((item) => names.map((target) => count(item, targets[target][name].counts[item])).join(" / "));
    return [title, ...cells];
  });
  return table(["Unit", ...short], rows);
}

function billOf(results, revision) {
  const months = names.map((name) => month(habits, results.targets[name], revision));
  const columnsOfBill = usersOfBills.flatMap((users) => months.map((one) => bill(one, users)));
  const header = usersOfBills.flatMap((users) => ["this server", "peer"].map((called) => `${users.toLocaleString("en")}: ${called}`));
  const rows = Object.entries(prices).filter(([item]) => months.some((one) => one[item] > 0)).map(([item, { title }]) =>
    [title, ...months.map((one) => count(item, one[item])), ...columnsOfBill.map(({ byItem }) => dollars(byItem[item]))]);
  const total = ["**total**, with the subscription", "", "", ...columnsOfBill.map((one) => `**${dollars(one.total)}**`)];
  return table(["Item", "of a person: this server", "of a person: peer", ...header], [...rows, total]);
}

const priceRows = () => Object.values(prices).map(({ title, dollars: price, per, included, source }) =>
  [title, `$${price}${per === 1 ? "" : " for a million"}`, included.toLocaleString("en"), `[page](${source})`]);

/** What a call may cost, held against what it did; rows of an object that had left memory are in neither. */
function rules({ targets: { ours } }) {
  const of = (name, item) => ours[name].counts[item];
  const usual = (name) => median(ours[name].rowsOfCalls.flatMap(([rows, calls]) => Array(calls).fill(rows)));
  const rows = [
    ["rows written by a read, removal excluded", 3, usual("readStateless")],
    ["rows written by a write in two steps, removal excluded", 6, usual("writeStateless")],
    ["object requests of a call that is answered at once", 1, of("read", "objectRequests")],
    ["object requests of a call that streams", 2, of("readLate", "objectRequests")],
    ["GB-s of an hour of an open idle stream", 0, of("streamHour", "objectGbS")],
  ].map(([what, most, found]) => [what, `${most}`, digits(found, 2), found <= most + 0.005 ? "met" : "**missed**"]);
  rows.push(["rows written by the removal of one call's entry, 90 days later", "–", digits(of("pruning", "rowsWritten"), 2), ""]);
  const each = ([written, calls]) => `${calls} wrote ${written}`;
  const spread = (name) => ours[name].rowsOfCalls.map(each).join(", ");
  return `${table(["Of this server", "At most", "Counted", ""], rows)}\n\n` +
    `Rows of a call are those of most calls of the day without sessions. Of its reads, ${spread("readStateless")}; of its writes, ` +
    `${spread("writeStateless")}: what falls due in the very turn of a call, a refresh or a report, is counted with it.\n` +
    "In a session one more row an hour notes that it is in use.";
}

function summary(results) {
  return usersOfBills.map((users) => {
    const [own, other] = names.map((name) => bill(month(habits, results.targets[name]), users).total);
    return `${users.toLocaleString("en")} such persons cost ${dollars(own)} a month here and ${dollars(other)} with the peer.`;
  }).join("\n");
}

function memory({ targets }) {
  const told = (name, called) => {
    const { hasLeft, seconds } = targets[name].streamHour;
    return `The object of ${called} ${hasLeft ? "left memory" : "stayed in memory"} while its stream was open and silent for ${seconds} s: ` +
      `${hasLeft ? "another instance answered the next call, and the stream was still open" : "the same instance answered the next call"}.`;
  };
  return `${told("ours", "this server")}\n${told("peer", "the peer")}`;
}

/** Where the rows of a month come from, which are most of the bill: units that write at least one in a hundred of them. */
function rowsByUnit(results) {
  const [own, other] = names.map((name) => byUnit(habits, results.targets[name]));
  const total = (all) => Object.values(all).reduce((sum, { rowsWritten }) => sum + rowsWritten, 0);
  const isMuch = (name) => own[name].rowsWritten * 100 >= total(own) || other[name].rowsWritten * 100 >= total(other);
  const rows = Object.keys(own).filter(isMuch).toSorted((one, two) => own[two].rowsWritten - own[one].rowsWritten)
    .map((name) => [titles[name], ...[own, other].map((all) => digits(all[name].rowsWritten, 0))]);
  return table(["Rows written of a person and month, by unit", "this server", "peer"], rows);
}

function tails(results) {
  const each = names.map((name) => {
    const number = bursts(habits, results.targets[name]);
    return `${digits(number, 0)} times a month for ${name === "ours" ? "this server" : "the peer"}, ${dollars(tailDollars(number))} of a person`;
  });
  return `If the ten idle seconds before an object leaves memory were billed, they would come ${each.join(", and ")}.`;
}

const disturbed = "\nOthers used the machine: CPU milliseconds are too high, for both alike; counts are not touched by that.";

/** The section as text. */
export function asMarkdown(results) {
  const { storage } = results.targets.ours;
  return [
    `Measured on ${results.date} at ${results.commit}.${results.isDisturbed ? disturbed : ""}`,
    summary(results), rules(results),
    "### Counts", "This server before the slash, the peer behind it.", counts(results), memory(results),
    `A workday leaves ${digits(storage.bytesOfWorkday / 1024, 0)} KiB in the person's object here, until it is 90 days old, and ` +
      `${digits(results.targets.peer.storage.bytesOfWorkday / 1024, 0)} KiB in the peer's, one object for each session, which nothing removes.`,
    "### Habits", table(["Habit of one person", ""], told()),
    "### Prices", `Workers Paid, ${dollars(subscription.dollars)} a month for an account; read on ${readOn}.`,
    table(["Item", "Price", "Included in a month", "Source"], priceRows()),
    "### Bill", "Dollars a month, included amounts taken off.", billOf(results, "sessions"), rowsByUnit(results), tails(results),
    "![Dollars of a person and month over the number of persons](performance-cost.svg)",
    "The same habits in the revision without sessions, and without streams, which the peer's handler cannot feed:",
    billOf(results, "stateless"),
  ].join("\n\n");
}

/** The document with these results between its marks. */
export function withCost(text, results) {
  const [begin, end] = marks.map((mark) => text.indexOf(mark));
  if (begin < 0 || end < begin) throw new Advice(`docs/performance.md has lost its marks: ${marks.join(" and ")}`);
  return `${text.slice(0, begin + marks[0].length)}\n${asMarkdown(results)}\n\n${text.slice(end)}`;
}

/** What one person costs at each number of persons. */
export function curves(results) {
  const numbers = [...Array(21).keys()].map((step) => Math.round(10 ** (2 + step / 5)));
  return Object.fromEntries(names.map((name) => {
    const ofPerson = month(habits, results.targets[name]);
    return [name, numbers.map((users) => ({ users, dollars: bill(ofPerson, users).total / users }))];
  }));
}

export function writeCost(results) {
  writeFileSync(document, withCost(readFileSync(document, "utf8"), results));
  writeFileSync(drawing, costChart(curves(results), results.date));
  return ["docs/performance.md", "docs/performance-cost.svg"];
}
