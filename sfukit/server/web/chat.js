// The chat of the room: text of participants, newest last.

import { element, write } from "./dom.js";

const MAX_ENTRIES = 200;
const MAX_TEXT = 2000;

export class Chat {
  #root;
  #list;
  #unread;
  #count = 0;

  // root: a details element with a list, a form and a counter; onsend(text) returns a promise
  constructor(root, onsend) {
    this.#root = root;
    this.#list = root.querySelector("ol");
    this.#unread = root.querySelector(".unread");
    const form = root.querySelector("form");
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const text = form.elements.text.value.trim();
      if (text === "") return;
      form.elements.text.value = "";
      await onsend(text.slice(0, MAX_TEXT));
    });
    root.addEventListener("toggle", () => this.#showUnread(0));
  }

  add(name, text) {
    const entry = element("li", {}, element("strong", {}, name), ` ${String(text).slice(0, MAX_TEXT)}`);
    this.#list.append(entry);
    while (this.#list.children.length > MAX_ENTRIES) this.#list.firstChild.remove();
    this.#list.scrollTop = this.#list.scrollHeight;
    if (!this.#root.open) this.#showUnread(this.#count + 1);
  }

  clear() {
    this.#list.replaceChildren();
    this.#showUnread(0);
  }

  #showUnread(count) {
    this.#count = count;
    write(this.#unread, count === 0 ? "" : ` (${count} new)`);
  }
}
