// One session in a room: a signaling channel, a publish connection and a subscribe connection.

import { Channels } from "./channels.js";
import { PublishConnection } from "./publish.js";
import { SignalingChannel, Unreachable } from "./signaling.js";
import { SubscribeConnection } from "./subscribe.js";

const STATS_INTERVAL_MS = 2000;
const STATS_TIMEOUT_MS = 6000;
const CONNECT_TIMEOUT_MS = 10_000;
const LEAVE_TIMEOUT_MS = 1000;

export class Session {
  #channel;
  #end;
  #statsTimer;
  #byeReason;
  #codec;
  #held = null; // notifications between the result of `join` and the end of the first negotiation

  // listener: joined(result), notified(method, params), tracksChanged(), statsReceived(stats),
  // failed(error), messageReceived(label, uid, message)
  constructor(listener) {
    this.listener = listener;
    this.ended = new Promise((resolve) => (this.#end = resolve));
    const lost = (reason) => this.#finish(reason);
    this.publishing = new PublishConnection(lost, () => this.publishing.restartIce(this.#channel));
    this.subscribing = new SubscribeConnection(lost, () => this.subscribing.restartIce(this.#channel));
    this.channels = new Channels({
      publishing: this.publishing.pc,
      subscribing: this.subscribing.pc,
      renegotiate: () => this.publishing.renegotiate(this.#channel),
      onmessage: (...message) => this.listener.messageReceived(...message),
    });
  }

  // options: {url, room, uid, name, codec}; tracks: [{track, source, stream}]
  async join({ url, room, uid, name, codec }, tracks) {
    this.#codec = codec;
    try {
      this.#channel = await SignalingChannel.open(url);
      this.#channel.onnotification = (method, params) => this.#notified(method, params);
      this.#channel.onclose = ({ code, reason }) => this.#finish(this.#byeReason ?? reason ?? "", code);
      const config = { dynacast: true };
      // without an offer: candidates are gathered from the ICE servers of the result
      const result = await this.#channel.call("join", { sid: room, uid, name, config });
      this.#held = [];
      this.#setIceServers(result.ice_servers);
      if (tracks.length) await this.publish(tracks);
      this.listener.joined(result);
      for (const notification of this.#held) this.listener.notified(...notification);
      this.#held = null;
      this.#statsTimer = setTimeout(() => this.#requestStats(), 0);
    } catch (error) {
      this.#finish(error.reason ?? "failed");
      throw error;
    }
  }

  // Resolves once the required peer connections are connected.
  async connected({ publish, subscribe }) {
    const required = [publish && this.publishing.connected, subscribe && this.subscribing.connected];
    let timer;
    const timeout = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Unreachable("no_media_path")), CONNECT_TIMEOUT_MS);
    });
    const ended = this.ended.then(({ reason }) => Promise.reject(new Unreachable(reason)));
    try {
      await Promise.race([Promise.all(required), timeout, ended]);
    } finally {
      clearTimeout(timer);
    }
  }

  call(method, params) {
    return this.#channel.call(method, params);
  }

  async publish(entries) {
    for (const entry of entries) this.publishing.add(entry, this.#codec);
    await this.#renegotiate(entries);
  }

  async unpublish(tracks) {
    for (const track of tracks) this.publishing.remove(track);
    await this.publishing.renegotiate(this.#channel);
  }

  // After a change of the network: media continues on the path that works.
  async restartIce() {
    await Promise.all([this.publishing, this.subscribing].map((it) => it.restartIce(this.#channel)));
  }

  async leave() {
    await this.#channel?.call("leave", {}, LEAVE_TIMEOUT_MS).catch(() => {});
    this.#finish("left");
  }

  // Close everything; `ended` resolves with the reason.
  drop(reason) {
    this.#finish(reason);
  }

  async #renegotiate(entries) {
    try {
      await this.publishing.renegotiate(this.#channel);
    } catch (error) {
      for (const { track } of entries) this.publishing.remove(track);
      throw error;
    }
  }

  #notified(method, params) {
    if (method === "bye") this.#byeReason = params.reason;
    if (method === "offer") this.#answerOffer(params);
    else if (method === "ice-servers") this.#setIceServers(params.ice_servers);
    else if (method === "encodings") this.#setActiveEncodings(params);
    else if (this.#held) this.#held.push([method, params]);
    else this.listener.notified(method, params);
  }

  #setIceServers(iceServers = []) {
    this.publishing.setIceServers(iceServers);
    this.subscribing.setIceServers(iceServers);
  }

  // setParameters fails on a transceiver that was stopped meanwhile.
  #setActiveEncodings(active) {
    this.publishing.setActiveEncodings(active).catch((error) => console.warn("encodings", error));
  }

  async #answerOffer(offer) {
    try {
      await this.subscribing.answer(offer, this.#channel, () => this.listener.tracksChanged());
    } catch (error) {
      // a newer offer is on its way, or the channel is closed and reports that itself
      if (error.reason !== "stale_offer" && !(error instanceof Unreachable)) this.listener.failed(error);
    }
  }

  // Also the keepalive: browsers do not expose the server's WebSocket pings.
  async #requestStats() {
    try {
      this.listener.statsReceived(await this.#channel.call("stats", {}, STATS_TIMEOUT_MS));
    } catch (error) {
      if (error instanceof Unreachable) return this.#finish(error.reason);
    }
    this.#statsTimer = setTimeout(() => this.#requestStats(), STATS_INTERVAL_MS);
  }

  #finish(reason, code = null) {
    clearTimeout(this.#statsTimer);
    this.publishing.close();
    this.subscribing.close();
    if (this.#channel) {
      this.#channel.onclose = () => {};
      this.#channel.onnotification = () => {};
      this.#channel.close();
    }
    this.#end({ reason: reason || "connection_lost", code });
  }
}
