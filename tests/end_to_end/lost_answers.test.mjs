// Answers that get lost, limits and outages on the way to Microsoft, while the worker lives.
// Holds: a mail leaves at most once; a read is repeated within its bounds; Retry-After is obeyed and never undercut;
// what the client is told is what the mailbox shows, with the one whose fault it is.
// Must never: accept "probably": where the outcome can be found out, the answer has to be that outcome.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import {
  addFault,
  address,
  clearFaults,
  mailTo,
  openSession,
  openWarmSession,
  recordMark,
  records,
  sendOfDraft,
  setEmulator,
  traces,
  until,
} from "./client.mjs";
import { startStack } from "./harness.mjs";

let stack, alice, carol;
before(async () => {
  stack = await startStack();
  await setEmulator(stack, { deniedScopes: { [address("carol")]: ["Mail.ReadWrite"] } });
  alice = await openWarmSession(stack, await stack.connect("alice"));
  carol = await openWarmSession(stack, await stack.connect("carol"));
});
after(() => stack?.stop());
afterEach(async () => {
  await clearFaults(stack);
  await setEmulator(stack, {
    sentItemsDelayMs: 0,
    gateway: { outage: null, rateLimit: null, dlpBlock: null, policyDenied: false },
  });
});

const once = { sent: 1, arrived: 1, drafts: 0 };
const never = { sent: 0, arrived: 0, drafts: 0 };
const graphPost = (pathContains) => ({ service: "graph", method: "POST", pathContains });
const atGateway = (pathContains) => ({ service: "gateway", method: "POST", pathContains });
const waitsOf = (list) => list.slice(1).map(({ startedMs }, at) => startedMs - list[at].startedMs);

/** What Graph saw of one person since `mark`: another's lost call may still be looked into. */
const seenOf = async (name, mark) => (await records(stack, "graph", mark)).filter(({ user }) => user === address(name));

/** The mail leaves, once, and the client is told so; gives what Graph saw. */
async function sentOnce(session, subject, from = "alice") {
  const mark = await recordMark(stack);
  const result = await session.call("sendEmail", mailTo("bob", subject));
  assert.equal(result.isError, false, result.message);
  assert.equal(result.structuredContent.status, "sent");
  assert.deepEqual(await traces(stack, subject, { from }), once);
  return seenOf(from, mark);
}

describe("a lost answer to a write", () => {
  const losses = [
    ["sending the draft, executed", { ...sendOfDraft, action: { dropAfter: true } }],
    ["sending the draft, executed, with a 500 instead", { ...sendOfDraft, action: { respondAfter: { status: 500 } } }],
    [
      "sending the draft, executed, with a 504 of HTML instead",
      { ...sendOfDraft, action: { respondAfter: { status: 504, body: "<html>" } } },
    ],
    ["sending the draft, not executed, with a 503", { ...sendOfDraft, action: { outage503: true } }],
    ["creating the draft, executed", { ...graphPost("/me/messages"), action: { dropAfter: true } }],
    ["creating the draft, not executed", { ...graphPost("/me/messages"), action: { dropBefore: true } }],
    ["creating the draft, cut off in the middle", { ...graphPost("/me/messages"), action: { truncate: 20 } }],
    ["the way from the gateway, sending executed", { ...atGateway("/send"), action: { dropAfter: true } }],
  ];
  for (const [title, rule] of losses) {
    test(`${title}: found out, one mail, and the answer says sent`, async () => {
      await addFault(stack, { ...rule, times: 1 });
      await sentOnce(alice, `Lost ${title}`);
    });
  }

  test("sending and the look after it are lost too: still one mail", async () => {
    await addFault(stack, { ...sendOfDraft, times: 1, action: { dropAfter: true } });
    await addFault(stack, {
      service: "graph",
      method: "GET",
      pathContains: "isDraft",
      times: 2,
      action: { dropAfter: true },
    });
    const sends = (await sentOnce(alice, "Lost with its looks")).filter(({ path }) => path.endsWith("/send"));
    assert.equal(sends.length, 1);
  });

  test("sendMail, executed: looked up in Sent Items", async () => {
    await addFault(stack, { ...graphPost("/me/sendMail"), times: 1, action: { dropAfter: true } });
    await sentOnce(carol, "Lost sendMail", "carol");
  });

  test("sendMail, executed, and Sent Items fills late: looked up again until it is there", async () => {
    await setEmulator(stack, { sentItemsDelayMs: 2000 });
    await addFault(stack, { ...graphPost("/me/sendMail"), times: 1, action: { dropAfter: true } });
    const seen = await sentOnce(carol, "Lost and late", "carol");
    assert.equal(seen.filter(({ path }) => path.endsWith("/sendMail")).length, 1);
    assert.ok(seen.filter(({ method }) => method === "GET").length > 1);
  });
});

