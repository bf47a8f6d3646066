// The size at which a video is shown, in device pixels.

// Sizes are rounded up to this, so that a window that is dragged reports few of them.
const STEP = 16;
const SETTLED_MS = 200;

export class ShownSize {
  #element;
  #onsize;
  #publication = null;
  #reported = "";
  #timer = null;

  // onsize(publication, {width, height}) is called once the size has settled
  constructor(element, onsize) {
    this.#element = element;
    this.#onsize = onsize;
    new ResizeObserver(() => this.#changed()).observe(element);
  }

  // publication: the received one, or null
  report(publication) {
    this.#publication = publication;
    if (publication !== null && !this.#reported.startsWith(`${publication}:`)) this.#send();
  }

  #changed() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#send(), SETTLED_MS);
  }

  #send() {
    const [width, height] = [this.#element.clientWidth, this.#element.clientHeight].map(devicePixels);
    const size = `${this.#publication}:${width}×${height}`;
    if (this.#publication === null || !width || !height || size === this.#reported) return;
    this.#reported = size;
    this.#onsize(this.#publication, { width, height });
  }
}

function devicePixels(length) {
  return Math.min(Math.ceil((length * window.devicePixelRatio) / STEP) * STEP, 16384);
}
