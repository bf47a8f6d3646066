// JSON-RPC 2.0 over one WebSocket (docs/protocol.md), without any media.

const OPEN_TIMEOUT_MS = 4000;
const RESPONSE_TIMEOUT_MS = 10_000;

// The server refused a request: `reason` for programs, `message` for people.
export class RequestRefused extends Error {
  constructor({ code, message, data }) {
    super(message);
    this.name = "RequestRefused";
    this.code = code;
    this.reason = data?.reason ?? "refused";
    this.retryAfterMs = data?.retry_after_s === undefined ? null : data.retry_after_s * 1000;
  }
}

// No response: no server, no network, or a dead connection.
export class Unreachable extends Error {
  constructor(reason) {
    super(reason);
    this.name = "Unreachable";
    this.reason = reason;
  }
}

export class SignalingChannel {
  #socket;
  #pending = new Map(); // request id -> {resolve, reject, timer}
  #nextId = 1;

  onnotification = () => {};
  onclose = () => {};

  static open(url) {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url, "sfukit.jsonrpc");
      const timer = setTimeout(() => socket.close(), OPEN_TIMEOUT_MS);
      socket.onclose = () => {
        clearTimeout(timer);
        upgradeError(url).then(reject);
      };
      socket.onopen = () => {
        clearTimeout(timer);
        resolve(new SignalingChannel(socket));
      };
    });
  }

  constructor(socket) {
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code, reason }) => {
      for (const { reject } of this.#pending.values()) reject(new Unreachable("connection_lost"));
      this.#pending.clear();
      this.onclose({ code, reason });
    };
  }

  call(method, params = {}, timeoutMs = RESPONSE_TIMEOUT_MS) {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      if (this.#socket.readyState !== WebSocket.OPEN) return reject(new Unreachable("connection_lost"));
      const timer = setTimeout(() => this.#settle(id)?.reject(new Unreachable("no_answer")), timeoutMs);
      this.#pending.set(id, { resolve, reject, timer });
      this.#socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    });
  }

  // Does not wait for the closing handshake, which a dead connection never completes.
  close() {
    this.#socket.close(1000);
  }

  // A WebSocket message is one JSON-RPC message or a batch (section 6).
  #receive(text) {
    const parsed = JSON.parse(text);
    for (const message of Array.isArray(parsed) ? parsed : [parsed]) {
      if (message.method) this.onnotification(message.method, message.params ?? {});
      else this.#responded(message);
    }
  }

  #responded({ id, result, error }) {
    const request = this.#settle(id);
    if (error) request?.reject(new RequestRefused(error));
    else request?.resolve(result);
  }

  #settle(id) {
    const request = this.#pending.get(id);
    this.#pending.delete(id);
    clearTimeout(request?.timer);
    return request;
  }
}

// Browsers hide the response to a failed upgrade; a plain GET returns its problem details (RFC 9457).
async function upgradeError(url) {
  try {
    const response = await fetch(url.replace(/^ws/, "http"), { signal: AbortSignal.timeout(OPEN_TIMEOUT_MS) });
    if (response.headers.get("Content-Type")?.startsWith("application/problem+json")) {
      const { detail, reason } = await response.json();
      const retryAfter = response.headers.get("Retry-After");
      return new RequestRefused({ message: detail, data: { reason, retry_after_s: retryAfter === null ? undefined : Number(retryAfter) } });
    }
  } catch {
    // no server either
  }
  return new Unreachable("no_connection");
}
