// The whole path of one read and one write, over both ways out: client, edge, object, gateway, Graph and back.
// Holds: one request ID joins the answer, the worker's line, the gateway's log and Microsoft's record; what the
// client is told is what the mailboxes show.
// Must never: differ between the two transports in anything but the one setting that chooses.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { AjvJsonSchemaValidator } from "@modelcontextprotocol/sdk/validation/ajv";
import { readText, toolNames } from "./calls.mjs";
import {
  addFault,
  address,
  folders,
  mailTo,
  openSession,
  recordMark,
  records,
  requestLines,
  sdkClient,
  sendOfDraft,
  setEmulator,
  toolCall,
  toolResult,
  traces,
} from "./client.mjs";
import { startStack } from "./harness.mjs";

const fits = (schema, value) => {
  const { valid, errorMessage } = new AjvJsonSchemaValidator().getValidator(schema)(value);
  assert.ok(valid, errorMessage);
};

for (const transport of ["ai_run", "custom_provider"]) describe(`EGRESS=${transport}`, () => spine(transport));

function spine(transport) {
  const scene = {};
  before(async () => {
    scene.stack = await startStack({ settings: { EGRESS: transport } });
    scene.token = await scene.stack.connect("alice");
    scene.client = await sdkClient(scene.stack, scene.token);
    scene.tools = new Map((await scene.client.listTools()).tools.map((tool) => [tool.name, tool]));
  });
  after(async () => {
    await scene.client?.close();
    await scene.stack?.stop();
  });
  whatTheClientSees(scene);
  for (const name of ["getEmails", "sendEmail"]) {
    test(`one request ID joins everything that ${name} leaves behind`, () => joined({ ...scene, name }));
  }
  theWayOut(scene, transport);
}

function whatTheClientSees(scene) {
  test("the official client connects and sees all tools with their schemas", () => {
    assert.deepEqual([...scene.tools.keys()], toolNames);
    assert.equal(scene.client.getServerVersion().name, "m365-mcp-server");
    for (const tool of scene.tools.values()) {
      assert.equal(tool.inputSchema.type, "object");
      assert.equal(tool.outputSchema.type, "object");
    }
  });

  test("getEmails reads the inbox, newest first, as its output schema says", async () => {
    const result = await scene.client.callTool({ name: "getEmails", arguments: { count: 3 } });
    assert.equal(result.isError, false, JSON.stringify(result));
    fits(scene.tools.get("getEmails").outputSchema, result.structuredContent);
    assert.deepEqual(readText(result), result.structuredContent);
    const { inbox } = await folders(scene.stack, "alice");
    const newest = inbox.toSorted((a, b) => b.receivedDateTime.localeCompare(a.receivedDateTime)).slice(0, 3);
    const subjects = (list) => list.map(({ subject }) => subject);
    assert.deepEqual(subjects(result.structuredContent.messages), subjects(newest));
  });

  test("sendEmail leaves the mail in Sent Items and in the recipient's inbox", async () => {
    const subject = `Spine ${randomUUID()}`;
    const args = mailTo("bob", subject, { cc: [address("carol")] });
    const result = await scene.client.callTool({ name: "sendEmail", arguments: args });
    assert.equal(result.isError, false, JSON.stringify(result));
    fits(scene.tools.get("sendEmail").outputSchema, result.structuredContent);
    assert.equal(result.structuredContent.recipients, 2);
    assert.deepEqual(await traces(scene.stack, subject), { sent: 1, arrived: 1, drafts: 0 });
    assert.equal((await traces(scene.stack, subject, { to: "carol" })).arrived, 1);
    const [sent] = (await folders(scene.stack, "alice")).sentitems.filter((mail) => mail.subject === subject);
    assert.equal(sent.immutableId, result.structuredContent.messageId);
  });
}

