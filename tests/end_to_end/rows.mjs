// The rows that an object left on disk, read as an investigator would: with SQLite and CBOR and nothing of ours.
// Holds: it opens the files only while no worker runs, and finds a person's file by the owner that it names.
// Must never: write, except for `damage`, whose purpose is to.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

export const tables = ["meta", "tokens", "grants", "sessions", "ledger", "idempotency_keys", "watches", "handles"];

/** The names that the states of a ledger entry have in logs, by their name in rows. */
export const stateNames = {
  q: "queued",
  f: "in_flight",
  r: "reconciling",
  d: "done",
  x: "failed",
  u: "unknown",
  c: "cancelled",
};

const hex = (bytes) => Buffer.from(bytes).toString("hex");

/** One CBOR value (RFC 8949) of the kinds that a row can hold. */
export function decodeCbor(bytes) {
  const view = Buffer.from(bytes);
  let at = 0;
  const number = (short) => {
    if (short < 24) return short;
    const length = 2 ** (short - 24);
    const value = length === 8 ? Number(view.readBigUInt64BE(at)) : view.readUIntBE(at, length);
    at += length;
    return value;
  };
  const slice = (length) => view.subarray(at, (at += length));
  const value = () => {
    const head = view[at++];
    const [major, short] = [head >> 5, head & 31];
    if (major === 7) return { 20: false, 21: true, 22: null }[short];
    const count = number(short);
    if (major === 0) return count;
    if (major === 1) return -1 - count;
    if (major === 2) return slice(count);
    if (major === 3) return slice(count).toString("utf8");
    if (major === 4) return Array.from({ length: count }, value);
    if (major === 5) return Object.fromEntries(Array.from({ length: count }, () => [value(), value()]));
    throw new Error(`CBOR of major type ${major}`);
  };
  return value();
}

const objectFiles = (stack) => {
  const folder = join(stack.statePath, "do");
  return readdirSync(folder)
    .filter((name) => name.endsWith("-UserSession"))
    .flatMap((name) => readdirSync(join(folder, name)).map((file) => join(folder, name, file)))
    .filter((file) => /[0-9a-f]{64}\.sqlite$/.test(file));
};

const identifier = (value) => (typeof value === "string" ? value : hex(value));

const owners = new Map();

/** Opens the rows of one person; the worker must be dead. A file once found is remembered: its meta may be damaged later. */
function databaseOf(stack, userKey) {
  for (const file of objectFiles(stack)) {
    const database = new DatabaseSync(file);
    const [meta] = database.prepare("SELECT v FROM meta").all();
    const owner = owners.get(file) ?? (meta && identifier(decodeCbor(meta.v).u));
    if (owner) owners.set(file, owner);
    if (owner === userKey) return database;
    database.close();
  }
  throw new Error(`no object of ${userKey} on disk`);
}

/** Every row of one person as it lies there: table, key and value in hexadecimal. */
export function rowsOf(stack, userKey) {
  const database = databaseOf(stack, userKey);
  const rows = tables.flatMap((table) =>
    database
      .prepare(`SELECT k, v FROM ${table} ORDER BY k`)
      .all()
      .map(({ k, v }) => `${table} ${hex(k)} ${hex(v)}`),
  );
  database.close();
  return rows;
}

/** The decoded ledger of one person, oldest first: identifier, state and outcome of each request. */
export function ledgerOf(stack, userKey) {
  const database = databaseOf(stack, userKey);
  const rows = database.prepare("SELECT k, v FROM ledger ORDER BY k").all();
  database.close();
  return rows.map(({ k, v }) => {
    const entry = decodeCbor(v);
    return { id: hex(k), state: stateNames[entry.s], outcome: entry.o, writes: entry.w, calls: entry.n, entry };
  });
}

/** The sessions of one person: their identifiers, what they watch and their events, oldest first. */
export function sessionsOf(stack, userKey) {
  const database = databaseOf(stack, userKey);
  const rows = database.prepare("SELECT k, v FROM sessions ORDER BY k").all();
  database.close();
  return rows.map(({ k, v }) => {
    const { w: watched = [], e: events = [] } = decodeCbor(v);
    return { id: hex(k), watched, events: events.map(([number, what]) => ({ number, what })) };
  });
}

/** Replaces the value of every row of a table by bytes that are no CBOR; says how many there were. */
export function damage(stack, userKey, table, value = Buffer.from([0xff, 0x00, 0xff])) {
  const database = databaseOf(stack, userKey);
  const { changes } = database.prepare(`UPDATE ${table} SET v = ?`).run(value);
  database.close();
  return Number(changes);
}

/** The bytes of every file that the worker left, logs of the database included. */
export function filesOnDisk(stack) {
  return readdirSync(stack.statePath, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path, bytes: readFileSync(path) }));
}
