// The bar of buttons: microphone, picture, screen, sound, leave. Each says what pressing it does.

import { icon } from "./dom.js";

const LOOKS = {
  mic: [["mic", "Mute"], ["mic-off", "Unmute"]],
  picture: [["camera", "Picture off"], ["camera-off", "Picture on"]],
  screen: [["screen", "Share screen"], ["screen", "Stop sharing"]],
  sound: [["sound-off", "Sound on"], ["sound", "Sound off"]],
  leave: [["leave", "Leave"], ["leave", "Leave"]],
};

export class Controls {
  #buttons = new Map();

  // actions: {mic, picture, screen, sound, leave}
  constructor(root, actions) {
    for (const button of root.querySelectorAll("button")) {
      const name = button.dataset.action;
      button.addEventListener("click", () => actions[name]());
      this.#buttons.set(name, button);
    }
  }

  // hidden: nothing to act on; on: the button's other state; loud: the user should see it
  show(name, { hidden = false, on = false, loud = false }) {
    const button = this.#buttons.get(name);
    const [image, text] = LOOKS[name][on ? 1 : 0];
    button.hidden = hidden;
    button.classList.toggle("loud", loud);
    if (button.dataset.look === text) return;
    button.dataset.look = text;
    const label = document.createElement("span");
    label.textContent = text;
    button.replaceChildren(icon(image), label);
  }
}
