// Exponential backoff with jitter between attempts to join.

const FIRST_MS = 200;
const FACTOR = 1.7;
const LONGEST_MS = 2000;

// Jitter of 25 % either way keeps the participants of a room from rejoining at the same instant.
export function delayMs(attempt, random = Math.random()) {
  const even = Math.min(LONGEST_MS, FIRST_MS * FACTOR ** attempt);
  return even * (0.75 + random / 2);
}

// A timer that ends early when the network is back or on `skip`.
export class RetryTimer {
  #finish = () => {};

  wait(milliseconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(finish, milliseconds);
      const online = () => finish();
      function finish() {
        clearTimeout(timer);
        removeEventListener("online", online);
        resolve();
      }
      addEventListener("online", online);
      this.#finish = finish;
    });
  }

  skip() {
    this.#finish();
  }
}
