// The Worker's entry: hands the platform's events to the program, and begins it anew where it broke.
// Holds: what the entry that worker-build writes holds, without a proxy around each object, each request and each of their
// methods, which every event would pay for. After a trap nothing of the broken instance is called again: the next event finds a new
// one, and an object of the old one is made once more, from the same arguments.
// Must never: answer by itself, or keep an error from the platform.
import * as program from "./index.js";

const state = program.__worker_init_state();
const events = ["fetch", "alarm", "webSocketMessage", "webSocketClose", "webSocketError"];

function beginAnewWhereBroken() {
  if (!state.criticalError) return;
  console.log("Reinitializing Wasm application");
  program.__wbg_reset_state();
  state.criticalError = false;
  state.instanceId += 1;
}

function noteTrap(error) {
  if (!(error instanceof WebAssembly.RuntimeError)) return;
  console.error("Critical", error);
  state.criticalError = true;
}

function performed(work) {
  beginAnewWhereBroken();
  try {
    return work();
  } catch (error) {
    noteTrap(error);
    throw error;
  }
}

/** A class of Durable Objects as the platform knows it, around the one of the program. */
function outlivingTraps(Actor) {
  class Outliving {
    #given;
    #actor;
    #instanceId;

    constructor(...given) {
      this.#given = given;
      beginAnewWhereBroken();
      this.#make();
    }

    #make() {
      try {
        this.#actor = new Actor(...this.#given);
        this.#instanceId = state.instanceId;
      } catch (error) {
        state.criticalError = true;
        throw error;
      }
    }

    perform(event, given) {
      return performed(() => {
        if (this.#instanceId !== state.instanceId) this.#make();
        return this.#actor[event](...given);
      });
    }
  }
  for (const event of events.filter((name) => name in Actor.prototype)) {
    Outliving.prototype[event] = function (...given) {
      return this.perform(event, given);
    };
  }
  return Outliving;
}

export const UserSession = outlivingTraps(program.UserSession);
export const Directory = outlivingTraps(program.Directory);

// What the program does later on, it does in tasks of its own; what breaks there is told here.
addEventListener("error", ({ error }) => noteTrap(error));

export default {
  fetch(request, env, context) {
    return performed(() => program.fetch(request, env, context));
  },
};
