// What a client gets for everything that is not right: a status and a sentence, and no effect.
// Holds: a refusal names what to change; a refused call reaches neither Graph nor Entra; no input of any kind is
// answered with a 5xx or ends the worker.
// Must never: be loosened to what the worker happens to answer; the tables are the protocol's own words.
import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import { after, before, describe, test } from "node:test";
import { mailTo, openSession, recordMark, records, request, toolCall } from "./client.mjs";
import { startStack } from "./harness.mjs";

let stack, token, session;
before(async () => {
  stack = await startStack();
  token = await stack.connect("alice");
  session = await openSession(stack, token);
});
after(() => stack?.stop());

const PARSE = -32700,
  INVALID = -32600,
  NO_METHOD = -32601,
  PARAMS = -32602;
const ping = (id) => request(id, "ping");
const bytes = (...parts) => Buffer.concat(parts.map((part) => Buffer.from(part)));

describe("the envelope", () => {
  const unreadable = [
    { title: "no JSON", body: "hello", code: PARSE },
    { title: "half of a message", body: '{"jsonrpc":"2.0","id":1,"meth', code: PARSE },
    { title: "an empty body", body: "", code: PARSE },
    { title: "half of a batch", body: '[{"jsonrpc":"2.0"', code: PARSE },
    { title: "text after the message", body: `${JSON.stringify(ping(1))} x`, code: PARSE },
    {
      title: "a string that is no UTF-8",
      body: bytes('{"jsonrpc":"2.0","id":"', [0xff, 0xfe], '","method":"ping"}'),
      code: PARSE,
    },
    {
      title: "a method that is no UTF-8",
      body: bytes('{"jsonrpc":"2.0","id":1,"method":"', [0xc3, 0x28], '"}'),
      code: PARSE,
    },
    { title: "a number", body: "1", code: INVALID },
    { title: "null", body: "null", code: INVALID },
    { title: "an empty object", body: {}, code: INVALID },
    { title: "another JSON-RPC version", body: { ...ping(1), jsonrpc: "1.0" }, code: INVALID },
    { title: "no method", body: { jsonrpc: "2.0", id: 1 }, code: INVALID },
    { title: "a method that is a number", body: { ...ping(1), method: 7 }, code: INVALID },
    { title: "an overlong method", body: { ...ping(1), method: "m".repeat(200) }, code: INVALID },
    { title: "positional parameters", body: { ...ping(1), params: [1] }, code: INVALID },
    { title: "a null id", body: { ...ping(1), id: null }, code: INVALID },
    { title: "a fraction as id", body: { ...ping(1), id: 1.5 }, code: INVALID },
    { title: "an overlong id", body: ping("i".repeat(300)), code: INVALID },
    { title: "a member twice", body: '{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', code: INVALID },
    { title: "an empty batch", body: [], code: INVALID },
    { title: "a batch of seventeen", body: Array.from({ length: 17 }, (_, at) => ping(at)), code: INVALID },
  ];
  for (const { title, body, code } of unreadable) {
    test(`${title}: 400 with ${code}`, async () => {
      const answer = await session.send(body);
      assert.equal(answer.status, 400, answer.text);
      assert.equal(answer.json?.error?.code, code, answer.text);
      assert.ok(answer.json.error.message.length > 10);
    });
  }

  const calls = [
    { title: "an unknown method", body: request(901, "tools/delete"), code: NO_METHOD, says: /tools\/delete/ },
    { title: "an unknown tool", body: toolCall(902, "getMails"), code: PARAMS, says: /getMails/ },
    { title: "a call without a name", body: request(903, "tools/call", { arguments: {} }), code: PARAMS, says: /name/ },
    {
      title: "arguments that are a list",
      body: request(904, "tools/call", { name: "getEmails", arguments: [] }),
      code: PARAMS,
      says: /tools\/call/,
    },
    { title: "no parameters at all", body: request(905, "tools/call"), code: PARAMS, says: /name/ },
  ];
  for (const { title, body, code, says } of calls) {
    test(`${title}: ${code} with the request's id`, async () => {
      const { status, json, text } = await session.send(body);
      assert.equal(status, 200, text);
      assert.deepEqual([json.id, json.error?.code], [body.id, code], text);
      assert.match(json.error.message, says);
    });
  }

  for (const [title, build] of [
    ["in parameters", (deep) => `{"jsonrpc":"2.0","id":910,"method":"ping","params":{"a":${deep}}}`],
    [
      "in arguments",
      (deep) =>
        `{"jsonrpc":"2.0","id":911,"method":"tools/call","params":{"name":"getEmails","arguments":{"folder":${deep}}}}`,
    ],
    ["as a message", (deep) => deep],
  ]) {
    test(`nesting of 100,000 levels ${title} is answered and harms nobody`, async () => {
      const { status, json, text } = await session.send(build("[".repeat(100_000) + "]".repeat(100_000)));
      assert.ok([200, 400].includes(status), `${status} ${text.slice(0, 200)}`);
      assert.equal([json].flat()[0]?.jsonrpc, "2.0");
    });
  }
});

