// Everybody in a grid: which tiles there are, and the elements that show them.

import { OwnTile } from "./own.js";
import { Tile } from "./tile.js";

export class Grid {
  #root;
  #call;
  #tiles = new Map();
  #own = new Map();
  #onlayer;
  #soundOn = false;

  constructor(root, call, onlayer) {
    this.#root = root;
    this.#call = call;
    this.#onlayer = onlayer;
  }

  set soundOn(on) {
    this.#soundOn = on;
    for (const tile of this.#tiles.values()) tile.muted = !on;
  }

  show() {
    const views = tilesOf(this.#call.roster.participants);
    this.#root.classList.toggle("stale", this.#call.state !== "joined");
    const own = ownOf(this.#call.sources);
    keep(this.#tiles, views.map(({ key }) => key), () => this.#tile());
    keep(this.#own, own.map(({ key }) => key), () => new OwnTile());
    for (const view of views) this.#showTile(view);
    for (const { key, sources, beside } of own) this.#own.get(key).show(this.#call.name, sources, this.#silence(beside));
    arrange(this.#root, [...views.map(({ key }) => this.#tiles.get(key).root), ...own.map(({ key }) => this.#own.get(key).root)]);
  }

  measure() {
    const { received, sent, encodings, sources } = this.#call;
    const byPublication = new Map(received.map((row) => [row.publication, row]));
    for (const view of tilesOf(this.#call.roster.participants)) {
      this.#tiles.get(view.key)?.measure({
        video: view.video && byPublication.get(view.video.publication),
        audio: view.audio && byPublication.get(view.audio.publication),
      });
    }
    for (const { key, sources: shown } of ownOf(sources)) {
      const names = shown.map(({ source }) => source);
      this.#own.get(key)?.measure(sent.filter(({ source }) => names.includes(source)), encodings);
    }
  }

  #tile() {
    const tile = new Tile(this.#onlayer);
    tile.muted = !this.#soundOn;
    return tile;
  }

  #showTile(view) {
    const track = (entry) => (entry ? this.#call.track(entry.publication) : null);
    const layer = view.video ? this.#call.layers.get(view.video.publication) : undefined;
    const live = this.#call.state === "joined";
    this.#tiles.get(view.key).show(view, { video: track(view.video), audio: track(view.audio) }, layer, live);
  }

  #silence(beside) {
    return { pictureOff: !beside && this.#call.isMuted("video"), soundOff: !beside && this.#call.isMuted("audio") };
  }
}

// A tile for each picture, with the sound that belongs to it; sound without a picture has its own.
export function tilesOf(participants) {
  const tiles = [];
  for (const { uid, name, publications } of participants) {
    const sounds = publications.filter(({ kind }) => kind === "audio");
    const pictures = publications.filter(({ kind }) => kind === "video");
    const shown = pictures.map((video) => ({ video, audio: take(sounds, isScreen(video)) }));
    const all = [...shown, ...sounds.map((audio) => ({ video: null, audio }))];
    tiles.push(...all.map((tile, nth) => ({ ...tile, uid, name, key: `${uid}/${nth}` })));
  }
  return tiles;
}

function ownOf(sources) {
  const main = sources.filter(({ beside }) => !beside);
  const besides = sources.filter(({ beside }) => beside);
  const groups = [{ key: "main", sources: main, beside: false }, { key: "beside", sources: besides, beside: true }];
  return groups.filter((group) => group.sources.length > 0);
}

function take(sounds, screen) {
  const nth = sounds.findIndex((audio) => isScreen(audio) === screen);
  return nth < 0 ? null : sounds.splice(nth, 1)[0];
}

function isScreen({ source }) {
  return source.startsWith("screen");
}

// Make what is new, drop what is gone, leave the others alone: a video that moves must not stop.
function keep(tiles, keys, make) {
  for (const key of tiles.keys()) if (!keys.includes(key)) tiles.delete(key);
  for (const key of keys) if (!tiles.has(key)) tiles.set(key, make());
}

function arrange(root, wanted) {
  for (const child of [...root.children]) if (!wanted.includes(child)) child.remove();
  wanted.forEach((child, nth) => {
    if (root.children[nth] !== child) root.insertBefore(child, root.children[nth] ?? null);
  });
}
