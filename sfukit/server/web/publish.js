// The publish connection (target 0): only the client offers.

import { preferCodec, preferRedundantAudio, sendEncodings } from "./codecs.js";
import { Connection } from "./connection.js";

export class PublishConnection extends Connection {
  #sources = new Map(); // transceiver -> source of its track
  #version = 0;
  #queue = Promise.resolve();

  publications = [];

  // Tracks of one MediaStream are played in sync. codec: of video, a key of codecs.js
  add({ track, source, stream }, codec) {
    const isVideo = track.kind === "video";
    const parameters = { direction: "sendonly", streams: [stream] };
    if (isVideo) parameters.sendEncodings = sendEncodings(codec);
    const transceiver = this.pc.addTransceiver(track, parameters);
    if (isVideo) preferCodec(transceiver, codec);
    else preferRedundantAudio(transceiver);
    this.#sources.set(transceiver, source);
  }

  remove(track) {
    for (const transceiver of this.#sources.keys()) {
      if (transceiver.sender.track !== track) continue;
      this.#sources.delete(transceiver);
      transceiver.stop();
    }
  }

  // {desc, version, sources}: params of `join` and `offer`.
  async offer() {
    await this.pc.setLocalDescription();
    const sources = {};
    for (const [transceiver, source] of this.#sources) sources[transceiver.mid] = source;
    return { desc: this.pc.localDescription, version: ++this.#version, sources };
  }

  async accept({ sdp, version, publications }) {
    this.publications = publications;
    this.#version = version;
    await this.pc.setRemoteDescription({ type: "answer", sdp });
  }

  // Encodings without subscribers are inactive (dynacast).
  async setActiveEncodings({ publication, rids }) {
    const mid = this.publications.find((entry) => entry.publication === publication)?.mid;
    const sender = this.pc.getTransceivers().find((transceiver) => transceiver.mid === mid)?.sender;
    if (!sender) return;
    const parameters = sender.getParameters();
    for (const encoding of parameters.encodings) encoding.active = rids.includes(encoding.rid);
    await sender.setParameters(parameters);
  }

  async restartIce(channel) {
    if (!this.pc.localDescription) return;
    this.pc.restartIce();
    await this.renegotiate(channel);
  }

  // Offer the changes, one offer at a time. A refused offer is rolled back.
  renegotiate(channel) {
    const renegotiated = this.#queue.then(() => this.#renegotiate(channel));
    this.#queue = renegotiated.catch(() => {});
    return renegotiated;
  }

  async #renegotiate(channel) {
    const offer = await this.offer();
    try {
      await this.accept(await channel.call("offer", offer));
    } catch (error) {
      if (this.pc.signalingState === "have-local-offer") {
        await this.pc.setLocalDescription({ type: "rollback" });
      }
      throw error;
    }
  }
}
