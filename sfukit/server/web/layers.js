// The selectors of a video: its encoding and the highest layers of it, automatic or by name; a dot
// marks what is received.

import { element } from "./dom.js";

const AUTO = "auto";

let groups = 0;

// One row of radio buttons.
class Options {
  #group = `layer-${++groups}`;
  #options = element("div.options");
  #onselect;
  #values = "";
  #titles;

  // titles: value -> title of its button
  constructor(legend, titles, onselect) {
    this.#titles = titles;
    this.#onselect = onselect;
    this.root = element("fieldset.layers", { hidden: true }, element("legend", {}, legend), this.#options);
  }

  // values: those beside "auto"; names: value -> text
  show(values, selected, current, name = String) {
    if (this.#values !== values.join()) this.#build(values, name);
    this.root.hidden = values.length === 0;
    for (const input of this.#options.querySelectorAll("input")) {
      input.checked = input.value === String(selected);
      input.parentElement.classList.toggle("current", input.value === String(current));
    }
  }

  describe(titles) {
    for (const label of this.#options.children) {
      const title = titles.get(label.firstChild.value);
      if (title) label.title = title;
    }
  }

  #build(values, name) {
    this.#values = values.join();
    const options = values.map((value) => this.#option(value, name(value), this.#titles(value)));
    this.#options.replaceChildren(...(values.length ? [this.#option(AUTO, AUTO, "selected by the server")] : []), ...options);
  }

  #option(value, text, title) {
    const input = element("input", { type: "radio", name: this.#group, value: String(value) });
    input.addEventListener("change", () => this.#onselect(value));
    return element("label", { title }, input, element("span", {}, text));
  }
}

export class LayerSelector {
  #requested = AUTO;
  #current = null;
  #sizes = new Map(); // rid -> size when last received
  #encoding = new Options("Encoding", (rid) => `encoding ${rid}`, (layer) => this.#select({ layer }));
  #spatial = new Options("Spatial layer", (nth) => `up to spatial layer ${nth}`, (spatial) => this.#select({ spatial }));
  #temporal = new Options("Temporal layer", (nth) => `up to temporal layer ${nth}`, (temporal) => this.#select({ temporal }));
  #onselect;

  // onselect: called with "auto", a rid, or {layer, spatial, temporal}
  constructor(onselect) {
    this.#onselect = onselect;
    this.root = element("div.selectors", {}, this.#encoding.root, this.#spatial.root, this.#temporal.root);
  }

  // layer: {rid, requested, layers} or undefined
  show(rids, layer) {
    this.#requested = layer?.requested ?? AUTO;
    this.#current = layer?.rid ?? null;
    const layers = layer?.layers;
    const requested = this.#parts();
    this.#encoding.show(rids, requested.layer ?? AUTO, this.#current);
    this.#spatial.show(upTo(layers?.highest_spatial), requested.spatial ?? AUTO, layers?.spatial, (nth) => `S${nth}`);
    this.#temporal.show(upTo(layers?.highest_temporal), requested.temporal ?? AUTO, layers?.temporal, (nth) => `T${nth}`);
    this.root.hidden = [...this.root.children].every(({ hidden }) => hidden);
  }

  measure({ width, height }) {
    if (!this.#current || !width || this.#sizes.get(this.#current) === `${width}×${height}`) return;
    this.#sizes.set(this.#current, `${width}×${height}`);
    this.#encoding.describe(new Map([...this.#sizes].map(([rid, size]) => [rid, `${size} when last received`])));
  }

  #parts() {
    if (typeof this.#requested === "object") return this.#requested;
    return this.#requested === AUTO ? {} : { layer: this.#requested };
  }

  #select(part) {
    const parts = Object.entries({ ...this.#parts(), ...part }).filter(([, value]) => value !== AUTO);
    const requested = Object.fromEntries(parts);
    const names = Object.keys(requested);
    if (names.length === 0) this.#onselect(AUTO);
    else this.#onselect(names.join() === "layer" ? requested.layer : requested);
  }
}

// The layers from 0 to the highest, where there are several.
function upTo(highest) {
  return highest ? Array.from({ length: highest + 1 }, (_, nth) => nth) : [];
}
