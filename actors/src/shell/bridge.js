// The few lines that the program says to the platform in the platform's own language.
// Holds: what is asked for together crosses over together. A wait is a number: what comes late finds nobody, and a promise that never
// settles keeps a number and no memory of the program's.
// Must never: decide anything.

const now = Promise.resolve();

// The platform makes an object of its own of each function that it is to call soon, which costs more than most of them do.
globalThis.queueMicrotask = (task) => {
  now.then(() => {
    try {
      task();
    } catch (error) {
      reportError(error);
    }
  });
};

let report;

/** Takes the function that every wait reports to: its number, whether it went well, and what came of it. */
export function reportTo(callback) {
  report = callback;
}

/** Reports when a promise has settled. */
export function watch(promise, wait) {
  // The program may have begun anew by then, with other waits of the same numbers.
  const tell = report;
  promise.then((value) => tell(wait, true, value), (reason) => tell(wait, false, reason));
}

/** Reports when a signal fires. */
export function watchSignal(signal, wait) {
  const tell = report;
  signal.addEventListener("abort", () => tell(wait, true), { once: true });
}

/** Reports after a time, unless the timer that this yields is stopped. */
export function startTimer(milliseconds, wait) {
  const tell = report;
  return setTimeout(() => tell(wait, true), milliseconds);
}

export function stopTimer(timer) {
  clearTimeout(timer);
}

/** A line for each name: its value, or a carriage return, which is in no value (RFC 9110, section 5.5), where there is none. */
function values(headers, names) {
  let lines = "";
  for (const name of names) lines += `\n${headers.get(name) ?? "\r"}`;
  return lines;
}

/** A request's method and URL, and a line for each of these headers. */
export function describeRequest(request, names) {
  return `${request.method}\n${request.url}${values(request.headers, names)}`;
}

/** An answer's status, and a line for each of these headers. */
export function describeAnswer(answer, names) {
  return `${answer.status}${values(answer.headers, names)}`;
}

function objectOf(env, binding, name) {
  const namespace = env[binding];
  if (namespace === undefined) throw new Error(`the binding ${binding} is missing`);
  return namespace.getByName(name);
}

/** Sends a frame to the object of a name. */
export function askObject(env, binding, name, frame) {
  return objectOf(env, binding, name).fetch("https://object/", { method: "POST", body: frame });
}

/** Sends a frame with the wish for a socket, whose request has no body. */
export function askObjectForSocket(env, binding, name, frame) {
  return objectOf(env, binding, name).fetch("https://object/", { headers: { upgrade: "websocket", "x-frame": frame } });
}

/** The frame that came with the wish for a socket. */
export function frameInHeader({ headers }) {
  return headers.get("upgrade") === "websocket" ? (headers.get("x-frame") ?? "") : undefined;
}

/** Sends a request to the outside. `init` is JSON, all but the body and the signal that ends it. */
export function send(url, init, body, signal) {
  return fetch(url, { ...JSON.parse(init), body, signal });
}

/** An answer. `init` is JSON. */
export function answerWith(body, init) {
  return new Response(body, JSON.parse(init));
}
