// Fills one person's ledger on disk: rows as months of mails would have left them, written while no workerd runs.
// Holds: each is a copy of a mail that this person's object itself has settled, at a time of its own between two months and
// one month ago; the object's own row counts them, as it would have, so that recovery goes as it does in production.
// Must never: touch a file that a workerd has open, or write where the rows are not as expected.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { decodeCbor } from "../end_to_end/rows.mjs";

const dayMs = 24 * 60 * 60 * 1000;
const hourMs = dayMs / 24;
const timeBytes = 6;
const bytesOf = (hex) => Buffer.from(hex, "hex");

/** The files of all people's objects, by name. */
export function peopleFiles(folder) {
  const own = join(folder, "objects", "UserSession");
  return readdirSync(own).filter((name) => /^[0-9a-f]{64}\.sqlite$/.test(name)).map((name) => join(own, name));
}

/** A request ID with another time: its first 48 bits. */
export function requestIdAt(id, unixMs) {
  const moved = Buffer.from(id);
  moved.writeUIntBE(Math.floor(unixMs), 0, timeBytes);
  return moved;
}

/** When entry `number` of `count` was: evenly between two months and one month before `now`. */
export const timeOf = (number, count, now) => now - 60 * dayMs + Math.floor((30 * dayMs * number) / count);

/** Puts other bytes in the place of some that have to stand there once. */
function replaced(bytes, known, other) {
  const at = bytes.indexOf(known);
  if (at < 0 || bytes.indexOf(known, at + 1) >= 0) throw new Error("the object's own row is not as expected");
  return Buffer.concat([bytes.subarray(0, at), other, bytes.subarray(at + known.length)]);
}

/** The object's own row (docs/storage-schema.md, `meta`) with so many entries before a floor, where it had neither. */
export function withEntries(meta, count, floor) {
  // "f": null and "p" become "f": 16 bytes and "p"; "b": 0 and "k" become "b": four bytes and "k".
  const raised = replaced(Buffer.from(meta), bytesOf("6166f66170"), Buffer.concat([bytesOf("616650"), floor, bytesOf("6170")]));
  const number = Buffer.alloc(4);
  number.writeUInt32BE(count);
  const counted = replaced(raised, bytesOf("616200616b"), Buffer.concat([bytesOf("61621a"), number, bytesOf("616b")]));
  const { f, b } = decodeCbor(counted).l;
  if (b !== count || !floor.equals(f)) throw new Error("the object's own row cannot be read any more");
  return counted;
}

function settledMail(database) {
  const rows = database.prepare("SELECT k, v FROM ledger ORDER BY k DESC").all();
  const found = rows.find(({ v }) => {
    const { s, k } = decodeCbor(v);
    return s === "d" && k?.t === "sendEmail";
  });
  if (!found) throw new Error("there is no settled mail to copy");
  return found;
}

/** Puts so many entries before all that are there. */
export function fillLedger(file, count, now = Date.now()) {
  if (count === 0) return;
  const database = new DatabaseSync(file);
  try {
    const { k, v } = settledMail(database);
    const { v: meta } = database.prepare("SELECT v FROM meta WHERE k = ?").get(Buffer.from("object"));
    const floor = requestIdAt(k, now - hourMs);
    const insert = database.prepare("INSERT INTO ledger (k, v) VALUES (?, ?)");
    database.exec("BEGIN");
    for (let number = 0; number < count; number += 1) insert.run(requestIdAt(k, timeOf(number, count, now)), v);
    database.prepare("UPDATE meta SET v = ? WHERE k = ?").run(withEntries(meta, count, floor), Buffer.from("object"));
    database.exec("COMMIT");
  } finally {
    database.close();
  }
}

/** Entries in all. */
export function ledgerSize(file) {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    return database.prepare("SELECT count(*) AS entries FROM ledger").get().entries;
  } finally {
    database.close();
  }
}
