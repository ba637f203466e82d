// One page of findings: what was looked at, how it stands, why, and what to do next.
// Holds: every finding has one of a few states; what failed decides the exit code, and nothing else does; text from a
// deployment is shown on one line, without control characters and cut.
// Must never: hold a secret: whoever adds a finding says what is known about a value, never the value.
import { say } from "../project.mjs";

const charactersMax = 300;

/** Text from outside, fit for a terminal: no control characters, no second line, not too long. */
export function shown(text) {
  const plain = String(text).replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]+/g, " ").trim();
  return plain.length > charactersMax ? `${plain.slice(0, charactersMax)} …` : plain;
}

export class Report {
  #sections = [];

  /** `states` in the order of the summary; the one called `fail` decides. */
  constructor(states) {
    this.states = states;
  }

  section(title) {
    this.#sections.push({ title, lines: [] });
  }

  /** `why` says what was seen, `next` what to do about it. */
  add(state, what, why = "", next = "") {
    if (!this.states.includes(state)) throw new Error(`there is no state ${state}`);
    this.#sections.at(-1).lines.push({ state, what, why: shown(why), next: shown(next) });
  }

  get lines() {
    return this.#sections.flatMap(({ lines }) => lines);
  }

  get failures() {
    return this.lines.filter(({ state }) => state === "fail");
  }

  print() {
    const width = Math.max(...this.states.map((state) => state.length));
    const margin = " ".repeat(width + 4);
    for (const { title, lines } of this.#sections.filter((section) => section.lines.length > 0)) {
      say(`\n${title}`);
      for (const { state, what, why, next } of lines) {
        say(`  ${state.padEnd(width)}  ${what}${why ? `: ${why}` : ""}`);
        if (next) say(`${margin}-> ${next}`);
      }
    }
    const counts = this.states.map((state) => `${this.lines.filter((line) => line.state === state).length} ${state}`);
    say(`\n${counts.join(", ")}`);
  }
}
