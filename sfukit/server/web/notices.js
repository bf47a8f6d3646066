// Short messages above the grid: one line of state that stays, and faults that the user can put away.

import { element } from "./dom.js";
import { faultWords, secondWords } from "./words.js";

const SHOWN_MS = 12_000;

export class Notices {
  #root;
  #shown = new Map(); // reason -> element

  constructor(root) {
    this.#root = root;
  }

  clear() {
    this.#shown.clear();
    this.#root.replaceChildren();
  }

  gap({ seconds }) {
    this.clear();
    this.#add("gap", "good", `Reconnected after ${secondWords(seconds)}.`, "", {}, SHOWN_MS);
  }

  // A lost line stays on show until the gap ends; what the next try meets takes its place.
  lost(fault, doing, action) {
    const { what, todo } = faultWords(fault);
    this.#add("state", "warn", `${doing} ${what}`, todo, action);
  }

  state(text) {
    this.#add("state", "warn", text, "");
  }

  fault(fault, action, shownMs) {
    const { what, todo } = faultWords(fault);
    this.#add(fault.reason ?? "failed", "bad", what, todo, action, shownMs);
  }

  // The same reason again renews the message that is there.
  #add(key, tone, what, todo, action = {}, shownMs = 0) {
    const text = element("p", {}, element("strong", {}, what), todo ? ` ${todo}` : "");
    const away = element("button.plain", { type: "button", "aria-label": "Put this message away" }, "×");
    const act = action.label ? [element("button", { type: "button", onclick: action.run }, action.label)] : [];
    const made = element(`div.notice.${tone}`, { role: tone === "bad" ? "alert" : "status" }, text, ...act, away);
    away.onclick = () => this.#drop(key);
    const before = this.#shown.get(key);
    if (before && before.firstChild.textContent === text.textContent) return;
    before?.remove();
    this.#shown.set(key, made);
    this.#root.append(made);
    if (shownMs) setTimeout(() => this.#shown.get(key) === made && this.#drop(key), shownMs);
  }

  #drop(key) {
    this.#shown.get(key)?.remove();
    this.#shown.delete(key);
  }
}

