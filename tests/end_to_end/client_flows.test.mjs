// Every known client in every era that it speaks, from the bare URL to the result of a tool.
// Holds: each signs in by itself as the same person, and the worker's own line says in which era the call came: a call of
// the older revisions belongs to a session, a call of 2026-07-28 to none.
// Must never: treat one client differently from another.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { toolNames } from "./calls.mjs";
import { commandLineOpenings } from "./command_line_clients.mjs";
import { startStack } from "./harness.mjs";
import { openings } from "./official_clients.mjs";

let stack;
before(async () => { stack = await startStack(); });
after(() => stack?.stop());

for (const [name, era, connect] of [...openings, ...commandLineOpenings]) {
  test(`${name}: signs in and calls a tool in the ${era} era`, async () => {
    const client = await connect(stack, "alice");
    try {
      const { tools } = await client.listTools();
      assert.equal(tools.length, toolNames.length);
      const since = stack.logMark();
      const result = await client.callTool("getEmails", { count: 1 });
      assert.ok(!result.isError, JSON.stringify(result));
      assert.equal(result.structuredContent.messages.length, 1);
      const line = await stack.waitForLog(({ event, tool }) => event === "request" && tool === "getEmails", { since });
      assert.equal(line.session ? "legacy" : "modern", era);
    } finally {
      await client.close();
    }
  });
}
