// The operators' API as a program uses it: every answer is held against its own description.
// Holds: a question goes out as it stands here; an answer that the description does not know fails the test.
// Must never: look past the API into an object.
import assert from "node:assert/strict";
import Ajv from "ajv/dist/2020.js";
import { credentialFor } from "../tools/operator.mjs";

/** A credential for a stack in a mode without Access. */
export const credential = async (stack, name = "ada") =>
  (await credentialFor(name, { envFile: stack.envFile })).credential;

/** Asks and checks: `get(path)`, `send(path, body)`, `act(user, action)` with its confirmation, `raw(path)`. */
export class Operators {
  #stack;
  #headers;
  #document;
  #ajv;

  constructor(stack, headers) {
    Object.assign(this, { stack });
    this.#stack = stack;
    this.#headers = headers;
  }

  static async of(stack, name) {
    return new Operators(stack, { authorization: `Bearer ${await credential(stack, name)}` });
  }

  raw(path, { method = "GET", body, headers = {} } = {}) {
    const all = { ...this.#headers, ...(body !== undefined && { "content-type": "application/json" }), ...headers };
    const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    return fetch(this.#stack.origin + path, { method, headers: all, body: text, redirect: "manual" });
  }

  async document() {
    if (this.#document) return this.#document;
    const answer = await this.raw("/ops/api");
    assert.equal(answer.status, 200);
    this.#document = await answer.json();
    this.#ajv = new Ajv({ strict: false, validateFormats: false });
    this.#ajv.addSchema({ $id: "api", ...this.#document });
    return this.#document;
  }

  /** The template of a path, as the description names it. */
  async #described(path) {
    const { paths } = await this.document();
    const asked = new URL(path, "http://host").pathname.split("/");
    const fits = (template) => {
      const parts = template.split("/");
      return parts.length === asked.length && parts.every((part, place) => part.startsWith("{") || part === asked[place]);
    };
    const found = Object.keys(paths).find(fits);
    assert.ok(found, `${path} is not described`);
    return found;
  }

  async ask(path, { method = "GET", body, status = 200 } = {}) {
    const template = await this.#described(path);
    const answer = await this.raw(`/ops/api${path}`, { method, body });
    const text = await answer.text();
    assert.equal(answer.status, status, `${method} ${path}: ${text}`);
    const pointer = [template, method.toLowerCase(), "responses", String(status), "content", "application/json", "schema"]
      .map((part) => part.replaceAll("~", "~0").replaceAll("/", "~1"));
    const check = this.#ajv.getSchema(`api#/paths/${pointer.join("/")}`);
    assert.ok(check, `${method} ${template}: ${status} is not described`);
    const json = JSON.parse(text);
    assert.ok(check(json), `${method} ${path}: ${JSON.stringify(check.errors)}\n${text}`);
    return json;
  }

  get(path, status) {
    return this.ask(path, { status });
  }

  send(path, body = {}, status) {
    return this.ask(path, { method: "POST", body, status });
  }

  /** Asks what an action does, and does it. */
  async act(user, action, query = "") {
    const path = `/users/${user}/actions/${action}${query}`;
    const asked = await this.send(path);
    assert.ok(asked.consequence.length > 20);
    return (await this.send(path, { confirmation: asked.confirmation })).acted;
  }

  /** The lines of the trail, the newest first, as short texts. */
  async trail(user) {
    const { lines } = await this.get(user ? `/audit?user=${user}` : "/audit");
    return lines.map(({ what, outcome, detail }) => [what, outcome, detail].filter(Boolean).join(" "));
  }
}
