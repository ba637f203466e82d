// Deployments for the operations' commands to look at: one behind a stand-in for Access, one that does everything wrong; and
// the commands themselves, run as a person runs them.
// Holds: every server is on a free port of the loopback address and goes with the test that started it.
// Must never: let a command reach an account: its credentials are taken out of the environment.
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer, request as forward } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { join } from "node:path";
import { inRoot, root, which, wranglerNode } from "../tools/project.mjs";

/** Runs a command of the operations to its end: its exit code, and what it printed, both streams together. */
export function command(name, args = [], env = {}) {
  const { CLOUDFLARE_API_TOKEN: _, CLOUDFLARE_ACCOUNT_ID: __, M365_ACCESS_TOKEN: ___, ...rest } = process.env;
  const child = spawn(wranglerNode(), [inRoot("tests", "tools", `${name}.mjs`), ...args], {
    cwd: root, env: { ...rest, ...env }, stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  return new Promise((done, failed) => {
    child.once("error", failed);
    child.once("close", (code) => done({ code, output }));
  });
}

/** The lines of a printed report that have a state, as `[state, rest]`. */
export const findings = (output) =>
  output.split("\n").map((line) => line.match(/^ {2}(ok|pass|warn|fail|cannot tell) +(.+)$/)).filter(Boolean)
    .map(([, state, rest]) => ({ state, rest }));

export const failing = (output) => findings(output).filter(({ state }) => state === "fail").map(({ rest }) => rest);

async function listening(server) {
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const stop = () => {
    server.closeAllConnections();
    return new Promise((done) => server.close(done));
  };
  return { origin: `http://127.0.0.1:${server.address().port}`, stop };
}

const team = "https://contoso.cloudflareaccess.com/cdn-cgi/access/login/host";

/**
 * Access in front of a Worker: a stranger gets a challenge at /mcp and a redirect anywhere else, except at `open` paths.
 * `to()` gives the Worker's origin, which is known only after this one, because the Worker has to know this address;
 * `isNamed` is whether its answers say whose they are.
 */
export const accessFront = ({ to, open = ["/notifications/"], guards = () => true, isNamed = true }) =>
  listening(createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://front");
    if (guards(pathname) && !open.some((path) => pathname.startsWith(path))) {
      if (isNamed) response.setHeader("cf-access-domain", "mcp.contoso.com");
      if (pathname === "/mcp") response.writeHead(401, { "www-authenticate": 'Bearer realm="OAuth"' });
      else response.writeHead(302, { location: team, ...(isNamed && { "www-authenticate": "Cloudflare-Access" }) });
      return response.end();
    }
    return passOn(request, response, to());
  }));

/** A request as it came, to somebody behind. */
function passOn(request, response, origin, more = {}) {
  const options = { method: request.method, headers: request.headers };
  const onward = forward(new URL(request.url, origin), options, (answer) => {
    response.writeHead(answer.statusCode, { ...answer.headers, ...more });
    answer.pipe(response);
  });
  onward.once("error", () => response.destroy());
  request.pipe(onward);
}

/** Why there is no TLS here, if there is none. */
export const withoutTls = which("openssl") ? false : "openssl is not installed";

/** TLS in front of a Worker, as Cloudflare's edge puts it; `file` is the certificate for whoever is to trust it. */
export async function tlsFront({ to, folder, days, headers = {} }) {
  const [file, key] = ["certificate.pem", "key.pem"].map((name) => join(folder, `${days}-${name}`));
  const args = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", String(days)];
  args.push("-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", file);
  const made = spawnSync("openssl", args, { encoding: "utf8" });
  if (made.status !== 0) throw new Error(`openssl: ${made.stderr}`);
  const options = { cert: readFileSync(file), key: readFileSync(key) };
  const server = createTlsServer(options, (request, response) => passOn(request, response, to(), headers));
  const { origin, stop } = await listening(server);
  return { origin: origin.replace("http://127.0.0.1", "https://localhost"), stop, file };
}

/** Says yes to everybody: no challenge, weak PKCE, redirects to wherever it is told, pages that may be framed. */
export const wrongDeployment = () =>
  listening(createServer((request, response) => {
    const url = new URL(request.url, `http://${request.headers.host}`);
    const json = (value, status = 200) => {
      response.writeHead(status, { "content-type": "application/json", "cache-control": "public" });
      response.end(JSON.stringify(value));
    };
    const away = (to) => response.writeHead(302, { location: to }).end();
    request.resume();
    const { origin, pathname, searchParams } = url;
    if (pathname === "/healthz") return json({ status: "ok", version: "0.0.0" });
    if (pathname.endsWith("oauth-protected-resource/mcp")) return json({ resource: origin, authorization_servers: [] });
    if (pathname.endsWith("oauth-authorization-server")) {
      const endpoint = (name) => `${origin}/${name}`;
      return json({
        issuer: origin, authorization_endpoint: endpoint("authorize"), token_endpoint: endpoint("token"),
        revocation_endpoint: endpoint("revoke"), registration_endpoint: endpoint("register"),
        response_types_supported: ["code", "token"], code_challenge_methods_supported: ["plain", "S256"],
      });
    }
    if (pathname === "/register") return json({ client_id: "anybody" }, 201);
    if (pathname === "/callback/access") return json({}, 404);
    if (pathname === "/callback") return away("https://attacker.invalid/steal?code=1");
    if (pathname === "/authorize") return away(`${searchParams.get("redirect_uri") ?? "https://attacker.invalid"}?code=1`);
    if (pathname === "/token") return json({ access_token: "for-anybody" });
    return json({ jsonrpc: "2.0", id: 1, result: { tools: [] } });
  }));