describe("arguments", () => {
  const ok = mailTo("bob", "Never sent");
  const bad = [
    ["getEmails", { count: "ten" }, /`count`.*whole number from 1 to 50.*"ten"/],
    ["getEmails", { count: 0 }, /`count`/],
    ["getEmails", { count: 51 }, /`count`/],
    ["getEmails", { count: 2.5 }, /`count`/],
    ["getEmails", { count: -1 }, /`count`/],
    ["getEmails", { count: 1e300 }, /`count`/],
    ["getEmails", { folder: 7 }, /`folder`/],
    ["getEmails", { folder: "" }, /`folder`/],
    ["getEmails", { folder: ["inbox"] }, /`folder`/],
    ["getEmails", { folder: "x/../../users?$top=1" }, /`folder`/],
    ["getEmails", { folder: ".." }, /`folder`/],
    ["getEmails", { folder: "inbox/messages" }, /`folder`/],
    ["getEmails", { folder: "a%2f..%2fb" }, /`folder`/],
    ["getEmails", { folder: "inbox?$expand=attachments" }, /`folder`/],
    ["getEmails", { folder: "inbox#x" }, /`folder`/],
    ["getEmails", { folder: "in\r\nbox" }, /`folder`/],
    ["getEmails", { folder: "f".repeat(5000) }, /`folder`.*too long/],
    ["getEmails", { filter: "unread" }, /no argument `filter`.*folder, count, unread/],
    ["sendEmail", {}, /`to`/],
    ["sendEmail", { ...ok, to: [] }, /`to`/],
    ["sendEmail", { ...ok, to: "bob" }, /`to`.*list/],
    ["sendEmail", { ...ok, to: [5] }, /`to`/],
    ["sendEmail", { ...ok, to: ["Bob <bob@contoso.example>"] }, /`to`.*not an email address/],
    ["sendEmail", { ...ok, to: ["bob@contoso.example\r\nBcc: eve@outside.example"] }, /`to`/],
    ["sendEmail", { ...ok, to: ["a@b@c"] }, /`to`/],
    ["sendEmail", { ...ok, cc: ["nobody"] }, /`cc`/],
    ["sendEmail", { ...ok, bcc: [""] }, /`bcc`/],
    ["sendEmail", { ...ok, to: Array.from({ length: 101 }, (_, at) => `p${at}@contoso.example`) }, /at most 100 recipients/],
    ["sendEmail", { ...ok, subject: undefined }, /`subject`.*missing/],
    ["sendEmail", { ...ok, subject: "s".repeat(256) }, /`subject`.*255/],
    ["sendEmail", { ...ok, subject: "Hello\r\nBcc: eve@outside.example" }, /`subject`.*one line/],
    ["sendEmail", { ...ok, subject: 5 }, /`subject`/],
    ["sendEmail", { ...ok, body: "" }, /`body`/],
    ["sendEmail", { ...ok, body: { html: "x" } }, /`body`/],
    ["sendEmail", { ...ok, body: "b".repeat(3 * 1024 * 1024 + 1) }, /`body`.*too long/],
    ["sendEmail", { ...ok, bodyType: "markdown" }, /`bodyType`.*text, html/],
    ["sendEmail", { ...ok, importance: "urgent" }, /`importance`/],
    ["sendEmail", { ...ok, idempotencyKey: 7 }, /`idempotencyKey`/],
    ["sendEmail", { ...ok, idempotencyKey: "k".repeat(129) }, /`idempotencyKey`/],
    ["sendEmail", { ...ok, from: "ceo@contoso.example" }, /no argument `from`/],
  ];
  test(`${bad.length} wrong calls are each refused by the argument's name, and nothing reaches Graph`, async () => {
    const mark = await recordMark(stack);
    for (const [name, args, says] of bad) {
      const { isError, message } = await session.call(name, args);
      const shown = `${name} ${JSON.stringify(args).slice(0, 120)}: ${message}`;
      assert.equal(isError, true, shown);
      assert.match(message, says, shown);
      assert.ok(message.length < 400, shown);
    }
    assert.deepEqual([...(await records(stack, "graph", mark)), ...(await records(stack, "gateway", mark))], []);
  });

  test("each refused call has its line, with the outcome and without the value", async () => {
    const since = stack.logMark();
    await session.call("getEmails", { folder: "secret-looking/value" });
    const line = await stack.waitForLog(({ tool }) => tool === "getEmails", { since });
    assert.deepEqual([line.state, line.outcome, line.calls], ["failed", "bad_argument", 0]);
    assert.ok(!stack.output().includes("secret-looking"));
  });
});

