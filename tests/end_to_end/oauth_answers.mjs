// What answers of the authorization server are held against, whichever endpoint gave them.
// Holds: every answer that `send` gives was checked: no cache, no stack, no secret, no echo, no foreign place.
// Must never: know what a single case expects.
import assert from "node:assert/strict";
import { redirectUri } from "./oauth_client.mjs";

/** A text that a test sends and that no answer may repeat. */
export const canary = "canary-7f3a";
/** The same text but for one character in the middle of what is sealed. */
export const changed = (text) => text.slice(0, 30) + (text[30] === "A" ? "B" : "A") + text.slice(31);

/** `send(path, init)` of a stack; `stack` is asked for late, because it starts after the tests are named. */
export const sender = (stack) => async (path, init = {}) => {
  const response = await fetch(`${stack().origin}${path}`, { redirect: "manual", ...init });
  const text = await response.text();
  const { status, headers } = response;
  const answer = { status, headers, text, location: headers.get("location") };
  assertHarmless(stack(), answer);
  return { ...answer, json: text.startsWith("{") ? JSON.parse(text) : undefined };
};

/** What holds for every answer, whatever was asked. */
function assertHarmless(stack, { status, headers, text, location }) {
  assert.ok(status < 500, `${status} ${text}`);
  assert.equal(headers.get("cache-control"), "no-store", "it may be cached");
  assert.equal(headers.get("x-content-type-options"), "nosniff");
  assert.doesNotMatch(text, /panicked|RuntimeError|wasm|\.rs\b|\n\s+at /, "it shows a stack");
  const shown = `${text} ${location ?? ""} ${[...headers.values()].join(" ")}`;
  for (const name of ["ENCRYPTION_KEY", "COOKIE_SECRET", "MICROSOFT_CLIENT_SECRET"]) {
    assert.ok(!shown.includes(stack.settings[name]), `it shows ${name}`);
  }
  assert.ok(!shown.includes(canary), "it repeats what was sent");
  const places = [redirectUri, stack.settings.MICROSOFT_LOGIN_URL];
  assert.ok(!location || places.some((place) => location.startsWith(`${place}?`) || location.startsWith(`${place}/`)), location);
}

/** An error of RFC 6749, section 5.2: JSON, for any origin, with a sentence. */
export function assertError(answer, status, error) {
  assert.deepEqual([answer.status, answer.json?.error], [status, error], answer.text);
  assert.equal(answer.headers.get("content-type"), "application/json");
  assert.equal(answer.headers.get("access-control-allow-origin"), "*");
  // RFC 6749, section 5.2: printable ASCII without quotes and backslashes.
  assert.match(answer.json.error_description, /^[\x20-\x21\x23-\x5b\x5d-\x7e]{10,}$/);
  if (status === 401) assert.match(answer.headers.get("www-authenticate"), /^Basic /);
}

export function assertPage(answer, status = 400) {
  assert.deepEqual([answer.status, answer.location], [status, null], answer.text);
  assert.match(answer.headers.get("content-type"), /^text\/html/);
  assert.match(answer.headers.get("content-security-policy"), /default-src 'none'.*frame-ancestors 'none'/);
  assert.doesNotMatch(answer.text, /<script|m365[a-z]+_/);
}

/** The journey ended with an error for the client (RFC 6749, section 4.1.2.1; RFC 9207, section 2). */
export function assertSentBack(stack, answer, error, state = "state-1") {
  assert.equal(answer.status, 303, answer.text);
  const { origin, pathname, searchParams } = new URL(answer.location);
  assert.equal(origin + pathname, redirectUri);
  assert.deepEqual([searchParams.get("error"), searchParams.get("code")], [error, null]);
  assert.deepEqual([searchParams.get("state"), searchParams.get("iss")], [state, stack.origin]);
  assert.ok(searchParams.get("error_description").length > 10);
}
