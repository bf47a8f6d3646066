// Participants in a page of a server, with JSON-RPC and two peer connections each.

// eslint-disable-next-line no-unused-vars
class DataPeer {
  #socket;
  #calls = new Map();
  #number = 0;
  #answered = Promise.resolve();
  publishing = new RTCPeerConnection();
  subscribing = new RTCPeerConnection();
  notifications = [];
  opened = []; // labels, in order
  closed = [];
  messages = []; // {label, data, at}
  onmessage = (message) => this.messages.push(message);

  constructor(uid) {
    this.uid = uid;
    this.subscribing.ondatachannel = ({ channel }) => this.#add(channel);
  }

  async join(room, labels = {}) {
    const url = new URL("ws", location.href);
    url.protocol = "ws:";
    this.#socket = new WebSocket(url, "sfukit.jsonrpc");
    this.#socket.onmessage = ({ data }) => [JSON.parse(data)].flat().forEach((entry) => this.#take(entry));
    await new Promise((resolve) => (this.#socket.onopen = resolve));
    this.channels = {};
    for (const [label, options] of Object.entries(labels)) {
      this.channels[label] = this.publishing.createDataChannel(label, options);
      this.channels[label].binaryType = "arraybuffer";
    }
    const params = { sid: room, uid: this.uid };
    const sends = Object.keys(labels).length > 0;
    if (sends) {
      await this.publishing.setLocalDescription();
      params.offer = this.publishing.localDescription;
    }
    const result = await this.call("join", params);
    if (sends) {
      await this.publishing.setRemoteDescription({ type: "answer", sdp: result.sdp });
      await Promise.all(Object.values(this.channels).map(opened));
    }
  }

  call(method, params) {
    const id = ++this.#number;
    this.#socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    return new Promise((resolve, reject) => this.#calls.set(id, { resolve, reject }));
  }

  #take(entry) {
    if (entry.method === "offer") this.#answered = this.#answered.then(() => this.#answer(entry.params));
    else if (entry.method) this.notifications.push(entry);
    else if (entry.error) this.#calls.get(entry.id).reject(new Error(JSON.stringify(entry.error)));
    else this.#calls.get(entry.id).resolve(entry.result);
  }

  async #answer({ sdp, version }) {
    await this.subscribing.setRemoteDescription({ type: "offer", sdp });
    await this.subscribing.setLocalDescription();
    await this.call("answer", { desc: this.subscribing.localDescription, version });
  }

  #add(channel) {
    channel.binaryType = "arraybuffer";
    this.opened.push(channel.label);
    this.received = { ...this.received, [channel.label]: channel };
    channel.onmessage = ({ data }) => this.onmessage({ label: channel.label, data, at: performance.now() });
    channel.onclose = () => this.closed.push(channel.label);
  }
}

function opened(channel) {
  return channel.readyState === "open" || new Promise((resolve) => (channel.onopen = resolve));
}

// eslint-disable-next-line no-unused-vars
async function until(condition, what, seconds = 20) {
  const end = performance.now() + seconds * 1000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${seconds} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
