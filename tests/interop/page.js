// A WHIP and WHEP client in `window.interop`, by RFC 9725 and the WHEP draft, without code of the
// demo page.

window.interop = {
  // the fake devices of Chromium: moving video with a beep
  camera(width, height) {
    return navigator.mediaDevices.getUserMedia({ video: { width, height, frameRate: 30 }, audio: true });
  },

  // video that needs no permission: without a permission, mDNS names hide host candidates
  canvas(width, height) {
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const context = canvas.getContext("2d");
    let step = 0;
    setInterval(() => {
      context.fillStyle = `hsl(${step++ % 360} 80% 40%)`;
      context.fillRect(0, 0, width, height);
      context.fillStyle = "white";
      context.fillRect((step * 7) % width, height / 3, 60, 60);
    }, 33);
    return canvas.captureStream(30);
  },

  // sendEncodings lowest first, undefined: a single encoding
  async publish(url, stream, sendEncodings) {
    const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    for (const track of stream.getTracks()) {
      const encodings = (track.kind === "video" && sendEncodings) || undefined;
      pc.addTransceiver(track, { direction: "sendonly", streams: [stream], sendEncodings: encodings });
    }
    return interop.negotiate(pc, url);
  },

  async play(url) {
    const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    const stream = new MediaStream();
    const video = Object.assign(document.createElement("video"), { srcObject: stream, autoplay: true });
    document.body.append(video);
    pc.ontrack = (event) => stream.addTrack(event.track);
    pc.addTransceiver("audio", { direction: "recvonly" });
    pc.addTransceiver("video", { direction: "recvonly" });
    return interop.negotiate(pc, url);
  },

  // POST the offer at once, then trickle candidates (RFC 9725 4.3)
  async negotiate(pc, url) {
    const candidates = [];
    let session = null;
    const complete = new Promise((resolve) => {
      pc.onicecandidate = (event) => {
        if (!event.candidate) return resolve();
        candidates.push(event.candidate);
        if (session) interop.trickle(pc, session, [event.candidate]);
      };
    });
    await pc.setLocalDescription();
    const response = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/sdp" },
      body: pc.localDescription.sdp,
    });
    const text = await response.text();
    if (response.status !== 201) throw new Error(`POST ${url}: ${response.status} ${text}`);
    const { headers } = response;
    session = { url: new URL(headers.get("Location"), url).href, etag: headers.get("ETag") };
    const early = candidates.splice(0);
    if (early.length) await interop.trickle(pc, session, early);
    await pc.setRemoteDescription({ type: "answer", sdp: text });
    await interop.until(() => pc.connectionState === "connected", `${url} to connect`);
    await complete;
    pc.session = session;
    return pc;
  },

  async trickle(pc, session, candidates) {
    const { sdp } = pc.localDescription;
    const line = (name) => sdp.match(new RegExp(`^a=${name}:.*$`, "m"))[0];
    const fragment = [
      line("ice-ufrag"), line("ice-pwd"),
      sdp.match(/^m=.*$/m)[0], line("mid"),
      ...candidates.map(({ candidate }) => `a=${candidate}`),
    ];
    const response = await fetch(session.url, {
      method: "PATCH",
      headers: { "Content-Type": "application/trickle-ice-sdpfrag", "If-Match": session.etag },
      body: fragment.map((text) => text.trim() + "\r\n").join(""),
    });
    const { status } = response;
    if (status !== 204) throw new Error(`PATCH: ${status} ${await response.text()}`);
  },

  // end the session by DELETE; returns the HTTP status
  async leave(pc) {
    const { status } = await fetch(pc.session.url, { method: "DELETE" });
    pc.close();
    return status;
  },

  async until(condition, what, seconds = 15) {
    const end = performance.now() + seconds * 1000;
    while (!(await condition())) {
      if (performance.now() > end) throw new Error(`timeout of ${seconds} s waiting for ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  },

  sleep(seconds) {
    return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  },

  // {transport, local, remote, video, audio, sent: {rid: ...}}: entries of webrtc-stats
  async stats(pc) {
    const all = [...(await pc.getStats()).values()];
    const transport = all.find((s) => s.type === "transport") ?? {};
    const pair = all.find((s) => s.id === transport.selectedCandidatePairId) ?? {};
    const inbound = (kind) => all.find((s) => s.type === "inbound-rtp" && s.kind === kind);
    const sent = all.filter((s) => s.type === "outbound-rtp" && s.kind === "video");
    return {
      transport,
      local: all.find((s) => s.id === pair.localCandidateId),
      remote: all.find((s) => s.id === pair.remoteCandidateId),
      video: inbound("video"),
      audio: inbound("audio"),
      sent: Object.fromEntries(sent.map((s) => [s.rid ?? "", s])),
    };
  },
};
