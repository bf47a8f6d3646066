// The grid of tiles: one for each remote video, and those of the local participant.

import { LocalTile } from "./local-tile.js";
import { isScreen, Tile } from "./tile.js";

export class Grid {
  #root;
  #call;
  #tiles = new Map();
  #localTiles = new Map();
  #onlayer;
  #onsize;
  #onpointer;
  #audioMuted = true;

  constructor(root, call, { onlayer, onsize, onpointer }) {
    this.#root = root;
    this.#call = call;
    this.#onlayer = onlayer;
    this.#onsize = onsize;
    this.#onpointer = onpointer;
  }

  set audioMuted(muted) {
    this.#audioMuted = muted;
    for (const tile of this.#tiles.values()) tile.muted = muted;
  }

  show() {
    const views = remoteViews(this.#call.roster.participants);
    this.#root.classList.toggle("stale", this.#call.state !== "joined");
    const groups = sourceGroups(this.#call.sources);
    synchronize(this.#tiles, views.map(({ key }) => key), () => this.#createTile());
    synchronize(this.#localTiles, groups.map(({ key }) => key), () => new LocalTile());
    for (const view of views) this.#showTile(view);
    for (const { key, sources, secondary } of groups) {
      const speech = secondary ? "" : this.#call.ownSpeech;
      this.#localTiles.get(key).show(this.#call.name, sources, { ...this.#mutedState(secondary), speech });
    }
    const tiles = [...views.map(({ key }) => this.#tiles.get(key)), ...groups.map(({ key }) => this.#localTiles.get(key))];
    arrange(this.#root, tiles.map(({ root }) => root));
  }

  measure() {
    const { received, sent, encodings, sources } = this.#call;
    const byPublication = new Map(received.map((row) => [row.publication, row]));
    for (const view of remoteViews(this.#call.roster.participants)) {
      this.#tiles.get(view.key)?.measure({
        video: view.video && byPublication.get(view.video.publication),
        audio: view.audio && byPublication.get(view.audio.publication),
      });
    }
    for (const group of sourceGroups(sources)) {
      const names = group.sources.map(({ source }) => source);
      this.#localTiles.get(group.key)?.measure(sent.filter(({ source }) => names.includes(source)), encodings);
    }
  }

  // Show the pointer of a participant on the screen that it points at.
  showPointer(uid, name, event) {
    const views = remoteViews(this.#call.roster.participants);
    const view = views.find(({ video }) => video?.publication === event.publication);
    if (view) return this.#tiles.get(view.key)?.showPointer(uid, name, event);
    const own = this.#call.publications.find((entry) => entry.publication === event.publication);
    const groups = sourceGroups(this.#call.sources);
    const group = own && groups.find(({ sources }) => sources.some(({ source }) => source === own.source));
    if (group) this.#localTiles.get(group.key)?.showPointer(uid, name, event);
  }

  #createTile() {
    const tile = new Tile(this.#onlayer, this.#onsize, this.#onpointer);
    tile.muted = this.#audioMuted;
    return tile;
  }

  #showTile(view) {
    const track = (entry) => (entry ? this.#call.track(entry.publication) : null);
    const layer = view.video ? this.#call.layers.get(view.video.publication) : undefined;
    const state = { live: this.#call.state === "joined", speech: this.#call.speechOf(view.audio?.publication) };
    this.#tiles.get(view.key).show(view, { video: track(view.video), audio: track(view.audio) }, layer, state);
  }

  #mutedState(secondary) {
    return { videoMuted: !secondary && this.#call.isMuted("video"), audioMuted: !secondary && this.#call.isMuted("audio") };
  }
}

// A view for each video publication with its audio; audio without video has a view of its own.
export function remoteViews(participants) {
  const views = [];
  for (const { uid, name, publications } of participants) {
    const audios = publications.filter(({ kind }) => kind === "audio");
    const videos = publications.filter(({ kind }) => kind === "video");
    const withVideo = videos.map((video) => ({ video, audio: removeMatching(audios, isScreen(video)) }));
    const all = [...withVideo, ...audios.map((audio) => ({ video: null, audio }))];
    views.push(...all.map((view, index) => ({ ...view, uid, name, key: `${uid}/${index}` })));
  }
  return views;
}

function sourceGroups(sources) {
  const main = sources.filter(({ secondary }) => !secondary);
  const screen = sources.filter(({ secondary }) => secondary);
  const groups = [{ key: "main", sources: main, secondary: false }, { key: "secondary", sources: screen, secondary: true }];
  return groups.filter((group) => group.sources.length > 0);
}

function removeMatching(audios, screen) {
  const index = audios.findIndex((audio) => isScreen(audio) === screen);
  return index < 0 ? null : audios.splice(index, 1)[0];
}

// Create missing tiles and delete obsolete ones.
function synchronize(tiles, keys, create) {
  for (const key of tiles.keys()) if (!keys.includes(key)) tiles.delete(key);
  for (const key of keys) if (!tiles.has(key)) tiles.set(key, create());
}

// Move only misplaced elements: a video element that is moved in the DOM pauses.
function arrange(root, elements) {
  for (const child of [...root.children]) if (!elements.includes(child)) child.remove();
  elements.forEach((child, index) => {
    if (root.children[index] !== child) root.insertBefore(child, root.children[index] ?? null);
  });
}
