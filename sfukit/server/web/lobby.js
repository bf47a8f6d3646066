// The join form. localStorage keeps name and source; room and token come from the URL.

const STORED = ["name", "source"];

export class Lobby {
  #form;

  constructor(form, { room, name }, onjoin) {
    this.#form = form;
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
    const { room, name, source } = this.#form.elements;
    return { room: room.value.trim(), name: name.value.trim(), source: source.value };
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
        if (value) this.#form.elements[key].value = value;
      }
    } catch {}
  }

  #store() {
    try {
      for (const key of STORED) localStorage.setItem(`sfukit.${key}`, this.options[key]);
    } catch {}
  }
}
