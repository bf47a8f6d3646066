// Data channels of a session: the chat, and pointers on shared screens. Each message begins with a line
// that names its sender (subprotocol sfukit.to), so that no participant can write as another.

const PROTOCOL = "sfukit.to";
const OPTIONS = {
  chat: { protocol: PROTOCOL },
  // a late position is worse than none
  pointer: { protocol: PROTOCOL, ordered: false, maxRetransmits: 0 },
};
const MAX_BUFFERED_BYTES = 64 * 1024;

export class Channels {
  #opening = new Map(); // label -> promise of its open channel
  #publishing;
  #renegotiate;

  // onmessage(label, uid, message)
  constructor({ publishing, subscribing, renegotiate, onmessage }) {
    this.#publishing = publishing;
    this.#renegotiate = renegotiate;
    subscribing.addEventListener("datachannel", ({ channel }) => {
      if (!(channel.label in OPTIONS) || channel.protocol !== PROTOCOL) return;
      channel.addEventListener("message", ({ data }) => this.#receive(channel.label, data, onmessage));
    });
  }

  // Send to all others. A lossy message is dropped while earlier ones wait.
  async send(label, message) {
    const channel = await this.#open(label);
    const isLossy = OPTIONS[label].maxRetransmits !== undefined;
    if (!isLossy || channel.bufferedAmount < MAX_BUFFERED_BYTES) channel.send(`\n${JSON.stringify(message)}`);
  }

  #open(label) {
    if (!this.#opening.has(label)) {
      const opened = this.#opened(label);
      this.#opening.set(label, opened);
      opened.catch(() => this.#opening.delete(label));
    }
    return this.#opening.get(label);
  }

  async #opened(label) {
    const channel = this.#publishing.createDataChannel(label, OPTIONS[label]);
    const opened = new Promise((resolve, reject) => {
      channel.addEventListener("open", () => resolve(channel));
      channel.addEventListener("close", () => {
        this.#opening.delete(label);
        reject(new Error(`the data channel ${label} is closed`));
      });
    });
    await this.#renegotiate();
    return opened;
  }

  #receive(label, data, onmessage) {
    if (typeof data !== "string") return;
    const end = data.indexOf("\n");
    let message;
    try {
      message = JSON.parse(data.slice(end + 1));
    } catch {
      return; // of a participant that is no page of ours
    }
    if (message !== null && typeof message === "object") onmessage(label, data.slice(0, end), message);
  }
}
