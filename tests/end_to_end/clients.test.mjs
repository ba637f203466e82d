// Three official MCP clients, from the bare URL to every tool and resource, over both ways out.
// Holds: each client signs in by itself as a person of its own and runs the one list of calls.
// Must never: treat one client, or one way out, differently from another.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { runEverything, sceneOf } from "./calls.mjs";
import { startStack } from "./harness.mjs";
import { officialClients } from "./official_clients.mjs";

const people = ["alice", "bob", "carol"];

for (const egress of ["ai_run", "custom_provider"]) {
  describe(`over ${egress}`, () => {
    let stack;
    before(async () => {
      stack = await startStack({ settings: { EGRESS: egress } });
    });
    after(() => stack?.stop());
    for (const [index, [name, connect]] of Object.entries(officialClients).entries()) {
      test(`${name} signs in, lists nine tools, and calls and reads everything`, async () => {
        const [me, other, third] = [...people.slice(index), ...people.slice(0, index)];
        const client = await connect(stack, me);
        try {
          discovered(client.trail);
          await runEverything(client, sceneOf(stack, [me, other, third]));
        } finally {
          await client.close();
        }
      });
    }
  });
}

/** The 401 names the document, which names the server: nothing was guessed, and each step was needed. */
function discovered(trail) {
  assert.equal(trail[0], "POST /mcp 401");
  const rest = trail.filter((step) => !step.includes(" /mcp "));
  assert.deepEqual([...new Set(rest)], [
    "GET /.well-known/oauth-protected-resource/mcp 200",
    "GET /.well-known/oauth-authorization-server 200",
    "POST /register 201",
    "POST /token 200",
  ]);
}
