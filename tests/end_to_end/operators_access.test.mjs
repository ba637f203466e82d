// Operators behind Cloudflare Access: who is one, by an application of their own and by the policy of a shared one.
// Holds: the audience decides which application let somebody through; a refusal is the same for every path.
// Must never: let a person's own sign-in make an operator of them.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { accessMode, assertion, audience, header } from "./access.mjs";
import { address } from "./client.mjs";
import { startStack } from "./harness.mjs";
import { Operators } from "./operators.mjs";

const own = "operators-audience";
const policy = (value) => ({ POLICY: JSON.stringify(value) });
const paths = ["/ops", "/ops/users", "/ops/nothing", `/ops/users/${"0".repeat(32)}`, "/ops/metrics", "/ops/sign-in"];

/** How each path answers whoever brings this assertion: one status, or the test fails. */
async function status(stack, wanted) {
  const value = wanted && (await assertion(stack, wanted));
  const answers = [];
  for (const form of ["/ops", "/ops/api"]) {
    for (const path of paths.map((path) => path.replace("/ops", form))) {
      const answer = await fetch(stack.origin + path, { headers: value ? { [header]: value } : {}, redirect: "manual" });
      answers.push(answer.status);
      await answer.body?.cancel();
    }
  }
  return [...new Set(answers)];
}

describe("an application of their own", () => {
  let stack;
  before(async () => {
    stack = await startStack({ settings: accessMode("perimeter", { ACCESS_AUD: audience, OPS_AUD: own }) });
  });
  after(() => stack?.stop());

  test("whoever it lets through is an operator, people and service tokens", async () => {
    for (const wanted of [{ email: address("bob") }, { kind: "service", commonName: "prometheus.access" }]) {
      const value = await assertion(stack, { ...wanted, claims: { aud: [own] } });
      const ops = new Operators(stack, { [header]: value });
      const { deployment } = await ops.get("/fleet");
      assert.equal(deployment.accessMode, "perimeter");
      assert.ok(deployment.lacks.length > 0, "what the mode lacks is said");
      const [line] = (await ops.get("/audit?limit=1")).lines;
      assert.match(line.operator, wanted.email ? /^access:/ : /^service-token:prometheus\.access$/);
      assert.ok(!JSON.stringify(line).includes("contoso"));
    }
  });

  test("whoever came through the application of everybody learns nothing", async () => {
    assert.deepEqual(await status(stack, { email: address("alice") }), [403]);
    assert.deepEqual(await status(stack, { kind: "service", commonName: "prometheus.access" }), [403]);
    assert.deepEqual(await status(stack), [403]);
  });
});

describe("an application that is shared", () => {
  let stack;
  before(async () => {
    const more = { ACCESS_AUD: audience, ...policy({ operators: [address("Ada")], serviceTokens: ["scraper.access"] }) };
    stack = await startStack({ settings: accessMode("oauth", more) });
  });
  after(() => stack?.stop());

  test("the policy names people by address, in any case, and service tokens", async () => {
    for (const wanted of [{ email: address("ADA") }, { kind: "service", commonName: "scraper.access" }]) {
      const ops = new Operators(stack, { [header]: await assertion(stack, wanted) });
      assert.equal((await ops.get("/fleet")).fleet.people, 0);
      assert.equal((await ops.raw("/ops")).status, 200);
    }
  });

  test("everybody else learns nothing", async () => {
    for (const wanted of [{ email: address("alice") }, { kind: "service", commonName: "other.access" }, undefined]) {
      assert.deepEqual(await status(stack, wanted), [403]);
    }
  });
});

test("one audience for both is refused by name", async () => {
  const stack = await startStack({ settings: accessMode("oauth", { ACCESS_AUD: audience, OPS_AUD: audience }) });
  const health = await (await fetch(`${stack.origin}/healthz`)).json();
  await stack.stop();
  assert.match(JSON.stringify(health), /OPS_AUD/);
});
