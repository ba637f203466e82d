// A judge of requests to Microsoft Graph: what a recorded request says is held against an OpenAPI description.
// Holds: path, method, every query parameter, the properties that are selected or ordered by, the body and the status of
// the answer are each looked at, and each step of a batch as a request of its own; what the description does not name is
// a finding.
// Must never: guess what was meant. A request that was not recorded whole cannot be judged and is a finding too.
import Ajv2020 from "ajv/dist/2020.js";

const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?(Z|[+-]\d\d:\d\d)$/;
const hex = (digits) => `[0-9a-f]{${digits}}`;
const formats = {
  "date-time": instant,
  date: /^\d{4}-\d\d-\d\d$/,
  uuid: new RegExp(`^${hex(8)}-${hex(4)}-${hex(4)}-${hex(4)}-${hex(12)}$`, "i"),
  binary: true,
  int32: { type: "number", validate: (value) => Number.isInteger(value) && Math.abs(value) < 2 ** 31 },
  int64: { type: "number", validate: (value) => Number.isSafeInteger(value) },
};

/** Where several requests are sent as one. */
const batch = "/$batch";

const isParameter = (segment) => segment.startsWith("{");

/** The most literal template that a path fits, as OpenAPI 3.1 wants it (section 4.8.8.2). */
function templateOf(templates, path) {
  const segments = path.split("/");
  const fits = templates.filter((template) => {
    const wanted = template.split("/");
    const same = (part, at) => (isParameter(part) ? segments[at] !== "" : part === segments[at]);
    return wanted.length === segments.length && wanted.every(same);
  });
  const parameters = (template) => template.split("/").filter(isParameter).length;
  return fits.toSorted((a, b) => parameters(a) - parameters(b))[0];
}

/** Names and values of a query as they stand, each decoded once. */
function pairsOf(query) {
  return query.split("&").filter(Boolean).map((pair) => {
    const at = pair.indexOf("=");
    const parts = at < 0 ? [pair] : [pair.slice(0, at), pair.slice(at + 1)];
    return parts.map((part) => decodeURIComponent(part));
  });
}

/** A query's value as what its schema asks for; what is no such literal stays text, which the schema refuses. */
function readAs(type, value) {
  if (type === "integer" && /^-?\d+$/.test(value)) return Number(value);
  if (type === "boolean" && /^(true|false)$/.test(value)) return value === "true";
  return value;
}

const pointerStep = (name) => `/${encodeURIComponent(name.replaceAll("~", "~0").replaceAll("/", "~1"))}`;

/** An OpenAPI description of Graph. */
export class GraphDescription {
  #document;
  #base;
  #ajv = new Ajv2020({ strict: false, allErrors: true, formats });
  #compiled = new Map();

  constructor(document) {
    this.#document = document;
    this.#base = new URL(document.servers[0].url).pathname;
    this.#ajv.addSchema(document, "description");
  }

  /** What is wrong with a request as the emulator records it; an empty list means nothing. */
  findings(record) {
    const [path, query = ""] = record.path.split("?");
    if (!path.startsWith(`${this.#base}/`)) return [`path: it does not begin with ${this.#base}/`];
    const template = templateOf(Object.keys(this.#document.paths), path.slice(this.#base.length));
    if (!template) return ["path: there is none like it"];
    const method = record.method.toLowerCase();
    const operation = this.#document.paths[template][method];
    if (!operation) return ["method: the path has none such"];
    return [
      ...this.#ofQuery(operation, pairsOf(query)),
      ...this.#ofProperties(operation, new Map(pairsOf(query))),
      ...this.#ofBody(["paths", template, method, "requestBody", "content"], operation, record),
      ...this.#ofStatus(operation, record),
      ...(template === batch ? this.#ofSteps(record) : []),
    ];
  }

  /** Each step of a batch is a request of its own, whose status stands in no record of the whole. */
  #ofSteps({ body }) {
    return (body?.requests ?? []).flatMap(({ id, method, url, headers = {}, body: inner = null }) => {
      const lower = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]);
      const step = { method, path: `${this.#base}${url}`, headers: Object.fromEntries(lower), body: inner };
      return this.findings(step).map((finding) => `step ${id}: ${method} ${url}: ${finding}`);
    });
  }

