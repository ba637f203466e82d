// Operators: what they see of anybody's object, what they do to it, and what is said of both.
// Holds: every answer of the API is held against its own description; an action is looked for in the object, at the
// client and in the trail.
// Must never: let somebody who is no operator learn whether anything exists.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { nativeProgram } from "../tools/project.mjs";
import { addFault, address, clearFaults, mailTo, openSession, post, request, until } from "./client.mjs";
import { startStack } from "./harness.mjs";
import { Operators } from "./operators.mjs";

const nobody = "0".repeat(32);
let stack, ops;
before(async () => {
  stack = await startStack();
  ops = await Operators.of(stack);
});
after(() => stack?.stop());

/** Somebody with a connected account and one mail read: `{ user, token, session }`. */
async function someone(name, at = stack, operators = ops) {
  const token = await at.connect(name);
  const session = await openSession(at, token);
  await session.call("getEmails", { count: 1 });
  const { userKey: user } = await at.mintToken(name);
  await until(`${name} is in the directory`, async () => (await operators.raw(`/ops/api/users/${user}`)).status === 200);
  return { user, token, session };
}

const look = async (user) => (await ops.get(`/users/${user}`)).overview;

describe("before anybody came", () => {
  test("an empty directory answers with nobody", async () => {
    const { fleet, attention, deployment, shardsSilent } = await ops.get("/fleet");
    assert.deepEqual([fleet.people, attention.people, shardsSilent], [0, [], 0]);
    assert.equal(deployment.accessMode, "open");
    assert.deepEqual((await ops.get("/users")).people, []);
    assert.match(await (await ops.raw("/ops")).text(), /Nobody/);
  });

  test("whoever brings no credential learns nothing, not even what exists", async () => {
    const { user } = await someone("dave");
    const known = [`/ops/users/${user}`, `/ops/users/${nobody}`, "/ops", "/ops/nothing", "/ops/metrics"];
    for (const form of ["/ops", "/ops/api"]) {
      const answers = [];
      for (const path of known.map((path) => path.replace("/ops", form))) {
        for (const headers of [{}, { authorization: "Bearer m365op_x" }, { authorization: "Bearer " + (await stack.connect("dave")) }]) {
          const answer = await fetch(stack.origin + path, { headers });
          answers.push([answer.status, (await answer.text()).replace(/[\d-]+[T ][\d:.]+Z?/g, "")].join(" "));
        }
      }
      assert.equal(new Set(answers).size, 1, `${form}: ${[...new Set(answers)].map((text) => text.slice(0, 200)).join("\n")}`);
      assert.match(answers[0], /^401 /);
    }
  });

  test("what changes something is no GET and takes no page of another origin", async () => {
    const { user } = await someone("dave");
    const path = `/ops/users/${user}/actions/erase`;
    const foreign = { origin: "https://attacker.example" };
    assert.equal((await ops.raw(path, { method: "POST", headers: foreign, body: {} })).status, 403);
    assert.equal((await ops.raw(path, { method: "PUT" })).status, 405);
    assert.equal((await ops.raw(path)).status, 200, "the question");
    assert.equal((await ops.raw(path, { method: "POST", body: {} })).status, 409, "a form without its confirmation");
    assert.ok(await look(user));
  });
});

