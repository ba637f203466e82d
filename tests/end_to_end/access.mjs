// Cloudflare Access in front of a stack: settings of its modes, assertions, and browsers that carry one.
// Holds: an assertion is made by the emulator for what a test asks; nothing here looks into one.
// Must never: stand in for a check of the worker's.
import { openSession, records } from "./client.mjs";
import { Browser } from "./sign_in.mjs";

export const header = "cf-access-jwt-assertion";
export const audience = "emulator-access-audience";

/** Settings of a mode, for `startStack({ settings })`; `more` are added. */
export const accessMode = (mode, more = {}) => ({ emulator }) => ({
  ACCESS_MODE: mode, ACCESS_TEAM_DOMAIN: `${emulator}/access`, ...more,
});
export const perimeter = (policy) =>
  accessMode("perimeter", { ACCESS_AUD: audience, ...(policy && { POLICY: JSON.stringify(policy) }) });

/** The assertion that the emulator makes, as text. */
export const assertion = async (stack, wanted = {}) =>
  (await stack.emulator.post("/_emulator/access/assertion", wanted)).assertion;

/** A person of the team: `headers` for a program, `browser()` for a person, `subject`. */
export async function person(stack, wanted) {
  const made = await stack.emulator.post("/_emulator/access/assertion", wanted);
  const headers = { [header]: made.assertion };
  return {
    headers,
    subject: made.claims.sub,
    browser: () => new Browser({ origin: stack.origin, headers }),
    session: (capabilities = {}) => openSession(stack, undefined, "2025-11-25", capabilities, headers),
  };
}

/** How often the team's keys were fetched. */
export const keyFetches = async (stack) =>
  (await records(stack, "access")).filter(({ path }) => path.endsWith("/cdn-cgi/access/certs")).length;
