// The subscribe connection (target 1): only the server offers.

import { Connection } from "./connection.js";

export class SubscribeConnection extends Connection {
  #queue = Promise.resolve();
  #version = 0;

  // publication -> its MediaStreamTrack
  tracks = new Map();

  // Answer offers one after another; `ontracks` is called when `tracks` has changed.
  answer(offer, channel, ontracks) {
    const answered = this.#queue.then(() => this.#answer(offer, channel, ontracks));
    this.#queue = answered.catch(() => {});
    return answered;
  }

  // The server's next offer has other credentials.
  async restartIce(channel) {
    if (this.pc.remoteDescription) await channel.call("restart-ice");
  }

  async #answer({ type, sdp, version, tracks }, channel, ontracks) {
    if (version <= this.#version || this.pc.signalingState === "closed") return;
    this.#version = version;
    await this.pc.setRemoteDescription({ type, sdp });
    await this.pc.setLocalDescription();
    this.#mapTracks(tracks);
    ontracks();
    await channel.call("answer", { desc: this.pc.localDescription, version });
  }

  // M-lines are reused for other publications: each offer lists what they carry.
  #mapTracks(tracks) {
    const byMid = new Map(this.pc.getTransceivers().map((entry) => [entry.mid, entry.receiver.track]));
    this.tracks = new Map();
    for (const { mid, publication } of tracks) {
      if (byMid.has(mid)) this.tracks.set(publication, byMid.get(mid));
    }
  }
}