describe("one person", () => {
  let alice;
  before(async () => void (alice = await someone("alice")));

  test("is shown with account, grants, sessions, queue and ledger, and without a secret or an address", async () => {
    const overview = await look(alice.user);
    assert.equal(overview.microsoft.standing, "connected");
    assert.ok(overview.microsoft.expiresAtMs > Date.now());
    assert.ok(overview.microsoft.permissions.includes("Mail.Read"));
    assert.deepEqual(overview.grants.map(({ client }) => client), ["development"]);
    assert.equal(overview.sessionsInAll, 1);
    assert.deepEqual([overview.queue.waiting, overview.queue.inFlight], [0, 0]);
    assert.ok(overview.ledger.entries >= 2 && overview.ledger.sequence >= 2);
    assert.ok(overview.timers.length > 0 && overview.nextAlarmAtMs > 0);
    const text = JSON.stringify(overview);
    for (const secret of [alice.token, "contoso.example", "eyJ"]) assert.ok(!text.includes(secret), secret);
    // Looking is nothing that the person does.
    assert.deepEqual((await look(alice.user)).lastActivityAtMs, overview.lastActivityAtMs);
  });

  test("is found by key, by its beginning, by address in any case, and by request ID", async () => {
    const found = async (q) => (await ops.send("/search", { q })).people.map(({ user }) => user);
    for (const q of [alice.user, alice.user.toUpperCase(), alice.user.slice(0, 8)]) assert.deepEqual(await found(q), [alice.user]);
    await until("the address is known", async () => (await found(address("alice"))).length === 1);
    assert.deepEqual(await found(` ${address("ALICE").toUpperCase()} `), [alice.user]);
    const [latest] = (await ops.get(`/users/${alice.user}/requests`)).requests;
    assert.equal((await ops.send("/search", { q: latest.id })).request.user, alice.user);
    for (const q of ["nonsense", "mallory@contoso.example", nobody, "<script>", crypto.randomUUID()]) {
      assert.deepEqual(await ops.send("/search", { q }), { people: [], request: null });
    }
    const lines = await ops.trail();
    assert.ok(lines.includes("search ok by address") && !JSON.stringify(lines).includes("alice"));
  });

  test("a request is shown with its whole way: edge, queue, each attempt, gateway and Microsoft", async () => {
    await addFault(stack, { service: "graph", method: "GET", pathContains: "/messages", times: 1, action: { outage503: true } });
    const answer = await alice.session.send(request(50, "tools/call", { name: "getEmails", arguments: { count: 2 } }));
    await clearFaults(stack);
    assert.equal(answer.status, 200);
    const [{ id }] = (await ops.get(`/users/${alice.user}/requests?tool=getEmails`)).requests;
    const shown = await ops.get(`/requests/${id}`);
    assert.deepEqual([shown.user, shown.tool, shown.state, shown.outcome], [alice.user, "getEmails", "done", "ok"]);
    assert.deepEqual(shown.attempts.map(({ result }) => result), ["503", "200"]);
    const { logs } = await stack.emulator.get("/_emulator/gateway-log");
    const logged = logs.filter(({ metadata }) => metadata?.requestId === id).map(({ id: logId }) => logId);
    assert.deepEqual(shown.attempts.map(({ gatewayLogId }) => gatewayLogId), logged);
    assert.ok(shown.attempts.every(({ graphRequestId }) => graphRequestId));
    const times = [shown.receivedAtMs, ...shown.attempts.flatMap((one) => [one.sentAtMs, one.endedAtMs]), shown.settledAtMs];
    assert.deepEqual(times, times.toSorted((one, other) => one - other));
    const page = await (await ops.raw(`/ops/requests/${id}`)).text();
    for (const identifier of [id, ...logged]) assert.ok(page.includes(identifier));
  });

  test("the ledger is filtered and paged, each entry once", async () => {
    for (let count = 0; count < 5; count += 1) await alice.session.call("getEmails", { count: 1, filter: "all" }).catch(() => {});
    const all = (await ops.get(`/users/${alice.user}/requests?limit=200`)).requests.map(({ id }) => id);
    const paged = [];
    for (let before = ""; before !== null; ) {
      const { requests, next } = await ops.get(`/users/${alice.user}/requests?limit=2${before && `&before=${before}`}`);
      paged.push(...requests.map(({ id }) => id));
      before = next;
    }
    assert.deepEqual(paged, all);
    const { requests } = await ops.get(`/users/${alice.user}/requests?tool=connect`);
    assert.ok(requests.length > 0 && requests.every(({ tool }) => tool === "connect"));
    assert.deepEqual((await ops.get(`/users/${alice.user}/requests?state=unknown`)).requests, []);
  });

  test("somebody whom nobody knows is a clean 404 everywhere", async () => {
    for (const path of [`/users/${nobody}`, `/users/${nobody}/requests`, `/users/${nobody}/verification-key`]) {
      assert.equal((await ops.get(path, 404)).error, "not_found");
    }
    assert.equal((await ops.send(`/users/${nobody}/actions/erase`, {}, 404)).error, "not_found");
    for (const ending of ["ndjson", "cbor"]) {
      assert.equal((await ops.raw(`/ops/api/users/${nobody}/export.${ending}`)).status, 404);
    }
  });
});