describe("size", () => {
  const limit = 4 * 1024 * 1024;
  const padded = (length) => `${JSON.stringify(ping(950))}`.padEnd(length, " ");

  test("a body of exactly 4 MiB is served", async () => {
    assert.equal((await session.send(padded(limit))).status, 200);
  });

  /** Sends only a part and waits: who is refused in the middle of writing may never see the answer. */
  const unfinished = (headers, part) =>
    new Promise((done, failed) => {
      const all = { authorization: `Bearer ${token}`, "mcp-session-id": session.id, "content-type": "application/json", ...headers };
      const call = httpRequest(stack.mcpUrl, { method: "POST", headers: all });
      call.once("error", failed);
      call.once("response", async (response) => {
        const text = Buffer.concat(await response.toArray()).toString();
        call.off("error", failed).on("error", () => {}).destroy();
        done({ status: response.statusCode, text });
      });
      call.write(part);
    });

  test("one byte more is 413, by its Content-Length, before it is read", async () => {
    const answer = await unfinished({ "content-length": limit + 1 }, "{");
    assert.equal(answer.status, 413);
    assert.match(answer.text, /4194304/);
  });

  test("a chunked body is cut off at the same bound", async () => {
    const answer = await unfinished({ "transfer-encoding": "chunked" }, Buffer.alloc(limit + 1, " "));
    assert.equal(answer.status, 413);
  });
});

describe("batches", () => {
  const call = (id) => toolCall(id, "getEmails", { count: 1 });
  let batched;
  before(async () => void (batched = await openSession(stack, token, "2025-03-26")));

  test("a session of 2025-03-26 gets one answer for each request, in one array", async () => {
    const { status, json } = await batched.send([ping(1), { jsonrpc: "2.0", method: "notifications/initialized" }, call(2)]);
    assert.equal(status, 200);
    assert.deepEqual(json.map(({ id }) => id).sort(), [1, 2]);
    assert.ok(json.every(({ result }) => result));
  });

  test("a batch of notifications is 202 without a body", async () => {
    const { status, text } = await batched.send([{ jsonrpc: "2.0", method: "notifications/initialized" }]);
    assert.deepEqual([status, text], [202, ""]);
  });

  test("a bad message does not take the answers of the others with it", async () => {
    const { json, text } = await batched.send([ping(3), { jsonrpc: "2.0", id: 4 }, ping(5)]);
    assert.ok(Array.isArray(json), text);
    assert.deepEqual(
      json.map(({ id }) => id),
      [3, 4, 5],
    );
    assert.equal(json[1].error.code, INVALID);
  });

  test("initialize is refused inside a batch", async () => {
    const { status, text } = await batched.send([
      request(6, "initialize", { protocolVersion: "2025-03-26", capabilities: {}, clientInfo: { name: "x", version: "1" } }),
    ]);
    assert.match(text, /initialize/);
    assert.ok([200, 400].includes(status), text);
  });

  for (const revision of ["2024-11-05", "2025-06-18", "2025-11-25"]) {
    test(`a session of ${revision} refuses batches`, async () => {
      const other = await openSession(stack, token, revision);
      const { status, json, text } = await other.send([ping(1)]);
      assert.deepEqual([status, json?.error?.code], [400, INVALID], text);
      assert.match(text, /batch/);
    });
  }
});

