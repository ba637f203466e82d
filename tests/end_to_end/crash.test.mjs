// SIGKILL of workerd in the middle of writes: what was answered stays, what was under way is found out.
// Holds: a mail leaves at most once whatever dies; the ledger, the log and the mailbox say the same; nobody has to
// ask for that, the object's alarm is enough.
// Must never: help the worker along between its restart and its verdict, except where a test's name says so.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  addFault,
  address,
  mailTo,
  openSession,
  records,
  request,
  sendOfDraft,
  setEmulator,
  toolCall,
  toolResult,
  traces,
  until,
} from "./client.mjs";
import { startStack } from "./harness.mjs";
import { ledgerOf } from "./rows.mjs";

const stacks = new Set();
after(() => Promise.all([...stacks].map((stack) => stack.stop())));

/** A stack of a test's own, with alice connected. A short token life makes the alarm ring soon. */
async function prepared({ tokenLifetimeS = 5, drafts = true } = {}) {
  const stack = await startStack();
  stacks.add(stack);
  const deniedScopes = drafts ? {} : { [address("alice")]: ["Mail.ReadWrite"] };
  await setEmulator(stack, { accessTokenLifetimeS: tokenLifetimeS, deniedScopes });
  const { accessToken, userKey } = await connected(stack);
  return { stack, userKey, session: await openSession(stack, accessToken) };
}

async function connected(stack) {
  const accessToken = await stack.connect("alice");
  const { userKey } = await stack.waitForLog(({ tool }) => tool === "connect");
  return { accessToken, userKey };
}

async function stopped({ stack }) {
  stacks.delete(stack);
  await stack.stop();
}

/** The newest Graph request whose path ends so. */
const newest = async (stack, end) =>
  (await records(stack, "graph")).findLast(({ method, path }) => method === "POST" && path.endsWith(end));

/** Kills the worker while the call that ends with `end` is in flight and was not executed. */
async function killBefore({ stack }, end) {
  await addFault(stack, { service: "graph", method: "POST", pathContains: end, times: 1, action: { hang: true } });
  return async () => {
    await until("the call is in flight", async () => (await newest(stack, end))?.ended === "open");
    await stack.kill();
    await until("the call was given up", async () => (await newest(stack, end)).ended === "abandoned");
  };
}

/** Kills the worker after Graph executed the call and before the worker could see the answer: it is frozen first. */
async function killAfter({ stack }, end) {
  await addFault(stack, { service: "graph", method: "POST", pathContains: end, times: 1, action: { delayMs: 200 } });
  return async () => {
    await until("the call is in flight", async () => (await newest(stack, end))?.ended === "open");
    process.kill(stack.pid(), "SIGSTOP");
    await until("Graph executed the call", async () => (await newest(stack, end)).ended === "answered");
    await stack.kill();
  };
}

/** Sends, kills, restarts and waits for the line that says how it ended. */
async function interrupted(scene, kill, subject) {
  const { stack, session } = scene;
  const strike = await kill;
  const lost = session.send(toolCall("interrupted", "sendEmail", mailTo("bob", subject)));
  await Promise.all([strike(), assert.rejects(lost)]);
  const since = stack.logMark();
  await stack.restart();
  return stack.waitForLog(({ event, tool }) => event === "request" && tool === "sendEmail", { since, timeout: 60_000 });
}

describe("answered", () => {
  let scene;
  before(async () => void (scene = await prepared({ tokenLifetimeS: 3600 })));
  after(() => scene && stopped(scene));

  test("the session and the answers survive a kill: same id and body, same answer, no second mail", async () => {
    const { stack, session } = scene;
    const write = toolCall("kept", "sendEmail", mailTo("bob", "Answered before the kill"));
    const read = toolCall("kept read", "getEmails", { count: 2 });
    const [sent, listed] = [await session.send(write), await session.send(read)];
    assert.equal(toolResult(sent).isError, false);
    await stack.restart();
    assert.equal((await session.send(request("alive", "ping"))).status, 200);
    assert.deepEqual((await session.send(write)).json, sent.json);
    assert.deepEqual((await session.send(read)).json, listed.json);
    assert.deepEqual(await traces(stack, "Answered before the kill"), { sent: 1, arrived: 1, drafts: 0 });
  });

  test("an idempotencyKey survives a kill", async () => {
    const { stack, session } = scene;
    const args = mailTo("bob", "Named before the kill", { idempotencyKey: "kept key" });
    const first = await session.call("sendEmail", args, "key 1");
    await stack.restart();
    const second = await session.call("sendEmail", args, "key 2");
    assert.deepEqual(second.structuredContent, first.structuredContent);
    assert.equal((await traces(stack, "Named before the kill")).arrived, 1);
  });
});

