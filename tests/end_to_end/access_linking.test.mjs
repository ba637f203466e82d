// Where Access stands in front, a person connects the Microsoft account in a second step, by a link.
// Holds: the link works in a browser of the person who asked and in no other; an account has one identity and an identity
// one account, for good; whoever is refused leaves nothing behind, at Microsoft or here.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { perimeter, person } from "./access.mjs";
import { address, mailTo, post, recordMark, records, setEmulator, toolCall, until } from "./client.mjs";
import { open } from "./event_stream.mjs";
import { startStack } from "./harness.mjs";
import { Browser } from "./sign_in.mjs";

let stack;
const start = (policy) => async () => void (stack = await startStack({ settings: perimeter(policy) }));
const stop = () => stack?.stop();
const someone = (name, more = {}) => person(stack, { email: address(name), ...more });

const connectUrl = async (session) => {
  const { isError, structuredContent, message } = await session.call("authenticate");
  assert.equal(isError, false, message);
  assert.ok(structuredContent.connectUrl, message);
  return structuredContent.connectUrl;
};
const isConnected = async (session) => (await session.call("authenticate")).structuredContent.connected;

/** From a link to the way back from Microsoft, which is not walked; `account` signs in there. */
async function toMicrosoftAndBack(browser, url, account) {
  const began = await browser.open(url);
  assert.equal(began.status, 302, began.text);
  const microsoft = new URL(began.next);
  if (account) microsoft.searchParams.set("login_hint", address(account));
  return (await browser.open(microsoft.href)).next;
}

/** The whole way, with the page at its end; by an earlier link if one is given, because a connected person gets none. */
async function link(someone, session, account, url) {
  const browser = someone.browser();
  return browser.open(await toMicrosoftAndBack(browser, url ?? (await connectUrl(session)), account));
}

const tokenCalls = async (mark) =>
  (await records(stack, "entra", mark)).filter(({ path }) => path.endsWith("/token")).length;

describe("by the policy that addresses have to match", () => {
  before(start());
  after(stop);

  test("a person connects, calls tools, and every line names who it was without an address", async () => {
    const alice = await someone("alice");
    const session = await alice.session();
    const refused = await session.call("getEmails", { count: 1 });
    assert.equal(refused.isError, true);
    assert.match(refused.message, /open this link.*\/connect\?ticket=/);
    const page = await link(alice, session);
    assert.equal(page.status, 200, page.text);
    assert.match(page.headers.getSetCookie()[0], /Max-Age=0/);
    const mails = await session.call("getEmails", { count: 1 });
    assert.equal(mails.isError, false, mails.message);
    assert.equal(await isConnected(session), true);
    const lines = stack.logLines().filter(({ event }) => ["request", "list", "account_claimed"].includes(event));
    assert.ok(lines.length >= 4);
    for (const line of lines) assert.equal(line.accessIdentity, alice.subject, JSON.stringify(line));
    assert.ok(!stack.output().includes("@contoso.example"), "an address is in the log");
    const sent = await session.call("sendEmail", mailTo("bob", "From the perimeter"));
    assert.equal(sent.structuredContent?.status, "sent", sent.message);
  });

  test("another browser gets no further, wherever it takes over", async () => {
    const [carol, bob] = [await someone("carol"), await someone("bob")];
    const session = await carol.session();
    const url = await connectUrl(session);
    const mark = await recordMark(stack);
    for (const browser of [bob.browser(), new Browser()]) {
      const page = await browser.open(url);
      assert.equal(page.status, 403);
      assert.equal(page.next, null);
      assert.equal(page.headers.getSetCookie().length, 0);
    }
    // The way back, in a browser that has the cookie of the journey and another assertion, or none.
    for (const intruder of [bob.browser(), new Browser()]) {
      const own = carol.browser();
      const back = await toMicrosoftAndBack(own, url);
      intruder.jar = own.jar;
      assert.equal((await intruder.open(back)).status, 403);
    }
    // And her own assertion without the cookie.
    const back = await toMicrosoftAndBack(carol.browser(), url);
    assert.equal((await carol.browser().open(back)).status, 400);
    assert.equal(await tokenCalls(mark), 0);
    assert.equal(await isConnected(session), false);
    const service = await person(stack, { kind: "service" });
    assert.equal((await service.browser().open(url)).status, 403);
  });

  test("a ticket that was changed, cut or made for another mode leads nowhere", async () => {
    const dave = await someone("dave");
    const url = new URL(await connectUrl(await dave.session()));
    const ticket = url.searchParams.get("ticket");
    for (const value of [`${ticket}A`, ticket.slice(0, -4), ticket.replace(/./, "B"), ""]) {
      url.searchParams.set("ticket", value);
      assert.equal((await dave.browser().open(url.href)).status, 400);
    }
    const { connectUrl: minted } = await stack.mintToken("dave");
    assert.equal((await dave.browser().open(minted)).status, 403);
  });

  test("an account of another address is refused, nothing is stored, and its owner is not harmed", async () => {
    const [dave, bob] = [await someone("dave"), await someone("bob")];
    const session = await dave.session();
    const since = stack.logMark();
    const page = await link(dave, session, "bob");
    assert.equal(page.status, 403);
    assert.match(page.text, /another address/);
    const line = await stack.waitForLog(({ event }) => event === "account_refused", { since });
    assert.equal(line.code, "address_differs");
    assert.equal(await isConnected(session), false);
    const own = await bob.session();
    assert.equal((await link(bob, own)).status, 200);
    assert.equal((await own.call("getEmails", { count: 1 })).isError, false);
  });

  test("a journey works once", async () => {
    const erin = await person(stack, { email: address("carol"), sub: "a-second-carol" });
    const session = await erin.session();
    const browser = erin.browser();
    const back = await toMicrosoftAndBack(browser, await connectUrl(session));
    assert.equal((await browser.open(back)).status, 200);
    assert.equal((await browser.open(back)).status, 400);
  });
});

