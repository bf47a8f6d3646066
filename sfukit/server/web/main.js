// The page: lobby, call, grid, controls. `window.sfukit` is the handle for scripts and tests.

import { Call } from "./call.js";
import { Chat } from "./chat.js";
import { canPublish, DEFAULT_CODEC } from "./codecs.js";
import { Controls } from "./controls.js";
import { write } from "./dom.js";
import { EventLog } from "./event-log.js";
import { Grid } from "./grid.js";
import { Lobby } from "./lobby.js";
import { Notices } from "./notices.js";
import { CaptureError, closeSource, openSource } from "./source.js";
import { qualityText } from "./texts.js";

const STATS_INTERVAL_MS = 1000;
const ERROR_SHOWN_MS = 15_000;
const STATE_TEXTS = { idle: "not joined", joining: "joining…", joined: "connected", reconnecting: "reconnecting…", left: "left", refused: "refused" };

const at = (id) => document.getElementById(id);
const link = new URLSearchParams(location.search);
const token = link.get("access_token") ?? link.get("token");

const call = new Call();
const notices = new Notices(at("notices"));
const eventLog = new EventLog(at("event-log"), call);
const grid = new Grid(
  at("grid"),
  call,
  {
    onlayer: (publication, layer) => attempt(() => call.setLayer(publication, layer)),
    // ended meanwhile
    onsize: (publication, size) => call.setShownSize(publication, size).catch(() => {}),
    onpointer: (publication, event) => call.send("pointer", { publication, ...event }).catch(() => {}),
  },
);
const chat = new Chat(at("chat"), (text) => attempt(() => sendChat(text)));
const lobby = new Lobby(at("lobby"), { room: link.get("room"), name: link.get("name") }, (options) => attempt(() => join(options)));
const controls = new Controls(at("controls"), {
  mic: () => attempt(() => call.mute("audio", !call.isMuted("audio"))),
  video: () => attempt(() => call.mute("video", !call.isMuted("video"))),
  screen: () => attempt(() => (screenShare().length ? stopScreen() : shareScreen())),
  audio: () => setAudioMuted(!audioMuted),
  leave,
});
let audioMuted = true;
let lastOptions = null;

// options: {room, name, source: "camera" | "screen" | "canvas" | "none", codec, uid}
async function join({ room, name = "", source = "canvas", codec = DEFAULT_CODEC, uid }) {
  lastOptions = { room, name, source, codec, uid };
  notices.clear();
  lobby.busy = true;
  let sources = [];
  try {
    if (source !== "none" && !canPublish(codec)) throw new CaptureError("codec_not_encoded", codec);
    sources = await openSource(source, { name: name || "guest" });
    for (const { track } of sources) track.addEventListener("ended", show);
    chat.clear();
    await call.join({ url: socketUrl(), room, name, uid: uid ?? identity(name), codec }, sources);
    notices.clear();
    addressRoom(room);
  } catch (error) {
    closeSource(sources);
    throw error;
  } finally {
    lobby.busy = false;
  }
}

async function sendChat(text) {
  await call.send("chat", { text });
  chat.add(`${call.name || "guest"} (you)`, text);
}

function received({ detail: { label, uid, name, message } }) {
  if (label === "chat") chat.add(name, message.text ?? "");
  if (label === "pointer") grid.showPointer(uid, name, message);
}

async function leave() {
  await call.leave();
  notices.clear();
}

async function shareScreen() {
  const entries = (await openSource("screen", { name: call.name })).map((entry) => ({ ...entry, secondary: true }));
  // browsers have a button of their own that ends a screen share
  entries[0].track.addEventListener("ended", () => attempt(() => call.unpublish(screenShare())));
  try {
    await call.publish(entries);
  } catch (error) {
    closeSource(entries);
    throw error;
  }
}

async function stopScreen() {
  const ended = screenShare();
  closeSource(ended);
  await call.unpublish(ended);
}

function screenShare() {
  return call.sources.filter((entry) => entry.secondary);
}

function setAudioMuted(muted) {
  audioMuted = muted;
  grid.audioMuted = muted;
  show();
}

// The token's subject is the identity; without a token each tab has a random one.
function identity(name) {
  if (token) return undefined;
  const readable = name.replaceAll(/[^A-Za-z0-9._~-]/g, "").slice(0, 40) || "guest";
  return `${readable}-${Math.random().toString(36).slice(2, 8)}`;
}

