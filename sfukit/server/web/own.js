// The own tile: what is sent, encoding by encoding, and what the server makes of it.

import { element, write } from "./dom.js";
import { bitrateWords, encodingWords, limitWords, lossWords, millisecondWords, sourceWords } from "./words.js";

export class OwnTile {
  #video = element("video", { autoplay: true, playsInline: true, muted: true });
  #name = element("span.name");
  #badges = element("span.badges");
  #veil = element("p.veil", { hidden: true });
  #rows = element("tbody");
  #table = element(
    "table.encodings",
    {},
    element("caption", {}, "Encodings that you send"),
    element("thead", {}, element("tr", {}, ...["rid", "state", "bitrate", "picture"].map((name) => element("th", { scope: "col" }, name)))),
    this.#rows,
  );
  #line = element("p.sound");

  constructor() {
    this.root = element(
      "article.tile.own",
      { "aria-label": "What you send" },
      element("div.picture", {}, this.#video, this.#veil, element("p.plate", {}, this.#name, this.#badges)),
      element("div.below", {}, this.#table, this.#line),
    );
  }

  // sources: [{track, source}] of one picture with its sound
  show(name, sources, { pictureOff, soundOff }) {
    const video = sources.find(({ track }) => track.kind === "video");
    write(this.#name, `${name} (you)`);
    this.#badges.replaceChildren(element("span.badge", {}, video ? sourceWords(video.source) : "sound only"));
    if (soundOff) this.#badges.append(element("span.badge.warn", {}, "muted"));
    write(this.#veil, veilText(video, pictureOff));
    this.#veil.hidden = this.#veil.textContent === "";
    this.#video.classList.toggle("mirrored", video?.source === "camera");
    if (this.#video.srcObject?.getTracks()[0] !== video?.track) {
      this.#video.srcObject = video ? new MediaStream([video.track]) : null;
    }
  }

  // rows: outbound rows of stats.js of these sources; states: what the server told of each encoding
  measure(rows, states) {
    const pictures = rows.filter(({ kind }) => kind === "video");
    this.#table.hidden = pictures.length === 0;
    this.#rows.replaceChildren(...pictures.map((row) => encodingRow(row, states.get(`${row.publication}/${row.rid}`))));
    write(this.#line, lineOf(rows));
  }
}

function veilText(video, off) {
  if (!video) return "no picture";
  if (video.track.readyState === "ended") return "the picture's source has ended";
  return off ? "picture off" : "";
}

function encodingRow(row, told) {
  const { text, good } = stateOf(row, told);
  const picture = row.width && row.bitrate_bps ? [`${row.width}×${row.height}`, `${Math.round(row.fps)} fps`] : ["–"];
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, row.rid || "single"),
    element("td", {}, element(good ? "span.state.good" : "span.state", {}, text)),
    element("td.figure", {}, bitrateWords(row.bitrate_bps)),
    // the size and the rate may stand below each other in a narrow tile
    element("td", {}, ...picture.flatMap((part, index) => [index ? " " : "", element("span.figure", {}, part)])),
  );
}

function stateOf(row, told) {
  const limit = limitWords(row.limited);
  if (row.framesSent === 0) return { text: limit || "not sent yet", good: false };
  if (told?.reason === "unwatched" && !told.active) return { text: encodingWords(told.reason), good: true };
  if (!row.active || row.bitrate_bps === 0) return { text: limit || "not sent", good: false };
  if (told && !told.active) return { text: encodingWords(told.reason), good: false };
  return { text: limit ? `sent, ${limit}` : "sent", good: true };
}

function lineOf(rows) {
  const sound = rows.find(({ kind }) => kind === "audio");
  const heard = rows.find(({ rtt_ms }) => rtt_ms !== null);
  const parts = [];
  if (sound) parts.push(`sound ${bitrateWords(sound.bitrate_bps)}`);
  if (heard) parts.push(`RTT ${millisecondWords(heard.rtt_ms)}`, `loss ${lossWords(Math.max(...rows.map(({ loss }) => loss)))}`);
  return parts.join(" · ");
}
