// How long to wait before the next try: soon at first, never longer than what a user accepts.

const FIRST_MS = 200;
const FACTOR = 1.7;
const LONGEST_MS = 2000;

// Spread, so that a room full of participants does not come back at the same instant.
export function delayMs(attempt, random = Math.random()) {
  const even = Math.min(LONGEST_MS, FIRST_MS * FACTOR ** attempt);
  return even * (0.75 + random / 2);
}

// Wait, or go on at once when the network is back or `wake` is called.
export class Pause {
  #wake = () => {};

  wait(milliseconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(done, milliseconds);
      const early = () => done();
      function done() {
        clearTimeout(timer);
        removeEventListener("online", early);
        resolve();
      }
      addEventListener("online", early);
      this.#wake = done;
    });
  }

  wake() {
    this.#wake();
  }
}
