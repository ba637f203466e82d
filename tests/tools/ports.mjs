// Picks TCP ports on the loopback address.
// Holds: a port that is handed out was free a moment ago; a replacement is said aloud.
// Must never: bind to any address but loopback, or keep a port.
import { createServer } from "node:net";
import { say } from "./project.mjs";

/** The port if it is free, else undefined; 0 asks for any. */
function tryPort(port) {
  return new Promise((done) => {
    const server = createServer();
    server.once("error", () => done(undefined));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => {
      const taken = server.address().port;
      server.close(() => done(taken));
    });
  });
}

export async function freePort() {
  const port = await tryPort(0);
  if (!port) throw new Error("no free port on 127.0.0.1");
  return port;
}

/** The wanted port, or another one, and then a line says so. */
export async function wantedPort(wanted, what, also = []) {
  const port = also.includes(wanted) ? undefined : await tryPort(wanted);
  if (port) return port;
  const other = await freePort();
  say(`port ${wanted} is taken: ${what} uses ${other} instead`);
  return other;
}
