// A permission that Microsoft has not granted: what a client is told in each era, and where the way leads.
// Holds: the permission is named exactly; its link works for this person alone and leaves the client's grant as it was.
// Must never: grant anything without the page that the link leads to.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { address, openSession, post, request, setEmulator, toolCall } from "./client.mjs";
import { startStack } from "./harness.mjs";
import { oauth } from "./oauth_client.mjs";
import { atMicrosoft, Browser } from "./sign_in.mjs";

const wanted = "Contacts.Read";
let stack, scene, tokens, renew;

before(async () => {
  stack = await startStack();
  const { begin, renew: renewed } = oauth(stack);
  renew = renewed;
  await setEmulator(stack, { deniedScopes: { [address("dave")]: [wanted] } });
  scene = await begin({ user: address("dave") });
  tokens = await scene.token();
});
after(() => stack?.stop());

/** Opens a link and signs in; gives the last page. */
async function follow(link, user) {
  const browser = new Browser();
  const { next } = await browser.open(link);
  return browser.open((await atMicrosoft(browser, next, address(user))).next);
}

const contacts = { name: "getContacts", arguments: {} };
/** One request of the revision without sessions. */
async function modern(params, elicitation) {
  const _meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": elicitation ? { elicitation } : {},
  };
  const headers = { "mcp-method": "tools/call", "mcp-name": contacts.name };
  const body = request(7, "tools/call", { ...contacts, ...params, _meta });
  return (await post(stack, { token: tokens.access_token, revision: "2026-07-28", headers, body })).json;
}

const linkIn = (text) => text.match(/http:\S+\/connect\?ticket=[\w-]+/)?.[0];

test("a client that cannot open links finds the way in the tool's error, in both eras", async () => {
  const session = await openSession(stack, tokens.access_token);
  const { result } = await modern();
  for (const { isError, content } of [await session.call(contacts.name, {}), result]) {
    assert.equal(isError, true);
    assert.match(content[0].text, /permission Contacts\.Read /);
    assert.ok(linkIn(content[0].text), content[0].text);
  }
});

test("a client of a session that can is told so by the error of its revision", async () => {
  const session = await openSession(stack, tokens.access_token, "2025-11-25", { elicitation: { url: {} } });
  const { status, json } = await session.send(toolCall(1, contacts.name));
  assert.deepEqual([status, json.error.code], [200, -32042]);
  const [asked, ...more] = json.error.data.elicitations;
  assert.deepEqual([asked.mode, more], ["url", []]);
  assert.ok(asked.elicitationId && linkIn(asked.url));
  assert.match(asked.message, /Contacts\.Read/);
});

test("a client without a session is asked to open it, and once it says no, gets the error", async () => {
  const { result } = await modern({}, { url: {} });
  assert.equal(result.resultType, "input_required");
  const { permission } = result.inputRequests;
  assert.deepEqual([permission.method, permission.params.mode], ["elicitation/create", "url"]);
  assert.ok(linkIn(permission.params.url));
  const inputResponses = { permission: { action: "decline" } };
  const refused = await modern({ inputResponses, requestState: result.requestState }, { url: {} });
  assert.match(refused.result.content[0].text, /Contacts\.Read/);
});

test("nobody else can end the link; the person can, the call works then, and the client's grant is as it was", async () => {
  const session = await openSession(stack, tokens.access_token);
  const link = linkIn((await session.call(contacts.name, {})).message);
  await setEmulator(stack, { deniedScopes: {} });
  assert.equal((await follow(link, "bob")).status, 403);
  assert.equal((await session.call(contacts.name, {})).isError, true, "another account granted it");
  assert.equal((await follow(link, "dave")).status, 200);
  assert.equal((await session.call(contacts.name, {})).isError, false);
  const renewed = await renew(scene.client, tokens.refresh_token);
  assert.deepEqual([renewed.status, renewed.scope], [200, tokens.scope]);
});
