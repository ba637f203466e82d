// The harness itself: what a test may rely on before it has begun.
// Holds: a stack starts although its port was taken between the choice and the start.
// Must never: leave the server that takes the port.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { after, test } from "node:test";
import { startStack } from "./harness.mjs";

const inTheWay = createServer();
let stack;
after(() => Promise.all([stack?.stop(), inTheWay.listening && new Promise((done) => inTheWay.close(done))]));

test("a port that somebody else takes first is given up for another one", async () => {
  const chosen = [];
  // Settings are made of the address, so after the choice and before the start.
  const settings = ({ origin }) => {
    if (chosen.push(origin) === 1) inTheWay.listen(Number(new URL(origin).port), "127.0.0.1");
    return {};
  };
  stack = await startStack({ settings });
  if (!inTheWay.listening) await once(inTheWay, "listening");
  assert.deepEqual([chosen.length, stack.origin], [2, chosen[1]]);
  assert.equal((await fetch(stack.origin)).status, 200);
});
