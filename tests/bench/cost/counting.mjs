// Runs on workerd, around a Worker and its objects: counts what Cloudflare bills, and moves the clock.
// Holds: a count is taken where the platform takes it: at the handler, at the cursor, at the stub; what is wrapped does not
// know. One request at `/counting/…` reads the counts or moves the clock, and is itself not counted.
// Must never: be part of anything that is deployed.
import { DurableObject, env } from "cloudflare:workers";

const RealDate = Date;
let aheadMs = 0;

/** The time that the Worker sees: the real one, and what it was moved ahead. */
globalThis.Date = class Date extends RealDate {
  constructor(...given) {
    super(...(given.length > 0 ? given : [RealDate.now() + aheadMs]));
  }

  static now() {
    return RealDate.now() + aheadMs;
  }
};

const worker = { requests: 0 };
const classes = {};
/** Alarms that are set, in the Worker's time, by object: `{ binding, at }`. */
const alarms = new Map();
/** Every object that ever lived, with its binding; what was patched has to live as long as its object. */
const known = new Map();

function classOf(name) {
  return (classes[name] ??= {
    requests: 0, calls: 0, alarms: 0, messages: 0, rowsRead: 0, rowsWritten: 0, born: 0, sent: 0, activeMs: 0, active: 0, since: 0, sizes: {},
  });
}

/** An object is active, and billed, while at least one of these is under way. */
async function during(counts, work) {
  if (counts.active++ === 0) counts.since = RealDate.now();
  try {
    return await work();
  } finally {
    if (--counts.active === 0) counts.activeMs += Math.max(0, RealDate.now() - counts.since);
  }
}

function patch(target, method, replacement) {
  const original = target[method].bind(target);
  Object.defineProperty(target, method, { value: replacement(original), configurable: true });
}

/** A cursor knows its rows once it was read, which happens in the same turn. */
function settle(counts, cursor) {
  queueMicrotask(() => {
    counts.rowsRead += cursor.rowsRead;
    counts.rowsWritten += cursor.rowsWritten;
  });
  return cursor;
}

const sizeOf = (keys) => (Array.isArray(keys) ? keys.length : 1);

/** The interface of keys and values: a key is a row. */
function watchKeys(counts, storage) {
  patch(storage, "get", (get) => (keys, ...more) => {
    counts.rowsRead += sizeOf(keys);
    return get(keys, ...more);
  });
  patch(storage, "put", (put) => (...given) => {
    counts.rowsWritten += typeof given[0] === "object" ? Object.keys(given[0]).length : 1;
    return put(...given);
  });
  patch(storage, "delete", (remove) => (keys, ...more) => {
    counts.rowsWritten += sizeOf(keys);
    return remove(keys, ...more);
  });
  patch(storage, "list", (list) => async (...given) => {
    const found = await list(...given);
    counts.rowsRead += Math.max(1, found.size);
    return found;
  });
}

/** Counts the rows of an object, keeps its alarm in the Worker's time, and gives the way to ring it. */
function watch(ctx, { binding, name }) {
  const counts = classOf(name);
  const { storage } = ctx;
  const { sql } = storage;
  const id = ctx.id.toString();
  known.set(id, { binding, held: [ctx, storage, sql] });
  counts.born += 1;
  patch(sql, "exec", (exec) => (...given) => settle(counts, exec(...given)));
  watchKeys(counts, storage);
  let setReally;
  patch(storage, "setAlarm", (set) => {
    setReally = set;
    return (when, ...more) => {
      counts.rowsWritten += 1;
      alarms.set(id, { binding, at: Number(when) });
      return set(Math.max(RealDate.now(), Number(when) - aheadMs), ...more);
    };
  });
  // In the Worker's time too. Looking is not billed by what Cloudflare says; it is counted as a row read to be safe.
  patch(storage, "getAlarm", () => async () => {
    counts.rowsRead += 1;
    return alarms.get(id)?.at ?? null;
  });
  patch(storage, "deleteAlarm", (remove) => (...given) => {
    alarms.delete(id);
    return remove(...given);
  });
  return {
    counts,
    ring: () => setReally(RealDate.now()),
    rang: () => alarms.delete(id),
    measure: () => (counts.sizes[id] = sql.databaseSize),
  };
}

