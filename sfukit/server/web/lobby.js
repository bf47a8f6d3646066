// The join form. localStorage keeps name, source and codec; room and token come from the URL.

import { canPublish } from "./codecs.js";

const STORED = ["name", "source", "codec"];

export class Lobby {
  #form;

  constructor(form, { room, name }, onjoin) {
    this.#form = form;
    for (const option of form.elements.codec.options) option.disabled = !canPublish(option.value);
    this.#restore();
    if (room) form.elements.room.value = room;
    if (name) form.elements.name.value = name;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#store();
      onjoin(this.options);
    });
  }

  get options() {
    const { room, name, source, codec } = this.#form.elements;
    return { room: room.value.trim(), name: name.value.trim(), source: source.value, codec: codec.value };
  }

  set busy(busy) {
    this.#form.querySelector("fieldset").disabled = busy;
    this.#form.querySelector("[type=submit]").textContent = busy ? "Joining…" : "Join";
  }

  focus() {
    const { room, name } = this.#form.elements;
    (room.value && !name.value ? name : this.#form.querySelector("[type=submit]")).focus();
  }

  // localStorage throws where the browser denies it to the page.
  #restore() {
    try {
      for (const key of STORED) {
        const value = localStorage.getItem(`sfukit.${key}`);
        if (value && (key !== "codec" || canPublish(value))) this.#form.elements[key].value = value;
      }
    } catch {}
  }

  #store() {
    try {
      for (const key of STORED) localStorage.setItem(`sfukit.${key}`, this.options[key]);
    } catch {}
  }
}
