// The MCP clients as their users have them: TypeScript v1 and v2, Python (the official one and fastmcp), and Rust. Each
// begins with nothing but the MCP URL and a person, and discovers, registers and signs in by itself.
// Holds: all look alike from outside (`listTools`, `callTool`, `listResources`, `readResource`, `close`), what they
// answer is what the client's own library gave, and `trail` is every HTTP request that the library made (the Rust one does not show them).
// Must never: hand a token to a client, or check anything in a client's place.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { Client as ClientV2, StreamableHTTPClientTransport as TransportV2 } from "@modelcontextprotocol/client";
import { UnauthorizedError as UnauthorizedV2 } from "@modelcontextprotocol/client";
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { inRoot, nativeProgram, pythonProgram } from "../tools/project.mjs";
import { address } from "./client.mjs";
import { signIn } from "./sign_in.mjs";

/** Nothing listens there: the redirect back is read where the sign-in ends. */
export const redirectUri = "http://127.0.0.1:53682/callback";

/** What the TypeScript clients ask of their host: to keep things, and to send the person to a page. */
export class HeadlessProvider {
  redirectUrl = redirectUri;
  clientMetadata = { client_name: "Official client", redirect_uris: [redirectUri], token_endpoint_auth_method: "none" };
  constructor(user) {
    this.user = user;
  }
  state = () => (this.expected = randomBytes(8).toString("hex"));
  clientInformation = () => this.registered;
  saveClientInformation = (registered) => { this.registered = registered; };
  tokens = () => this.kept;
  saveTokens = (tokens) => { this.kept = tokens; };
  invalidateCredentials = () => { this.kept = undefined; };
  saveCodeVerifier = (verifier) => { this.verifier = verifier; };
  codeVerifier = () => this.verifier;
  saveDiscoveryState = (found) => { this.found = found; };
  discoveryState = () => this.found;
  async redirectToAuthorization(url) {
    const { redirect } = await signIn(url.href, { user: this.user });
    this.answer = new URL(redirect).searchParams;
    if (this.answer.get("state") !== this.expected) throw new Error("the redirect carries another state");
  }
}

const step = (method, url, status) => `${method} ${new URL(url).pathname} ${status}`;

async function typescript(stack, user, { Client, Transport, Unauthorized, finishAuth, options }) {
  const [authProvider, trail] = [new HeadlessProvider(address(user)), []];
  const follow = async (url, init = {}) => {
    const response = await fetch(url, init);
    trail.push(step(init.method ?? "GET", url, response.status));
    return response;
  };
  const transport = () => new Transport(new URL(stack.mcpUrl), { authProvider, fetch: follow });
  const attempt = async (over) => {
    const client = new Client({ name: "end-to-end", version: "1" }, options);
    await client.connect(over);
    return client;
  };
  const first = transport();
  const error = await attempt(first).then(() => undefined, (error) => error);
  if (!(error instanceof Unauthorized)) throw new Error("nobody was asked to sign in", { cause: error });
  await finishAuth(first, authProvider.answer);
  const second = transport();
  const client = await attempt(second);
  /** Does something; where the person had to agree to more first, once more, as a host does. */
  const stepping = (work) => work().catch(async (error) => {
    if (!(error instanceof Unauthorized)) throw error;
    await finishAuth(second, authProvider.answer);
    return work();
  });
  return {
    trail,
    listTools: () => client.listTools(),
    callTool: (name, args) => stepping(() => client.callTool({ name, arguments: args })),
    listResources: () => client.listResources(),
    readResource: (uri) => stepping(() => client.readResource({ uri })),
    close: () => client.close(),
  };
}

const v1 = {
  Client, Transport: StreamableHTTPClientTransport, Unauthorized: UnauthorizedError,
  finishAuth: (transport, answer) => transport.finishAuth(answer.get("code")),
};
const v2 = {
  Client: ClientV2, Transport: TransportV2, Unauthorized: UnauthorizedV2,
  // It reads the issuer too and refuses another one (RFC 9207).
  finishAuth: (transport, answer) => transport.finishAuth(answer),
};

const negotiation = (mode) => ({ versionNegotiation: { mode } });

/** A client that is a program does one thing after the other, so that a line in is answered by a line out. */
async function driven(user, name, program, args) {
  const child = spawn(program, args, { stdio: "pipe" });
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (text) => { complaint = (complaint + text).slice(-8_000); });
  const ended = new Promise((done) => child.once("close", (code, signal) => done(code ?? signal)));
  child.stdin.on("error", () => {}); // its end is told below
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${name} ended with ${await ended}:\n${complaint}`);
    const said = JSON.parse(value);
    if (said.error) throw new Error(`${name}: ${said.error}`);
    return said;
  };
  const tell = (line) => child.stdin.write(`${JSON.stringify(line)}\n`);
  /** Opens the page that a client sends its person to; gives what the client says next. */
  const signedIn = async ({ authorize }) => {
    const { redirect } = await signIn(authorize, { user: address(user) });
    tell({ redirect });
    return next();
  };
  const ask = async (method, params = {}) => {
    tell({ method, params });
    const said = await next();
    return (said.authorize ? await signedIn(said) : said).result;
  };
  const close = async () => {
    child.stdin.end();
    const code = await ended;
    if (code !== 0) throw new Error(`${name} ended with ${code}:\n${complaint}`);
  };
  try {
    const { trail = [] } = await signedIn(await next());
    return {
      trail: trail.map(([method, url, status]) => step(method, url, status)),
      listTools: () => ask("listTools"),
      callTool: (name, args) => ask("callTool", { name, arguments: args }),
      listResources: () => ask("listResources"),
      readResource: (uri) => ask("readResource", { uri }),
      close,
    };
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
}

async function python(stack, user, library = "mcp", mode = "auto") {
  if (!existsSync(pythonProgram())) throw new Error("the Python environment is missing; run npm run setup");
  const script = inRoot("tests", "end_to_end", "python_client.py");
  return driven(user, `the Python client ${library}`, pythonProgram(), ["-I", script, library, mode, stack.mcpUrl, redirectUri]);
}

const rust = (stack, user, mode) =>
  driven(user, "the Rust client", nativeProgram("rmcp-client"), [stack.mcpUrl, redirectUri, mode]);

/** Each signs a person in against a stack and gives the connected client, which has to be closed. */
export const officialClients = {
  "TypeScript v1": (stack, user) => typescript(stack, user, v1),
  "TypeScript v2": (stack, user) => typescript(stack, user, v2),
  Python: (stack, user) => python(stack, user),
};

/** The same and further clients with each way to open that they have, and the era in which they speak then. */
export const openings = [
  ["TypeScript v2, auto", "modern", (...who) => typescript(...who, { ...v2, options: negotiation("auto") })],
  ["TypeScript v2, pinned", "modern", (...who) => typescript(...who, { ...v2, options: negotiation({ pin: "2026-07-28" }) })],
  ["Python, legacy", "legacy", (...who) => python(...who, "mcp", "legacy")],
  ["Python, auto", "modern", (...who) => python(...who, "mcp", "auto")],
  ["fastmcp, legacy", "legacy", (...who) => python(...who, "fastmcp", "legacy")],
  ["fastmcp, auto", "modern", (...who) => python(...who, "fastmcp", "auto")],
  ["rmcp, Initialize", "legacy", (...who) => rust(...who, "initialize")],
  ["rmcp, Discover", "modern", (...who) => rust(...who, "discover")],
  ["rmcp, Auto", "modern", (...who) => rust(...who, "auto")],
];
