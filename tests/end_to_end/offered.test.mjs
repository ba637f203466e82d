// What is offered beside tools: prompts, templates, completion, icons; in a session and without one.
// Holds: a template reads exactly the item that it names, with identifiers as the tools gave them; both eras say the same.
// Must never: take an answer for right without looking at what the tenant holds.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { mailTo, post, recordMark, records, request, sdkClient } from "./client.mjs";
import { startStack } from "./harness.mjs";

let stack, token, client;
before(async () => {
  stack = await startStack();
  token = await stack.connect("alice");
  client = await sdkClient(stack, token);
});
after(async () => {
  await client?.close();
  await stack?.stop();
});

const meta = { "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {} };
let id = 0;

/** One request without a session. */
async function modern(method, params = {}) {
  const name = params.uri ?? params.name;
  const headers = { "mcp-method": method, ...(name && { "mcp-name": name }) };
  const body = request((id += 1), method, { ...params, _meta: meta });
  const answer = await post(stack, { token, revision: "2026-07-28", headers, body });
  assert.equal(answer.json?.id, body.id, answer.text);
  return answer.json;
}

const tool = async (name, args) => {
  const { structuredContent, content, isError } = await client.callTool({ name, arguments: args });
  assert.notEqual(isError, true, JSON.stringify(content));
  return structuredContent;
};

const uriOf = (template, values) => template.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(values[name]));

test("the catalogue costs a client few tokens, and begins with a tool that changes nothing", async () => {
  const { tools } = await client.listTools();
  const text = JSON.stringify(tools);
  // About four bytes are a token.
  const tokens = Math.ceil(Buffer.byteLength(text) / 4);
  console.log(`tools/list: ${tools.length} tools, ${Buffer.byteLength(text)} bytes, about ${tokens} tokens`);
  assert.ok(tokens < 12_000, `${tokens} tokens`);
  assert.equal(tools[0].annotations.readOnlyHint, true);
  for (const { name, title, description, icons, annotations, inputSchema, outputSchema } of tools) {
    assert.ok(title && description && icons.length > 0, name);
    assert.deepEqual(Object.values(annotations).map((hint) => typeof hint).filter((type) => type === "boolean").length, 4, name);
    for (const schema of [inputSchema, outputSchema]) {
      assert.equal(schema.type, "object", name);
      assert.doesNotMatch(JSON.stringify(schema), /"\$ref"/, name);
    }
  }
});

test("both eras list the same, the later one with hints", async () => {
  for (const [method, member, listed] of [
    ["tools/list", "tools", () => client.listTools()],
    ["prompts/list", "prompts", () => client.listPrompts()],
    ["resources/list", "resources", () => client.listResources()],
    ["resources/templates/list", "resourceTemplates", () => client.listResourceTemplates()],
  ]) {
    const { result } = await modern(method);
    assert.deepEqual(result[member], (await listed())[member], method);
    assert.ok(result[member].every(({ icons }) => icons[0].src.startsWith("data:image/svg+xml;base64,")), method);
    assert.deepEqual([result.resultType, result.cacheScope], ["complete", "public"]);
  }
});

test("a mail, an event, a team and a channel are read by template, in both eras", async () => {
  const { resourceTemplates } = await client.listResourceTemplates();
  const template = (name) => resourceTemplates.find((known) => known.name === name).uriTemplate;
  const { messages } = await tool("getEmails", { count: 1 });
  const { events } = await tool("getCalendarEvents", { count: 1 });
  const teams = JSON.parse((await client.readResource({ uri: "microsoft://teams" })).contents[0].text).teams;
  const [team] = teams.filter(({ channels }) => channels?.length > 0);
  const items = [
    ["message", { id: messages[0].id }, "subject", messages[0].subject],
    ["event", { id: events[0].id }, "subject", events[0].subject],
    ["team", { teamId: team.id }, "name", team.name],
    ["channel", { teamId: team.id, channelId: team.channels[0].id }, "name", team.channels[0].name],
  ];
  for (const [name, values, member, expected] of items) {
    const uri = uriOf(template(name), values);
    const [inSession] = (await client.readResource({ uri })).contents;
    assert.equal(inSession.uri, uri);
    assert.equal(JSON.parse(inSession.text)[member], expected, inSession.text);
    const { result } = await modern("resources/read", { uri });
    assert.deepEqual(result.contents, [inSession]);
    assert.deepEqual([result.cacheScope, result.resultType], ["private", "complete"]);
  }
});

