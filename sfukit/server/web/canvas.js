// A moving picture with a clock, drawn here, and a tone with it: media for a machine without a camera.

import { tone } from "./tone.js";

const WIDTH = 1280;
const HEIGHT = 720;
const FLASH_MS = 80;

// A stream of one video and one audio track. It ends on a "stopped" event.
export function drawnStream(name) {
  const canvas = Object.assign(document.createElement("canvas"), { width: WIDTH, height: HEIGHT });
  const pen = canvas.getContext("2d", { alpha: false });
  const seed = hash(name);
  const metronome = new Worker(new URL("metronome.js", import.meta.url));
  const sound = tone(seed);
  // no rate of its own: each drawing is a frame, also in a tab that nobody looks at
  const stream = canvas.captureStream();
  let frame = 0;
  const paint = () => draw(pen, { name, hue: seed % 360, now: new Date(), frame: frame++ });
  paint();
  metronome.onmessage = paint;
  stream.addTrack(sound.track);
  stream.addEventListener("stopped", () => {
    metronome.terminate();
    sound.close();
  }, { once: true });
  return stream;
}

function draw(pen, { name, hue, now, frame }) {
  const flash = now.getMilliseconds() < FLASH_MS;
  backdrop(pen, hue, frame);
  ball(pen, hue, frame);
  sweep(pen, now);
  pen.textAlign = "center";
  pen.fillStyle = "#fff";
  write(pen, clock(now), "600 150px ui-monospace, monospace", HEIGHT / 2 + 30);
  write(pen, name, "600 64px system-ui, sans-serif", 150);
  write(pen, `frame ${frame}`, "36px ui-monospace, monospace", HEIGHT / 2 + 120);
  if (flash) {
    pen.fillRect(0, 0, WIDTH, 24);
    pen.fillRect(0, HEIGHT - 24, WIDTH, 24);
  }
}

function backdrop(pen, hue, frame) {
  const shade = pen.createLinearGradient(0, 0, WIDTH, HEIGHT);
  shade.addColorStop(0, `hsl(${hue + 15 * Math.sin(frame / 90)} 55% 26%)`);
  shade.addColorStop(1, `hsl(${hue + 70} 60% 14%)`);
  pen.fillStyle = shade;
  pen.fillRect(0, 0, WIDTH, HEIGHT);
}

function ball(pen, hue, frame) {
  pen.fillStyle = `hsl(${hue + 160} 75% 60%)`;
  pen.beginPath();
  pen.arc(bounce(frame * 7, 70, WIDTH - 70), bounce(frame * 5, 70, HEIGHT - 70), 46, 0, 2 * Math.PI);
  pen.fill();
}

// One turn a second: a stalled picture shows at a glance.
function sweep(pen, now) {
  const turn = (now.getMilliseconds() / 1000) * 2 * Math.PI - Math.PI / 2;
  pen.strokeStyle = "rgb(255 255 255 / .85)";
  pen.lineWidth = 12;
  pen.beginPath();
  pen.arc(WIDTH - 110, 110, 54, -Math.PI / 2, turn);
  pen.stroke();
}

function write(pen, text, font, y) {
  pen.font = font;
  pen.fillText(text, WIDTH / 2, y, WIDTH - 120);
}

function clock(now) {
  const two = (number) => String(number).padStart(2, "0");
  const tenths = Math.floor(now.getMilliseconds() / 100);
  return `${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}.${tenths}`;
}

function bounce(way, low, high) {
  const span = high - low;
  const at = way % (2 * span);
  return low + (at < span ? at : 2 * span - at);
}

function hash(text) {
  let value = 7;
  for (const letter of text) value = (value * 31 + letter.codePointAt(0)) >>> 0;
  return value;
}