const notSent = { arrived: 0, sent: 0 };
const sent = { arrived: 1, sent: 1 };
const cases = [
  {
    title: "before the draft was created",
    kill: killBefore,
    at: "/me/messages",
    ends: ["failed", "interrupted"],
    leaves: { ...notSent, drafts: 0 },
  },
  {
    title: "after the draft was created",
    kill: killAfter,
    at: "/me/messages",
    ends: ["failed", "not_sent_draft_kept"],
    leaves: { ...notSent, drafts: 1 },
  },
  {
    title: "before the draft was sent",
    kill: killBefore,
    at: "/send",
    ends: ["failed", "not_sent_draft_kept"],
    leaves: { ...notSent, drafts: 1 },
  },
  { title: "after the draft was sent", kill: killAfter, at: "/send", ends: ["done", "ok"], leaves: { ...sent, drafts: 0 } },
  {
    title: "after sendMail was executed",
    kill: killAfter,
    at: "/me/sendMail",
    drafts: false,
    ends: ["done", "ok"],
    leaves: { ...sent, drafts: 0 },
  },
];

describe("in flight", { concurrency: 3 }, () => {
  for (const { title, kill, at, drafts, ends, leaves } of cases) {
    test(`killed ${title}: the alarm finds out without any client, and all accounts of it agree`, async () => {
      const scene = await prepared({ drafts });
      const { stack, session, userKey } = scene;
      const subject = `Killed ${title}`;
      const line = await interrupted(scene, kill(scene, at), subject);
      assert.deepEqual([line.state, line.outcome], ends);
      assert.deepEqual(await traces(stack, subject), leaves);
      // The client comes back with the very same request: it hears what happened, and nothing happens again.
      const again = toolResult(await session.send(toolCall("interrupted", "sendEmail", mailTo("bob", subject))));
      assert.equal(again.isError, line.state === "failed", again.message);
      if (again.isError) assert.match(again.message, /not sent|Nothing happened/);
      assert.deepEqual(await traces(stack, subject), leaves);
      await stack.kill();
      const written = ledgerOf(stack, userKey).filter(({ writes }) => writes);
      assert.deepEqual(
        written.map(({ state, outcome }) => [state, outcome]),
        [ends],
      );
      await stopped(scene);
    });
  }

  test("killed before sendMail was executed: it stays open and is never sent again", async () => {
    const scene = await prepared({ drafts: false });
    const { stack, session, userKey } = scene;
    const strike = await killBefore(scene, "/me/sendMail");
    const lost = session.send(toolCall(1, "sendEmail", mailTo("bob", "Perhaps")));
    await Promise.all([strike(), assert.rejects(lost)]);
    await stack.restart();
    const looks = async () => (await records(stack, "graph")).filter(({ path }) => path.includes("/sentitems/messages"));
    await until("it was looked for three times", async () => (await looks()).length >= 3, 30_000);
    assert.deepEqual(await traces(stack, "Perhaps"), { sent: 0, arrived: 0, drafts: 0 });
    const posts = (await records(stack, "graph")).filter(({ method }) => method === "POST");
    assert.equal(posts.length, 1);
    await stack.kill();
    assert.deepEqual(
      ledgerOf(stack, userKey)
        .filter(({ writes }) => writes)
        .map(({ state }) => state),
      ["reconciling"],
    );
    await stopped(scene);
  });

  test("with an hour's token the alarm that was set for the call itself is enough", async () => {
    const scene = await prepared({ tokenLifetimeS: 3600 });
    const line = await interrupted(scene, killAfter(scene, "/send"), "Only the call's own alarm");
    assert.deepEqual([line.state, line.outcome], ["done", "ok"]);
    assert.equal((await traces(scene.stack, "Only the call's own alarm")).arrived, 1);
    await stopped(scene);
  });

  test("a client that repeats its request right after the restart joins it and gets its outcome", async () => {
    const scene = await prepared({ tokenLifetimeS: 3600 });
    const { stack, session } = scene;
    const write = toolCall("joined", "sendEmail", mailTo("bob", "Joined after the kill"));
    const strike = await killAfter(scene, "/send");
    const lost = session.send(write);
    await Promise.all([strike(), assert.rejects(lost)]);
    await stack.restart();
    const again = toolResult(await session.send(write));
    assert.equal(again.isError, false, again.message);
    assert.equal(again.structuredContent.status, "sent");
    assert.deepEqual(await traces(stack, "Joined after the kill"), { sent: 1, arrived: 1, drafts: 0 });
    await stopped(scene);
  });

  test("killed while it is looking: the next life goes on looking and comes to the same end", async () => {
    const scene = await prepared();
    const { stack, session } = scene;
    await addFault(stack, { ...sendOfDraft, times: 1, action: { dropAfter: true } });
    await addFault(stack, { service: "graph", method: "GET", pathContains: "isDraft", times: 1, action: { hang: true } });
    const lost = session.send(toolCall(1, "sendEmail", mailTo("bob", "Killed twice")));
    const looking = async () =>
      (await records(stack, "graph")).some(({ method, ended }) => method === "GET" && ended === "open");
    await Promise.all([until("it is looking", looking).then(() => stack.kill()), assert.rejects(lost)]);
    const since = stack.logMark();
    await stack.restart();
    const line = await stack.waitForLog(({ tool }) => tool === "sendEmail", { since, timeout: 60_000 });
    assert.deepEqual([line.state, line.outcome], ["done", "ok"]);
    assert.deepEqual(await traces(stack, "Killed twice"), { sent: 1, arrived: 1, drafts: 0 });
    await stopped(scene);
  });
});
