// The base of the publish and the subscribe connection: an RTCPeerConnection that reports its loss.

// An ICE restart has to end "disconnected" and "failed" within this time.
const RESTART_TIMEOUT_MS = 6000;

export class Connection {
  #restartTimer;
  #onlost;
  #onrestart;

  // onrestart(): negotiates an ICE restart
  constructor(onlost, onrestart) {
    this.#onlost = onlost;
    this.#onrestart = onrestart;
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
    clearTimeout(this.#restartTimer);
    this.#onlost = () => {};
    this.#onrestart = () => {};
    this.pc.close();
  }

  #stateChanged(resolve) {
    const state = this.pc.connectionState;
    if (state === "connected") {
      clearTimeout(this.#restartTimer);
      this.#restartTimer = undefined;
      resolve();
    }
    if (state === "disconnected" || state === "failed") this.#restart(state);
  }

  // Media continues on the old path, if that returns, until the new one is selected.
  #restart(state) {
    if (this.#restartTimer !== undefined) return;
    const reason = state === "failed" ? "media_failed" : "media_lost";
    this.#restartTimer = setTimeout(() => this.#onlost(reason), RESTART_TIMEOUT_MS);
    Promise.resolve(this.#onrestart()).catch((error) => console.warn("ICE restart", error));
  }
}
