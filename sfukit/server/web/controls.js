// The control bar: microphone, video, screen share, audio, leave. Labels name the action of a click.

import { icon } from "./dom.js";

// [icon, label] of the button's two states
const BUTTONS = {
  mic: [["mic", "Mute mic"], ["mic-off", "Unmute mic"]],
  camera: [["camera", "Turn camera off"], ["camera-off", "Turn camera on"]],
  video: [["camera", "Turn video off"], ["camera-off", "Turn video on"]],
  screen: [["screen", "Share screen"], ["screen", "Stop sharing"]],
  audio: [["audio-off", "Unmute audio"], ["audio", "Mute audio"]],
  leave: [["leave", "Leave"], ["leave", "Leave"]],
};

export class Controls {
  #buttons = new Map();

  // actions: {mic, video, screen, audio, leave}
  constructor(root, actions) {
    for (const button of root.querySelectorAll("button")) {
      const name = button.dataset.action;
      button.addEventListener("click", () => actions[name]());
      this.#buttons.set(name, button);
    }
  }

  // on: the second state of the button; labels: a key of BUTTONS
  show(name, { hidden = false, on = false, highlighted = false, labels = name }) {
    const button = this.#buttons.get(name);
    const [image, text] = BUTTONS[labels][on ? 1 : 0];
    button.hidden = hidden;
    button.classList.toggle("highlighted", highlighted);
    if (button.dataset.label === text) return;
    button.dataset.label = text;
    const label = document.createElement("span");
    label.textContent = text;
    button.replaceChildren(icon(image), label);
  }
}