describe("a send that was lost on its way and may still arrive", { concurrency: 2 }, () => {
  const losses = [
    ["to Graph", { ...sendOfDraft, times: 1, action: { dropBefore: true } }],
    ["to the gateway", { ...atGateway("/send"), times: 1, action: { dropBefore: true } }],
  ];
  for (const [title, rule] of losses) {
    test(`${title}: it is sent again only when its time is over, and leaves once`, async () => {
      const own = await startStack();
      try {
        const session = await openSession(own, await own.connect("alice"));
        await addFault(own, rule);
        const result = await session.call("sendEmail", mailTo("bob", "Perhaps on its way"));
        assert.equal(result.isError, false, result.message);
        assert.deepEqual(await traces(own, "Perhaps on its way"), once);
        const sends = (await records(own, rule.service)).filter(
          ({ path, body, ended }) =>
            ended !== "dropped" && (path.endsWith("/send") || body?.inputs?.path?.endsWith("/send")),
        );
        assert.equal(sends.length, 1);
      } finally {
        await own.stop();
      }
    });
  }
});

describe("429 with Retry-After", () => {
  test("a read waits for as long as it was told, and then succeeds", async () => {
    await addFault(stack, { service: "graph", method: "GET", times: 1, action: { throttle429: 1 } });
    const mark = await recordMark(stack);
    const result = await alice.call("getEmails", { count: 1 });
    assert.equal(result.isError, false, result.message);
    const [wait, ...more] = waitsOf(await seenOf("alice", mark));
    assert.ok(wait >= 1000 && more.length === 0, `${wait}, ${more}`);
  });

  for (const [title, rule] of [
    ["creating the draft", graphPost("/me/messages")],
    ["sending the draft", sendOfDraft],
  ]) {
    test(`${title} waits and is repeated, since a 429 proves that nothing was executed`, async () => {
      await addFault(stack, { ...rule, times: 1, action: { throttle429: 1 } });
      const seen = await sentOnce(alice, `Throttled ${title}`);
      assert.equal(seen.length, 3);
      assert.ok(waitsOf(seen).some((wait) => wait >= 1000));
    });
  }

  test("sendMail waits and is repeated", async () => {
    await addFault(stack, { ...graphPost("/me/sendMail"), times: 1, action: { throttle429: 1 } });
    assert.equal((await sentOnce(carol, "Throttled sendMail", "carol")).length, 2);
  });

  test("a wait of more than a minute is told at once instead of being waited for", async () => {
    const bob = await openSession(stack, await stack.connect("bob"));
    await addFault(stack, { service: "graph", times: 1, action: { throttle429: 600 } });
    const { isError, message } = await bob.call("sendEmail", mailTo("alice", "Not for ten minutes"));
    assert.equal(isError, true);
    assert.match(message, /Microsoft is limiting.*Try again in 600 s\./);
    assert.deepEqual(await traces(stack, "Not for ten minutes", { from: "bob", to: "alice" }), never);
  });

  test("a limit of the gateway is told as the organisation's, not as Microsoft's", async () => {
    const dave = await openSession(stack, await stack.connect("dave"));
    await setEmulator(stack, { gateway: { rateLimit: { limit: 0, windowMs: 60_000, retryAfterS: 600 } } });
    const { isError, message } = await dave.call("getEmails", { count: 1 });
    assert.equal(isError, true);
    assert.match(message, /gateway limit.*Try again in 600 s\./);
  });
});

describe("several mails in one call", () => {
  const inboxOf = async () => {
    const { users } = await stack.emulator.get("/_emulator/state");
    return users.find((one) => one.address === address("alice")).folders.inbox;
  };
  /** Marks four mails; gives what was sent to Graph, and what the steps of the batches were. */
  async function markFour(action) {
    const ids = (await inboxOf()).slice(0, 4).map(({ immutableId }) => immutableId);
    const mark = await recordMark(stack);
    const result = await alice.call("organizeEmail", { ids, action });
    assert.equal(result.isError, false, result.message);
    assert.deepEqual(result.structuredContent.messages.map(({ status }) => status), Array(4).fill("done"));
    const marked = (await inboxOf()).filter(({ immutableId }) => ids.includes(immutableId));
    assert.deepEqual(marked.map(({ isRead }) => isRead), Array(4).fill(action === "markRead"));
    return { seen: await seenOf("alice", mark), steps: await records(stack, "batch", mark) };
  }
  const ofGraph = (method, pathContains) => ({ service: "graph", method, pathContains, times: 1 });

  test("they are one call", async () => {
    const { seen, steps } = await markFour("markRead");
    assert.deepEqual([seen.map(({ path }) => path), steps.length], [["/v1.0/$batch"], 4]);
    assert.equal(new Set(steps.map(({ headers }) => headers["client-request-id"])).size, 4);
  });

  test("the one that is throttled is asked for again after its own wait, and no other", async () => {
    await addFault(stack, { ...ofGraph("PATCH", "/me/messages/"), action: { throttle429: 1 } });
    const { seen, steps } = await markFour("markUnread");
    assert.deepEqual([seen.map(({ method }) => method), steps.length], [["POST", "PATCH"], 4]);
    assert.equal(seen[1].path, steps.find(({ status }) => status === 429).path);
    assert.ok(waitsOf(seen)[0] >= 1000);
  });

  test("one that fails is asked for again, and no other", async () => {
    await addFault(stack, { ...ofGraph("PATCH", "/me/messages/"), action: { outage503: true } });
    const { seen, steps } = await markFour("markRead");
    assert.deepEqual([seen.map(({ method }) => method), steps.length], [["POST", "PATCH"], 4]);
  });

  test("when the answer is lost all are changed again, which changes nothing more", async () => {
    await addFault(stack, { ...ofGraph("POST", "/$batch"), action: { dropAfter: true } });
    const { seen, steps } = await markFour("markUnread");
    assert.deepEqual([seen.map(({ path }) => path), steps.length], [["/v1.0/$batch", "/v1.0/$batch"], 8]);
  });
});

