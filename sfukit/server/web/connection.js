// The base of the publish and the subscribe connection: an RTCPeerConnection that reports its loss.

// ICE may recover from "disconnected" within this time.
const DISCONNECTED_TIMEOUT_MS = 4000;

export class Connection {
  #disconnectedTimer;
  #onlost;

  constructor(onlost) {
    this.#onlost = onlost;
    this.pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    this.connected = new Promise((resolve) => {
      this.pc.addEventListener("connectionstatechange", () => this.#stateChanged(resolve));
    });
  }

  // In force from the next gathering of candidates on.
  setIceServers(iceServers) {
    if (this.pc.signalingState === "closed") return;
    this.pc.setConfiguration({ ...this.pc.getConfiguration(), iceServers });
  }

  close() {
    clearTimeout(this.#disconnectedTimer);
    this.#onlost = () => {};
    this.pc.close();
  }

  #stateChanged(resolve) {
    clearTimeout(this.#disconnectedTimer);
    const state = this.pc.connectionState;
    if (state === "connected") resolve();
    if (state === "failed") this.#onlost("media_failed");
    if (state === "disconnected") {
      this.#disconnectedTimer = setTimeout(() => this.#onlost("media_lost"), DISCONNECTED_TIMEOUT_MS);
    }
  }
}
