// Generated media for a machine without a camera: a canvas with a moving clock, and a tone.

import { tone } from "./tone.js";

const WIDTH = 1280;
const HEIGHT = 720;
const FLASH_MS = 80;

// Returns a MediaStream of one video and one audio track; the event "stopped" releases it.
export function canvasStream(name) {
  const canvas = Object.assign(document.createElement("canvas"), { width: WIDTH, height: HEIGHT });
  const context = canvas.getContext("2d", { alpha: false });
  const seed = hash(name);
  const frameTimer = new Worker(new URL("frame-timer.js", import.meta.url));
  const audio = tone(seed);
  // without a frame rate each drawing is a frame, also in a background tab
  const stream = canvas.captureStream();
  let frame = 0;
  const paint = () => draw(context, { name, hue: seed % 360, now: new Date(), frame: frame++ });
  paint();
  frameTimer.onmessage = paint;
  stream.addTrack(audio.track);
  stream.addEventListener("stopped", () => {
    frameTimer.terminate();
    audio.close();
  }, { once: true });
  return stream;
}

function draw(context, { name, hue, now, frame }) {
  const flash = now.getMilliseconds() < FLASH_MS;
  backdrop(context, hue, frame);
  ball(context, hue, frame);
  sweep(context, now);
  context.textAlign = "center";
  context.fillStyle = "#fff";
  write(context, clock(now), "600 150px ui-monospace, monospace", HEIGHT / 2 + 30);
  write(context, name, "600 64px system-ui, sans-serif", 150);
  write(context, `frame ${frame}`, "36px ui-monospace, monospace", HEIGHT / 2 + 120);
  if (flash) {
    context.fillRect(0, 0, WIDTH, 24);
    context.fillRect(0, HEIGHT - 24, WIDTH, 24);
  }
}

function backdrop(context, hue, frame) {
  const shade = context.createLinearGradient(0, 0, WIDTH, HEIGHT);
  shade.addColorStop(0, `hsl(${hue + 15 * Math.sin(frame / 90)} 55% 26%)`);
  shade.addColorStop(1, `hsl(${hue + 70} 60% 14%)`);
  context.fillStyle = shade;
  context.fillRect(0, 0, WIDTH, HEIGHT);
}

function ball(context, hue, frame) {
  context.fillStyle = `hsl(${hue + 160} 75% 60%)`;
  context.beginPath();
  context.arc(bounce(frame * 7, 70, WIDTH - 70), bounce(frame * 5, 70, HEIGHT - 70), 46, 0, 2 * Math.PI);
  context.fill();
}

// One turn a second, so that a freeze is visible at a glance.
function sweep(context, now) {
  const turn = (now.getMilliseconds() / 1000) * 2 * Math.PI - Math.PI / 2;
  context.strokeStyle = "rgb(255 255 255 / .85)";
  context.lineWidth = 12;
  context.beginPath();
  context.arc(WIDTH - 110, 110, 54, -Math.PI / 2, turn);
  context.stroke();
}

function write(context, text, font, y) {
  context.font = font;
  context.fillText(text, WIDTH / 2, y, WIDTH - 120);
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
