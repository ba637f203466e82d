// From counts to dollars: what a month of one person is, and what many of them cost.
// Holds: pure arithmetic of measured counts, habits and prices; included amounts are taken off once for an account.
// Must never: know a number that is not given to it.
import { added, items, scaled } from "./items.mjs";
import { prices, subscription } from "./prices.mjs";

const secondsOfHour = 3600;

/** How often each measured unit happens to one person in a month. `revision` is that with sessions, or the one without. */
export function times(habits, units, revision = "sessions") {
  const { workdays, otherDays, hoursOfDay, sessionsOfDay, readsOfDay, writesOfDay, lateEvery, signInsOfMonth } = habits;
  const late = (calls) => (calls * workdays) / lateEvery;
  const prompt = (calls) => calls * workdays - late(calls);
  const calls = {
    read: prompt(readsOfDay), readLate: late(readsOfDay), write: prompt(writesOfDay), writeLate: late(writesOfDay),
    list: sessionsOfDay * workdays,
  };
  const common = {
    signIn: signInsOfMonth, renewal: (workdays * hoursOfDay * secondsOfHour) / units.renewal.livesS,
    otherDay: otherDays, otherDayReports: otherDays, pruning: (readsOfDay + writesOfDay) * workdays,
  };
  if (revision === "stateless") {
    const named = Object.fromEntries(Object.entries(calls).map(([name, count]) => [`${name}Stateless`, count]));
    return { ...common, ...named, workdayStateless: workdays, workdayReportsStateless: workdays };
  }
  // A stream ends after an hour at the latest, and is opened again.
  const hours = workdays * hoursOfDay;
  return { ...common, ...calls, workday: workdays, workdayReports: workdays, session: sessionsOfDay * workdays, streamOpening: hours, streamHour: hours };
}

/** A month of one person, unit by unit; an object comes back once for each burst of work. */
export function byUnit(habits, units, revision) {
  const all = { ...times(habits, units, revision), wake: bursts(habits, units, revision) };
  return Object.fromEntries(Object.entries(all).map(([name, count]) => [name, scaled(units[name].counts, count)]));
}

/** What one person is billed for in a month, without anything included. */
export function month(habits, units, revision) {
  const all = Object.values(byUnit(habits, units, revision));
  const { bytesAtFirst, bytesOfWorkday, bytesOfWorkdayStateless } = units.storage;
  const ofWorkday = revision === "stateless" ? bytesOfWorkdayStateless : bytesOfWorkday;
  // Where nothing is left, there was no object.
  const stored = ofWorkday > 0 ? bytesAtFirst + habits.storedMonths * habits.workdays * ofWorkday : 0;
  return { ...added(...all), storedGb: stored / 1e9 };
}

/** Dollars of a month for so many people: by item, and together with the subscription. */
export function bill(ofPerson, users) {
  const byItem = {};
  for (const item of [...items, "storedGb"]) {
    const { dollars, per, included } = prices[item];
    byItem[item] = (Math.max(0, ofPerson[item] * users - included) / per) * dollars;
  }
  const total = Object.values(byItem).reduce((sum, dollars) => sum + dollars, subscription.dollars);
  return { byItem, total };
}

const idleSeconds = 10;
const dayUnits = new Set(["workday", "workdayStateless", "otherDay", "signIn", "session"]);

/** How often in a month one person's object has something to do after a pause: at most. */
export function bursts(habits, units, revision) {
  return Object.entries(times(habits, units, revision)).reduce((sum, [name, count]) => {
    const { objectRequests } = units[name].counts;
    // Removal happens on an alarm of the day, what a stream sends itself wakes nobody, and who is reported to never sleeps.
    if (/^(pruning|streamHour|.*Reports.*)$/.test(name)) return sum;
    return sum + count * (dayUnits.has(name) ? objectRequests : Math.min(1, objectRequests));
  }, 0);
}

/** Dollars of the idle seconds after so many bursts, were they billed. */
export const tailDollars = (count) => (count * idleSeconds * 0.128 * prices.objectGbS.dollars) / prices.objectGbS.per;
