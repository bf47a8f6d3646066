// The form in front of the room. It remembers the name and the source; room and token come with the link.

const KEPT = ["name", "source"];

export class Lobby {
  #form;

  constructor(form, { room, name }, onjoin) {
    this.#form = form;
    this.#restore();
    if (room) form.elements.room.value = room;
    if (name) form.elements.name.value = name;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#remember();
      onjoin(this.wishes);
    });
  }

  get wishes() {
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

  // A browser that keeps nothing for this page is no reason not to join.
  #restore() {
    try {
      for (const key of KEPT) {
        const value = localStorage.getItem(`sfukit.${key}`);
        if (value) this.#form.elements[key].value = value;
      }
    } catch {}
  }

  #remember() {
    try {
      for (const key of KEPT) localStorage.setItem(`sfukit.${key}`, this.wishes[key]);
    } catch {}
  }
}
