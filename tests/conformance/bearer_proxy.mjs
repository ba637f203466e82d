// Lends the official conformance suite a bearer token, which it cannot send itself.
// Holds: everything else passes as it came, in both directions and as it comes: Host, Origin, status, streams; a client
// that goes away takes its request along.
// Must never: answer by itself, repair a message, or print the token.
import { createServer, request } from "node:http";

/**
 * Listens on a free port of the loopback address and passes every request on to `target` with the token. `Host` becomes
 * the target's if it names this proxy, because that is whom the client meant; any other name stays, so that a rebound
 * name is still seen.
 */
export async function startBearerProxy({ target, token }) {
  const { hostname, port, host } = new URL(target);
  const server = createServer((incoming, outgoing) => {
    const headers = { ...incoming.headers, authorization: `Bearer ${token}` };
    const own = `:${server.address().port}`;
    if (headers.host?.endsWith(own)) headers.host = host;
    if (headers.origin?.endsWith(own)) headers.origin = new URL(target).origin;
    const options = { hostname, port, path: incoming.url, method: incoming.method, headers };
    const passed = request(options, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
      answer.once("error", () => outgoing.destroy());
    });
    passed.once("error", () => outgoing.destroy());
    outgoing.once("close", () => passed.destroy());
    incoming.pipe(passed);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return {
    url: `http://localhost:${server.address().port}/mcp`,
    stop: () => new Promise((done) => {
      server.closeAllConnections();
      server.close(done);
    }),
  };
}