function socketUrl() {
  const url = new URL("ws", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  url.search = token ? `?access_token=${encodeURIComponent(token)}` : "";
  return url.href;
}

// The page's URL names the room, so that it can be shared; its token parameter is unchanged.
function addressRoom(room) {
  link.set("room", room);
  window.history.replaceState(null, "", `?${link}`);
}

async function attempt(action) {
  try {
    await action();
  } catch (error) {
    if (call.errors.at(-1)?.message !== error.message) notices.error(error, {}, ERROR_SHOWN_MS);
  }
}

function show() {
  const inside = ["joining", "joined", "reconnecting"].includes(call.state);
  if (!inside) releaseSources();
  enterView(inside);
  write(at("state"), STATE_TEXTS[call.state]);
  at("state").dataset.state = call.state;
  write(at("title"), inside ? call.room : "");
  write(at("participants"), call.state === "joined" ? participantsText() : "");
  showEstimate(inside);
  at("gaps").hidden = !inside || call.gaps.length === 0;
  write(at("gaps"), gapText());
  showInvitation();
  showControls();
  grid.show();
}

// Release camera and screen as soon as they are not published.
function releaseSources() {
  closeSource(call.sources);
  call.sources = [];
}

function enterView(inside) {
  if (at("room").hidden !== inside) return;
  at("lobby").hidden = inside;
  at("room").hidden = !inside;
  // the focused element is hidden now: keyboards and screen readers continue here
  if (inside) at("title").focus();
  else lobby.focus();
}

function participantsText() {
  const receiveOnly = call.roster.participants.filter(({ publications }) => publications.length === 0);
  const suffix = receiveOnly.length ? `, ${receiveOnly.length} receive-only` : "";
  return `${call.roster.count} ${call.roster.count === 1 ? "participant" : "participants"}${suffix}`;
}

// Only reported where the bandwidth limits what is received.
function showEstimate(inside) {
  const text = inside ? qualityText(call.quality) : "";
  at("estimate").hidden = text === "";
  write(at("estimate"), text);
}

function gapText() {
  const last = call.gaps.at(-1);
  if (!last) return "";
  const count = call.gaps.length > 1 ? ` · ${call.gaps.length} reconnections` : "";
  return `reconnected after ${last.seconds.toFixed(1)} s${count}`;
}

function showInvitation() {
  const published = call.roster.participants.some(({ publications }) => publications.length > 0);
  at("invitation").hidden = call.state !== "joined" || published;
  const url = new URL(location.pathname, location.href);
  url.searchParams.set("room", call.room ?? "");
  at("invitation-link").href = url.href;
  write(at("invitation-link"), url.href);
}

function showControls() {
  const has = (kind) => call.sources.some(({ track, secondary }) => track.kind === kind && !secondary);
  const joined = call.state === "joined";
  const canShare = joined && Boolean(navigator.mediaDevices?.getDisplayMedia) && lastOptions?.source !== "screen" && call.sources.length > 0;
  controls.show("mic", { hidden: !has("audio"), on: call.isMuted("audio"), highlighted: call.isMuted("audio") });
  const labels = lastOptions?.source === "camera" ? "camera" : "video";
  controls.show("video", { hidden: !has("video"), on: call.isMuted("video"), highlighted: call.isMuted("video"), labels });
  controls.show("screen", { hidden: !canShare, on: screenShare().length > 0 });
  controls.show("audio", { on: !audioMuted, highlighted: audioMuted && call.received.some(({ kind }) => kind === "audio") });
  controls.show("leave", {});
}

function noticed({ detail }) {
  eventLog.add(detail);
  const rejoin = { label: "Rejoin here", run: () => attempt(() => join(lastOptions)) };
  const retry = { label: "Retry now", run: () => call.retryNow() };
  if (detail.kind === "gap") notices.gap(detail);
  if (detail.kind === "lost") notices.lost(detail, "Reconnecting…", retry);
  if (detail.kind === "ended" && detail.reason !== "left") notices.error(detail, rejoin);
  if (detail.kind === "error") showError(detail, retry);
  if (detail.kind === "drain") notices.state(`This server stops in ${Math.round(detail.deadline_s)} s; this page will rejoin automatically.`);
}

async function showError(error, retry) {
  const refused = error.reason === "no_connection" && (await serverResponds());
  const shown = refused ? { ...error, reason: "socket_refused" } : error;
  if (!error.unreachable) notices.error(shown, {}, ERROR_SHOWN_MS);
  else if (call.state !== "joined") notices.lost(shown, call.state === "joining" ? "Connecting…" : "Reconnecting…", retry);
}

// Browsers do not report why a WebSocket failed: no server, or a refused origin.
async function serverResponds() {
  try {
    return (await fetch(new URL("livez", location.href), { cache: "no-store" })).ok && call.state !== "joined";
  } catch {
    return false;
  }
}

call.addEventListener("change", show);
call.addEventListener("notice", noticed);
call.addEventListener("message", received);
call.addEventListener("stats", () => grid.measure());
setInterval(() => call.measure().then(showControls, () => {}), STATS_INTERVAL_MS);
at("copy").addEventListener("click", () => {
  navigator.clipboard?.writeText(at("invitation-link").href).then(() => write(at("copy"), "Copied"), () => {});
});
addEventListener("pagehide", () => call.leave());
addEventListener("online", () => call.restartIce().catch((error) => console.warn("ICE restart", error)));
show();
lobby.focus();

window.sfukit = {
  get state() {
    return call.state;
  },
  get joined() {
    return call.state === "joined";
  },
  get uid() {
    return call.uid;
  },
  get gaps() {
    return call.gaps;
  },
  get errors() {
    return call.errors;
  },
  get participants() {
    return call.roster.participants;
  },
  get publications() {
    return call.publications;
  },
  get streams() {
    return call.received.map((row) => ({ ...call.roster.publication(row.publication), ...row, layer: call.layers.get(row.publication) ?? null }));
  },
  get encodings() {
    return call.sent;
  },
  get quality() {
    return call.quality;
  },
  get speakers() {
    return call.speakers;
  },
  measure: () => call.measure(),
  restartIce: () => call.restartIce(),
  join,
  leave,
  setLayer: (publication, layer) => call.setLayer(publication, layer),
  mute: (kind, muted) => call.mute(kind, muted),
};
