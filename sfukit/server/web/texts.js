// Texts of the page: reason codes (docs/protocol.md) with a fix for each, and units.

const LAYER_SWITCHES = {
  requested: "requested",
  best: "highest active encoding",
  size: "fits the size of the tile",
  bandwidth: "limited by the estimated bandwidth",
  last_n: "others have spoken later",
  encoding_inactive: "the preferred encoding is inactive",
  no_encoding: "no encoding is active",
  keyframe_timeout: "keyframe received after the timeout",
  timestamp_estimated: "RTP timestamp offset estimated, no sender report yet",
};

const ENCODING_STATES = {
  first_packet: "active: first packet received",
  encoding_inactive: "inactive: no packets received",
  unwatched: "inactive: no subscriber",
};

// qualityLimitationReason (W3C webrtc-stats)
const QUALITY_LIMITATIONS = { bandwidth: "bandwidth", cpu: "CPU" };

const CHECK_UDP = "Media is sent over UDP: is the port that “sfukit serve” prints open in the firewall?";
const RETRYING = "Retrying.";

// reason -> [cause, fix]
const ERRORS = {
  no_connection: ["The server does not respond.", "Is “sfukit serve” running, and is this its address?"],
  socket_refused: ["The server responds, but refuses the WebSocket of this page.", "Open the page by the server's own address, or start the server with --allow-origin; a reverse proxy has to forward WebSocket upgrades."],
  connection_lost: ["The signaling connection was lost.", ""],
  no_answer: ["The server stopped responding.", ""],
  no_media_path: ["Signaling works, but ICE and DTLS did not connect.", CHECK_UDP],
  media_failed: ["The peer connection failed.", CHECK_UDP],
  media_lost: ["The peer connection was lost.", ""],
  transport_lost: ["The server lost the transport.", ""],
  not_joined: ["You are not joined at the moment.", "Wait for the reconnection."],
  negotiation_timeout: ["ICE and DTLS did not connect within 30 s.", CHECK_UDP],
  server_stopped: ["The server stopped.", ""],
  drain_deadline: ["The server stopped at the end of its drain.", ""],
  internal_error: ["The room was closed by an internal server error.", "The server's log has the details."],
  slow_reader: ["This page read the server's messages too slowly.", ""],
  replaced: ["You joined from another tab or device with the same identity.", "Rejoin here to replace that session."],
  room_closed: ["The room was closed.", ""],
  room_idle: ["The room was closed: it was empty.", ""],
  too_many_errors: ["The server received too many invalid requests from this page.", "Reload the page: it may be older than the server."],
  token_missing: ["This server requires a token.", "Create one with “sfukit token” and open the page with ?token=..."],
  token_invalid: ["The token is not valid on this server.", "Sign it with this server's key: “sfukit token”."],
  token_expired: ["The token has expired.", "Request a new one."],
  room_denied: ["The token is for another room.", "Change the room's name, or request another token."],
  join_denied: ["The token does not grant joining.", "Request one with roomJoin."],
  create_denied: ["The room does not exist, and the token does not grant creating it.", "Request a token with roomCreate, or wait for a host."],
  publish_denied: ["The token does not grant publishing.", "Join with “Receive only”."],
  subscribe_denied: ["The token does not grant subscribing.", "Request one with canSubscribe."],
  source_denied: ["The token does not grant publishing this source.", "Choose another video source."],
  identity_denied: ["The token is for another identity.", ""],
  name_invalid: ["The room's name is not valid.", "Use 1 to 64 of A-Z a-z 0-9 . _ ~ -"],
  codec_not_encoded: ["This browser does not encode the chosen codec.", "Choose another video codec."],
  codec_unsupported: ["This browser and the publisher share no codec.", ""],
  overloaded: ["The server is overloaded.", RETRYING],
  draining: ["The server is draining and accepts no new rooms.", RETRYING],
  max_rooms: ["The server is at its limit of rooms.", RETRYING],
  max_participants: ["The server is at its limit of participants.", RETRYING],
  max_egress: ["The server is at its limit of outbound bandwidth.", RETRYING],
  rate_limited: ["Too many requests from this client.", RETRYING],
  already_joined: ["The previous session has not ended yet.", RETRYING],
  layer_unknown: ["This publication has no such encoding.", ""],
  publication_unknown: ["This publication has ended.", ""],
  not_yours: ["Only a host may mute other participants.", ""],
  insecure_page: ["Browsers allow camera and screen only on https pages and on localhost.", "Use generated video, or serve with --tls-cert."],
  camera_NotAllowedError: ["Permission for camera and microphone was denied.", "Allow both in the address bar, or use generated video."],
  camera_NotFoundError: ["No camera or microphone was found.", "Use generated video."],
  camera_NotReadableError: ["The camera is in use by another program.", "Close that program, or use generated video."],
  screen_NotAllowedError: ["Screen sharing was cancelled or denied.", ""],
  screen_NotSupportedError: ["This browser does not support screen sharing.", "Use generated video."],
};

const SOURCES = { camera: "camera", canvas: "generated", screen_share: "screen", microphone: "microphone" };

// quality: the notification, or null
export function qualityText(quality) {
  const limited = quality?.video.filter(({ reason }) => reason === "bandwidth") ?? [];
  if (!limited.length || quality.estimate_bps === null) return "";
  const paused = limited.filter((entry) => entry.paused).length;
  return `bandwidth about ${formatBitrate(quality.estimate_bps)}${paused ? `, ${paused} paused` : ""}`;
}

const PAUSES = { bandwidth: "not enough bandwidth", last_n: "others have spoken later" };

export const pauseText = (reason) => `video paused: ${PAUSES[reason] ?? plainText(reason)}`;
export const layerSwitchText = (reason) => LAYER_SWITCHES[reason] ?? plainText(reason);
export const encodingStateText = (reason) => ENCODING_STATES[reason] ?? plainText(reason);
export const sourceText = (source) => SOURCES[source] ?? plainText(source);

export function qualityLimitationText(reason) {
  return QUALITY_LIMITATIONS[reason] ? `quality limitation: ${QUALITY_LIMITATIONS[reason]}` : "";
}

// {cause, fix}
export function errorText({ reason, message }) {
  const [cause, fix] = ERRORS[reason] ?? [message ? `${plainText(reason)}: ${message}` : `${plainText(reason)}.`, ""];
  return { cause, fix };
}

function plainText(reason) {
  return reason ? reason.replaceAll("_", " ") : "";
}

export function formatBitrate(bps) {
  if (bps === null) return "–";
  if (bps >= 1e6) return `${(bps / 1e6).toFixed(2)} Mb/s`;
  return `${Math.round(bps / 1e3)} kb/s`;
}

export function formatLoss(ratio) {
  if (ratio === null) return "–";
  const percent = ratio * 100;
  return percent > 0 && percent < 0.1 ? "<0.1 %" : `${percent.toFixed(percent > 0 && percent < 10 ? 1 : 0)} %`;
}

export function formatMilliseconds(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 1) return "<1 ms";
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}

export function formatSeconds(seconds) {
  return `${seconds.toFixed(1)} s`;
}
