// The selector of a layer: automatic or one encoding; a dot marks what is received now.

import { element } from "./dom.js";

let groups = 0;

export class LayerChoice {
  #group = `layer-${++groups}`;
  #options = element("div.options");
  #choose;
  #rids = "";
  #seen = new Map(); // rid -> size as last received

  constructor(choose) {
    this.#choose = choose;
    this.root = element("fieldset.layers", { hidden: true }, element("legend", {}, "Layer"), this.#options);
  }

  // layer: {rid, wanted} or undefined
  show(rids, layer) {
    if (this.#rids !== rids.join()) this.#build(rids);
    this.#current = layer?.rid ?? null;
    this.root.hidden = rids.length === 0;
    for (const input of this.#options.querySelectorAll("input")) {
      input.checked = input.value === (layer?.wanted ?? "auto");
      input.parentElement.classList.toggle("current", input.value === this.#current);
    }
  }

  measure({ width, height }) {
    if (!this.#current || !width || this.#seen.get(this.#current) === `${width}×${height}`) return;
    this.#seen.set(this.#current, `${width}×${height}`);
    for (const label of this.#options.children) {
      const size = this.#seen.get(label.firstChild.value);
      if (size) label.title = `${size} when last seen`;
    }
  }

  #current = null;

  #build(rids) {
    this.#rids = rids.join();
    this.#options.replaceChildren(...(rids.length ? ["auto", ...rids] : []).map((layer) => this.#option(layer)));
  }

  #option(layer) {
    const input = element("input", { type: "radio", name: this.#group, value: layer });
    input.addEventListener("change", () => this.#choose(layer));
    const title = layer === "auto" ? "let the server choose" : `encoding ${layer}`;
    return element("label", { title }, input, element("span", {}, layer));
  }
}
