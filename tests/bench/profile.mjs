// Where a target's time goes: V8's own CPU profile of a workload, taken through workerd's inspector.
// Holds: the profile is of the whole isolate, edge and objects together; functions of Wasm have names where the build kept them.
// Must never: be open while anything is measured, because the inspector itself costs time.

/** A conversation in the Chrome DevTools protocol. */
class Inspector {
  #socket;
  #last = 0;
  #waiting = new Map();

  static async connect(port) {
    const targets = await (await fetch(`http://127.0.0.1:${port}/json`)).json();
    const inspector = new Inspector();
    inspector.#socket = new WebSocket(targets[0].webSocketDebuggerUrl);
    inspector.#socket.addEventListener("message", ({ data }) => inspector.#take(JSON.parse(data)));
    await new Promise((done, failed) => {
      inspector.#socket.addEventListener("open", done);
      inspector.#socket.addEventListener("error", () => failed(new Error("the inspector does not answer")));
    });
    return inspector;
  }

  #take({ id, result, error }) {
    const { done, failed } = this.#waiting.get(id) ?? {};
    this.#waiting.delete(id);
    if (error) failed?.(new Error(error.message));
    else done?.(result);
  }

  send(method, params = {}) {
    const id = (this.#last += 1);
    return new Promise((done, failed) => {
      this.#waiting.set(id, { done, failed });
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }

  close() {
    this.#socket.close();
  }
}

/** Profiles while `work` runs; the profile is what DevTools open as a `.cpuprofile` file. */
export async function profiled(port, work) {
  const inspector = await Inspector.connect(port);
  try {
    await inspector.send("Profiler.enable");
    await inspector.send("Profiler.setSamplingInterval", { interval: 200 });
    await inspector.send("Profiler.start");
    await work();
    return (await inspector.send("Profiler.stop")).profile;
  } finally {
    inspector.close();
  }
}

const outside = ["(idle)", "(root)"];

/** A name without the digest that the compiler adds. */
const readable = ({ functionName, url, lineNumber, columnNumber }) => {
  const name = functionName.replace(/::h[0-9a-f]{16}$/, "").replace(/\[[0-9a-f]{16}\]/g, "");
  if (name !== "") return name;
  return `anonymous at ${url.split("/").at(-1)}:${lineNumber + 1}:${columnNumber + 1}`;
};

/** Functions with the time in themselves and the time in all that they call, in microseconds, and the sum of what is not idle. */
export function byFunction({ nodes, samples, timeDeltas }) {
  const known = new Map(nodes.map((node) => [node.id, { ...node, name: readable(node.callFrame), selfUs: 0 }]));
  for (const node of known.values()) for (const child of node.children ?? []) known.get(child).parent = node;
  samples.forEach((id, index) => (known.get(id).selfUs += timeDeltas[index]));
  const functions = new Map();
  const entry = (name) => functions.get(name) ?? functions.set(name, { name, selfUs: 0, totalUs: 0 }).get(name);
  let busyUs = 0;
  for (const node of known.values()) {
    if (outside.includes(node.name) || node.selfUs === 0) continue;
    busyUs += node.selfUs;
    entry(node.name).selfUs += node.selfUs;
    // Who calls itself is counted once.
    const above = new Set();
    for (let at = node; at; at = at.parent) above.add(at.name);
    for (const name of above) if (!outside.includes(name)) entry(name).totalUs += node.selfUs;
  }
  return { functions: [...functions.values()], busyUs };
}

function table(functions, by, busyUs, requests, rows) {
  const share = (us) => `${((us * 100) / busyUs).toFixed(1)} %`.padStart(7);
  const each = (us) => `${(us / requests).toFixed(1)} µs`.padStart(11);
  const sorted = functions.toSorted((a, b) => b[by] - a[by]).slice(0, rows);
  return sorted.map(({ name, [by]: us }) => `${share(us)} ${each(us)}  ${name.slice(0, 150)}`).join("\n");
}

/** The functions that cost most, as text; microseconds are for each request. */
export function told(profile, requests, rows = 40) {
  const { functions, busyUs } = byFunction(profile);
  return `${requests} requests, ${(busyUs / requests).toFixed(1)} µs of the isolate's time each\n\n` +
    `In the function itself:\n${table(functions, "selfUs", busyUs, requests, rows)}\n\n` +
    `With all that it calls:\n${table(functions, "totalUs", busyUs, requests, rows)}\n`;
}