  #ofQuery({ parameters = [] }, pairs) {
    const known = new Map(parameters.filter(({ in: place }) => place === "query").map((one) => [one.name, one]));
    const out = [];
    for (const [at, [name, value]] of pairs.entries()) {
      const parameter = known.get(name);
      if (!parameter) out.push(`query: ${name} is not a parameter`);
      else if (pairs.findIndex(([other]) => other === name) !== at) out.push(`query: ${name} stands twice`);
      else if (value === undefined) out.push(`query: ${name} has no value`);
      else {
        const found = this.#complaints(this.#ajv.compile(parameter.schema), readAs(parameter.schema.type, value));
        out.push(...found.map((text) => `query: ${name}${text}`));
      }
    }
    const isGiven = (name) => pairs.some(([given]) => given === name);
    const missing = [...known.values()].filter(({ name, required }) => required && !isGiven(name));
    return [...out, ...missing.map(({ name }) => `query: ${name} is missing`)];
  }

  /** What is selected or ordered by must be there. */
  #ofProperties({ responses }, query) {
    const success = Object.entries(responses).find(([status]) => status.startsWith("2"))?.[1];
    const shape = this.#resolved(success?.content?.["application/json"]?.schema);
    const { properties = {} } = this.#resolved(shape?.properties?.value?.items) ?? shape ?? {};
    const named = ["$select", "$orderby"].flatMap((option) => (query.get(option) ?? "").split(",").filter(Boolean));
    const roots = named.map((text) => text.trim().split(/[/ ]/)[0]);
    return roots.filter((name) => !Object.hasOwn(properties, name)).map((name) => `query: there is no property ${name}`);
  }

  #ofBody(place, { requestBody }, { body, headers }) {
    if (!requestBody) return body === null ? [] : ["body: there must be none"];
    if (body === null) return requestBody.required ? ["body: it is missing"] : [];
    if (body.omittedBytes) return ["body: it was too large to be recorded"];
    const media = headers["content-type"]?.split(";")[0];
    if (!requestBody.content[media]) return [`body: its media type is ${media}`];
    const validate = this.#at([...place, media, "schema"].map(pointerStep).join(""));
    return this.#complaints(validate, body).map((text) => `body: ${text}`);
  }

  /** A lost answer has no status to be judged. */
  #ofStatus({ responses }, { ended, status }) {
    const isSuccess = Object.hasOwn(responses, String(status));
    return ended === "answered" && !isSuccess ? [`status: ${status} is no success of it`] : [];
  }

  #resolved(schema) {
    const name = schema?.$ref?.match(/^#\/components\/schemas\/(.+)$/)?.[1];
    return name ? this.#document.components.schemas[name] : schema;
  }

  #at(pointer) {
    const known = this.#compiled.get(pointer) ?? this.#ajv.compile({ $ref: `description#${pointer}` });
    this.#compiled.set(pointer, known);
    return known;
  }

  #complaints(validate, value) {
    if (validate(value)) return [];
    const said = ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`;
    return validate.errors.map(said);
  }
}

/** What is right although the description that we have lacks it. One that nothing needs any more fails a test. */
export const exceptions = [
  {
    request: /^POST \S+\/(messages|sendMail|events)$/,
    finding: /\/singleValueExtendedProperties\/0 must NOT have additional properties {"additionalProperty":"id"}$/,
    why: "who creates an extended property names it by `id` (Graph: Create single-value extended property); the slice " +
      "takes away every `id` as made by the service",
  },
  {
    request: /^POST \S+\/create(Reply|ReplyAll|Forward)$/,
    finding: /^body: \/message(\/singleValueExtendedProperties\/0 must NOT| must)/,
    why: "the same property, of the message that is inside of such a body",
  },
  {
    request: /^GET \/v1\.0\/me\/calendars\/[^/]+\/events$/,
    finding: /^method: /,
    why: "events of a calendar can be listed (Graph: List events); the slice has only their creation there",
  },
  {
    request: /^POST \/v1\.0\/me\/onlineMeetings\/createOrGet$/,
    finding: /^status: 200 /,
    why: "200 is the answer when the meeting is there already (Graph: onlineMeeting: createOrGet); the slice has 201 alone",
  },
  {
    request: /^(PUT|GET|POST) \/v1\.0\/drives\/[^/]+\/items\/[^/]+:\/[^/]+:(\/content|\/createUploadSession)?$/,
    finding: /^path: /,
    why: "a file is named by its folder and its name between colons (Graph: Addressing resources in a drive), which no " +
      "template of OpenAPI can say",
  },
  {
    request: /^POST \S+\/createLink$/,
    finding: /^status: 200 /,
    why: "200 is the answer when there is such a link already (Graph: driveItem: createLink); the slice has 201 alone",
  },
  {
    request: /^GET \/v1\.0\/users\/[^/]+$/,
    finding: /^status: 404 /,
    why: "calls.mjs looks up somebody who is no user, so that the address book is asked",
  },
  {
    request: /^POST \S+\/events$/,
    finding: /^status: 409 /,
    why: "losses.mjs has the emulator refuse the repeat of an event, so that it has to be looked for",
  },
  {
    request: /^GET \/v1\.0\/me\/events\/[^/]+$/,
    finding: /^status: 404 /,
    why: "losses.mjs loses the answer to a cancellation, so that the event is looked for, which is gone",
  },
];

/** The request in words, without its query. */
export const lineOf = ({ method, path }) => `${method} ${path.split("?")[0]}`;

/** The exception that a finding about a request is, if it is one. */
export const exceptionOf = (record, finding) =>
  exceptions.find((one) => one.request.test(lineOf(record)) && one.finding.test(finding));
