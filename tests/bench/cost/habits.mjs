// What a person does in a month, as data: the same person for this server and for its peer.
// Holds: everything that the bill depends on beside counts and prices stands here.
// Must never: hold anything that was measured.

export const habits = {
  workdays: 22,
  otherDays: 8,
  hoursOfDay: 8,
  sessionsOfDay: 2,
  readsOfDay: 30,
  writesOfDay: 10,
  /** One in so many calls is late. */
  lateEvery: 10,
  signInsOfMonth: 1,
  /** Graph's time to answer one call of a tool, and of one that is late. */
  graphMs: 100,
  graphLateMs: 1_000,
  /** For how many months what is stored has piled up: as long as this server keeps its ledger. */
  storedMonths: 3,
};

export const usersOfBills = [100, 10_000, 1_000_000];

/** Each habit with its number, as the document says it. */
export const told = (one = habits) => [
  ["workdays and other days of a month", `${one.workdays} and ${one.otherDays}`],
  ["hours of a workday with a stream open and tokens kept fresh", `${one.hoursOfDay}`],
  ["sessions of a workday, each with one `tools/list`", `${one.sessionsOfDay}`],
  ["calls of a workday", `${one.readsOfDay} × \`getEmails\`, ${one.writesOfDay} × \`sendEmail\`, evenly over the hours`],
  ["calls that are late", `1 of ${one.lateEvery}`],
  ["Graph's time for each of its calls", `${one.graphMs} ms, and ${one.graphLateMs.toLocaleString("en")} ms where the call is late`],
  ["sign-ins of a month", `${one.signInsOfMonth}`],
  ["months of use that are stored", `${one.storedMonths}`],
];
