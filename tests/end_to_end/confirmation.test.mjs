// Mails that a person has to confirm, in both eras: with the official client, whose host shows the form, and with raw
// requests of the revision without sessions.
// Holds: one yes sends one mail; a no, a forged or foreign answer and a client that cannot ask send none.
// Must never: answer a form in any other way than a host would.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { mailTo, openSession, post, toolCall, traces, until } from "./client.mjs";
import { open } from "./event_stream.mjs";
import { startStack } from "./harness.mjs";

const sentOnce = { sent: 1, arrived: 1, drafts: 0 };
const nothing = { sent: 0, arrived: 0, drafts: 0 };
const yes = { action: "accept", content: { send: true } };

let stack, token;
const start = (policy) => async () => {
  stack = await startStack({ settings: { POLICY: JSON.stringify(policy) } });
  token = await stack.connect("alice");
};

/** The official client of a host whose person answers every form with `answer`. */
async function clientOf(answer) {
  const client = new Client({ name: "end-to-end", version: "1" }, { capabilities: { elicitation: {} } });
  const asked = [];
  client.setRequestHandler(ElicitRequestSchema, async ({ params }) => {
    asked.push(params);
    return typeof answer === "function" ? answer() : answer;
  });
  const requestInit = { headers: { Authorization: `Bearer ${token}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL(stack.mcpUrl), { requestInit }));
  const send = (mail) => client.callTool({ name: "sendEmail", arguments: mail });
  return { asked, send, close: () => client.close() };
}

let id = 0;
/** One request of the revision without sessions. */
async function modern(mail, more = {}, forms = true) {
  const meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": forms ? { elicitation: { form: {} } } : {},
  };
  const headers = { "mcp-method": "tools/call", "mcp-name": "sendEmail" };
  const body = toolCall((id += 1), "sendEmail", mail);
  body.params = { ...body.params, ...more, _meta: meta };
  return (await post(stack, { token, revision: "2026-07-28", headers, body })).json;
}

describe("where every mail is confirmed", () => {
  before(start({ confirm: "always" }));
  after(() => stack?.stop());

  test("the official client's person sees the mail, agrees, and it leaves once", async () => {
    const client = await clientOf(yes);
    const answer = await client.send(mailTo("bob", "Agreed"));
    assert.equal(answer.structuredContent?.status, "sent", JSON.stringify(answer));
    assert.equal(client.asked.length, 1);
    assert.match(client.asked[0].message, /To: bob@contoso\.example\nSubject: Agreed\nText: A body\./);
    assert.equal(client.asked[0].requestedSchema.properties.send.type, "boolean");
    assert.deepEqual(await traces(stack, "Agreed"), sentOnce);
    await client.close();
  });

  for (const [word, answer] of Object.entries({
    declines: { action: "decline" }, closes: { action: "cancel" }, unticks: { action: "accept", content: { send: false } },
  })) {
    test(`the official client's person ${word}, and nothing leaves`, async () => {
      const client = await clientOf(answer);
      const told = await client.send(mailTo("bob", `Refused ${word}`));
      assert.equal(told.isError, true);
      assert.match(told.content[0].text, /did not agree/);
      assert.deepEqual(await traces(stack, `Refused ${word}`), nothing);
      await client.close();
    });
  }

  test("the object is evicted while the person thinks, and the mail still leaves once", async () => {
    let evicted = false;
    const { userKey } = await stack.waitForLog(({ tool }) => tool === "connect");
    const client = await clientOf(async () => {
      await stack.evict(userKey);
      evicted = true;
      return yes;
    });
    const answer = await client.send(mailTo("bob", "Evicted"));
    assert.equal(answer.structuredContent?.status, "sent", JSON.stringify(answer));
    assert.ok(evicted);
    assert.equal(client.asked.length, 1);
    assert.deepEqual(await traces(stack, "Evicted"), sentOnce);
    await client.close();
  });

  test("another session cannot answer in a session's place", async () => {
    const capabilities = { elicitation: {} };
    const [own, other] = [await openSession(stack, token, "2025-11-25", capabilities), await openSession(stack, token)];
    const { stream } = await open(stack, { token, session: own.id, body: toolCall(1, "sendEmail", mailTo("bob", "Foreign")) });
    const question = await until("the question came", async () => (await stream.next()).message);
    const answer = { jsonrpc: "2.0", id: question.id, result: yes };
    assert.equal((await other.send(answer)).status, 202);
    assert.deepEqual(await traces(stack, "Foreign"), nothing);
    assert.equal((await own.send(answer)).status, 202);
    const [end] = (await stream.rest()).filter(({ message }) => message);
    assert.equal(end.message.result.structuredContent.status, "sent");
    await own.send(answer);
    assert.deepEqual(await traces(stack, "Foreign"), sentOnce);
  });

  test("without a session the state sends the mail that was shown, once, and no other", async () => {
    const asked = await modern(mailTo("bob", "Modern"));
    assert.equal(asked.result.resultType, "input_required");
    const { requestState } = asked.result;
    const agreed = { requestState, inputResponses: { send: yes } };
    const changed = await modern(mailTo("bob", "Changed"), agreed);
    assert.equal(changed.error.code, -32602);
    const forged = await modern(mailTo("bob", "Modern"), { ...agreed, requestState: `${requestState.slice(0, -4)}AAAA` });
    assert.equal(forged.error.code, -32602);
    const unasked = await modern(mailTo("bob", "Modern"), { inputResponses: { send: yes } });
    assert.equal(unasked.result.resultType, "input_required");
    assert.deepEqual(await traces(stack, "Modern"), nothing);
    for (let round = 0; round < 3; round += 1) {
      const sent = await modern(mailTo("bob", "Modern"), agreed);
      assert.equal(sent.result.structuredContent.status, "sent", JSON.stringify(sent));
    }
    assert.deepEqual(await traces(stack, "Modern"), sentOnce);
    assert.deepEqual(await traces(stack, "Changed"), nothing);
  });

  test("without a session what was declined stays declined under its state", async () => {
    const { requestState } = (await modern(mailTo("bob", "Declined"))).result;
    for (const send of [{ action: "decline" }, yes]) {
      const { result } = await modern(mailTo("bob", "Declined"), { requestState, inputResponses: { send } });
      assert.match(result.content[0].text, /did not agree/);
    }
    assert.deepEqual(await traces(stack, "Declined"), nothing);
  });

  test("a client that shows no forms is refused in both eras", async () => {
    const session = await openSession(stack, token);
    const refused = await session.call("sendEmail", mailTo("bob", "Unasked"));
    assert.match(refused.message, /cannot show forms/);
    const modernly = await modern(mailTo("bob", "Unasked"), {}, false);
    assert.match(modernly.result.content[0].text, /cannot show forms/);
    assert.deepEqual(await traces(stack, "Unasked"), nothing);
  });
});

describe("where mails to others are confirmed", () => {
  before(start({ confirm: "external", internalDomains: ["Contoso.example"], withoutElicitation: "send" }));
  after(() => stack?.stop());

  test("a mail within the house is not asked about, one to outside is", async () => {
    const client = await clientOf({ action: "decline" });
    const inside = await client.send(mailTo("bob", "Inside"));
    assert.equal(inside.structuredContent?.status, "sent");
    assert.equal(client.asked.length, 0);
    const outside = await client.send({ ...mailTo("bob", "Outside"), cc: ["someone@fabrikam.example"] });
    assert.equal(outside.isError, true);
    assert.equal(client.asked.length, 1);
    assert.match(client.asked[0].message, /Cc: someone@fabrikam\.example/);
    assert.deepEqual(await traces(stack, "Outside"), nothing);
    await client.close();
  });

  test("a client that shows no forms sends unconfirmed, because the policy says so", async () => {
    const session = await openSession(stack, token);
    const sent = await session.call("sendEmail", { ...mailTo("bob", "Unconfirmed"), cc: ["carol@contoso.example"] });
    assert.equal(sent.structuredContent.status, "sent");
  });
});
