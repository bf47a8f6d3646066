// The subscribe connection (target 1): here only the server offers.

import { Connection } from "./connection.js";

export class SubscribeConnection extends Connection {
  #queue = Promise.resolve();
  #version = 0;

  // publication -> the track that it arrives on
  tracks = new Map();

  // Answer offers one after another; `bound` hears when there are tracks to show.
  take(offer, signal, bound) {
    const turn = this.#queue.then(() => this.#answer(offer, signal, bound));
    this.#queue = turn.catch(() => {});
    return turn;
  }

  async #answer({ type, sdp, version, tracks }, signal, bound) {
    if (version <= this.#version || this.pc.signalingState === "closed") return;
    this.#version = version;
    await this.pc.setRemoteDescription({ type, sdp });
    await this.pc.setLocalDescription();
    this.#bind(tracks);
    bound();
    await signal.call("answer", { desc: this.pc.localDescription, version });
  }

  // M-lines are used again for other publications: each offer says anew what they carry.
  #bind(tracks) {
    const byMid = new Map(this.pc.getTransceivers().map((entry) => [entry.mid, entry.receiver.track]));
    this.tracks = new Map();
    for (const { mid, publication } of tracks) {
      if (byMid.has(mid)) this.tracks.set(publication, byMid.get(mid));
    }
  }
}
