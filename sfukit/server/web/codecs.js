// The codecs of published video, each with its layers: simulcast (RFC 8853) or SVC (scalabilityMode
// of W3C webrtc-svc).

// Lowest encoding first.
const SIMULCAST = [
  { rid: "q", scaleResolutionDownBy: 4, maxBitrate: 150_000, scalabilityMode: "L1T1" },
  { rid: "h", scaleResolutionDownBy: 2, maxBitrate: 500_000, scalabilityMode: "L1T1" },
  { rid: "f", scaleResolutionDownBy: 1, maxBitrate: 1_700_000, scalabilityMode: "L1T1" },
];
const SVC_BITRATE = 2_350_000; // the sum of simulcast

const CODECS = {
  vp8: { mimeType: "video/VP8", encodings: SIMULCAST },
  h264: { mimeType: "video/H264", encodings: SIMULCAST },
  vp9: { mimeType: "video/VP9", encodings: [{ maxBitrate: SVC_BITRATE, scalabilityMode: "L3T3_KEY" }] },
  av1: { mimeType: "video/AV1", encodings: [{ maxBitrate: SVC_BITRATE, scalabilityMode: "L3T3" }] },
};

export const DEFAULT_CODEC = "vp8";

const supported = () => RTCRtpSender.getCapabilities("video")?.codecs ?? [];

const isOf = (codec) => ({ mimeType }) => mimeType.toLowerCase() === CODECS[codec].mimeType.toLowerCase();

// Whether this browser encodes a codec.
export function canPublish(codec) {
  return Object.hasOwn(CODECS, codec) && supported().some(isOf(codec));
}

// Parameters of the encodings for addTransceiver; the objects are new, since browsers keep them.
export function sendEncodings(codec) {
  return CODECS[codec].encodings.map((encoding) => ({ ...encoding }));
}

// Offer this codec first: the server takes the first one that it forwards.
export function preferCodec(transceiver, codec) {
  const codecs = supported();
  const first = codecs.filter(isOf(codec));
  transceiver.setCodecPreferences([...first, ...codecs.filter((entry) => !first.includes(entry))]);
}

// Offer RED (RFC 2198) first: each packet has the audio of the one before it too.
export function preferRedundantAudio(transceiver) {
  const codecs = RTCRtpSender.getCapabilities("audio")?.codecs ?? [];
  const isRed = ({ mimeType }) => mimeType.toLowerCase() === "audio/red";
  if (codecs.some(isRed)) transceiver.setCodecPreferences([...codecs.filter(isRed), ...codecs.filter((entry) => !isRed(entry))]);
}
