// Starts the emulator of everything outside (Entra ID, Graph, AI Gateway, Access) as a child process.
// Holds: it ends when this process ends, because its standard input is a pipe from here.
// Must never: share an emulator between two runs, or let it listen on a port that nobody was told.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { Advice, nativeProgram, root } from "./project.mjs";

const patience = 10_000;

/** Resolves when it listens: its URL, the child, and `stop`. `args` are passed through. */
export async function startEmulator({ port = 0, args = [], onLine = () => {} } = {}) {
  const program = nativeProgram("emulator");
  if (!existsSync(program)) throw new Advice("The emulator is not built: run npm run build");
  const child = spawn(program, ["--port", String(port), "--exit-with-stdin", ...args], {
    cwd: root,
    stdio: ["pipe", "pipe", "pipe"],
    detached: process.platform !== "win32", // Ctrl-C is for us: we end it in order
  });
  child.stdin.on("error", () => {});
  const ended = new Promise((done) => child.once("close", done));
  createInterface({ input: child.stderr }).on("line", onLine);
  const url = await announcedUrl(child, onLine);
  const stop = async () => {
    child.stdin.end();
    const timer = setTimeout(() => child.kill("SIGKILL"), 2000);
    await ended;
    clearTimeout(timer);
  };
  return { url, child, ended, stop };
}

function announcedUrl(child, onLine) {
  return new Promise((done, failed) => {
    const give = (reason) => {
      clearTimeout(timer);
      child.kill("SIGKILL");
      failed(new Advice(`The emulator did not start: ${reason}`));
    };
    const timer = setTimeout(() => give(`nothing said within ${patience / 1000} s`), patience);
    child.once("error", (error) => give(error.message));
    child.once("exit", (code, signal) => give(`it ended with ${code ?? signal}`));
    createInterface({ input: child.stdout }).on("line", (line) => {
      const url = line.startsWith("{") ? parsed(line)?.emulator : undefined;
      if (!url) return onLine(line);
      clearTimeout(timer);
      child.removeAllListeners("exit");
      done(url);
    });
  });
}

function parsed(line) {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
