// The selector of an encoding: automatic or one rid; a dot marks the one that is received.

import { element } from "./dom.js";

let groups = 0;

export class LayerSelector {
  #group = `layer-${++groups}`;
  #options = element("div.options");
  #onselect;
  #rids = "";
  #current = null;
  #sizes = new Map(); // rid -> size when last received

  constructor(onselect) {
    this.#onselect = onselect;
    this.root = element("fieldset.layers", { hidden: true }, element("legend", {}, "Encoding"), this.#options);
  }

  // layer: {rid, requested} or undefined
  show(rids, layer) {
    if (this.#rids !== rids.join()) this.#build(rids);
    this.#current = layer?.rid ?? null;
    this.root.hidden = rids.length === 0;
    for (const input of this.#options.querySelectorAll("input")) {
      input.checked = input.value === (layer?.requested ?? "auto");
      input.parentElement.classList.toggle("current", input.value === this.#current);
    }
  }

  measure({ width, height }) {
    if (!this.#current || !width || this.#sizes.get(this.#current) === `${width}×${height}`) return;
    this.#sizes.set(this.#current, `${width}×${height}`);
    for (const label of this.#options.children) {
      const size = this.#sizes.get(label.firstChild.value);
      if (size) label.title = `${size} when last received`;
    }
  }

  #build(rids) {
    this.#rids = rids.join();
    this.#options.replaceChildren(...(rids.length ? ["auto", ...rids] : []).map((layer) => this.#option(layer)));
  }

  #option(layer) {
    const input = element("input", { type: "radio", name: this.#group, value: layer });
    input.addEventListener("change", () => this.#onselect(layer));
    const title = layer === "auto" ? "selected by the server" : `encoding ${layer}`;
    return element("label", { title }, input, element("span", {}, layer));
  }
}
