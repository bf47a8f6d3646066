// What the publish and the subscribe connection have in common: a peer connection that is up or lost.

// Longer than a hiccup of the network, shorter than a user's patience.
const HICCUP_MS = 4000;

export class Connection {
  #hiccup;
  #lost;

  constructor(onlost) {
    this.#lost = onlost;
    this.pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    this.connected = new Promise((resolve) => {
      this.pc.addEventListener("connectionstatechange", () => this.#changed(resolve));
    });
  }

  close() {
    clearTimeout(this.#hiccup);
    this.#lost = () => {};
    this.pc.close();
  }

  #changed(resolve) {
    clearTimeout(this.#hiccup);
    const state = this.pc.connectionState;
    if (state === "connected") resolve();
    if (state === "failed") this.#lost("media_failed");
    if (state === "disconnected") this.#hiccup = setTimeout(() => this.#lost("media_lost"), HICCUP_MS);
  }
}
