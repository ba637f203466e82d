// The trace that a client's request belongs to, from the header or from the message to the log and to the gateway; and the
// way of one request from its client's ID through every line that knows of it and back.
// Holds: a trace is named where the request and its calls are; what is not well-formed is as if it had not been said; each
// identifier leads on to the next one, in both directions.
// Must never: take a trace for an identity; it decides nothing.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { addFault, openSession, post, recordMark, records, request, toolCall, toolResult } from "./client.mjs";
import { startStack } from "./harness.mjs";

const [first, second] = ["0af7651916cd43dd8448eb211c80319c", "4bf92f3577b34da6a3ce929d0e0e4736"];
const [span, otherSpan] = ["b7ad6b7169203331", "00f067aa0ba902b7"];
const header = { traceparent: `00-${first}-${span}-01`, tracestate: "vendor=x" };
const own = { traceparent: `00-${second}-${otherSpan}-00`, tracestate: "vendor=y" };

let stack, token, session;
before(async () => {
  stack = await startStack();
  token = await stack.connect("alice");
  session = await openSession(stack, token);
});
after(() => stack?.stop());

let id = 100;
/** Calls a tool in a session or without one; gives the log line, and the metadata that the gateway saw. */
async function traced({ modern, headers = {}, meta = {} }) {
  const body = toolCall((id += 1), "getEmails", { count: 1 });
  body.params._meta = meta;
  const answer = modern ? await post(stack, { token, ...withoutSession(body, headers) }) : await session.send(body, { headers });
  assert.equal(toolResult(answer).isError, false);
  const line = await stack.waitForRequest(answer.headers.get("x-request-id"));
  const { logs } = await stack.emulator.get("/_emulator/gateway-log");
  const { metadata } = logs.findLast(({ metadata: known }) => known?.requestId === line.requestId);
  return { traceId: line.traceId, parentSpanId: line.parentSpanId, atGateway: metadata.traceId };
}

function withoutSession(body, headers) {
  const meta = {
    ...body.params?._meta,
    "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {},
  };
  const named = body.params?.name && { "mcp-name": body.params.name };
  return {
    revision: "2026-07-28",
    headers: { "mcp-method": body.method, ...named, ...headers },
    body: { ...body, params: { ...body.params, _meta: meta } },
  };
}

for (const modern of [false, true]) {
  const era = modern ? "without a session" : "in a session";
  const fromHeader = { traceId: first, parentSpanId: span, atGateway: first };
  const fromMessage = { traceId: second, parentSpanId: otherSpan, atGateway: second };
  const none = { traceId: undefined, parentSpanId: undefined, atGateway: undefined };

  test(`the header's trace, ${era}`, async () => {
    assert.deepEqual(await traced({ modern, headers: header }), fromHeader);
  });

  test(`the message's own trace comes first, ${era}`, async () => {
    assert.deepEqual(await traced({ modern, headers: header, meta: own }), fromMessage);
  });

  for (const bad of ["00", `00-${first.toUpperCase()}-${span}-01`, `00-${"0".repeat(32)}-${span}-01`, `ff-${first}-${span}-01`]) {
    test(`${bad.slice(0, 12)} is ignored, ${era}`, async () => {
      assert.deepEqual(await traced({ modern, headers: { traceparent: bad }, meta: { traceparent: bad } }), none);
    });
  }
}

test("a list has a line with its trace too", async () => {
  const answer = await post(stack, { token, ...withoutSession(request((id += 1), "tools/list"), header) });
  const line = await stack.waitForRequest(answer.headers.get("x-request-id"));
  assert.deepEqual([line.event, line.traceId, line.parentSpanId], ["list", first, span]);
});

test("one request is followed from its client's ID to Microsoft and back", async () => {
  const mark = await recordMark(stack);
  await stack.emulator.post("/_emulator/gateway-log/clear");
  // The first call is put off, so that the request has two and each has a line, a log entry and a request at Graph.
  const putOff = { status: 429, headers: { "retry-after": "1" } };
  await addFault(stack, { service: "graph", method: "GET", times: 1, action: { respond: putOff } });
  const answer = await session.send(toolCall((id += 1), "getEmails", { count: 1 }), { headers: header });
  assert.equal(toolResult(answer).isError, false);

  // From the answer to the request's line, and from there to the lines of its calls.
  const ended = await stack.waitForRequest(answer.headers.get("x-request-id"));
  const calls = stack.logLines().filter(({ event, requestId }) => event === "call" && requestId === ended.requestId);
  assert.deepEqual([ended.tool, ended.calls, calls.length], ["getEmails", 2, 2]);
  const told = calls.map(({ attempt, verb, route, outcome, status }) => [attempt, verb, route, outcome, status]);
  const how = ["GET", "/me/mailFolders/{}/messages", "answered"];
  assert.deepEqual(told, [[1, ...how, 429], [2, ...how, 200]]);
  assert.ok(Date.parse(calls[0].throttledUntil) > Date.parse(calls[0].at) && !calls[1].throttledUntil);
  for (const { traceId, userKey, lane, purpose, durationMs } of calls) {
    assert.deepEqual([traceId, userKey, lane, purpose], [first, ended.userKey, "mailbox", "call"]);
    assert.ok(Number.isInteger(durationMs));
  }

  // From each call's line to one log entry of the gateway, and to one request at Graph.
  const { logs } = await stack.emulator.get("/_emulator/gateway-log");
  const graph = await records(stack, "graph", mark);
  assert.deepEqual([logs.length, graph.length], [2, 2]);
  for (const { eventId, aiGatewayLogId, status } of calls) {
    const entry = logs.find((one) => one.eventId === eventId);
    assert.deepEqual([entry.id, entry.status], [aiGatewayLogId, status]);
    // And back: what the gateway was told names the request, its person and its tool.
    const { requestId, userId, mcpTool, traceId } = entry.metadata;
    assert.deepEqual([requestId, userId, mcpTool, traceId], [ended.requestId, ended.userKey, ended.tool, first]);
  }
  assert.ok(graph.every(({ headers }) => headers["client-request-id"] === ended.requestId));
  // The request's own line names the call that decided it.
  const { aiGatewayLogId, graphRequestId } = calls[1];
  assert.ok(aiGatewayLogId && graphRequestId);
  assert.deepEqual([ended.aiGatewayLogId, ended.graphRequestId], [aiGatewayLogId, graphRequestId]);
});
