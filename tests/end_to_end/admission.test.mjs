// Who is let in: tokens, scopes, sessions, hosts, origins, verbs, revisions, and the journey of a connection.
// Holds: a refusal comes before any effect, in the form that its standard asks for; a journey ends only in the
// browser and with the account that it was made for.
// Must never: give a reason away that helps a stranger, such as whose session an identifier is.
import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { writeSettings } from "../tools/dev_vars.mjs";
import { mailTo, openSession, post, recordMark, records, request, toolCall } from "./client.mjs";
import { startStack } from "./harness.mjs";

let stack, token, session;
before(async () => {
  stack = await startStack();
  token = await stack.connect("alice");
  session = await openSession(stack, token);
});
after(() => stack?.stop());

const list = request(1, "tools/list");
const challenge = ({ headers }) => headers.get("www-authenticate") ?? "";

/** A token of the same keys and another setting, as another deployment would issue it. */
async function mintedWith(change, options) {
  const envFile = join(stack.folder, `settings-${Object.keys(change)[0]}`);
  writeSettings(envFile, { ...stack.settings, ...change });
  return (await stack.mintToken("alice", { args: ["--env-file", envFile], ...options })).accessToken;
}

describe("tokens", () => {
  test("without a token: 401 and a challenge without an error code", async () => {
    const answer = await post(stack, { body: list });
    assert.equal(answer.status, 401);
    assert.match(challenge(answer), /^Bearer /);
    assert.doesNotMatch(challenge(answer), /error/);
  });

  const flip = (text) => text.slice(0, -3) + (text.at(-3) === "A" ? "B" : "A") + text.slice(-2);
  const refused = {
    "a word": () => "nonsense",
    "a changed token": () => flip(token),
    "a cut token": () => token.slice(0, 40),
    "an overlong token": () => `m365at_${"A".repeat(8000)}`,
    "an expired token": async () => (await stack.mintToken("alice", { args: ["--lifetime-seconds", "0"] })).accessToken,
    "a token for another audience": () => mintedWith({ PUBLIC_URL: "https://elsewhere.example", LOCAL_CLIENT_DOCUMENTS: "" }),
    "a token of another key": () => mintedWith({ ENCRYPTION_KEY: "ab".repeat(32) }),
    "a token whose grant was never connected": async () => (await stack.mintToken("alice")).accessToken,
  };
  for (const [title, make] of Object.entries(refused)) {
    test(`${title}: 401 with invalid_token`, async () => {
      const presented = await make();
      const answer = await post(stack, { token: presented, session: session.id, body: list });
      assert.equal(answer.status, 401, answer.text);
      assert.match(challenge(answer), /^Bearer .*error="invalid_token", error_description="[^"]{10,}"/);
      assert.ok(!answer.text.includes(presented), "the answer repeats the token");
      assert.ok(!stack.output().includes(presented), "the log repeats the token");
    });
  }

  test("a token in the query is no token", async () => {
    const headers = { "content-type": "application/json" };
    const init = { method: "POST", headers, body: JSON.stringify(list) };
    for (const name of ["access_token", "token"]) {
      assert.equal((await fetch(`${stack.mcpUrl}?${name}=${token}`, init)).status, 401);
    }
  });

  test("another scheme is refused without an error code", async () => {
    const answer = await post(stack, { headers: { authorization: "Basic YTpi" }, body: list });
    assert.equal(answer.status, 401);
    assert.doesNotMatch(challenge(answer), /invalid_token/);
  });

  test("a tool beyond the token's scopes: 403 that names the scope, and nothing is sent", async () => {
    const reader = await openSession(stack, await stack.connect("alice", { args: ["--scopes", "mail.read"] }));
    assert.equal((await reader.call("getEmails", { count: 1 })).isError, false);
    const mark = await recordMark(stack);
    const answer = await reader.send(toolCall(50, "sendEmail", mailTo("bob", "Beyond the scope")));
    assert.equal(answer.status, 403, answer.text);
    assert.match(challenge(answer), /error="insufficient_scope".*scope="mail\.send"/);
    assert.deepEqual(await records(stack, "graph", mark), []);
  });
});

describe("sessions", () => {
  test("a request without a session is 400 and says what to do", async () => {
    const { status, json, text } = await post(stack, { token, body: list });
    assert.deepEqual([status, json?.error?.code], [400, -32600], text);
    assert.match(json.error.message, /initialize/);
  });

  const strange = {
    "an identifier that never was": () => ({ token, session: "0".repeat(32) }),
    "an identifier that is none": () => ({ token, session: "../../x" }),
    "the session of another grant of the same person": async () => ({
      token: await stack.connect("alice"),
      session: session.id,
    }),
    "the session of another person": async () => ({ token: await stack.connect("bob"), session: session.id }),
  };
  for (const [title, make] of Object.entries(strange)) {
    test(`${title} is 404, to POST and to DELETE`, async () => {
      const who = await make();
      assert.equal((await post(stack, { ...who, body: list })).status, 404);
      assert.equal((await post(stack, { ...who, method: "DELETE" })).status, 404);
      assert.equal((await session.send(list)).status, 200, "the real one was harmed");
    });
  }

  test("DELETE ends a session once", async () => {
    const short = await openSession(stack, token);
    const end = () => post(stack, { token, session: short.id, method: "DELETE" });
    assert.equal((await end()).status, 204);
    assert.equal((await end()).status, 404);
    assert.equal((await short.send(list)).status, 404);
    assert.equal((await post(stack, { token, method: "DELETE" })).status, 400);
  });
});

