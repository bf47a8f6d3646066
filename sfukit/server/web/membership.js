// One stay in a room, from the WebSocket's opening to its end: a line and two peer connections.

import { PublishConnection } from "./publish.js";
import { Signal, Unreachable } from "./signal.js";
import { SubscribeConnection } from "./subscribe.js";

const HEARTBEAT_MS = 2000;
const SILENCE_MS = 6000;
const MEDIA_MS = 10_000;

export class Membership {
  #signal;
  #end;
  #heartbeat;
  #bye;

  // listener: entered(result), notified(method, params), bound(), measured(stats), failed(fault)
  constructor(listener) {
    this.listener = listener;
    this.ended = new Promise((resolve) => (this.#end = resolve));
    this.publishing = new PublishConnection((reason) => this.#finish(reason));
    this.subscribing = new SubscribeConnection((reason) => this.#finish(reason));
  }

  // wishes: {url, room, uid, name}; tracks: [{track, source, stream}]
  async enter({ url, room, uid, name }, tracks) {
    try {
      this.#signal = await Signal.open(url);
      this.#signal.onnotification = (method, params) => this.#notified(method, params);
      this.#signal.onclose = ({ code, reason }) => this.#finish(this.#bye ?? reason ?? "", code);
      for (const entry of tracks) this.publishing.add(entry);
      const { desc, sources } = tracks.length ? await this.publishing.offer() : {};
      const result = await this.#signal.call("join", {
        sid: room, uid, name, offer: desc, sources, config: { dynacast: true },
      });
      this.listener.entered(result);
      if (result.sdp) await this.publishing.accept(result);
      this.#heartbeat = setTimeout(() => this.#beat(), 0);
    } catch (fault) {
      this.#finish(fault.reason ?? "failed");
      throw fault;
    }
  }

  // Resolves once media can flow in every direction that is wanted.
  async negotiated({ sends, receives }) {
    const wanted = [sends && this.publishing.connected, receives && this.subscribing.connected];
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Unreachable("no_media_path")), MEDIA_MS);
    });
    const gone = this.ended.then(({ reason }) => Promise.reject(new Unreachable(reason)));
    try {
      await Promise.race([Promise.all(wanted), late, gone]);
    } finally {
      clearTimeout(timer);
    }
  }

  call(method, params) {
    return this.#signal.call(method, params);
  }

  async publish(entries) {
    for (const entry of entries) this.publishing.add(entry);
    await this.#renegotiate(entries);
  }

  async unpublish(tracks) {
    for (const track of tracks) this.publishing.remove(track);
    await this.publishing.renegotiate(this.#signal);
  }

  async leave() {
    await this.#signal?.call("leave", {}, 1000).catch(() => {});
    this.#finish("left");
  }

  // Give the line up as dead; `ended` tells why.
  drop(reason) {
    this.#finish(reason);
  }

  async #renegotiate(entries) {
    try {
      await this.publishing.renegotiate(this.#signal);
    } catch (fault) {
      for (const { track } of entries) this.publishing.remove(track);
      throw fault;
    }
  }

  #notified(method, params) {
    if (method === "bye") this.#bye = params.reason;
    if (method === "offer") this.#offered(params);
    else if (method === "encodings") this.#rest(params);
    else this.listener.notified(method, params);
  }

  // A stream that ended meanwhile has nothing to rest.
  #rest(wanted) {
    this.publishing.sendOnly(wanted).catch((fault) => console.warn("encodings", fault));
  }

  async #offered(offer) {
    try {
      await this.subscribing.take(offer, this.#signal, () => this.listener.bound());
    } catch (fault) {
      // a newer offer is on its way, or the line is gone and says so itself
      if (fault.reason !== "stale_offer" && !(fault instanceof Unreachable)) this.listener.failed(fault);
    }
  }

  // Asking for figures also shows that the line is alive: a browser does not see the server's pings.
  async #beat() {
    try {
      this.listener.measured(await this.#signal.call("stats", {}, SILENCE_MS));
    } catch (fault) {
      if (fault instanceof Unreachable) return this.#finish(fault.reason);
    }
    this.#heartbeat = setTimeout(() => this.#beat(), HEARTBEAT_MS);
  }

  #finish(reason, code = null) {
    clearTimeout(this.#heartbeat);
    this.publishing.close();
    this.subscribing.close();
    if (this.#signal) {
      this.#signal.onclose = () => {};
      this.#signal.onnotification = () => {};
      this.#signal.close();
    }
    this.#end({ reason: reason || "connection_lost", code });
  }
}
