// Where pictures and sound come from: camera, screen, or a canvas that needs neither device nor permission.

import { drawnStream } from "./canvas.js";

const PICTURE = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };

// A device or a permission is missing; `reason` is a key of words.js.
export class NoSource extends Error {
  constructor(reason, message) {
    super(message);
    this.name = "NoSource";
    this.reason = reason;
  }
}

// Gives [{track, source, stream, stop}] for "camera", "screen", "canvas" or "none".
export async function openSource(kind, { name }) {
  if (kind === "none") return [];
  if (kind === "canvas") return entries(drawnStream(name), { video: "canvas", audio: "microphone" });
  const media = navigator.mediaDevices;
  // browsers hide the devices from pages that came over plain http from another machine
  if (!media) throw new NoSource("insecure_page", "navigator.mediaDevices is missing");
  try {
    if (kind === "screen") return await openScreen(media);
    return entries(await openCamera(media), { video: "camera", audio: "microphone" });
  } catch (fault) {
    throw new NoSource(`${kind}_${fault.name}`, fault.message);
  }
}

async function openScreen(media) {
  const stream = await media.getDisplayMedia({ video: { frameRate: { ideal: 30 } }, audio: true });
  return entries(stream, { video: "screen_share", audio: "screen_share_audio" });
}

// Half of the devices is better than none.
async function openCamera(media) {
  try {
    return await media.getUserMedia({ video: PICTURE, audio: true });
  } catch (fault) {
    if (fault.name !== "NotFoundError") throw fault;
    const devices = await media.enumerateDevices();
    const has = (kind) => devices.some((device) => device.kind === kind);
    if (!has("videoinput") && !has("audioinput")) throw fault;
    return media.getUserMedia({ video: has("videoinput") && PICTURE, audio: has("audioinput") });
  }
}

function entries(stream, sources) {
  return stream.getTracks().map((track) => ({ track, stream, source: sources[track.kind] }));
}

export function closeSource(sources) {
  for (const { track, stream } of sources) {
    track.stop();
    stream.dispatchEvent(new Event("stopped"));
  }
}