describe("an export", () => {
  for (const ending of ["ndjson", "cbor"]) {
    test(`as ${ending} verifies, and a changed or missing line does not`, async () => {
      const { user } = await someone("alice");
      const file = Buffer.from(await (await ops.raw(`/ops/api/users/${user}/export.${ending}`)).arrayBuffer());
      const { key } = await ops.get(`/users/${user}/verification-key`);
      const verify = (bytes) => {
        const path = join(stack.folder, `ledger.${ending}`);
        writeFileSync(path, bytes);
        try {
          const env = { ...process.env, LEDGER_KEY: key };
          return [0, execFileSync(nativeProgram("verify-ledger"), [path], { env, encoding: "utf8", stdio: "pipe" })];
        } catch (error) {
          return [error.status, error.stdout + error.stderr];
        }
      };
      const [code, said] = verify(file);
      assert.equal(code, 0, said);
      const changed = Buffer.from(file);
      const place = changed.indexOf("getEmails");
      changed.write("getEmailz", place);
      assert.equal(verify(changed)[0], 1);
      if (ending === "ndjson") {
        const lines = file.toString().trimEnd().split("\n");
        for (const without of [1, lines.length - 2, lines.length - 1, 0]) {
          assert.notEqual(verify(lines.toSpliced(without, 1).join("\n") + "\n")[0], 0, `without line ${without}`);
        }
      }
    });
  }
});

