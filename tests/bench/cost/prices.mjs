// What Cloudflare asks on the Workers Paid plan, as data: for each item the price of a million (of a GB-month for what is
// stored), and what a month's subscription includes.
// Holds: every price names the page of Cloudflare's documentation that it stands on; amounts are for a whole account.
// Must never: hold a discount that only a contract gives.

/** When the pages were read. */
export const readOn = "2026-11-23";

const million = 1_000_000;
const page = (path) => `https://developers.cloudflare.com${path}`;
const workers = page("/workers/platform/pricing/");
const objects = page("/durable-objects/platform/pricing/");
const kv = page("/kv/platform/pricing/");

/** Dollars a month for an account. */
export const subscription = { dollars: 5, source: workers };

export const prices = {
  workerRequests: { title: "Worker requests", dollars: 0.3, per: million, included: 10 * million, source: workers },
  cpuMs: { title: "CPU milliseconds", dollars: 0.02, per: million, included: 30 * million, source: workers },
  objectRequests: { title: "object requests", dollars: 0.15, per: million, included: million, source: objects },
  objectGbS: { title: "object duration, GB-s", dollars: 12.5, per: million, included: 400_000, source: objects },
  rowsRead: { title: "rows read", dollars: 0.001, per: million, included: 25_000 * million, source: objects },
  rowsWritten: { title: "rows written", dollars: 1, per: million, included: 50 * million, source: objects },
  storedGb: { title: "rows stored, GB-months", dollars: 0.2, per: 1, included: 5, source: objects },
  kvReads: { title: "KV reads", dollars: 0.5, per: million, included: 10 * million, source: kv },
  kvWrites: { title: "KV writes", dollars: 5, per: million, included: million, source: kv },
  kvDeletes: { title: "KV deletes", dollars: 5, per: million, included: million, source: kv },
  kvLists: { title: "KV lists", dollars: 5, per: million, included: million, source: kv },
};