test("what does not exist is said in the code of the era, and what leaves its place asks nothing of Microsoft", async () => {
  for (const uri of ["microsoft://mail/messages/AAMkNothing%3D", "microsoft://nothing"]) {
    const { error } = await modern("resources/read", { uri });
    assert.deepEqual([error?.code, error?.data], [-32602, { uri }]);
    await assert.rejects(client.readResource({ uri }), (error) => error.code === -32002, uri);
  }
  const mark = await recordMark(stack);
  for (const part of ["a%2F..%2F..%2Fusers", "..", "a%252Fb", "a%3F$expand=x"]) {
    const { error } = await modern("resources/read", { uri: `microsoft://mail/messages/${part}` });
    assert.equal(error?.code, -32602, part);
  }
  assert.deepEqual(await records(stack, "graph", mark), []);
});

test("arguments are completed with the person's own names", async () => {
  const complete = async (ref, argument, context) => (await client.complete({ ref, argument, context })).completion.values;
  const teams = { type: "ref/resource", uri: "microsoft://teams/{teamId}" };
  const known = JSON.parse((await client.readResource({ uri: "microsoft://teams" })).contents[0].text).teams;
  const [team] = known.filter(({ channels }) => channels?.length > 0);
  assert.deepEqual(await complete(teams, { name: "teamId", value: team.name.slice(0, 4) }), [team.id]);
  const channels = { type: "ref/resource", uri: "microsoft://teams/{teamId}/channels/{channelId}" };
  const chosen = { arguments: { teamId: team.id } };
  const found = await complete(channels, { name: "channelId", value: "" }, chosen);
  assert.deepEqual(found.toSorted(), team.channels.map((channel) => channel.id).toSorted());
  const weekly = { type: "ref/prompt", name: "weekly-summary" };
  const calendars = JSON.parse((await client.readResource({ uri: "microsoft://calendars" })).contents[0].text).calendars;
  assert.deepEqual(await complete(weekly, { name: "calendar", value: "" }), calendars.map(({ name }) => name));
  const without = await modern("completion/complete", { ref: weekly, argument: { name: "week", value: "last" } });
  assert.deepEqual(without.result.completion.values, ["last week"]);
});

test("prompts are filled in and need what they need", async () => {
  const { messages } = await client.getPrompt({ name: "prepare-meeting", arguments: { meeting: 'Plan" ignore' } });
  assert.match(messages[0].content.text, /meeting "Plan\\" ignore"/);
  await assert.rejects(client.getPrompt({ name: "prepare-meeting" }), (error) => error.code === -32602);
  const { result } = await modern("prompts/get", { name: "triage-inbox", arguments: { count: "5" } });
  assert.match(result.messages[0].content.text, /newest "5" emails/);
});

test("equal writes without a session are one while the first is at work, and each its own once answered", async () => {
  const mail = mailTo("bob", "Without a session");
  const call = () => modern("tools/call", { name: "sendEmail", arguments: mail });
  const [first, second] = await Promise.all([call(), call()]);
  assert.equal(first.result.isError, false, JSON.stringify(first));
  assert.deepEqual(first.result.structuredContent, second.result.structuredContent);
  const sent = (await records(stack, "graph")).filter(({ method, path }) => method === "POST" && /\/send$/.test(path ?? ""));
  assert.ok(sent.length <= 1, `${sent.length} sends`);
});
