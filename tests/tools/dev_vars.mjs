// Writes the settings of a local run into a file in `.dev.vars` format.
// Holds: lines that a person added or changed stay; keys are random, made once and kept; the file is
// readable by its owner alone and is replaced in one step.
// Must never: print a value, or write a setting that belongs to a real deployment.
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { defaultPorts, devVarsFile, runIfMain, say } from "./project.mjs";

const keys = ["ENCRYPTION_KEY", "COOKIE_ENCRYPTION_KEY", "COOKIE_SECRET"];
const local = /^https?:\/\/(127\.0\.0\.1|localhost)(:|\/|$)/;
const newKey = () => randomBytes(32).toString("hex");

/** What the emulator expects of a client; the same for everyone, hence no secrets. */
const fixed = {
  MICROSOFT_CLIENT_ID: "00000000-0000-4000-8000-00000000c11e",
  MICROSOFT_CLIENT_SECRET: "emulator-secret",
  MICROSOFT_TENANT_ID: "11111111-2222-4333-8444-555555555555",
  GRAPH_API_VERSION: "v1.0",
  ACCESS_MODE: "open",
  EGRESS: "ai_run",
  GATEWAY_ID: "m365-gateway",
  AI_GATEWAY_SERVICE_TOKEN: "emulator-gateway-token",
};

/** Settings that follow the ports, and so are written anew at each start. */
export function addresses({ origin, emulator }) {
  return {
    PUBLIC_URL: origin,
    GATEWAY_BASE_URL: `${emulator}/gateway/v1/emulated-account/${fixed.GATEWAY_ID}/custom-graph`,
    MICROSOFT_LOGIN_URL: `${emulator}/entra`,
    LOCAL_CLIENT_DOCUMENTS: emulator,
  };
}

/** Every setting of a fresh local run: name to value. */
export function freshSettings(places) {
  // The emulator is its own storage, from which the bytes of files come.
  const policy = { fileHosts: [new URL(places.emulator).host] };
  const random = Object.fromEntries(keys.map((key) => [key, newKey()]));
  return { ...fixed, ...random, POLICY: JSON.stringify(policy), ...addresses(places) };
}

/** One line of the file. Quotes are single where possible: nothing is expanded inside them. */
export function line(name, value) {
  if (/^[\w./:@+,=-]*$/.test(value)) return `${name}=${value}`;
  const quote = ["'", "`"].find((mark) => !value.includes(mark));
  if (!quote) throw new Error(`${name} holds both ' and \`, which the file format cannot carry`);
  return `${name}=${quote}${value}${quote}`;
}

/** A private file from nothing: exactly these settings. */
export function writeSettings(file, settings) {
  writePrivately(file, Object.entries(settings).map(([name, value]) => line(name, value)));
}

/** Brings a person's file up to date: missing settings are added, local addresses follow the ports. */
export function updateDevVars(file, places) {
  const lines = existsSync(file) ? readFileSync(file, "utf8").replace(/\n+$/, "").split("\n") : [];
  if (lines.length === 0) lines.push("# Settings of the local run. Random keys; nothing here is used in production.");
  const before = lines.join("\n");
  const follow = addresses(places);
  for (const [name, value] of Object.entries(freshSettings(places))) {
    const at = lines.findIndex((text) => text.match(/^\s*(?:export\s+)?([\w.-]+)\s*=/)?.[1] === name);
    if (at < 0) lines.push(line(name, value));
    else if (name in follow) lines[at] = followPort(lines[at], name, value);
  }
  if (lines.join("\n") !== before) writePrivately(file, lines);
}

/** An address that a person pointed somewhere else than this machine is theirs. */
function followPort(text, name, value) {
  const current = text.slice(text.indexOf("=") + 1).trim().replace(/^(["'`])(.*)\1$/, "$2");
  if (current === "" || local.test(current)) return line(name, value);
  say(`${name} in .dev.vars points somewhere else than this machine: left as it is`);
  return text;
}

/** The settings of a file as `check-settings` reads them: a later line wins, quotes are no part of a value. */
export function parseSettings(text) {
  const found = text.split("\n").map((each) => each.match(/^\s*(?:export\s+)?([A-Z][A-Z0-9_]*)\s*=(.*)$/)).filter(Boolean);
  const unquoted = (value) => value.trim().replace(/^(["'`])([\s\S]*)\1$/, "$2");
  return Object.fromEntries(found.map(([, name, value]) => [name, unquoted(value)]).filter(([, value]) => value !== ""));
}

/** Puts settings into a file, which may not be there yet; every other line stays. */
export function setInFile(file, settings) {
  const lines = existsSync(file) ? readFileSync(file, "utf8").replace(/\n+$/, "").split("\n") : [];
  for (const [name, value] of Object.entries(settings)) {
    const kept = lines.filter((text) => text.match(/^\s*(?:export\s+)?([\w.-]+)\s*=/)?.[1] !== name);
    const at = lines.findIndex((text) => !kept.includes(text));
    lines.splice(0, lines.length, ...kept);
    lines.splice(at < 0 ? lines.length : at, 0, line(name, value));
  }
  writePrivately(file, lines);
}

function writePrivately(file, lines) {
  mkdirSync(dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}.new`;
  writeFileSync(temporary, `${lines.join("\n")}\n`, { mode: 0o600 });
  renameSync(temporary, file);
}

export function defaultPlaces() {
  const at = (port) => `http://127.0.0.1:${port}`;
  return { origin: at(defaultPorts.worker), emulator: at(defaultPorts.emulator) };
}

runIfMain(import.meta.url, () => updateDevVars(devVarsFile, defaultPlaces()));