describe("actions", () => {
  test("each asks first, can be repeated, and leaves a line before and behind", async () => {
    const { user } = await someone("bob");
    for (const action of ["refresh", "drop-sessions", "pause", "resume", "reseal", "drain", "resume", "disconnect"]) {
      const first = await ops.act(user, action);
      assert.equal(first.action, action);
      const second = await ops.act(user, action);
      if (!["refresh", "reseal"].includes(action)) assert.equal(second.changed, false, action);
    }
    const lines = await ops.trail(user);
    for (const action of ["refresh", "drop-sessions", "pause", "drain", "resume", "reseal", "disconnect"]) {
      assert.ok(lines.includes(`${action} asked`) && lines.some((line) => line === `${action} done`), `${action}: ${lines}`);
    }
    assert.equal((await look(user)).microsoft.standing, "notConnected");
  });

  test("a confirmation is for one operator, one action and one person", async () => {
    const [{ user }, { user: other }] = [await someone("alice"), await someone("carol")];
    const asked = await ops.send(`/users/${user}/actions/pause`);
    const bob = await Operators.of(stack, "bob");
    for (const [who, path] of [[bob, `/users/${user}/actions/pause`], [ops, `/users/${user}/actions/drain`], [ops, `/users/${other}/actions/pause`]]) {
      assert.equal((await who.send(path, { confirmation: asked.confirmation }, 409)).error, "not_confirmed");
    }
    assert.equal((await ops.send(`/users/${user}/actions/pause`, { confirmation: "x" }, 409)).error, "not_confirmed");
    assert.equal((await look(user)).paused, null);
  });

  test("a paused account lets nothing leave, in new sessions either, until it is resumed", async () => {
    const { user, token, session } = await someone("carol");
    await ops.act(user, "pause");
    const paused = await session.call("getEmails", { count: 1 });
    assert.equal(paused.isError, true);
    assert.match(paused.message, /paused/);
    const again = await openSession(stack, token);
    assert.equal((await again.call("sendEmail", mailTo("bob", "while paused"))).isError, true);
    assert.ok((await look(user)).paused.by.endsWith("ada"));
    await ops.act(user, "resume");
    assert.equal((await session.call("getEmails", { count: 1 })).isError, false);
  });

  test("a client that is cut off is refused at once, and others go on", async () => {
    const { user, token } = await someone("alice");
    const other = await stack.connect("alice", { args: ["--client", "other"] });
    const [grant] = (await look(user)).grants.filter(({ client }) => client === "other");
    const acted = await ops.act(user, "revoke-client", `?grant=${grant.id}`);
    assert.equal(acted.changed, true);
    const opening = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "x", version: "1" } };
    const status = async (bearer) => (await post(stack, { token: bearer, body: request(1, "initialize", opening) })).status;
    assert.deepEqual([await status(other), await status(token)], [401, 200]);
    assert.equal((await ops.send(`/users/${user}/actions/revoke-client?grant=${nobody}`, {}, 404)).error, "not_found");
  });

  test("Microsoft is asked to end all sign-ins, and what it answered is in the ledger", async () => {
    const { user } = await someone("alice");
    const { request: id } = await ops.act(user, "revoke-sign-ins");
    const settled = await until("it is settled", async () => {
      const shown = await ops.get(`/requests/${id}`);
      return shown.settledAtMs && shown;
    });
    assert.equal(settled.calls, 1);
  });

  test("erasing leaves nothing: no rows, no directory entry, no way in with the old token", async () => {
    const { user, token } = await someone("dave");
    await ops.act(user, "erase");
    assert.equal((await ops.get(`/users/${user}`, 404)).error, "not_found");
    assert.equal((await post(stack, { token, body: request(1, "tools/call", { name: "getEmails", arguments: {} }) })).status, 401);
    const back = await someone("dave");
    assert.ok((await look(back.user)).ledger.entries < 6, "the ledger began anew");
  });
});

describe("the deployment", () => {
  test("the self-test finds that every verb reaches Microsoft and is logged", async () => {
    assert.equal((await ops.get("/self-test")).checks, null);
    const { checks } = await ops.send("/self-test");
    assert.deepEqual([...new Set(checks.map(({ verdict }) => verdict))], ["passed"]);
    assert.ok(checks.length >= 8);
  });

  test("the self-test says whose fault it is when the gateway refuses", async () => {
    await addFault(stack, { service: "gateway", times: 9, action: { respond: { status: 403 } } });
    const { checks } = await ops.send("/self-test");
    await clearFaults(stack);
    assert.ok(checks.some(({ verdict, detail }) => verdict === "failed" && /gateway/.test(detail)), JSON.stringify(checks));
  });

  test("metrics are in the format that scrapers read, and rise with what happens", async () => {
    const read = async () => {
      const answer = await ops.raw("/ops/metrics");
      assert.match(answer.headers.get("content-type"), /^text\/plain; version=0\.0\.4/);
      const text = await answer.text();
      return Object.fromEntries(text.split("\n").filter((line) => line && !line.startsWith("#")).map((line) => line.split(" ")));
    };
    const before = await read();
    assert.ok(Number(before['m365_people{standing="connected"}']) >= 1);
    assert.ok(Number(before['m365_requests_total{outcome="succeeded"}']) >= 1);
    assert.ok(!(await ops.trail()).some((line) => line.startsWith("metrics")));
  });

  test("every look is in the trail and in the log, by the operator's name", async () => {
    const since = stack.logMark();
    await ops.get("/fleet");
    const line = await stack.waitForLog(({ event, what }) => event === "operator" && what === "fleet", { since });
    assert.equal(line.operator, "credential:ada");
    const { lines } = await ops.get("/audit?limit=1");
    assert.ok(["fleet", "audit"].includes(lines[0].what));
    assert.ok(!stack.output().includes("contoso.example"));
  });
});