function theWayOut(scene, transport) {
  test("without Mail.ReadWrite sendEmail goes by sendMail and works", async () => {
    const { stack } = scene;
    await setEmulator(stack, { deniedScopes: { [address("carol")]: ["Mail.ReadWrite"] } });
    const carol = await openSession(stack, await stack.connect("carol"));
    const mark = await recordMark(stack);
    const subject = `Without drafts ${randomUUID()}`;
    const result = await carol.call("sendEmail", mailTo("bob", subject));
    assert.equal(result.isError, false, result.message);
    assert.deepEqual(await traces(stack, subject, { from: "carol" }), { sent: 1, arrived: 1, drafts: 0 });
    const calls = (await records(stack, "graph", mark)).map(({ method, path }) => `${method} ${path}`);
    assert.deepEqual(calls, ["POST /v1.0/me/sendMail"]);
  });

  test("the line's graphRequestId is the one that Graph answered with", async () => {
    const { stack } = scene;
    const named = { status: 202, headers: { "request-id": `graph-${transport}` } };
    await addFault(stack, { ...sendOfDraft, times: 1, action: { respondAfter: named } });
    const since = stack.logMark();
    const session = await openSession(stack, scene.token);
    assert.equal((await session.call("sendEmail", mailTo("bob", "Named by Graph"))).isError, false);
    const line = await stack.waitForLog(({ tool }) => tool === "sendEmail", { since });
    assert.equal(line.graphRequestId, `graph-${transport}`);
  });

  // The binding's own way to the gateway is not ours to steer.
  if (transport === "ai_run") return;
  test("a redirect is not followed, because it would take the token along", async () => {
    const { stack } = scene;
    const away = { status: 302, headers: { location: `${stack.emulator.url}/graph/v1.0/me/messages` } };
    await addFault(stack, { service: "graph", method: "GET", times: 1, action: { respond: away } });
    const mark = await recordMark(stack);
    const session = await openSession(stack, scene.token);
    const { isError, message } = await session.call("getEmails", { count: 1 });
    assert.equal(isError, true);
    assert.match(message, /does not understand \(status 302\)/);
    assert.equal((await records(stack, "graph", mark)).length, 1);
  });
}

/** One call whose traces are followed from the client to Microsoft. */
async function joined({ stack, token, name }) {
  const session = await openSession(stack, token);
  const mark = await recordMark(stack);
  await stack.emulator.post("/_emulator/gateway-log/clear");
  const since = stack.logMark();
  const args = name === "sendEmail" ? mailTo("bob", `Joined ${randomUUID()}`) : { count: 1 };
  const answer = await session.send(toolCall(1, name, args));
  assert.equal(toolResult(answer).isError, false);

  const requestId = answer.headers.get("x-request-id");
  assert.match(requestId, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  const line = await stack.waitForRequest(requestId, { since });
  assert.equal(requestLines(stack).filter((known) => known.requestId === requestId).length, 1);
  assert.deepEqual([line.tool, line.state, line.outcome], [name, "done", "ok"]);
  assert.equal(line.session, session.id);

  const { logs } = await stack.emulator.get("/_emulator/gateway-log");
  const graph = await records(stack, "graph", mark);
  assert.equal(graph.length, name === "sendEmail" ? 2 : 1);
  assert.equal(logs.length, graph.length);
  assert.equal(line.calls, graph.length);
  for (const [index, log] of logs.entries()) {
    assert.deepEqual(log.metadata, { userId: line.userKey, mcpTool: name, requestId });
    assert.equal(log.eventId, `${requestId}-${index + 1}`);
    assert.deepEqual([log.attempts, log.cached, log.payloadLogged, log.payload], [1, false, false, null]);
  }
  assert.ok(!JSON.stringify(logs).includes("Bearer"), "a bearer token is in the gateway's log");
  for (const record of graph) assert.equal(record.clientRequestId, requestId);
  assert.equal(line.aiGatewayLogId, logs.at(-1).id);
  // Graph names each of its answers; the emulator's record does not hold the name, so its form must do.
  assert.match(line.graphRequestId, /^[0-9a-f-]{36}$/);
  assertAskedOfGateway(await records(stack, "gateway", mark), requestId);
}

/** What the gateway was asked for, in the form of either transport. */
function assertAskedOfGateway(calls, requestId) {
  for (const { headers, body } of calls) {
    assert.equal(headers["cf-aig-collect-log-payload"], "false");
    if (body?.options) {
      const { gateway, returnRawResponse } = body.options;
      assert.equal(gateway.skipCache, true);
      assert.deepEqual(gateway.retries, { maxAttempts: 1 });
      assert.equal(gateway.metadata.requestId, requestId);
      assert.equal(returnRawResponse, true);
    } else {
      assert.equal(headers["cf-aig-skip-cache"], "true");
      assert.equal(headers["cf-aig-max-attempts"], "1");
      assert.equal(JSON.parse(headers["cf-aig-metadata"]).requestId, requestId);
    }
  }
}