describe("verbs and paths", () => {
  test("GET /mcp is 401 for a stranger, 405 without a session, 406 without a wish for a stream", async () => {
    assert.equal((await post(stack, { method: "GET" })).status, 401);
    assert.equal((await post(stack, { token, method: "GET" })).status, 405);
    const headers = { accept: "application/json" };
    assert.equal((await post(stack, { token, session: session.id, method: "GET", headers })).status, 406);
    assert.equal((await post(stack, { token, session: "a".repeat(32), method: "GET" })).status, 404);
  });

  for (const method of ["PUT", "PATCH", "OPTIONS", "HEAD"]) {
    test(`${method} /mcp is 405 and names the right verbs, and 401 for a stranger`, async () => {
      const answer = await post(stack, { token, session: session.id, method });
      assert.deepEqual([answer.status, answer.headers.get("allow")], [405, "POST, GET, DELETE"]);
      const stranger = await post(stack, { method });
      assert.equal(stranger.status, 401);
      assert.match(challenge(stranger), /^Bearer /);
    });
  }

  test("unknown paths are 404", async () => {
    for (const path of ["/sse", "/mcp/", "/MCP", "/.env", "/.well-known/nothing", "/mcp/x", "/connect/"]) {
      assert.equal((await fetch(stack.origin + path)).status, 404, path);
    }
  });
});

/** A request whose Host header is ours to choose. */
function withHeaders(path, headers, { method = "POST", body = JSON.stringify(list) } = {}) {
  return new Promise((done, failed) => {
    const { hostname, port } = new URL(stack.origin);
    const call = httpRequest(
      { hostname, port, path, method, headers: { authorization: `Bearer ${token}`, ...headers } },
      (response) => {
        response.resume().once("end", () => done(response.statusCode));
      },
    );
    call.once("error", failed);
    call.end(method === "POST" ? body : undefined);
  });
}

describe("hosts and origins", () => {
  const own = () => ({ "content-type": "application/json", "mcp-session-id": session.id });
  const port = () => new URL(stack.origin).port;

  test("another Host is 403 on every page", async () => {
    for (const host of ["evil.example", `evil.example:${port()}`, "127.0.0.1", `127.0.0.1.evil.example:${port()}`]) {
      assert.equal(await withHeaders("/mcp", { ...own(), host }), 403, host);
      for (const path of ["/", "/healthz", "/connect", "/callback"]) {
        assert.equal(await withHeaders(path, { host }, { method: "GET" }), 403, `${host} ${path}`);
      }
    }
  });

  test("the other names of the loopback address are the same place", async () => {
    assert.equal(await withHeaders("/mcp", { ...own(), host: `localhost:${port()}` }), 200);
  });

  test("a foreign Origin is 403, our own is served", async () => {
    for (const origin of ["https://evil.example", "null", `https://127.0.0.1:${port()}`, "http://127.0.0.1:1"]) {
      assert.equal(await withHeaders("/mcp", { ...own(), origin }), 403, origin);
    }
    assert.equal(await withHeaders("/mcp", { ...own(), origin: stack.origin }), 200);
  });
});

describe("revisions", () => {
  const meta = { "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {} };
  const discover = request(1, "server/discover", { _meta: meta });
  const headers = { "mcp-method": "server/discover" };

  test("a request of 2026-07-28 is answered without a session and without an object", async () => {
    const mark = stack.logMark();
    const answer = await post(stack, { token, revision: "2026-07-28", headers, body: discover });
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(answer.json.result.supportedVersions, ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"]);
    assert.equal(answer.headers.get("mcp-session-id"), null);
    const line = await stack.waitForLog(({ event }) => event === "list", { since: mark });
    assert.deepEqual([line.method, line.requestId], ["server/discover", answer.headers.get("x-request-id")]);
  });

  test("headers that contradict the body are -32020", async () => {
    for (const wrong of [{ revision: "2025-11-25", headers }, { revision: "2026-07-28" }]) {
      const answer = await post(stack, { token, ...wrong, body: discover });
      assert.deepEqual([answer.status, answer.json?.error?.code], [400, -32020], answer.text);
    }
  });

  for (const revision of ["1.0", "2025-06-19"]) {
    test(`MCP-Protocol-Version ${revision} is 400 and told what is supported`, async () => {
      const answer = await post(stack, { token, revision, body: request(1, "tools/list") });
      assert.deepEqual([answer.status, answer.json?.error?.code], [400, -32022], answer.text);
      assert.equal(answer.json.error.data.requested, revision);
    });
  }

  test("initialize is answered with the wish if it is served, else with the latest", async () => {
    const clientInfo = { name: "x", version: "1" };
    const wishes = {
      "2025-06-18": "2025-06-18",
      "2024-11-05": "2024-11-05",
      "2026-07-28": "2025-11-25",
      nonsense: "2025-11-25",
    };
    for (const [protocolVersion, given] of Object.entries(wishes)) {
      const opening = request(1, "initialize", { protocolVersion, capabilities: {}, clientInfo });
      const { json, text } = await post(stack, { token, body: opening });
      assert.equal(json.result?.protocolVersion, given, text);
    }
  });
});
