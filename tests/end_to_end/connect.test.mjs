// The journey that connects a Microsoft account, walked step by step and led astray at each.
// Holds: it ends only with the ticket, the state and the cookie that belong together, once, and with the account
// that the link was made for; whatever else ends with a page that says so.
// Must never: leave a grant or a token behind after a journey that failed.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { address, openSession, post, recordMark, records, request } from "./client.mjs";
import { startStack } from "./harness.mjs";

let stack;
before(async () => void (stack = await startStack()));
after(() => stack?.stop());

const go = (url, cookie) => fetch(url, { redirect: "manual", headers: cookie ? { cookie } : {} });
const onward = (response) => new URL(response.headers.get("location"));

/** From the link to the way back: everything that a browser holds just before it returns from Microsoft. */
async function journey(user, change = () => {}) {
  const { accessToken, connectUrl } = await stack.mintToken(user);
  const began = await go(connectUrl);
  assert.equal(began.status, 302);
  const cookie = began.headers.getSetCookie()[0].split(";")[0];
  const microsoft = onward(began);
  change(microsoft.searchParams);
  const back = onward(await go(microsoft));
  assert.equal(back.pathname, "/callback");
  return { accessToken, connectUrl, cookie, back };
}

/** The page refuses, and neither grant nor token was stored. */
async function assertRefused(response, status, accessToken) {
  assert.equal(response.status, status);
  assert.match(response.headers.get("content-type"), /^text\/html/);
  assert.match(response.headers.get("content-security-policy"), /default-src 'none'/);
  assert.doesNotMatch(await response.text(), /<script|m365at_/);
  assert.equal((await post(stack, { token: accessToken, body: request(1, "tools/list") })).status, 401);
}

const mangled = (text) => text.slice(0, 20) + (text[20] === "A" ? "B" : "A") + text.slice(21);
const setIn = (url, name, value) => {
  const changed = new URL(url);
  if (value === undefined) changed.searchParams.delete(name);
  else changed.searchParams.set(name, value);
  return changed;
};

test("the cookie of the journey is for this server alone and for ten minutes", async () => {
  const { connectUrl } = await stack.mintToken("alice");
  const [line] = (await go(connectUrl)).headers.getSetCookie();
  for (const part of ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=600"]) assert.ok(line.includes(part), line);
});

test("a changed, cut or missing ticket leads nowhere", async () => {
  const { accessToken, connectUrl } = await stack.mintToken("alice");
  const { ticket } = Object.fromEntries(new URL(connectUrl).searchParams);
  for (const value of [mangled(ticket), ticket.slice(0, 50), "", undefined, "A".repeat(5000)]) {
    const answer = await go(setIn(connectUrl, "ticket", value));
    assert.equal(answer.headers.get("location"), null);
    await assertRefused(answer, 400, accessToken);
  }
});

const astray = {
  "without the cookie": ({ back }) => go(back),
  "with another cookie": ({ back }) => go(back, `m365-connect=${"0".repeat(32)}`),
  "with a changed state": ({ back, cookie }) => go(setIn(back, "state", mangled(back.searchParams.get("state"))), cookie),
  "without a state": ({ back, cookie }) => go(setIn(back, "state"), cookie),
  "without a code": ({ back, cookie }) => go(setIn(back, "code"), cookie),
  "with the state of another journey": async ({ back, cookie }) => {
    const other = await journey("alice");
    return go(setIn(back, "state", other.back.searchParams.get("state")), cookie);
  },
};
for (const [title, lead] of Object.entries(astray)) {
  test(`a return ${title} is refused before Microsoft is asked`, async () => {
    const way = await journey("alice");
    const mark = await recordMark(stack);
    const answer = await lead(way);
    const tokenCalls = (await records(stack, "entra", mark)).filter(({ path }) => path.endsWith("/token"));
    assert.deepEqual(tokenCalls, []);
    await assertRefused(answer, 400, way.accessToken);
  });
}

test("a return with a made-up code is refused by Microsoft, and nothing is stored", async () => {
  const { back, cookie, accessToken } = await journey("alice");
  await assertRefused(await go(setIn(back, "code", "1.made-up"), cookie), 400, accessToken);
});

test("a person who declines sees that nothing was stored", async () => {
  const { back, cookie, accessToken } = await journey("alice");
  const declined = setIn(setIn(back, "code"), "error", "access_denied");
  await assertRefused(await go(declined, cookie), 403, accessToken);
});

test("a link that another account uses is refused, and the first account is not harmed", async () => {
  const alice = await openSession(stack, await stack.connect("alice"));
  const { back, cookie, accessToken } = await journey("alice", (query) => query.set("login_hint", address("bob")));
  await assertRefused(await go(back, cookie), 403, accessToken);
  const mails = await alice.call("getEmails", { count: 1 });
  assert.equal(mails.isError, false, mails.message);
  const line = await stack.waitForLog(({ outcome }) => outcome === "another_account");
  assert.equal(line.state, "failed");
  const graph = await records(stack, "graph");
  assert.deepEqual([...new Set(graph.map(({ user }) => user))], [address("alice")]);
});

test("a journey works once: the way back cannot be walked again", async () => {
  const { back, cookie, accessToken } = await journey("dave");
  const ended = await go(back, cookie);
  assert.equal(ended.status, 200);
  assert.match(ended.headers.getSetCookie()[0], /Max-Age=0/);
  assert.equal((await go(back, cookie)).status, 400);
  const dave = await openSession(stack, accessToken);
  assert.equal((await dave.call("getEmails", { count: 1 })).isError, false);
});

test("no page, link or log line holds a code, a state or a Microsoft token", async () => {
  const { back, cookie } = await journey("carol");
  const page = await (await go(back, cookie)).text();
  for (const name of ["code", "state"]) {
    const value = back.searchParams.get(name);
    assert.ok(!page.includes(value));
    assert.ok(!stack.output().includes(value));
  }
});
