// What Cloudflare counts, and sums of such counts.
// Holds: a record of counts has a number for each item, which may be a fraction.
// Must never: know prices.

export const items = [
  "workerRequests", "cpuMs", "objectRequests", "objectGbS", "rowsRead", "rowsWritten", "kvReads", "kvWrites", "kvDeletes", "kvLists",
];

const record = (of) => Object.fromEntries(items.map((item) => [item, of(item)]));
export const difference = (after, before) => record((item) => after[item] - before[item]);
export const scaled = (counts, by) => record((item) => (counts[item] ?? 0) * by);
export const added = (...all) => record((item) => all.reduce((sum, one) => sum + (one[item] ?? 0), 0));
