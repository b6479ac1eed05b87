// Folds a flood of equal lines: the first ones of a minute are told, the rest are counted and told with the next one.
//
// What equal lines agree in is a kind of which there are few: nothing that a peer can choose.

const FREE_LINES = 20;
const WINDOW_MS = 60_000;

export class Floods {
  #now;
  #runs = new Map();

  /** @param {() => number} [now] A clock in milliseconds. */
  constructor(now = Date.now) {
    this.#now = now;
  }

  /** Return the line as it is to be written, undefined where it is held back. */
  pass(kind, line) {
    const run = this.#findRun(kind);
    if (run.written >= FREE_LINES) {
      run.heldBack += 1;
      return undefined;
    }
    const { heldBack } = run;
    run.written += 1;
    run.heldBack = 0;
    return heldBack > 0 ? `${line} (repeated ${heldBack} times)` : line;
  }

  #findRun(kind) {
    const now = this.#now();
    const last = this.#runs.get(kind);
    if (last && now - last.beganAt < WINDOW_MS) return last;
    const run = { beganAt: now, written: 0, heldBack: last?.heldBack ?? 0 };
    this.#runs.set(kind, run);
    return run;
  }
}
