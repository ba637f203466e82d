// A person without a screen: opens the consent page, agrees, signs in at the emulated Microsoft page, and comes back.
// Holds: cookies stay with their origin, and every step is a plain form as a browser would send it.
// Must never: know a secret of the worker; whatever it needs stands in the pages.

/** Cookies by origin. */
class Jar {
  #cookies = new Map();

  take(url, response) {
    const { origin } = new URL(url);
    const known = this.#cookies.get(origin) ?? new Map();
    for (const line of response.headers.getSetCookie()) {
      const [pair] = line.split(";");
      const [name, value] = [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)];
      if (value) known.set(name, value);
      else known.delete(name);
    }
    this.#cookies.set(origin, known);
  }

  header(url) {
    const known = this.#cookies.get(new URL(url).origin) ?? new Map();
    return [...known].map(([name, value]) => `${name}=${value}`).join("; ");
  }
}

export const unescape = (text) =>
  text.replaceAll("&quot;", '"').replaceAll("&#39;", "'").replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

export function hiddenFields(html) {
  const found = html.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g);
  return Object.fromEntries([...found].map(([, name, value]) => [name, unescape(value)]));
}

/** A browser of one person, which shows one page at a time. */
export class Browser {
  jar = new Jar();
  #page;

  /** `extra` are headers that somebody in front of an origin adds: `{ origin, headers }`. */
  constructor(extra) {
    this.extra = extra;
  }

  /** What a browser says of the page that sends a form (Fetch standard, "append a request `Origin` header"). */
  #origin() {
    const { url, policy } = this.#page ?? { policy: "no-referrer" };
    return policy === "no-referrer" ? "null" : new URL(url).origin;
  }

  async open(url, { form } = {}) {
    const cookie = this.jar.header(url);
    const sent = form && { "content-type": "application/x-www-form-urlencoded", origin: this.#origin() };
    const added = this.extra?.origin === new URL(url).origin ? this.extra.headers : {};
    const headers = { ...(cookie && { cookie }), ...sent, ...added };
    const body = form && new URLSearchParams(form).toString();
    const response = await fetch(url, { method: form ? "POST" : "GET", headers, body, redirect: "manual" });
    this.jar.take(url, response);
    const location = response.headers.get("location");
    if (!location) this.#page = { url, policy: response.headers.get("referrer-policy") };
    const next = location && new URL(location, url).href;
    return { status: response.status, text: await response.text(), next, headers: response.headers };
  }
}

/** More journeys than any sign-in may take. */
const journeysMax = 5;

/**
 * Goes the whole way from a client's authorization URL to the redirect back to it, and gives that redirect's URL and the
 * URLs under which Microsoft was visited. `decision` is the consent page's button, `user` the account at Microsoft (empty
 * cancels there).
 */
export async function signIn(authorizationUrl, { user = "alice@contoso.example", decision = "allow", browser = new Browser() } = {}) {
  const consent = await browser.open(authorizationUrl);
  if (consent.status !== 200) throw new Error(`no consent page: ${consent.status} ${consent.next ?? consent.text}`);
  const action = new URL("/authorize", authorizationUrl).href;
  const decided = await browser.open(action, { form: { ...hiddenFields(consent.text), decision } });
  if (decision !== "allow") return { consent: consent.text, redirect: decided.next, journeys: [] };
  const isMicrosoft = (url) => new URL(url).pathname.endsWith("/oauth2/v2.0/authorize");
  const journeys = [];
  let next = decided.next;
  // Where people sign in through Access first, it sends them on without a page.
  const isAccess = (url) => /\/cdn-cgi\/access\/|\/callback\/access\?/.test(url);
  while (next && isAccess(next)) next = (await browser.open(next)).next;
  while (next && isMicrosoft(next) && journeys.length < journeysMax) {
    journeys.push(next);
    const back = await browser.open((await atMicrosoft(browser, next, user)).next);
    if (!back.next) throw new Error(`the sign-in ended with ${back.status}: ${back.text}`);
    next = back.next;
  }
  return { consent: consent.text, redirect: next, journeys };
}

/** Microsoft's page, where the account is chosen unless the request names it. */
export async function atMicrosoft(browser, url, user) {
  const accounts = await browser.open(url);
  if (accounts.next) return accounts;
  const target = new URL(unescape(accounts.text.match(/<form method="post" action="([^"]*)"/)[1]), url).href;
  return browser.open(target, { form: { ...hiddenFields(accounts.text), user } });
}
