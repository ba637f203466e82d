// Microsoft's access tokens end, and nobody notices: by the alarm, before use, after a 401, and once for all who wait.
// Holds: one refresh at a time, always with the newest refresh token; a person is asked to sign in only when that
// helps, and an operator's mistake is called one.
// Must never: count a refresh by its effect; Entra's record of the grants is what counts.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import {
  addFault,
  address,
  clearFaults,
  mailTo,
  openSession,
  recordMark,
  records,
  refreshes,
  request,
  requestLines,
  setEmulator,
  toolCall,
  toolResult,
  traces,
  until,
} from "./client.mjs";
import { startStack } from "./harness.mjs";

const stacks = new Set();
after(() => Promise.all([...stacks].map((stack) => stack.stop())));

/** A stack with alice connected, whose first access token lives for so many seconds. */
async function prepared(tokenLifetimeS = 3600, options = {}) {
  const stack = await startStack(options);
  stacks.add(stack);
  await setEmulator(stack, { accessTokenLifetimeS: tokenLifetimeS });
  const token = await stack.connect("alice");
  return { stack, token, session: await openSession(stack, token) };
}

async function stopped({ stack }) {
  stacks.delete(stack);
  await stack.stop();
}

const revoke = (stack, what) => stack.emulator.post("/_emulator/revoke", { user: address("alice"), what });
/** In a zone that is named, so that the mailbox is not asked for its own: one call of Graph, whatever came before. */
const reads = (session) => session.call("getEmails", { count: 1, timeZone: "UTC" });

const refreshed = (stack, mark) =>
  until("a refresh without a request", async () => (await refreshes(stack, mark)).length > 0);

describe("without any request", () => {
  test("the alarm refreshes a token again and again, each time with the newest refresh token", async () => {
    const scene = await prepared(2);
    const { stack } = scene;
    const mark = await recordMark(stack);
    const grants = await until("three refreshes", async () => {
      const list = await refreshes(stack, mark);
      return list.length >= 3 && list;
    });
    const used = grants.map(({ body }) => body.refresh_token);
    assert.equal(new Set(used).size, used.length, "a refresh token was used twice");
    assert.deepEqual(await records(stack, "graph", mark), []);
    const lines = requestLines(stack, "refresh");
    assert.ok(lines.length >= 2 && lines.every(({ state, outcome }) => state === "done" && outcome === "ok"));
    await stopped(scene);
  });

  test("after a kill the alarm goes on with the newest refresh token", async () => {
    const scene = await prepared(3);
    const { stack } = scene;
    const mark = await recordMark(stack);
    await refreshed(stack, mark);
    await stack.waitForLog(({ tool, state }) => tool === "refresh" && state === "done");
    // A line is printed before its turn is on disk, an answer never: after it the newest token and alarm are.
    assert.equal((await scene.session.send(request("on disk", "ping"))).status, 200);
    await stack.restart();
    const after = await recordMark(stack);
    await refreshed(stack, after);
    const used = (await refreshes(stack, mark)).map(({ body }) => body.refresh_token);
    assert.equal(new Set(used).size, used.length);
    await stopped(scene);
  });

  test("a refresh that gets no answer is tried again with the same token, and the client sees nothing of it", async () => {
    const scene = await prepared(3);
    const { stack, session } = scene;
    const mark = await recordMark(stack);
    await addFault(stack, { service: "entra", method: "POST", times: 1, action: { dropAfter: true } });
    const grants = await until("a second attempt", async () => {
      const list = await refreshes(stack, mark);
      return list.length >= 2 && list;
    });
    assert.equal(grants[1].body.refresh_token, grants[0].body.refresh_token);
    assert.equal((await reads(session)).isError, false);
    await stopped(scene);
  });
});

describe("an expired token", () => {
  /** The worker sleeps through the end of its token: it is dead meanwhile, so that no alarm can ring. */
  async function sleptThrough(scene) {
    const { stack } = scene;
    await stack.kill();
    const mark = await recordMark(stack);
    const over = Date.now() + 2000;
    await setEmulator(stack, { accessTokenLifetimeS: 3600 });
    await until("the token's time is over", () => Date.now() > over);
    return mark;
  }

  test("is refreshed before it is used: Graph never sees it", async () => {
    const scene = await prepared(2);
    const mark = await sleptThrough(scene);
    await scene.stack.restart();
    const result = await reads(scene.session);
    assert.equal(result.isError, false, result.message);
    assert.equal((await refreshes(scene.stack, mark)).length, 1);
    assert.deepEqual(
      (await records(scene.stack, "graph", mark)).map(({ status }) => status),
      [200],
    );
    await stopped(scene);
  });

  test("ten calls at the same time cause exactly one refresh, and all succeed", async () => {
    const scene = await prepared(2);
    const mark = await sleptThrough(scene);
    await scene.stack.restart();
    const results = await Promise.all(Array.from({ length: 10 }, () => reads(scene.session)));
    for (const { isError, message } of results) assert.equal(isError, false, message);
    assert.equal((await refreshes(scene.stack, mark)).length, 1);
    await stopped(scene);
  });
});

