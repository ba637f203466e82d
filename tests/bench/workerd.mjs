// Runs a Worker on raw workerd, with a configuration that is written for it: no development proxy, no Miniflare.
// Holds: every port is a free one that workerd names itself; every fetch of the Worker ends at the stand-in; objects lie
// on disk in a private folder.
// Must never: outlive this process, or leave a file behind.
import { spawn } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Advice, inRoot } from "../tools/project.mjs";
import { guard } from "../tools/workerd.mjs";

const patience = 20_000;
const running = new Set();
process.once("exit", () => running.forEach((child) => child.kill("SIGKILL")));

/** The program itself, not the Node script in front of it. */
export function workerdProgram() {
  const name = `workerd-${process.platform}-${process.arch === "x64" ? "64" : process.arch}`;
  return inRoot("node_modules", "@cloudflare", name, "bin", process.platform === "win32" ? "workerd.exe" : "workerd");
}

/** All targets run with the product's own date. */
export const compatibilityDate = () =>
  readFileSync(inRoot("wrangler.toml"), "utf8").match(/^compatibility_date = "(.+)"/m)[1];

/** A text of Cap'n Proto's language. */
const text = (value) => `"${String(value).replace(/[\\"]/g, "\\$&").replaceAll("\n", "\\n")}"`;
const list = (items) => `[${items.join(", ")}]`;

const kinds = { wasm: "wasm", txt: "text" };

function moduleOf({ name }) {
  return `(name = ${text(name)}, ${kinds[name.split(".").at(-1)] ?? "esModule"} = embed ${text(name)})`;
}

/**
 * The configuration of one Worker. `modules` are its files or their contents, the entry first; `settings` are texts that it is bound to,
 * `objects` its classes of Durable Objects by binding, `kv` the names of its namespaces.
 */
export function configText({ modules, settings = {}, objects = {}, kv = [] }, { standIn, folder }) {
  const service = (binding, kind, of) => `(name = ${text(binding)}, ${kind} = ${of})`;
  const bindings = [
    ...Object.entries(settings).map(([name, value]) => service(name, "text", text(value))),
    ...Object.entries(objects).map(([name, of]) => service(name, "durableObjectNamespace", text(of))),
    ...kv.map((name) => service(name, "kvNamespace", text("kv"))),
  ];
  const namespaces = Object.values(objects)
    .map((name) => `(className = ${text(name)}, uniqueKey = ${text(name)}, enableSql = true)`);
  const outside = (name, http) => `(name = ${text(name)}, external = (address = ${text(`127.0.0.1:${standIn}`)}, http = (${http})))`;
  const worker = [
    `modules = ${list(modules.map(moduleOf))}`,
    `compatibilityDate = ${text(compatibilityDate())}`,
    `bindings = ${list(bindings)}`,
    `globalOutbound = "outside"`,
    `durableObjectNamespaces = ${list(namespaces)}`,
    ...(namespaces.length > 0 ? [`durableObjectStorage = (localDisk = "objects")`] : []),
  ];
  const services = [
    `(name = "main", worker = (${worker.join(", ")}))`,
    outside("outside", ""),
    outside("kv", `injectRequestHeaders = [(name = "x-stand-in", value = "kv")]`),
    `(name = "objects", disk = (path = ${text(folder)}, writable = true))`,
  ];
  // `cloudflare:email`, which `agents` imports, is on raw workerd only a way to this module, which the platform brings along.
  const email = `(name = "cloudflare-internal:email", internal = true, esModule = "export default { EmailMessage: class {} };")`;
  // The front end speaks TLS in production; a Worker learns that from the address of its request.
  const socket = `(name = "http", address = "127.0.0.1:0", http = (forwardedProtoHeader = "x-forwarded-proto"), service = "main")`;
  return `using Workerd = import "/workerd/workerd.capnp";\n\nconst config :Workerd.Config = (\n` +
    `  services = [\n    ${services.join(",\n    ")}\n  ],\n  sockets = [${socket}],\n  extensions = [(modules = [${email}])],\n);\n`;
}

/** Writes everything that workerd needs into `folder`, and gives the configuration's file. */
export function prepare(worker, { standIn, folder }) {
  const objects = join(folder, "objects");
  mkdirSync(objects, { recursive: true });
  for (const { name, path, content } of worker.modules) {
    if (path) copyFileSync(path, join(folder, name));
    else writeFileSync(join(folder, name), content);
  }
  const file = join(folder, "config.capnp");
  writeFileSync(file, configText(worker, { standIn, folder: objects }), { mode: 0o600 });
  return file;
}

/** Starts workerd; resolves when it listens, with the ports that it named. */
export async function startWorkerd(file, { inspect = false, temporary = "" } = {}) {
  const args = ["serve", "--control-fd=3", ...(inspect ? ["--inspector-addr=127.0.0.1:0"] : []), file];
  const child = spawn(workerdProgram(), args, { stdio: ["ignore", "ignore", "pipe", "pipe"], env: { TZ: "UTC" } });
  running.add(child);
  const ended = new Promise((done) => child.once("close", done)).then(() => running.delete(child));
  const unguard = guard(child.pid, temporary);
  const said = [];
  createInterface({ input: child.stderr }).on("line", (line) => said.push(line) > 50 && said.shift());
  const kill = async () => {
    child.kill("SIGKILL");
    await ended;
    unguard();
  };
  try {
    const ports = await listening(child, ["socket", ...(inspect ? ["inspector"] : [])]);
    return { pid: child.pid, port: ports.socket, inspector: ports.inspector, kill, said: () => said.join("\n") };
  } catch (error) {
    await kill();
    throw new Advice(`workerd did not start: ${error.message}\n${said.join("\n")}`);
  }
}

function listening(child, wanted) {
  const ports = {};
  return new Promise((done, failed) => {
    const timer = setTimeout(() => failed(new Error(`it said nothing within ${patience / 1000} s`)), patience);
    child.once("error", failed);
    child.once("exit", (code, signal) => failed(new Error(`it ended with ${code ?? signal}`)));
    createInterface({ input: child.stdio[3] }).on("line", (line) => {
      const { event, port } = JSON.parse(line);
      ports[event === "listen-inspector" ? "inspector" : "socket"] = port;
      if (!wanted.every((name) => name in ports)) return;
      clearTimeout(timer);
      done(ports);
    });
  });
}
