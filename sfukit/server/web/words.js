// Reason codes in words, with what to do about them. docs/protocol.md lists the codes.

const SWITCHES = {
  requested: "as you asked",
  best: "the best there is",
  bandwidth: "a larger one would not fit the connection",
  encoding_inactive: "the wanted one is not being sent",
  no_encoding: "nothing is being sent",
  keyframe_timeout: "its keyframe came late",
  timestamp_estimated: "its timing is estimated, the sender's clock was not known yet",
};

const ENCODINGS = {
  first_packet: "arrives",
  encoding_inactive: "fell silent",
  unwatched: "rests, since nobody watches it",
};

const LIMITS = { bandwidth: "held back by the connection", cpu: "held back by this machine's CPU" };

// [what happened, what to do]
const FAULTS = {
  no_connection: ["The server does not answer.", "Is “sfukit serve” running, and is this its address?"],
  socket_refused: ["The server is there but takes no WebSocket from this page.", "Open the page by the server's own address, or start it with --allow-origin; a proxy has to pass WebSockets on."],
  connection_lost: ["The connection to the server broke.", ""],
  no_answer: ["The server stopped answering.", ""],
  no_media_path: ["The server answers, but no media path came up.", "Media goes over UDP: is the port that “sfukit serve” prints open in the firewall?"],
  media_failed: ["The media path failed.", "Media goes over UDP: is the port that “sfukit serve” prints open in the firewall?"],
  media_lost: ["The media path broke.", ""],
  transport_lost: ["The media path broke.", ""],
  not_joined: ["You are not in the room at the moment.", "Wait until you are back."],
  negotiation_timeout: ["No media path came up within 30 s.", "Is the UDP port that “sfukit serve” prints open in the firewall?"],
  server_stopped: ["The server stopped.", ""],
  drain_deadline: ["The server stopped after its time to drain.", ""],
  internal_error: ["The server had an error of its own and closed the room.", "Its log says more."],
  slow_reader: ["This page did not keep up with the server's messages.", ""],
  replaced: ["You joined from another tab or device under this identity.", "Rejoin here to take the place back."],
  room_closed: ["The room was closed.", ""],
  room_idle: ["The room was closed: it was empty.", ""],
  too_many_errors: ["The server found too many of this page's requests invalid.", "Reload the page: it may be older than the server."],
  token_missing: ["This server asks for a token.", "Make one with “sfukit token” and open the page with ?token=..."],
  token_invalid: ["The token is not valid here.", "It has to be signed with this server's key: “sfukit token”."],
  token_expired: ["The token has expired.", "Ask for a new one."],
  room_denied: ["The token is for another room.", "Change the room's name, or ask for another token."],
  join_denied: ["The token does not allow to join.", "Ask for one with roomJoin."],
  create_denied: ["There is no such room, and the token may not make one.", "Ask for a token with roomCreate, or wait for a host."],
  publish_denied: ["The token does not allow to publish.", "Join with “Watch only”."],
  subscribe_denied: ["The token does not allow to receive.", "Ask for one with canSubscribe."],
  source_denied: ["The token does not allow to publish this kind of source.", "Choose another picture."],
  identity_denied: ["The token is for another identity.", ""],
  name_invalid: ["The room's name is not valid.", "Use 1 to 64 of A-Z a-z 0-9 . _ ~ -"],
  codec_unsupported: ["This browser and the sender share no codec.", ""],
  overloaded: ["The server is overloaded.", "Trying again."],
  draining: ["The server is about to stop and takes no new rooms.", "Trying again."],
  max_rooms: ["The server has as many rooms as it may.", "Trying again."],
  max_participants: ["The server has as many participants as it may.", "Trying again."],
  max_egress: ["The server sends as much as it may.", "Trying again."],
  rate_limited: ["Too many requests from this address.", "Trying again."],
  already_joined: ["An earlier stay has not ended yet.", "Trying again."],
  layer_unknown: ["This stream has no such layer.", ""],
  publication_unknown: ["This stream has just ended.", ""],
  not_yours: ["Only a host mutes others.", ""],
  insecure_page: ["Browsers give camera and screen to https pages and to localhost alone.", "Take the generated picture, or serve with --tls-cert."],
  camera_NotAllowedError: ["The browser was not allowed to use camera and microphone.", "Allow it in the address bar, or take the generated picture."],
  camera_NotFoundError: ["There is neither camera nor microphone.", "Take the generated picture."],
  camera_NotReadableError: ["The camera is in use by another program.", "Close that, or take the generated picture."],
  screen_NotAllowedError: ["No screen was chosen.", ""],
  screen_NotSupportedError: ["This browser cannot share a screen.", "Take the generated picture."],
};

export const switchWords = (reason) => SWITCHES[reason] ?? spoken(reason);
export const encodingWords = (reason) => ENCODINGS[reason] ?? spoken(reason);
export const limitWords = (reason) => LIMITS[reason] ?? "";

// {what, todo}
export function faultWords({ reason, message }) {
  const [what, todo] = FAULTS[reason] ?? [message ? `${spoken(reason)}: ${message}` : `${spoken(reason)}.`, ""];
  return { what, todo };
}

export function sourceWords(source) {
  return { camera: "camera", canvas: "generated", screen_share: "screen", microphone: "microphone" }[source] ?? spoken(source);
}

function spoken(reason) {
  return reason ? reason.replaceAll("_", " ") : "";
}

export function bitrateWords(bps) {
  if (bps === null) return "–";
  if (bps >= 1e6) return `${(bps / 1e6).toFixed(2)} Mb/s`;
  return `${Math.round(bps / 1e3)} kb/s`;
}

export function lossWords(ratio) {
  if (ratio === null) return "–";
  const percent = ratio * 100;
  return percent > 0 && percent < 0.1 ? "<0.1 %" : `${percent.toFixed(percent > 0 && percent < 10 ? 1 : 0)} %`;
}

export function millisecondWords(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 1) return "<1 ms";
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}

export function secondWords(seconds) {
  return `${seconds.toFixed(1)} s`;
}
