// Drives an installed Chromium over its debugging protocol: opens pages, runs scripts in them, presses keys.
// Holds: the browser has a profile of its own, reaches this machine only, and is gone with its folder at the end.
// Must never: download a browser, or pass silently where there is none: whoever asks is told by `chromium()`.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** The program of an installed Chromium; `CHROMIUM` names another one. */
export function chromium() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  const folders = (process.env.PATH ?? "").split(delimiter);
  return folders.flatMap((folder) => names.map((name) => join(folder, name))).find((path) => existsSync(path));
}

/** Starts the browser with one page. */
export async function openBrowser() {
  const folder = mkdtempSync(join(tmpdir(), "m365-chromium-"));
  const child = spawn(chromium(), [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--metrics-recording-only",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", `--user-data-dir=${folder}`, "--remote-debugging-port=0", "about:blank",
  ], { stdio: ["ignore", "ignore", "pipe"] });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const port = await listeningPort(child);
  const pages = await (await fetch(`http://127.0.0.1:${port}/json/list`)).json();
  const page = await connect(pages.find(({ type }) => type === "page").webSocketDebuggerUrl);
  const close = async () => {
    const gone = new Promise((done) => child.once("exit", done));
    kill();
    await gone;
    process.removeListener("exit", kill);
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  return { ...page, close };
}

function listeningPort(child) {
  return new Promise((done, failed) => {
    let said = "";
    child.once("exit", (code) => failed(new Error(`Chromium ended with ${code}: ${said}`)));
    child.stderr.on("data", (chunk) => {
      said += chunk;
      const port = said.match(/DevTools listening on ws:\/\/[^:]+:(\d+)\//)?.[1];
      if (port) done(port);
    });
  });
}

/** The commands of one page, and the few that tests need in words. */
async function connect(url) {
  const socket = new WebSocket(url);
  const [waiting, listeners] = [new Map(), new Map()];
  let last = 0;
  socket.addEventListener("message", ({ data }) => {
    const { id, result, error, method, params } = JSON.parse(data);
    if (method) return void listeners.get(method)?.forEach((listener) => listener(params));
    const { done, failed } = waiting.get(id);
    waiting.delete(id);
    if (error) failed(new Error(error.message));
    else done(result);
  });
  await new Promise((done, failed) => {
    socket.addEventListener("open", done);
    socket.addEventListener("error", () => failed(new Error("no connection to Chromium")));
  });
  const send = (method, params = {}) => new Promise((done, failed) => {
    last += 1;
    waiting.set(last, { done, failed });
    socket.send(JSON.stringify({ id: last, method, params }));
  });
  const once = (method) => new Promise((done) => {
    const known = listeners.get(method) ?? new Set();
    const listener = (params) => {
      known.delete(listener);
      done(params);
    };
    listeners.set(method, known.add(listener));
  });
  await send("Page.enable");
  return { send, once, ...words(send, once) };
}

function words(send, once) {
  const evaluate = async (expression) => {
    const { result, exceptionDetails } = await send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  };
  /** Does something that leads to another page, and waits until that is there. */
  const navigate = async (action) => {
    const loaded = once("Page.loadEventFired");
    await action();
    await loaded;
  };
  const press = async (key) => {
    const text = key === "Enter" ? "\r" : undefined;
    const windowsVirtualKeyCode = { Enter: 13, Tab: 9 }[key];
    await send("Input.dispatchKeyEvent", { type: "keyDown", key, code: key, text, windowsVirtualKeyCode });
    await send("Input.dispatchKeyEvent", { type: "keyUp", key, code: key, windowsVirtualKeyCode });
  };
  return {
    evaluate, navigate, press,
    open: (url) => navigate(() => send("Page.navigate", { url })),
    resize: (width) => send("Emulation.setDeviceMetricsOverride", { width, height: 800, deviceScaleFactor: 1, mobile: width < 600 }),
    /** Pages of this server run no script. axe is the test's own and is run all the same. */
    withoutScripts: (value) => send("Emulation.setScriptExecutionDisabled", { value }),
  };
}