describe("a token that Graph refuses although its time is not over", () => {
  test("is refreshed once, the call is repeated, and the client sees success", async () => {
    const scene = await prepared();
    const { stack, session } = scene;
    await revoke(stack, "access");
    const mark = await recordMark(stack);
    const read = await reads(session);
    assert.equal(read.isError, false, read.message);
    assert.deepEqual(
      (await records(stack, "graph", mark)).map(({ status }) => status),
      [401, 200],
    );
    assert.equal((await refreshes(stack, mark)).length, 1);
    await revoke(stack, "access");
    const write = await session.call("sendEmail", mailTo("bob", "After a 401"));
    assert.equal(write.isError, false, write.message);
    assert.deepEqual(await traces(stack, "After a 401"), { sent: 1, arrived: 1, drafts: 0 });
    assert.equal((await refreshes(stack, mark)).length, 2);
    await stopped(scene);
  });

  test("in ten calls at the same time causes one refresh, and all succeed", async () => {
    const scene = await prepared();
    const { stack, session } = scene;
    await revoke(stack, "access");
    const mark = await recordMark(stack);
    const results = await Promise.all(Array.from({ length: 10 }, () => reads(session)));
    for (const { isError, message } of results) assert.equal(isError, false, message);
    assert.equal((await refreshes(stack, mark)).length, 1);
    await stopped(scene);
  });

  test("and again after the refresh ends in the advice to sign in, after two tries", async () => {
    const scene = await prepared();
    const { stack, session } = scene;
    await addFault(stack, { service: "graph", method: "GET", action: { insufficientClaims: true } });
    const mark = await recordMark(stack);
    const { isError, message } = await reads(session);
    assert.equal(isError, true);
    assert.match(message, /sign in again/);
    assert.equal((await records(stack, "graph", mark)).length, 2);
    assert.equal((await refreshes(stack, mark)).length, 1);
    await clearFaults(stack);
    // Only the person can meet what a refresh could not: nothing goes round until then.
    assert.match((await reads(session)).message, /sign in again/);
    assert.equal((await records(stack, "graph", mark)).length, 2);
    await stack.connect("alice");
    const demands = (await records(stack, "entra", mark))
      .filter(({ method, path }) => method === "GET" && path.includes("/authorize"))
      .map(({ path }) => new URL(path, stack.origin).searchParams.get("claims").includes("nbf"));
    assert.deepEqual(demands, [false, true]);
    assert.equal((await reads(session)).isError, false);
    await stopped(scene);
  });
});

describe("a refresh that cannot work", () => {
  test("with a revoked refresh token the person is asked to sign in again, and after that it works", async () => {
    const scene = await prepared();
    const { stack, session } = scene;
    await revoke(stack, "all");
    const mark = await recordMark(stack);
    const refused = await reads(session);
    assert.equal(refused.isError, true);
    assert.match(refused.message, /sign in again/i);
    const writing = await session.call("sendEmail", mailTo("bob", "Not without a sign-in"));
    assert.match(writing.message, /sign in again/i);
    // One refusal is enough: a dead refresh token is not tried again.
    assert.equal((await refreshes(stack, mark)).length, 1);
    const again = await openSession(stack, await stack.connect("alice"));
    assert.equal((await reads(again)).isError, false);
    assert.equal((await reads(session)).isError, false, "the first grant works again too");
    assert.equal((await traces(stack, "Not without a sign-in")).arrived, 0);
    await stopped(scene);
  });

  test("with a wrong client secret the operators are named, and the person is not asked to sign in", async () => {
    const scene = await prepared();
    const { stack } = scene;
    // What an operator does who sets a wrong secret: the same state under another setting.
    stack.settings.MICROSOFT_CLIENT_SECRET = "not-the-secret";
    await stack.restart();
    await revoke(stack, "access");
    const result = toolResult(await scene.session.send(toolCall("wrong secret", "getEmails", { count: 1 })));
    assert.equal(result.isError, true);
    assert.match(result.message, /operators/);
    assert.doesNotMatch(result.message, /sign in/i);
    const line = await stack.waitForLog(({ tool }) => tool === "refresh");
    assert.equal(line.outcome, "own_credential");
    stack.settings.MICROSOFT_CLIENT_SECRET = "emulator-secret";
    await stack.restart();
    assert.equal((await reads(scene.session)).isError, false, "nothing of it stays when the operators repaired it");
    await stopped(scene);
  });

  test("while Entra is down the client is told to wait, and nobody is signed out", async () => {
    const scene = await prepared();
    const { stack, session } = scene;
    await addFault(stack, { service: "entra", method: "POST", times: 2, action: { outage503: true } });
    await revoke(stack, "access");
    const result = await reads(session);
    assert.equal(result.isError, false, result.message);
    await stopped(scene);
  });
});
