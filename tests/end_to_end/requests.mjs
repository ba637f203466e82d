// What people ask of the tools, each request a test of its own, against the realistic tenant: one stack for each file,
// one person signed in, one session of the official client.
// Holds: a request uses data of its own, so that any of them runs alone and in any order; no answer is longer than its
// budget, and what all of them took is printed at the end.
// Must never: repair an answer, or keep one for the next request.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { address, sdkClient, setEmulator } from "./client.mjs";
import { startStack } from "./harness.mjs";
import { tenantOf } from "./tenant.mjs";

const bytesPerToken = 4;
const defaultTokens = 5000;
/** What is not asked for at the sign-in: rooms, messages of channels, members of teams, who reports to whom, shared mailboxes. */
const consentedScopes = [
  "Place.Read.All", "ChannelMessage.Read.All", "TeamMember.Read.All", "User.Read.All", "Mail.Read.Shared", "Mail.Send.Shared",
];

/** What a model reads of an answer. */
const sizeOf = ({ content }) => content.reduce((sum, { text = "" }) => sum + Buffer.byteLength(text), 0);

function caller(scene) {
  const ask = async (name, given) => {
    const result = await scene.client.callTool({ name, arguments: given });
    const size = sizeOf(result);
    scene.counts.calls += 1;
    scene.counts.bytes += size;
    const budget = (given.maxTokens ?? defaultTokens) * bytesPerToken;
    assert.ok(size <= budget, `${name} answered ${size} bytes, ${budget} are allowed`);
    return result;
  };
  return {
    /** The structured answer of a tool; an error is the test's. */
    call: async (name, given = {}) => {
      const { isError, content, structuredContent } = await ask(name, given);
      assert.notEqual(isError, true, `${name}: ${JSON.stringify(content)}`);
      return structuredContent;
    },
    /** The text of a tool's refusal, where a request has to be refused. */
    refused: async (name, given = {}) => {
      const { isError, content } = await ask(name, given);
      assert.equal(isError, true, `${name}: ${JSON.stringify(content)}`);
      return content[0].text;
    },
    /** The answer as text, with its marks, as a model reads it. */
    read: async (name, given = {}) => {
      const { isError, content } = await ask(name, given);
      assert.notEqual(isError, true, `${name}: ${JSON.stringify(content)}`);
      return content.map(({ text }) => text).join("\n");
    },
    /** All items of a list, page after page, each page within its budget. */
    all: async (name, items, given = {}) => {
      const found = [];
      let pages = 0;
      for (let cursor; pages === 0 || cursor;) {
        const page = await ask(name, { ...given, ...(cursor && { cursor }) });
        assert.notEqual(page.isError, true, `${name}: ${JSON.stringify(page.content)}`);
        found.push(...page.structuredContent[items]);
        cursor = page.structuredContent.nextCursor;
        pages += 1;
        assert.ok(pages <= 100, `${name} has no last page`);
      }
      return { found, pages };
    },
  };
}

/**
 * The requests of a file, asked by `person`: `request(title, async ({ call, all, tenant, me, word, ... }) => …)`, where
 * the title is what somebody would say, `tenant` the emulator behind the worker's back, and `word` one that nobody used.
 */
export function requestsOf(person = "alice") {
  const scene = { counts: { requests: 0, calls: 0, bytes: 0 } };
  before(async () => {
    scene.stack = await startStack({ emulatorArgs: ["--tenant", "realistic"] });
    await setEmulator(scene.stack, { consentedScopes: { [address(person)]: consentedScopes } });
    scene.client = await sdkClient(scene.stack, await scene.stack.connect(person));
  });
  after(async () => {
    await scene.client?.close();
    await scene.stack?.stop();
    const { requests, calls, bytes } = scene.counts;
    console.log(`${requests} requests took ${calls} calls and ${bytes} bytes of answers`);
  });
  return function request(title, body) {
    test(title, async () => {
      scene.counts.requests += 1;
      const word = `w${randomBytes(6).toString("hex")}`;
      await body({ ...caller(scene), stack: scene.stack, tenant: tenantOf(scene.stack, person), me: person, word });
    });
  };
}