const told = { fetch: "requests", alarm: "alarms", webSocketMessage: "messages" };
const handlers = ["fetch", "alarm", "webSocketMessage", "webSocketClose", "webSocketError"];
const privately = "https://counting.example";

/** What happens around one event of an object. */
function event({ counts, ring, rang, measure }, handler, given, work) {
  if (handler === "fetch" && given[0].url?.startsWith(privately)) {
    if (given[0].url.endsWith("/ring")) ring();
    else measure();
    return new Response();
  }
  if (handler === "alarm") rang();
  if (told[handler]) counts[told[handler]] += 1;
  return during(counts, work);
}

/** A class of objects that is counted. One that does not extend DurableObject is held, because its instances are proxies. */
export function countedObject(Original, place) {
  const isHeld = !extendsDurableObject(Original);
  const watched = new WeakMap();
  class Held {
    constructor(ctx, bindings) {
      watched.set(this, watch(ctx, place));
      this.inner = new Original(ctx, bindings);
    }
  }
  const Base = isHeld ? Held : class extends Original {
    constructor(ctx, bindings) {
      const own = watch(ctx, place);
      super(ctx, bindings);
      watched.set(this, own);
    }
  };
  for (const handler of handlers) {
    Base.prototype[handler] = function handled(...given) {
      const perform = () => (isHeld ? this.inner[handler](...given) : Original.prototype[handler].apply(this, given));
      return event(watched.get(this), handler, given, perform);
    };
  }
  Object.defineProperty(Base, "name", { value: place.name });
  return Base;
}

const extendsDurableObject = (Original) => Original.prototype instanceof DurableObject;

/** A stub whose calls count, and whose sockets count what is sent into the object. */
function countedStub(stub, counts) {
  return new Proxy(stub, {
    get(target, key) {
      const value = Reflect.get(target, key, target);
      if (typeof key === "symbol" || key === "then" || typeof value !== "function") return value;
      if (key !== "fetch") {
        return (...given) => {
          counts.calls += 1;
          return during(counts, () => target[key](...given));
        };
      }
      return async (...given) => {
        const response = await target.fetch(...given);
        if (response.webSocket) {
          patch(response.webSocket, "send", (send) => (message) => {
            counts.sent += 1;
            return send(message);
          });
        }
        return response;
      };
    },
  });
}

/** Wraps what the namespaces of this Worker give. `main` is the class that persons' requests reach. */
export function countStubs(binding, main) {
  const prototype = Object.getPrototypeOf(env[binding]);
  for (const method of ["get", "getByName"]) {
    const original = prototype[method];
    prototype[method] = function given(...all) {
      return countedStub(original.apply(this, all), classOf(main));
    };
  }
  // Only objects call Graph where there are sessions, and a call that is under way keeps its object active.
  const fetchReally = globalThis.fetch;
  globalThis.fetch = (...given) => {
    const url = String(given[0]?.url ?? given[0]);
    return url.startsWith("https://gateway.") ? during(classOf(main), () => fetchReally(...given)) : fetchReally(...given);
  };
}

async function reach(bindings, id, { binding }, what) {
  const namespace = bindings[binding];
  await namespace.get(namespace.idFromString(id)).fetch(`${privately}/${what}`);
}

async function control(url, bindings) {
  const to = Number(url.searchParams.get("ahead") ?? aheadMs);
  aheadMs = to;
  const due = [...alarms].filter(([, { at }]) => at <= Date.now());
  if (url.pathname.endsWith("/ring")) for (const [id, alarm] of due) await reach(bindings, id, alarm, "ring");
  if (url.pathname.endsWith("/measure")) for (const [id, one] of known) await reach(bindings, id, one, "measure");
  const next = Math.min(...[...alarms.values()].map(({ at }) => at));
  return Response.json({ worker, classes, now: Date.now(), next: Number.isFinite(next) ? next : null });
}

/** The Worker itself, which may be an object with handlers or a class of them. */
export function countedWorker(original) {
  return {
    fetch(request, bindings, ctx) {
      const url = new URL(request.url);
      if (url.pathname.startsWith("/counting/")) return control(url, bindings);
      worker.requests += 1;
      const handler = typeof original === "function" ? new original(ctx, bindings) : original;
      return handler.fetch(request, bindings, ctx);
    },
  };
}
