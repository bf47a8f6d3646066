// The tile of the local participant: each published encoding with its state.

import { element, write } from "./dom.js";
import { Pointers } from "./pointers.js";
import { encodingStateText, formatBitrate, formatLoss, formatMilliseconds, qualityLimitationText, sourceText } from "./texts.js";

export class LocalTile {
  #video = element("video", { autoplay: true, playsInline: true, muted: true });
  #name = element("span.name");
  #badges = element("span.badges");
  #overlay = element("p.overlay", { hidden: true });
  #rows = element("tbody");
  #table = element(
    "table.encodings",
    {},
    element("caption", {}, "Published encodings"),
    element("thead", {}, element("tr", {}, ...["rid", "state", "bitrate", "resolution"].map((name) => element("th", { scope: "col" }, name)))),
    this.#rows,
  );
  #transportStats = element("p.audio-stats");
  #pointers;

  constructor() {
    const box = element("div.video", {}, this.#video, this.#overlay, element("p.caption", {}, this.#name, this.#badges));
    this.#pointers = new Pointers(box, this.#video, () => {});
    this.root = element(
      "article.tile.local",
      { "aria-label": "Your video and audio" },
      box,
      element("div.stats", {}, this.#table, this.#transportStats),
    );
  }

  // sources: [{track, source}], one video track with its audio track
  show(name, sources, { videoMuted, audioMuted, speech }) {
    const video = sources.find(({ track }) => track.kind === "video");
    write(this.#name, `${name} (you)`);
    this.#badges.replaceChildren(element("span.badge", {}, video ? sourceText(video.source) : "audio only"));
    if (speech) this.#badges.append(element("span.badge.speech", {}, "speaking"));
    this.root.dataset.speech = speech;
    if (audioMuted) this.#badges.append(element("span.badge.warn", {}, "muted"));
    write(this.#overlay, overlayText(video, videoMuted));
    this.#overlay.hidden = this.#overlay.textContent === "";
    this.#video.classList.toggle("mirrored", video?.source === "camera");
    if (this.#video.srcObject?.getTracks()[0] !== video?.track) {
      this.#video.srcObject = video ? new MediaStream([video.track]) : null;
    }
  }

  showPointer(uid, name, event) {
    this.#pointers.show(uid, name, event);
  }

  // rows: outbound rows of stats.js; states: "publication/rid" -> {active, reason} from the server
  measure(rows, states) {
    const encodings = rows.filter(({ kind }) => kind === "video");
    this.#table.hidden = encodings.length === 0;
    this.#rows.replaceChildren(...encodings.map((row) => encodingRow(row, states.get(`${row.publication}/${row.rid}`))));
    write(this.#transportStats, transportText(rows));
  }
}

function overlayText(video, muted) {
  if (!video) return "no video";
  if (video.track.readyState === "ended") return "the video track has ended";
  return muted ? "video muted" : "";
}

function encodingRow(row, reported) {
  const { text, good } = encodingState(row, reported);
  const resolution = row.width && row.bitrate_bps ? [`${row.width}×${row.height}`, `${Math.round(row.fps)} fps`] : ["–"];
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, row.rid || "single"),
    element("td", {}, element(good ? "span.state.good" : "span.state", {}, text)),
    element("td.value", {}, formatBitrate(row.bitrate_bps)),
    // size and frame rate may wrap in a narrow tile
    element("td", {}, ...resolution.flatMap((part, index) => [index ? " " : "", element("span.value", {}, part)])),
  );
}

function encodingState(row, reported) {
  const limitation = qualityLimitationText(row.qualityLimitationReason);
  const inactive = limitation ? `inactive, ${limitation}` : "inactive";
  if (row.framesSent === 0) return { text: limitation ? inactive : "no frame sent yet", good: false };
  if (reported?.reason === "unwatched" && !reported.active) return { text: encodingStateText(reported.reason), good: false };
  if (!row.active || row.bitrate_bps === 0) return { text: inactive, good: false };
  if (reported && !reported.active) return { text: encodingStateText(reported.reason), good: false };
  return { text: limitation ? `active, ${limitation}` : "active", good: true };
}

function transportText(rows) {
  const audio = rows.find(({ kind }) => kind === "audio");
  const withRtt = rows.find(({ rtt_ms }) => rtt_ms !== null);
  const parts = [];
  if (audio) parts.push(`audio ${formatBitrate(audio.bitrate_bps)}`);
  if (withRtt) parts.push(`RTT ${formatMilliseconds(withRtt.rtt_ms)}`, `packet loss ${formatLoss(Math.max(...rows.map(({ loss }) => loss)))}`);
  return parts.join(" · ");
}
