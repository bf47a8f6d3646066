// JSON-RPC 2.0 over one WebSocket (docs/protocol.md). Knows nothing of media.

const OPEN_MS = 4000;
const ANSWER_MS = 10_000;

// The server turned a request down: `reason` for programs, `message` for people.
export class Refused extends Error {
  constructor({ code, message, data }) {
    super(message);
    this.name = "Refused";
    this.code = code;
    this.reason = data?.reason ?? "refused";
    this.retryAfterMs = data?.retry_after_s === undefined ? null : data.retry_after_s * 1000;
  }
}

// Nobody answered: no server, no network, or a line that went dead.
export class Unreachable extends Error {
  constructor(reason) {
    super(reason);
    this.name = "Unreachable";
    this.reason = reason;
  }
}

export class Signal {
  #socket;
  #waiting = new Map();
  #next = 1;

  onnotification = () => {};
  onclose = () => {};

  static open(url) {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url, "sfukit.jsonrpc");
      const timer = setTimeout(() => socket.close(), OPEN_MS);
      socket.onclose = () => {
        clearTimeout(timer);
        refusal(url).then(reject);
      };
      socket.onopen = () => {
        clearTimeout(timer);
        resolve(new Signal(socket));
      };
    });
  }

  constructor(socket) {
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#read(data);
    socket.onclose = ({ code, reason }) => {
      for (const { reject } of this.#waiting.values()) reject(new Unreachable("connection_lost"));
      this.#waiting.clear();
      this.onclose({ code, reason });
    };
  }

  call(method, params = {}, patienceMs = ANSWER_MS) {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      if (this.#socket.readyState !== WebSocket.OPEN) return reject(new Unreachable("connection_lost"));
      const timer = setTimeout(() => this.#settle(id)?.reject(new Unreachable("no_answer")), patienceMs);
      this.#waiting.set(id, { resolve, reject, timer });
      this.#socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    });
  }

  // A line that died answers no closing handshake: nobody waits for it here.
  close() {
    this.#socket.close(1000);
  }

  // One message or a batch of them (section 6).
  #read(text) {
    const frame = JSON.parse(text);
    for (const message of Array.isArray(frame) ? frame : [frame]) {
      if (message.method) this.onnotification(message.method, message.params ?? {});
      else this.#answered(message);
    }
  }

  #answered({ id, result, error }) {
    const waiting = this.#settle(id);
    if (error) waiting?.reject(new Refused(error));
    else waiting?.resolve(result);
  }

  #settle(id) {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    clearTimeout(waiting?.timer);
    return waiting;
  }
}

// A browser does not tell why a WebSocket was refused; the same request over HTTP is answered with a problem document.
async function refusal(url) {
  try {
    const answer = await fetch(url.replace(/^ws/, "http"), { signal: AbortSignal.timeout(OPEN_MS) });
    if (answer.headers.get("Content-Type")?.startsWith("application/problem+json")) {
      const { detail, reason } = await answer.json();
      const wait = answer.headers.get("Retry-After");
      return new Refused({ message: detail, data: { reason, retry_after_s: wait === null ? undefined : Number(wait) } });
    }
  } catch {
    // no server either
  }
  return new Unreachable("no_connection");
}
