// Notices above the grid: one line for the connection state, and errors that the user can dismiss.

import { element } from "./dom.js";
import { errorText, formatSeconds } from "./texts.js";

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
    this.#add("gap", "good", `Reconnected after ${formatSeconds(seconds)}.`, "", {}, SHOWN_MS);
  }

  // Remains until the reconnection; the error of the next attempt replaces it.
  lost(error, activity, action) {
    const { cause, fix } = errorText(error);
    this.#add("state", "warn", `${activity} ${cause}`, fix, action);
  }

  state(text) {
    this.#add("state", "warn", text, "");
  }

  error(error, action, shownMs) {
    const { cause, fix } = errorText(error);
    this.#add(error.reason ?? "failed", "bad", cause, fix, action, shownMs);
  }

  // A notice replaces the earlier one of the same key.
  #add(key, severity, text, fix, action = {}, shownMs = 0) {
    const body = element("p", {}, element("strong", {}, text), fix ? ` ${fix}` : "");
    const dismiss = element("button.plain", { type: "button", "aria-label": "Dismiss" }, "×");
    const actions = action.label ? [element("button", { type: "button", onclick: action.run }, action.label)] : [];
    const notice = element(`div.notice.${severity}`, { role: severity === "bad" ? "alert" : "status" }, body, ...actions, dismiss);
    dismiss.onclick = () => this.#drop(key);
    const previous = this.#shown.get(key);
    if (previous && previous.firstChild.textContent === body.textContent) return;
    previous?.remove();
    this.#shown.set(key, notice);
    this.#root.append(notice);
    if (shownMs) setTimeout(() => this.#shown.get(key) === notice && this.#drop(key), shownMs);
  }

  #drop(key) {
    this.#shown.get(key)?.remove();
    this.#shown.delete(key);
  }
}

