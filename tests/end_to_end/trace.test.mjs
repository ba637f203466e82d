// The trace that a client's request belongs to, from the header or from the message to the log and to the gateway.
// Holds: a trace is named where the request and its calls are; what is not well-formed is as if it had not been said.
// Must never: take a trace for an identity; it decides nothing.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openSession, post, request, toolCall, toolResult } from "./client.mjs";
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
  const line = await stack.waitForLog(({ requestId }) => requestId === answer.headers.get("x-request-id"));
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
  const line = await stack.waitForLog(({ requestId }) => requestId === answer.headers.get("x-request-id"));
  assert.deepEqual([line.event, line.traceId, line.parentSpanId], ["list", first, span]);
});
