// Access tokens that live ten seconds, for as long as it takes to renew many of them, with calls all the time.
// Holds: M365_LONG_TESTS=1 (npm run test:long) makes it five minutes; an ordinary run takes forty seconds.
// Must never: judge by times; what clients were answered and what Graph and Entra recorded is counted.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { mailTo, openSession, recordMark, records, setEmulator, toolCall, traces } from "./client.mjs";
import { startStack } from "./harness.mjs";

const tokenLifeS = 10;
const spanS = process.env.M365_LONG_TESTS ? 300 : 40;
let stack;
before(async () => void (stack = await startStack()));
after(() => stack?.stop());

test(`${spanS} seconds with tokens that live ${tokenLifeS}: not one 401 reaches a client`, async (context) => {
  await setEmulator(stack, { accessTokenLifetimeS: tokenLifeS });
  const session = await openSession(stack, await stack.connect("alice"));
  let mark = await recordMark(stack);
  const used = [];
  let seenByGraph = 0;
  // The emulator remembers a bounded number of requests, so they are counted as they come.
  const count = async () => {
    const list = await records(stack, undefined, mark);
    mark = list.at(-1)?.n ?? mark;
    used.push(...list.filter(({ body }) => body?.grant_type === "refresh_token").map(({ body }) => body.refresh_token));
    seenByGraph += list.filter(({ service, status }) => service === "graph" && status === 401).length;
  };
  const end = Date.now() + spanS * 1000;
  const statuses = new Map();
  const errors = [];
  let mails = 0;
  const call = async (id, name, args) => {
    const answer = await session.send(toolCall(id, name, args));
    statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
    if (answer.status !== 200 || answer.json?.result?.isError !== false) errors.push(answer.text);
  };
  const reader = async (number) => {
    for (let nth = 0; Date.now() < end; nth += 1) await call(`${number}-${nth}`, "getEmails", { count: 1 });
  };
  const writer = async () => {
    for (; Date.now() < end; mails += 1) {
      await call(`mail-${mails}`, "sendEmail", mailTo("bob", `Mail ${mails}`));
      if (mails % 100 === 0) await count();
    }
  };
  await Promise.all([reader(1), reader(2), writer()]);
  await count();
  const calls = [...statuses.values()].reduce((sum, count) => sum + count, 0);
  context.diagnostic(
    `${calls} calls, ${mails} mails, ${used.length} refreshes; 401s: ${statuses.get(401) ?? 0} seen by the client, ${seenByGraph} met at Graph`,
  );
  assert.deepEqual(errors, []);
  assert.deepEqual([...statuses.keys()], [200]);
  // A token is renewed after eight seconds; each refresh uses the newest refresh token, and each once.
  assert.ok(used.length >= Math.floor(spanS / tokenLifeS) - 1, `${used.length} refreshes`);
  assert.equal(new Set(used).size, used.length);
  for (const nth of [0, mails - 1]) assert.deepEqual(await traces(stack, `Mail ${nth}`), { sent: 1, arrived: 1, drafts: 0 });
});
