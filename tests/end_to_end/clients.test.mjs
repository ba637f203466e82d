// Three official MCP clients, from the bare URL to every tool and resource, over both ways out; and what all of that sent
// to Microsoft Graph, held against Microsoft's own description.
// Holds: each client signs in by itself as a person of its own and runs the one list of calls; a test starts the runs that
// it needs, so that the tests may run in any order.
// Must never: treat one client, or one way out, differently from another.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { after, describe, test } from "node:test";
import { root } from "../tools/project.mjs";
import { runEverything, sceneOf } from "./calls.mjs";
import { readWithConsent, withRooms } from "./consented.mjs";
import { records } from "./client.mjs";
import { exceptionOf, exceptions, GraphDescription, lineOf } from "./graph_description.mjs";
import { startStack } from "./harness.mjs";
import { loseAnswers } from "./losses.mjs";
import { officialClients } from "./official_clients.mjs";
import { testHeader } from "./tenant.mjs";

const people = ["alice", "bob", "carol"];
const names = Object.keys(officialClients);
const waysOut = ["ai_run", "custom_provider"];

const started = new Map();
/** The one result of some work, whoever asks first. */
const once = (key, work) => started.get(key) ?? started.set(key, work()).get(key);

const stackOver = (egress) => once(egress, () => startStack({ settings: { EGRESS: egress } }));
after(() => Promise.all([...waysOut, "consented"].map(async (key) => (await started.get(key))?.stop())));

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

async function goThrough(egress, name) {
  const stack = await stackOver(egress);
  const index = names.indexOf(name);
  const [me, ...rest] = [...people.slice(index), ...people.slice(0, index)];
  const client = await officialClients[name](stack, me);
  try {
    discovered(client.trail);
    await runEverything(client, sceneOf(stack, [me, ...rest]));
  } finally {
    await client.close();
  }
}

const run = (egress, name) => once(`${name} over ${egress}`, () => goThrough(egress, name));

for (const egress of waysOut) {
  describe(`over ${egress}`, () => {
    for (const name of names) {
      test(`${name} signs in, lists every tool, and calls and reads everything`, () => run(egress, name));
    }
  });
}

const file = process.env.GRAPH_DESCRIPTION;
const skip = file ? false : "GRAPH_DESCRIPTION names no OpenAPI file of Microsoft Graph";

test("every request to Graph is one that Microsoft describes", { skip }, async () => {
  const description = new GraphDescription(JSON.parse(readFileSync(resolve(root, file), "utf8")));
  const [wrong, used] = [new Map(), new Set()];
  const judge = (seen) => {
    for (const record of seen) {
      for (const finding of description.findings(record)) {
        const known = exceptionOf(record, finding);
        if (known) used.add(known);
        else wrong.set(`${lineOf(record)}: ${finding}`, record);
      }
    }
  };
  for (const egress of waysOut) {
    for (const name of names) await run(egress, name);
    const stack = await stackOver(egress);
    await loseAnswers(stack);
    const seen = (await records(stack, "graph")).filter(({ headers }) => !(testHeader in headers));
    assert.ok(seen.length > 100, `only ${seen.length} requests over ${egress}`);
    const creation = seen.find(({ method, path }) => method === "POST" && path === "/v1.0/me/events");
    const planted = { ...creation, body: { ...creation.body, title: "not a member of an event" } };
    assert.match(description.findings(planted).join("\n"), /"title"/, "the description takes anything");
    const batch = structuredClone(seen.find(({ path }) => path === "/v1.0/$batch"));
    batch.body.requests[0].body.title = "not a member of a mail";
    assert.match(description.findings(batch).join("\n"), /^step 0: .*"title"/, "the steps of a batch are not looked at");
    judge(seen);
  }
  const consented = await once("consented", () => startStack({ emulatorArgs: withRooms }));
  await readWithConsent(consented);
  judge((await records(consented, "graph")).filter(({ headers }) => !(testHeader in headers)));
  assert.deepEqual([...wrong.keys()], []);
  assert.deepEqual(exceptions.filter((one) => !used.has(one)), []);
});
