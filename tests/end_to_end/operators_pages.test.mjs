// The operators' pages in a browser: an empty directory, one person, five thousand, and somebody with a hostile name.
// Holds: every page is looked at on a phone and on a desk, light and dark; what is done there is done by keyboard and
// without scripts.
// Must never: pass unseen where no Chromium is installed: the test says aloud then that it was skipped.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { cbor } from "./cbor.mjs";
import { chromium, openBrowser } from "./chromium.mjs";
import { openSession, until } from "./client.mjs";
import { startStack } from "./harness.mjs";
import { Operators, credential } from "./operators.mjs";
import { checkPage, widths } from "./page_checks.mjs";

const skip = chromium() ? false : "no Chromium is installed: the pages were NOT looked at";
const hostile = `<img src=x onerror="document.title='owned'">"'\u202e`;
const many = 5000;

describe("operators' pages", { skip }, () => {
  let stack, browser, ops, origin, user;
  before(async () => {
    stack = await startStack();
    origin = stack.origin;
    ops = await Operators.of(stack);
    browser = await openBrowser();
  });
  after(async () => {
    await browser?.close();
    await stack?.stop();
  });

  const text = () => browser.evaluate("document.body.innerText");
  const look = (title, path) => {
    for (const width of widths) {
      for (const scheme of ["light", "dark"]) {
        test(`${title} at ${width} px, ${scheme}`, () => checkPage(browser, origin + path(), width, scheme));
      }
    }
  };
  const submit = async (label) => {
    const place = await browser.evaluate(
      `[...document.querySelectorAll("button")].find((one) => one.textContent.trim() === ${JSON.stringify(label)})?.focus(), document.activeElement.textContent.trim()`,
    );
    assert.equal(place, label);
    await browser.navigate(() => browser.press("Enter"));
  };

  test("whoever comes without a credential signs in on the page, without scripts", async () => {
    await browser.withoutScripts(true);
    await browser.open(`${origin}/ops/users`);
    assert.match(await text(), /Sign in as an operator/);
    assert.ok(!(await text()).includes("People"));
    await browser.open(`${origin}/ops/sign-in`);
    await browser.evaluate(`document.getElementById("credential").value = "m365op_wrong"`);
    await submit("Sign in");
    assert.match(await text(), /no credential of this server/);
    await browser.evaluate(`document.getElementById("credential").value = ${JSON.stringify(await credential(stack))}`);
    await submit("Sign in");
    assert.equal(await browser.evaluate("location.pathname"), "/ops");
    await browser.withoutScripts(false);
  });

  look("the sign-in page", () => "/ops/sign-in");
  look("the first page of an empty directory", () => "/ops");
  look("no people", () => "/ops/users");

  describe("one person", () => {
    before(async () => {
      const token = await stack.connect("alice", { args: ["--client", hostile] });
      const session = await openSession(stack, token);
      await session.call("getEmails", { count: 1 });
      ({ userKey: user } = await stack.mintToken("alice"));
      await until("she is in the directory", async () => (await ops.raw(`/ops/api/users/${user}`)).status === 200);
    });

    const latest = async () => (await ops.get(`/users/${user}/requests`)).requests[0].id;
    let request;
    before(async () => void (request = await latest()));
    look("the first page", () => "/ops");
    look("the list", () => "/ops/users");
    look("the person", () => `/ops/users/${user}`);
    look("the ledger", () => `/ops/users/${user}/requests`);
    look("a request", () => `/ops/requests/${request}`);
    look("the trail", () => "/ops/audit");
    look("a question", () => `/ops/users/${user}/actions/erase`);
    look("the self-test", () => "/ops/self-test");
    look("nobody", () => `/ops/users/${"0".repeat(32)}`);

    test("a hostile name is text wherever it stands", async () => {
      for (const path of [`/ops/users/${user}`, `/ops/users/${user}/requests`, `/ops/requests/${request}`]) {
        await browser.open(origin + path);
        assert.match(await text(), /<img src=x onerror=/, path);
        assert.equal(await browser.evaluate("document.querySelectorAll('img').length"), 0, path);
        assert.notEqual(await browser.evaluate("document.title"), "owned");
      }
    });

    test("an action is asked about, done and undone by keyboard", async () => {
      await browser.withoutScripts(true);
      for (const [action, shown] of [["pause", /paused/i], ["resume", /./]]) {
        await browser.open(`${origin}/ops/users/${user}/actions/${action}`);
        const label = await browser.evaluate(`document.querySelector("form[action*=actions] button, main form[method=post] button").textContent.trim()`);
        await submit(label);
        assert.match(await text(), /Done/);
        await browser.open(`${origin}/ops/users/${user}`);
        assert.match(await text(), shown);
      }
      const trail = await ops.trail(user);
      for (const line of ["pause done", "resume done"]) assert.ok(trail.includes(line), `${line}: ${trail}`);
      await browser.withoutScripts(false);
    });

    test("a search finds by form, and the address stands in no URL", async () => {
      await browser.open(`${origin}/ops/users`);
      await browser.evaluate(`document.querySelector("form[role=search] input").value = "alice@contoso.example"`);
      await submit("Search");
      assert.match(await text(), new RegExp(user.slice(0, 8)));
      assert.ok(!(await browser.evaluate("location.href")).includes("alice"));
    });
  });

  describe(`${many} people`, () => {
    before(async () => {
      const namespace = await stack.namespace("DIRECTORY");
      for (let number = 0; number < many; number += 1) await tell(namespace, report(number));
    });

    look("the first page", () => "/ops");
    look("a page of the list", () => "/ops/users");
    look("who needs attention", () => "/ops/users?attention=1");

    test("everybody is listed once, a page at a time, and the numbers agree", async () => {
      const { fleet } = await ops.get("/fleet");
      assert.equal(fleet.people, many + 1);
      assert.equal(fleet.mustAct, Math.ceil(many / 50));
      const seen = new Set();
      for (let after = ""; after !== null; ) {
        const { people, next } = await ops.get(`/users?limit=200${after && `&after=${after}`}`);
        for (const person of people) seen.add(person.user);
        after = next;
      }
      assert.equal(seen.size, many + 1);
    });
  });
});

/** What an object would say of somebody; one in fifty has to sign in again. */
function report(number) {
  const user = createHash("sha256").update(`person ${number}`).digest().subarray(0, 16);
  const now = Date.now();
  return {
    user, atMs: now, standing: number % 50 === 0 ? "signInAgain" : "connected", addresses: [],
    lastActivityAtMs: now - number * 1000, tokenExpiresAtMs: now + 3_600_000, refreshDueAtMs: now + 2_800_000,
    nextAlarmAtMs: now + 2_800_000, grants: 1, sessions: number % 4, streams: number % 2, waiting: 0, inFlight: 0,
    oldestOpenAtMs: null, gatewayDownUntilMs: null, throttledUntilMs: null, isPaused: false, sealedUnder: "0",
    tally: { settled: number % 97, failed: number % 5, unknown: 0 },
  };
}

async function tell(namespace, said) {
  const shard = (said.user[0] >> 4).toString(16);
  const stub = namespace.get(namespace.idFromName(`directory-${shard}`));
  const answer = await stub.fetch("https://directory/", { method: "POST", body: cbor({ Report: said }) });
  assert.equal(answer.status, 204, await answer.text());
}
