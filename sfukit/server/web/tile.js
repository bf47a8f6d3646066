// One tile of the grid: a picture, its name, its figures, and the choice of its layer.

import { element, icon, write } from "./dom.js";
import { LayerChoice } from "./layers.js";
import { bitrateWords, faultWords, lossWords, millisecondWords, sourceWords, switchWords } from "./words.js";

const STALLED_MS = 3000;

export class Tile {
  #video = element("video", { autoplay: true, playsInline: true, muted: true });
  #name = element("span.name");
  #badges = element("span.badges");
  #veil = element("p.veil", { hidden: true });
  #figures = new Map(["bitrate", "RTT", "loss", "picture"].map((name) => [name, element("dd")]));
  #sound = element("p.sound");
  #reason = element("p.reason");
  #choice;
  #grown = { frames: -1, at: 0 };
  #list = element("dl.figures");
  #view = null;
  #live = true;
  #ended = null;

  constructor(onlayer) {
    this.#choice = new LayerChoice((layer) => onlayer(this.#view.video.publication, layer));
    for (const [name, value] of this.#figures) {
      this.#list.append(element("div", {}, element("dt", {}, name), value));
    }
    this.root = element(
      "article.tile",
      {},
      element("div.picture", {}, this.#video, this.#veil, element("p.plate", {}, this.#name, this.#badges)),
      element("div.below", {}, this.#list, this.#choice.root, this.#sound, this.#reason),
    );
  }

  // view: {name, video, audio} with publications or null; tracks: {video, audio};
  // live: false while the line is lost, when the last picture stays
  show(view, tracks, layer, live) {
    this.#view = view;
    this.#live = live;
    this.#ended = layer?.ended ?? null;
    const about = view.video ? sourceWords(view.video.source) : "sound only";
    this.root.setAttribute("aria-label", `${view.name}, ${about}`);
    write(this.#name, view.name);
    this.#mark(view, about);
    if (live) this.#play([tracks.video, tracks.audio].filter(Boolean));
    this.#choice.show(view.video?.rids ?? [], layer);
    this.#list.hidden = !view.video;
    write(this.#reason, reasonLine(view, layer));
    this.#cover();
  }

  // rows of stats.js, undefined while there are none
  measure({ video, audio }) {
    if (video) {
      this.#put("bitrate", bitrateWords(video.bitrate_bps));
      this.#put("RTT", millisecondWords(video.rtt_ms));
      this.#put("loss", lossWords(video.loss), video.loss > 0.02);
      this.#put("picture", video.width ? `${video.width}×${video.height} · ${Math.round(video.fps)} fps` : "–");
      this.#choice.measure(video);
      if (video.framesDecoded !== this.#grown.frames) this.#grown = { frames: video.framesDecoded, at: performance.now() };
    }
    write(this.#sound, audio ? `sound ${bitrateWords(audio.bitrate_bps)} · loss ${lossWords(audio.loss)}` : "");
    this.#sound.hidden = !audio;
    this.#cover();
  }

  set muted(muted) {
    this.#video.muted = muted;
    if (!muted) this.#start();
  }

  #put(name, text, bad = false) {
    const value = this.#figures.get(name);
    write(value, text);
    value.classList.toggle("bad", bad);
  }

  #mark({ video, audio }, about) {
    this.#badges.replaceChildren(element("span.badge", {}, about));
    if (audio?.muted) this.#badges.append(element("span.badge.warn", {}, icon("mic-off"), "muted"));
  }

  #play(tracks) {
    const now = this.#video.srcObject?.getTracks() ?? [];
    if (now.length === tracks.length && tracks.every((track) => now.includes(track))) return;
    this.#video.srcObject = tracks.length ? new MediaStream(tracks) : null;
    this.#start();
  }

  // Muted video may always start; if sound may not yet, it starts muted at the next click.
  #start() {
    this.#video.play().catch(() => {});
  }

  #cover() {
    const text = this.#veilText();
    write(this.#veil, text);
    this.#veil.hidden = text === "";
  }

  #veilText() {
    const { video } = this.#view;
    if (!this.#live) return "reconnecting…";
    if (this.#ended) return faultWords({ reason: this.#ended }).what;
    if (!video) return "no picture";
    if (video.muted) return "picture off";
    if (this.#grown.frames <= 0) return "waiting for the first picture";
    return performance.now() - this.#grown.at > STALLED_MS ? "the picture stands still" : "";
  }
}

function reasonLine({ video }, layer) {
  if (!video || !layer?.reason) return "";
  const { rid, wanted, reason, waitMs } = layer;
  if (wanted !== "auto" && rid && wanted !== rid) return `You asked for layer ${wanted}; ${rid} is received until it comes`;
  const waited = waitMs ? `, after ${millisecondWords(waitMs)}` : "";
  return `${rid ? `Layer ${rid}` : "Its only encoding"}${waited}: ${switchWords(reason)}`;
}