describe("repeats", () => {
  test("same session, id and body: the same answer and one execution", async () => {
    const mark = await recordMark(stack);
    const read = toolCall("again", "getEmails", { count: 2 });
    const [first, second] = [await session.send(read), await session.send(read)];
    assert.deepEqual(second.json, first.json);
    assert.equal(second.headers.get("x-request-id"), first.headers.get("x-request-id"));
    assert.equal((await records(stack, "graph", mark)).length, 1);
    const write = toolCall("again, writing", "sendEmail", mailTo("bob", "Repeated by id"));
    const [sent, replayed] = [await session.send(write), await session.send(write)];
    assert.equal(sent.json.result.isError, false);
    assert.deepEqual(replayed.json, sent.json);
    assert.equal(await countOfMails("Repeated by id"), 1);
  });

  test("twenty at the same time: the same answer and one execution", async () => {
    const write = toolCall("at once", "sendEmail", mailTo("bob", "Repeated at once"));
    const answers = await Promise.all(Array.from({ length: 20 }, () => session.send(write)));
    for (const { json } of answers) assert.deepEqual(json, answers[0].json);
    assert.equal(answers[0].json.result.isError, false);
    assert.equal(await countOfMails("Repeated at once"), 1);
  });

  test("same id, other body: an error and no execution", async () => {
    await session.send(toolCall("reused", "getEmails", { count: 1 }));
    const { json } = await session.send(toolCall("reused", "sendEmail", mailTo("bob", "Reused id")));
    assert.equal(json.error?.code, INVALID);
    assert.match(json.error.message, /id/);
    assert.equal(await countOfMails("Reused id"), 0);
  });

  test("an idempotencyKey works across sessions, and a new key means a new mail", async () => {
    const other = await openSession(stack, token);
    const args = (idempotencyKey) => mailTo("bob", "Named call", { idempotencyKey });
    const first = await session.call("sendEmail", args("key-1"));
    const second = await other.call("sendEmail", args("key-1"));
    assert.deepEqual([first.isError, second.structuredContent], [false, first.structuredContent]);
    assert.equal(await countOfMails("Named call"), 1);
    const clash = await other.send(toolCall(77, "sendEmail", mailTo("bob", "Another call", { idempotencyKey: "key-1" })));
    assert.equal(clash.json.error?.code, PARAMS, clash.text);
    assert.match(clash.json.error.message, /idempotencyKey/);
    assert.equal((await other.call("sendEmail", args("key-2"))).isError, false);
    assert.equal(await countOfMails("Named call"), 2);
  });

  test("once an answer was delivered, an equal call without a key is a new call", async () => {
    const args = mailTo("bob", "Meant twice");
    assert.equal((await session.call("sendEmail", args)).isError, false);
    await stack.waitForLog(({ tool, outcome }) => tool === "sendEmail" && outcome === "ok");
    assert.equal((await session.call("sendEmail", args)).isError, false);
    assert.equal(await countOfMails("Meant twice"), 2);
  });
});

async function countOfMails(subject) {
  const { users } = await stack.emulator.get("/_emulator/state");
  return users.flatMap(({ folders }) => folders.inbox).filter((mail) => mail.subject === subject).length;
}
