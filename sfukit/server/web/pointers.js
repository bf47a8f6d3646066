// Pointers on a shared screen: those of others are shown on its video, the own one is sent.

import { element, write } from "./dom.js";

const INTERVAL_MS = 33;
const SHOWN_MS = 3000;

export class Pointers {
  #box;
  #video;
  #marks = new Map(); // uid -> {mark, timer}
  #sent_ms = 0;

  // box: the element around the video; onpointer({eventType, x, y, timestamp}) with x and y from 0 to 1
  constructor(box, video, onpointer) {
    this.#box = box;
    this.#video = video;
    for (const eventType of ["pointermove", "pointerdown", "pointerleave"]) {
      box.addEventListener(eventType, (event) => {
        const place = this.#place(event);
        const isDue = eventType !== "pointermove" || event.timeStamp - this.#sent_ms >= INTERVAL_MS;
        if (!isDue || (place === null && eventType !== "pointerleave")) return;
        this.#sent_ms = event.timeStamp;
        onpointer({ eventType, ...(place ?? { x: 0, y: 0 }), timestamp: Math.round(performance.timeOrigin + event.timeStamp) });
      });
    }
  }

  show(uid, name, { eventType, x, y }) {
    const inside = [x, y].every((value) => typeof value === "number" && value >= 0 && value <= 1);
    if (eventType === "pointerleave" || !inside) return this.#remove(uid);
    const { mark } = this.#marks.get(uid) ?? this.#add(uid);
    write(mark.firstChild, name);
    const { left, top, width, height } = this.#frame();
    mark.style.left = `${left + x * width}px`;
    mark.style.top = `${top + y * height}px`;
    mark.classList.toggle("down", eventType === "pointerdown");
    const entry = this.#marks.get(uid);
    clearTimeout(entry.timer);
    entry.timer = setTimeout(() => this.#remove(uid), SHOWN_MS);
  }

  #add(uid) {
    const mark = element("p.pointer", {}, element("span"));
    this.#box.append(mark);
    this.#marks.set(uid, { mark });
    return this.#marks.get(uid);
  }

  #remove(uid) {
    const entry = this.#marks.get(uid);
    if (!entry) return;
    clearTimeout(entry.timer);
    entry.mark.remove();
    this.#marks.delete(uid);
  }

  // Where an event is in the video frame, null beside it.
  #place({ clientX, clientY }) {
    const outer = this.#box.getBoundingClientRect();
    const { left, top, width, height } = this.#frame();
    const [x, y] = [(clientX - outer.left - left) / width, (clientY - outer.top - top) / height];
    const round = (value) => Math.round(value * 1e4) / 1e4;
    return x >= 0 && x <= 1 && y >= 0 && y <= 1 ? { x: round(x), y: round(y) } : null;
  }

  // The video frame within the box: the video element has bars where its shape is another.
  #frame() {
    const { offsetWidth, offsetHeight, videoWidth, videoHeight } = this.#video;
    const scale = Math.min(offsetWidth / (videoWidth || offsetWidth), offsetHeight / (videoHeight || offsetHeight));
    const [width, height] = [(videoWidth || offsetWidth) * scale, (videoHeight || offsetHeight) * scale];
    return { left: this.#video.offsetLeft + (offsetWidth - width) / 2, top: this.#video.offsetTop + (offsetHeight - height) / 2, width, height };
  }
}
