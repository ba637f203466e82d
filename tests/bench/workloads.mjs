// What is measured: the workloads, how many people they are spread over, and how many connections ask.
// Holds: a workload is the same for every target; its name is what `--only` takes.
// Must never: leave out a workload in which the product is slow.
import { revisions } from "./messages.mjs";

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

export const closedLoops = [...calls(), { name: "signIn", kind: "signIn", users: 1, connections, title: "sign-in", spread: "new users" }];

/** The workloads that are wanted: all, or those whose name begins with one of these. */
export const chosen = (all, only) => (only ? all.filter(({ name }) => only.some((wanted) => name.startsWith(wanted))) : all);
