// The tile of a remote participant: its video, name, statistics and the selector of an encoding.

import { element, icon, write } from "./dom.js";
import { LayerSelector } from "./layers.js";
import { Pointers } from "./pointers.js";
import { ShownSize } from "./shown-size.js";
import { errorText, formatBitrate, formatLoss, formatMilliseconds, layerSwitchText, pauseText, sourceText } from "./texts.js";

const FROZEN_AFTER_MS = 3000;
const HIGH_LOSS = 0.02;

export class Tile {
  #video = element("video", { autoplay: true, playsInline: true, muted: true });
  #name = element("span.name");
  #badges = element("span.badges");
  #overlay = element("p.overlay", { hidden: true });
  #values = new Map(["bitrate", "RTT", "packet loss", "resolution"].map((name) => [name, element("dd")]));
  #audioStats = element("p.audio-stats");
  #reason = element("p.reason");
  #selector;
  #lastFrame = { framesDecoded: -1, at_ms: 0 };
  #videoStats = element("dl.video-stats");
  #view = null;
  #live = true;
  #ended = null;
  #pause = null;
  #shownSize;
  #pointers;

  // onpointer(publication, event): of a shared screen
  constructor(onlayer, onsize, onpointer) {
    this.#shownSize = new ShownSize(this.#video, onsize);
    this.#selector = new LayerSelector((layer) => onlayer(this.#view.video.publication, layer));
    for (const [name, value] of this.#values) {
      this.#videoStats.append(element("div", {}, element("dt", {}, name), value));
    }
    const box = element("div.video", {}, this.#video, this.#overlay, element("p.caption", {}, this.#name, this.#badges));
    this.#pointers = new Pointers(box, this.#video, (event) => {
      if (this.#view?.video && isScreen(this.#view.video)) onpointer(this.#view.video.publication, event);
    });
    this.root = element(
      "article.tile",
      {},
      box,
      element("div.stats", {}, this.#videoStats, this.#selector.root, this.#audioStats, this.#reason),
    );
  }

  // view: {name, video, audio} with publications or null; tracks: {video, audio};
  // live: false while the connection is lost, when the last frame remains;
  // speech: "dominant" for the dominant speaker, "speaks" for another one, else ""
  show(view, tracks, layer, { live, speech }) {
    this.#view = view;
    this.#live = live;
    this.#ended = layer?.ended ?? null;
    this.#pause = layer?.paused ? layer.reason : null;
    const source = view.video ? sourceText(view.video.source) : "audio only";
    this.root.setAttribute("aria-label", `${view.name}, ${source}`);
    write(this.#name, view.name);
    this.#showBadges(view, source, speech);
    this.root.dataset.speech = speech;
    if (live) this.#play([tracks.video, tracks.audio].filter(Boolean));
    this.#shownSize.report(live && tracks.video ? view.video.publication : null);
    this.#selector.show(view.video?.rids ?? [], layer);
    this.#videoStats.hidden = !view.video;
    write(this.#reason, reasonText(view, layer));
    this.#showOverlay();
  }

  // rows of stats.js, or undefined
  measure({ video, audio }) {
    if (video) {
      this.#showValue("bitrate", formatBitrate(video.bitrate_bps));
      this.#showValue("RTT", formatMilliseconds(video.rtt_ms));
      this.#showValue("packet loss", formatLoss(video.loss), video.loss > HIGH_LOSS);
      this.#showValue("resolution", video.width ? `${video.width}×${video.height} ${Math.round(video.fps)} fps` : "–");
      this.#selector.measure(video);
      const { framesDecoded } = video;
      if (framesDecoded !== this.#lastFrame.framesDecoded) this.#lastFrame = { framesDecoded, at_ms: performance.now() };
    }
    write(this.#audioStats, audio ? `audio ${formatBitrate(audio.bitrate_bps)} · packet loss ${formatLoss(audio.loss)}` : "");
    this.#audioStats.hidden = !audio;
    this.#showOverlay();
  }

  showPointer(uid, name, event) {
    this.#pointers.show(uid, name, event);
  }

  set muted(muted) {
    this.#video.muted = muted;
    if (!muted) this.#start();
  }

  #showValue(name, text, bad = false) {
    const value = this.#values.get(name);
    write(value, text);
    value.classList.toggle("bad", bad);
  }

  #showBadges({ audio }, source, speech) {
    this.#badges.replaceChildren(element("span.badge", {}, source));
    if (speech) this.#badges.append(element("span.badge.speech", {}, "speaking"));
    if (audio?.muted) this.#badges.append(element("span.badge.warn", {}, icon("mic-off"), "muted"));
  }

  #play(tracks) {
    const playing = this.#video.srcObject?.getTracks() ?? [];
    if (playing.length === tracks.length && tracks.every((track) => playing.includes(track))) return;
    this.#video.srcObject = tracks.length ? new MediaStream(tracks) : null;
    this.#start();
  }

  // Muted autoplay is always allowed; unmuted playback may need a user gesture first.
  #start() {
    this.#video.play().catch(() => {});
  }

  #showOverlay() {
    const text = this.#overlayText();
    write(this.#overlay, text);
    this.#overlay.hidden = text === "";
  }

  #overlayText() {
    const { video } = this.#view;
    if (!this.#live) return "reconnecting…";
    if (this.#ended) return errorText({ reason: this.#ended }).cause;
    if (!video) return "no video";
    if (video.muted) return "video muted";
    if (this.#pause) return pauseText(this.#pause);
    if (this.#lastFrame.framesDecoded <= 0) return "waiting for the first frame";
    return performance.now() - this.#lastFrame.at_ms > FROZEN_AFTER_MS ? "video frozen" : "";
  }
}

export function isScreen({ source }) {
  return source.startsWith("screen");
}

function reasonText({ video }, layer) {
  if (!video || video.muted || !layer?.reason) return "";
  const { rid, reason, waitMs, paused, layers } = layer;
  const requested = layer.requested.layer ?? layer.requested;
  if (paused) return `Paused: ${layerSwitchText(reason)}`;
  if (typeof requested === "string" && requested !== "auto" && rid && requested !== rid) return `Encoding ${requested} requested; ${rid} is received until the switch`;
  const waited = waitMs ? ` after ${formatMilliseconds(waitMs)}` : "";
  const encoding = rid ? `Encoding ${rid}` : video.rids.length ? "No encoding" : layers ? "Single encoding up to" : "Single encoding";
  const received = layers ? `${encoding} S${layers.spatial} T${layers.temporal}` : encoding;
  return `${received}${waited}: ${layerSwitchText(reason)}`;
}
