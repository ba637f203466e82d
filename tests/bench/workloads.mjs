// What is measured: the workloads, how many people they are spread over, and how many connections ask.
// Holds: a workload is the same for every target; its name is what `--only` takes.
// Must never: leave out a workload in which the product is slow.
import { revisions, stateless } from "./messages.mjs";

const connections = 8;
const many = 1000;
const titles = { list: "tools/list", getEmails: "tools/call getEmails", sendEmail: "tools/call sendEmail" };
const spreads = [[1, "one user"], [many, `${many} users`]];

function calls() {
  const all = [];
  for (const [users, spread] of spreads) {
    for (const kind of Object.keys(titles)) {
      for (const revision of revisions) {
        const name = [kind, revision, ...(users > 1 ? ["spread"] : [])].join("-");
        all.push({ name, kind, revision, users, connections, title: titles[kind], spread });
      }
    }
  }
  return all;
}

const delivery = { kind: "delivery", connections, title: "open-stream delivery", spread: "100 streams" };

/** As fast as each target goes. `skip` leaves out people who watch already, `without` a target that cannot do it. */
export const closedLoops = [
  ...calls(),
  { ...delivery, name: "delivery-2025-11-25", revision: revisions[0], users: 100 },
  { ...delivery, name: "delivery-2026-07-28", revision: stateless, users: 200, skip: 100, without: ["peer"] },
  { name: "signIn", kind: "signIn", users: 1, connections, title: "sign-in", spread: "new users" },
];

/** At a rate that every target can keep up with, so that latencies can be compared. */
export const openLoops = (rate) =>
  calls().filter(({ users }) => users === 1)
    .map((call) => ({ ...call, name: `open-${call.name}`, rate, connections: 64 }));

/** The workloads that are wanted: all, or those that have one of these names, or whose name begins with it. */
export function chosen(all, only) {
  if (!only) return all;
  const fits = (name, wanted) => (all.some((one) => one.name === wanted) ? name === wanted : name.startsWith(wanted));
  return all.filter(({ name }) => only.some((wanted) => fits(name, wanted)));
}