describe("503", () => {
  test("a read is tried again and succeeds", async () => {
    await addFault(stack, { service: "graph", method: "GET", times: 2, action: { outage503: true } });
    const mark = await recordMark(stack);
    const result = await alice.call("getEmails", { count: 1 });
    assert.equal(result.isError, false, result.message);
    assert.equal((await seenOf("alice", mark)).length, 3);
  });

  test("a read gives up after four attempts and says whose fault it is and when to come back", async () => {
    await addFault(stack, { service: "graph", method: "GET", action: { outage503: true } });
    const mark = await recordMark(stack);
    const { isError, message } = await alice.call("getEmails", { count: 1 });
    assert.equal(isError, true);
    assert.match(message, /^Microsoft Graph is not available\. Try again in \d+ s\.$/);
    assert.equal((await seenOf("alice", mark)).length, 4);
  });
});

describe("the gateway", () => {
  for (const outage of ["unavailable", "drop"]) {
    test(`an outage (${outage}) that passes: the write goes on where it was, one mail`, async () => {
      await setEmulator(stack, { gateway: { outage } });
      const mark = await recordMark(stack);
      const sending = sentOnce(alice, `During ${outage}`);
      await until("the gateway was asked twice", async () => (await records(stack, "gateway", mark)).length >= 2);
      await setEmulator(stack, { gateway: { outage: null } });
      await sending;
    });
  }

  const refusals = [
    ["a data loss prevention block", { dlpBlock: "A body." }, /data loss prevention/],
    ["a guardrail block", { guardrailBlock: "A body." }, /policy|guardrail/i],
    ["an access policy", { policyDenied: true }, /policy/],
  ];
  for (const [title, gateway, says] of refusals) {
    test(`${title} is told as the organisation's decision, and nothing reaches Graph`, async () => {
      await setEmulator(stack, { gateway });
      const mark = await recordMark(stack);
      const { isError, message } = await alice.call("sendEmail", mailTo("bob", `Blocked by ${title}`));
      await setEmulator(stack, { gateway: { guardrailBlock: null } });
      assert.equal(isError, true);
      assert.match(message, says);
      assert.deepEqual(await seenOf("alice", mark), []);
      assert.deepEqual(await traces(stack, `Blocked by ${title}`), never);
    });
  }
});

test("an answer above the bound is not read, and says what to ask for instead", async () => {
  const body = JSON.stringify({ value: [{ id: "x".repeat(8 * 1024 * 1024) }] });
  await addFault(stack, { service: "graph", method: "GET", times: 1, action: { respond: { status: 200, body } } });
  const { isError, message } = await alice.call("getEmails", { count: 1 });
  assert.equal(isError, true);
  assert.match(message, /larger than this server accepts\. Ask for fewer items/);
  assert.equal((await alice.call("getEmails", { count: 1 })).isError, false);
});

describe("refusals of Graph", () => {
  const answers = [
    [
      { respond: { status: 403, body: { error: { code: "ErrorAccessDenied", message: "quoting alice" } } } },
      /does not allow this account.*ErrorAccessDenied/,
    ],
    [
      { respond: { status: 400, body: { error: { code: "ErrorInvalidRecipients", message: "m" } } } },
      /refused the request \(ErrorInvalidRecipients\)/,
    ],
    [{ respond: { status: 413, body: { error: { code: "RequestEntityTooLarge", message: "m" } } } }, /size/],
    [{ respond: { status: 418, body: "<html>teapot" } }, /does not understand \(status 418\)/],
    [{ respond: { status: 201, body: "no JSON" } }, /unexpected form.*Nothing was sent/],
  ];
  for (const [action, says] of answers) {
    test(`${action.respond.status} to a draft is told without Microsoft's own text`, async () => {
      await addFault(stack, { ...graphPost("/me/messages"), times: 1, action });
      const subject = `Refused with ${action.respond.status}`;
      const { isError, message } = await alice.call("sendEmail", mailTo("bob", subject));
      assert.equal(isError, true);
      assert.match(message, says);
      assert.doesNotMatch(message, /quoting|teapot/);
      assert.deepEqual(await traces(stack, subject), never);
    });
  }
});