describe("by the policy that any account may be connected", () => {
  before(start({ accessIdentity: "any" }));
  after(stop);

  test("two identities that want one mailbox: the second is refused, and operators see both", async () => {
    const [first, second] = [
      await someone("alice"), await person(stack, { email: "alice.two@contoso.example", sub: "alice-two" }),
    ];
    const [one, two] = [await first.session(), await second.session()];
    const spare = await connectUrl(one);
    assert.equal((await link(first, one, "alice")).status, 200);
    const since = stack.logMark();
    const page = await link(second, two, "alice");
    assert.equal(page.status, 403);
    assert.match(page.text, /another identity/);
    const line = await stack.waitForLog(({ event }) => event === "account_already_claimed", { since });
    const keyOf = (session) => stack.logLines().find(({ event, session: id }) => event === "request" && id === session.id).userKey;
    assert.deepEqual([line.claimedBy, line.userKey], [keyOf(one), keyOf(two)]);
    assert.notEqual(line.claimedBy, line.userKey);
    assert.equal(await isConnected(two), false);
    assert.equal((await two.call("getEmails", { count: 1 })).isError, true);
    // The claim outlives the worker, and the first identity may connect again.
    await stack.restart();
    assert.equal((await link(second, two, "alice")).status, 403);
    assert.equal((await link(first, one, "alice", spare)).status, 200);
    assert.equal((await one.call("getEmails", { count: 1 })).isError, false);
  });

  test("an identity keeps its account, and what it tried to take is free for its owner", async () => {
    const [bob, carol] = [await someone("bob"), await someone("carol")];
    const [his, hers] = [await bob.session(), await carol.session()];
    const spare = await connectUrl(his);
    assert.equal((await link(bob, his, "bob")).status, 200);
    const page = await link(bob, his, "carol", spare);
    assert.equal(page.status, 403);
    assert.match(page.text, /another Microsoft account before/);
    assert.equal((await link(carol, hers, "carol")).status, 200);
    const me = await his.call("authenticate");
    assert.equal(me.structuredContent.account.address, address("bob"));
  });
});

describe("a client that can show links", () => {
  before(start());
  after(stop);

  test("shows it in a session, and goes on when the person has been there", async () => {
    const alice = await someone("alice");
    const session = await alice.session({ elicitation: { url: {} } });
    const { stream } = await open(stack, { session: session.id, headers: alice.headers, body: toolCall(1, "authenticate") });
    let asked;
    while (asked?.method !== "elicitation/create") asked = (await stream.next()).message;
    const { mode, url, message, elicitationId } = asked.params;
    assert.deepEqual([mode, typeof message, typeof elicitationId], ["url", "string", "string"]);
    const browser = alice.browser();
    assert.equal((await browser.open(await toMicrosoftAndBack(browser, url))).status, 200);
    const answer = { jsonrpc: "2.0", id: asked.id, result: { action: "accept" } };
    assert.equal((await session.send(answer)).status, 202);
    const { message: { result } } = (await stream.rest()).at(-1);
    assert.equal(result.structuredContent.connected, true);
  });

  test("shows it without a session", async () => {
    const bob = await someone("bob");
    const meta = {
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientCapabilities": { elicitation: { url: {} } },
      "io.modelcontextprotocol/clientInfo": { name: "modern", version: "2" },
    };
    const call = async (more = {}) => {
      const body = toolCall(1, "authenticate");
      body.params = { ...body.params, ...more, _meta: meta };
      const headers = { ...bob.headers, "mcp-method": "tools/call", "mcp-name": "authenticate" };
      return (await post(stack, { revision: "2026-07-28", headers, body })).json.result;
    };
    const asked = await call();
    assert.equal(asked.resultType, "input_required");
    const [[name, { method, params }]] = Object.entries(asked.inputRequests);
    assert.deepEqual([method, params.mode, params.elicitationId], ["elicitation/create", "url", undefined]);
    const inputResponses = { [name]: { action: "accept" } };
    const early = await call({ requestState: asked.requestState, inputResponses });
    assert.deepEqual([early.structuredContent.connected, typeof early.structuredContent.connectUrl], [false, "string"]);
    const browser = bob.browser();
    assert.equal((await browser.open(await toMicrosoftAndBack(browser, params.url))).status, 200);
    const done = await call({ requestState: asked.requestState, inputResponses });
    assert.equal(done.structuredContent.connected, true);
    const line = await stack.waitForLog(({ event, client }) => event === "request" && client === "modern 2");
    assert.equal(line.accessIdentity, bob.subject);
  });

  test("a permission that Microsoft withheld leads to its page again, and then the call goes through", async () => {
    await setEmulator(stack, { deniedScopes: { "*": ["Mail.Send", "Mail.ReadWrite"] } });
    const carol = await someone("carol");
    const session = await carol.session();
    assert.equal((await link(carol, session)).status, 200);
    const refused = await session.call("sendEmail", mailTo("bob", "Not yet"));
    assert.equal(refused.isError, true);
    const [url] = refused.message.match(/http\S+\/connect\?ticket=\S+/);
    assert.match((await session.call("authenticate")).structuredContent.connectUrl, /\/connect\?ticket=/);
    await setEmulator(stack, { deniedScopes: {} });
    const browser = carol.browser();
    assert.equal((await browser.open(await toMicrosoftAndBack(browser, url))).status, 200);
    const sent = await until("the mail is sent", async () => {
      const answer = await session.call("sendEmail", mailTo("bob", "Now"));
      return answer.structuredContent?.status === "sent" && answer;
    });
    assert.equal(sent.isError, false);
  });
});
