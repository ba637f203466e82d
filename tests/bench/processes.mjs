// The two processes beside the targets, and what the machine says about a target's own process.
// Holds: a process ends with this one, because the channel to it closes.
// Must never: count the time or the memory of anything but the process that is named.
import { fork } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { inRoot } from "../tools/project.mjs";

/** Seconds of CPU that a process used so far, all its threads together; the kernel counts them in nanoseconds. */
export function cpuSeconds(pid) {
  const threads = readdirSync(`/proc/${pid}/task`);
  const nanoseconds = threads.map((thread) => Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]));
  return nanoseconds.reduce((sum, each) => sum + each, 0) / 1e9;
}

/** Resident memory in MiB: now, and the most so far. */
export function memoryMiB(pid) {
  const text = readFileSync(`/proc/${pid}/status`, "utf8");
  const field = (name) => Number(text.match(new RegExp(`^${name}:\\s+(\\d+) kB`, "m"))[1]) / 1024;
  return { now: field("VmRSS"), most: field("VmHWM") };
}

const script = (name) => inRoot("tests", "bench", name);

/**
 * Starts the stand-in: its port, `look()` for its counts and the subscriptions but for the first `since`, which may also
 * tell it what is wished, `stop()`.
 */
export function startStandIn() {
  const child = fork(script("stand_in.mjs"));
  const next = () => new Promise((done, failed) => {
    const ended = (code) => failed(new Error(`the stand-in ended with ${code}`));
    child.once("exit", ended);
    child.once("message", (message) => {
      child.off("exit", ended);
      done(message);
    });
  });
  const look = (asked = {}) => {
    const answer = next();
    child.send(asked);
    return answer;
  };
  return next().then(({ port }) => ({ port, look, stop: () => child.disconnect() }));
}

/** Starts the generator of load: `know(target, users)` and `perform(run, pid)`. */
export function startLoad() {
  const child = fork(script("load.mjs"));
  const know = (target, list) => child.send({ users: { target, list } });
  /**
   * One run; `cpuMs` is what the process `pid` used for a request while it was measured, `generator` the share of a core that
   * the generator itself used: near one, it would be what is measured.
   */
  const perform = (run, pid) => new Promise((done, failed) => {
    let before;
    const look = () => ({ target: cpuSeconds(pid), generator: cpuSeconds(child.pid) });
    const finish = (settle, value) => {
      child.removeAllListeners("message");
      settle(value);
    };
    child.on("message", ({ event, result, reason }) => {
      if (event === "measuring") return void (before = look());
      if (event === "failed") return finish(failed, new Error(`${run.target}: ${reason}`));
      const after = look();
      const cpuMs = ((after.target - before.target) * 1000) / result.requests;
      const generator = (after.generator - before.generator) / result.seconds;
      return finish(done, { ...result, cpuMs, generator, memory: memoryMiB(pid) });
    });
    child.send({ run });
  });
  return { know, perform, stop: () => child.disconnect() };
}
