// Sources of video and audio: camera, screen, or a canvas that needs neither device nor permission.

import { canvasStream } from "./canvas.js";

const VIDEO = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };

// A device or a permission is missing; `reason` is a key of texts.js.
export class CaptureError extends Error {
  constructor(reason, message) {
    super(message);
    this.name = "CaptureError";
    this.reason = reason;
  }
}

// Returns [{track, source, stream}] for "camera", "screen", "canvas" or "none".
export async function openSource(kind, { name }) {
  if (kind === "none") return [];
  if (kind === "canvas") return entries(canvasStream(name), { video: "canvas", audio: "microphone" });
  const media = navigator.mediaDevices;
  // undefined in insecure contexts: http from another machine
  if (!media) throw new CaptureError("insecure_page", "navigator.mediaDevices is missing");
  try {
    if (kind === "screen") return await openScreen(media);
    return entries(await openCamera(media), { video: "camera", audio: "microphone" });
  } catch (error) {
    throw new CaptureError(`${kind}_${error.name}`, error.message);
  }
}

async function openScreen(media) {
  const stream = await media.getDisplayMedia({ video: { frameRate: { ideal: 30 } }, audio: true });
  return entries(stream, { video: "screen_share", audio: "screen_share_audio" });
}

// getUserMedia fails if either device is missing: then request the one that exists.
async function openCamera(media) {
  try {
    return await media.getUserMedia({ video: VIDEO, audio: true });
  } catch (error) {
    if (error.name !== "NotFoundError") throw error;
    const devices = await media.enumerateDevices();
    const has = (kind) => devices.some((device) => device.kind === kind);
    if (!has("videoinput") && !has("audioinput")) throw error;
    return media.getUserMedia({ video: has("videoinput") && VIDEO, audio: has("audioinput") });
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
