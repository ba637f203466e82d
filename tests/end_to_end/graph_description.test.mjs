// The judge of requests to Graph is judged itself: each way in which a request can be wrong is planted once.
// Holds: the description here is a small one of the test's own, so that it runs everywhere.
// Must never: pass a request because nothing was looked at.
import assert from "node:assert/strict";
import { test } from "node:test";
import { GraphDescription } from "./graph_description.mjs";

const text = { type: "string" };
const count = { type: "integer", minimum: 0 };
const query = (name, schema, required = false) => ({ name, in: "query", required, schema });
const json = (schema) => ({ content: { "application/json": { schema } } });
const event = { $ref: "#/components/schemas/event" };
const closed = (properties, required = []) => ({ type: "object", properties, required, additionalProperties: false });

const document = {
  openapi: "3.1.0",
  servers: [{ url: "https://graph.microsoft.com/v1.0" }],
  paths: {
    "/me/events": {
      get: {
        parameters: [query("$select", text), query("$orderby", text), query("$top", count), query("from", text, true)],
        responses: { 200: json({ type: "object", properties: { value: { type: "array", items: event } } }), default: {} },
      },
      post: {
        parameters: [],
        requestBody: { required: true, ...json({ $ref: "#/components/schemas/newEvent" }) },
        responses: { 201: json(event) },
      },
    },
    "/me/events/{event-id}": { get: { parameters: [query("$select", text)], responses: { 200: json(event) } } },
    "/me/events/today": { get: { parameters: [], responses: { 200: json(event) } } },
    "/me/events/{event-id}/cancel": { post: { parameters: [], responses: { 202: {} } } },
  },
  components: {
    schemas: {
      event: { type: "object", properties: { id: text, subject: text, start: { type: "object" } } },
      newEvent: closed({ subject: text, at: { ...text, format: "date-time" }, minutes: { type: "integer", format: "int32" } }, ["subject"]),
    },
  },
};
const description = new GraphDescription(document);
const findings = (record) => description.findings(record);

const list = {
  method: "GET",
  path: "/v1.0/me/events?from=2026-01-01&$select=id%2Csubject&$orderby=start%2FdateTime%20desc&$top=5",
  headers: {}, body: null, status: 200, ended: "answered",
};
const creation = {
  ...list, method: "POST", path: "/v1.0/me/events", headers: { "content-type": "application/json" }, status: 201,
  body: { subject: "x", at: "2026-01-31T10:00:00Z", minutes: 5 },
};
const one = { ...list, path: "/v1.0/me/events/AAk=?$select=id" };
const cancel = { ...list, method: "POST", path: "/v1.0/me/events/AAk=/cancel", status: 202 };

test("valid requests have no findings", () => {
  for (const record of [list, creation, one, cancel, { ...one, path: "/v1.0/me/events/today" }]) assert.deepEqual(findings(record), []);
  assert.deepEqual(findings({ ...creation, status: null, ended: "dropped" }), []);
});

const planted = [
  ["another version", { ...list, path: "/beta/me/events?from=x" }, /^path: /],
  ["an unknown path", { ...list, path: "/v1.0/me/event?from=x" }, /^path: /],
  ["an empty segment", { ...one, path: "/v1.0/me/events/?$select=id" }, /^path: /],
  ["a longer path", { ...one, path: "/v1.0/me/events/AAk=/more" }, /^path: /],
  ["an unknown method", { ...list, method: "DELETE" }, /^method: /],
  ["an unknown parameter", { ...list, path: `${list.path}&$search=x` }, /^query: \$search is not a parameter/],
  ["a parameter in another case", { ...one, path: "/v1.0/me/events/AAk=?$Select=id" }, /^query: \$Select is not/],
  ["a parameter of the general path only", { ...one, path: "/v1.0/me/events/today?$select=id" }, /^query: \$select is not/],
  ["a parameter twice", { ...list, path: `${list.path}&$top=6` }, /^query: \$top stands twice/],
  ["a parameter without a value", { ...list, path: "/v1.0/me/events?from" }, /^query: from has no value/],
  ["a missing parameter", { ...list, path: "/v1.0/me/events" }, /^query: from is missing/],
  ["a value of another type", { ...list, path: "/v1.0/me/events?from=x&$top=ten" }, /^query: \$top must be integer/],
  ["a value out of range", { ...list, path: "/v1.0/me/events?from=x&$top=-1" }, /^query: \$top must be >= 0/],
  ["a selected property that is none", { ...list, path: "/v1.0/me/events?from=x&$select=id,title" }, /no property title/],
  ["an order by what is no property", { ...list, path: "/v1.0/me/events?from=x&$orderby=begin/dateTime" }, /no property begin/],
  ["a body where none belongs", { ...cancel, body: {} }, /^body: there must be none/],
  ["no body", { ...creation, body: null }, /^body: it is missing/],
  ["a body of another media type", { ...creation, headers: { "content-type": "text/plain" } }, /^body: its media type/],
  ["a body that was not recorded", { ...creation, body: { omittedBytes: 20_000 } }, /^body: it was too large/],
  ["an unknown member", { ...creation, body: { subject: "x", title: "y" } }, /^body: .*"title"/],
  ["a missing member", { ...creation, body: {} }, /^body: .*"subject"/],
  ["a member of another type", { ...creation, body: { subject: 5 } }, /^body: \/subject must be string/],
  ["a member of another format", { ...creation, body: { subject: "x", at: "tomorrow" } }, /^body: \/at must match format/],
  ["a number that does not fit", { ...creation, body: { subject: "x", minutes: 2 ** 31 } }, /^body: \/minutes must match/],
  ["another success", { ...creation, status: 200 }, /^status: 200/],
  ["a refusal", { ...list, status: 400 }, /^status: 400/],
];
for (const [title, record, expected] of planted) {
  test(`${title} is found`, () => {
    const found = findings(record);
    assert.equal(found.length, 1, JSON.stringify(found));
    assert.match(found[0], expected);
  });
}
