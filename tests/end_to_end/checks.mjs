// Small words that the lists of calls are written in.
// Holds: each is a pure function of what it is given, or fails an assertion.
// Must never: know a tool.
import assert from "node:assert/strict";

/** A date so many days from now, in UTC. */
export const inDays = (days) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);

/** The members of some names, of each item. */
export const pick = (list, ...names) => list.map((item) => names.map((name) => item[name]));

/** Both lists hold the same, in whatever order. */
export const same = (actual, expected) => assert.deepEqual(actual.toSorted(), expected.toSorted());

/** The items of a subject. */
export const named = (events, subject) => events.filter((event) => event.subject === subject);
