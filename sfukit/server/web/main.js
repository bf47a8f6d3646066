// The page put together: lobby, call, grid, controls. `window.sfukit` is its handle for scripts and tests.

import { Call } from "./call.js";
import { Controls } from "./controls.js";
import { write } from "./dom.js";
import { Grid } from "./grid.js";
import { History } from "./history.js";
import { Lobby } from "./lobby.js";
import { Notices } from "./notices.js";
import { closeSource, openSource } from "./source.js";

const MEASURE_MS = 1000;
const WORDS = { idle: "not joined", joining: "joining…", joined: "connected", reconnecting: "reconnecting…", left: "left", refused: "refused" };

const at = (id) => document.getElementById(id);
const link = new URLSearchParams(location.search);
const token = link.get("access_token") ?? link.get("token");

const call = new Call();
const notices = new Notices(at("notices"));
const history = new History(at("history"), call);
const grid = new Grid(at("grid"), call, (publication, layer) => attempt(() => call.setLayer(publication, layer)));
const lobby = new Lobby(at("lobby"), { room: link.get("room"), name: link.get("name") }, (wishes) => attempt(() => join(wishes)));
const controls = new Controls(at("controls"), {
  mic: () => attempt(() => call.mute("audio", !call.isMuted("audio"))),
  picture: () => attempt(() => call.mute("video", !call.isMuted("video"))),
  screen: () => attempt(() => (beside().length ? stopScreen() : shareScreen())),
  sound: () => setSound(!soundOn),
  leave,
});
let soundOn = false;
let lastWishes = null;

// options: {room, name, source: "camera" | "screen" | "canvas" | "none", uid}
async function join({ room, name = "", source = "canvas", uid }) {
  lastWishes = { room, name, source, uid };
  notices.clear();
  lobby.busy = true;
  let sources = [];
  try {
    sources = await openSource(source, { name: name || "somebody" });
    for (const { track } of sources) track.addEventListener("ended", show);
    await call.join({ url: socketUrl(), room, name, uid: uid ?? identity(name) }, sources);
    notices.clear();
    addressRoom(room);
  } catch (fault) {
    closeSource(sources);
    throw fault;
  } finally {
    lobby.busy = false;
  }
}

async function leave() {
  await call.leave();
  notices.clear();
}

async function shareScreen() {
  const entries = (await openSource("screen", { name: call.name })).map((entry) => ({ ...entry, beside: true }));
  // the browser's own button ends a share as well
  entries[0].track.addEventListener("ended", () => attempt(() => call.unpublish(beside())));
  try {
    await call.publish(entries);
  } catch (fault) {
    closeSource(entries);
    throw fault;
  }
}

async function stopScreen() {
  const ended = beside();
  closeSource(ended);
  await call.unpublish(ended);
}

function beside() {
  return call.sources.filter((entry) => entry.beside);
}

function setSound(on) {
  soundOn = on;
  grid.soundOn = on;
  show();
}

// The token's subject is the identity; without a token each tab is somebody else.
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

// The address names the room, so that it can be passed on; the token stays where it was.
function addressRoom(room) {
  link.set("room", room);
  window.history.replaceState(null, "", `?${link}`);
}

async function attempt(action) {
  try {
    await action();
  } catch (fault) {
    if (call.errors.at(-1)?.message !== fault.message) notices.fault(fault, {}, 15_000);
  }
}

function show() {
  const inside = ["joining", "joined", "reconnecting"].includes(call.state);
  if (!inside) releaseSources();
  enterView(inside);
  write(at("state"), WORDS[call.state]);
  at("state").dataset.state = call.state;
  write(at("title"), inside ? call.room : "");
  write(at("people"), call.state === "joined" ? peopleWords() : "");
  at("gaps").hidden = !inside || call.gaps.length === 0;
  write(at("gaps"), gapWords());
  showAlone();
  showControls();
  grid.show();
}

// Camera and screen are let go as soon as nobody is shown them.
function releaseSources() {
  closeSource(call.sources);
  call.sources = [];
}

function enterView(inside) {
  if (at("room").hidden !== inside) return;
  at("lobby").hidden = inside;
  at("room").hidden = !inside;
  // what had the focus is gone: keyboards and screen readers go on from here
  if (inside) at("title").focus();
  else lobby.focus();
}

function peopleWords() {
  const silent = call.roster.participants.filter(({ publications }) => publications.length === 0);
  const watching = silent.length ? `, ${silent.length} only watching` : "";
  return `${call.roster.count} ${call.roster.count === 1 ? "participant" : "participants"}${watching}`;
}

function gapWords() {
  const last = call.gaps.at(-1);
  if (!last) return "";
  const times = call.gaps.length > 1 ? ` · ${call.gaps.length} gaps so far` : "";
  return `reconnected after ${last.seconds.toFixed(1)} s${times}`;
}

function showAlone() {
  const others = call.roster.participants.some(({ publications }) => publications.length > 0);
  at("alone").hidden = call.state !== "joined" || others;
  const url = new URL(location.pathname, location.href);
  url.searchParams.set("room", call.room ?? "");
  at("invite").href = url.href;
  write(at("invite"), url.href);
}

function showControls() {
  const has = (kind) => call.sources.some(({ track, beside: second }) => track.kind === kind && !second);
  const ready = call.state === "joined";
  const canShare = ready && Boolean(navigator.mediaDevices?.getDisplayMedia) && lastWishes?.source !== "screen" && call.sources.length > 0;
  controls.show("mic", { hidden: !has("audio"), on: call.isMuted("audio"), loud: call.isMuted("audio") });
  controls.show("picture", { hidden: !has("video"), on: call.isMuted("video"), loud: call.isMuted("video") });
  controls.show("screen", { hidden: !canShare, on: beside().length > 0 });
  controls.show("sound", { on: soundOn, loud: !soundOn && call.received.some(({ kind }) => kind === "audio") });
  controls.show("leave", {});
}

function noticed({ detail }) {
  history.add(detail);
  const again = { label: "Rejoin here", run: () => attempt(() => join(lastWishes)) };
  const now = { label: "Try now", run: () => call.retryNow() };
  if (detail.kind === "gap") notices.gap(detail);
  if (detail.kind === "lost") notices.lost(detail, "Reconnecting…", now);
  if (detail.kind === "ended" && detail.reason !== "left") notices.fault(detail, again);
  if (detail.kind === "error") noticedFault(detail, now);
  if (detail.kind === "drain") notices.state(`This server stops in ${Math.round(detail.deadline_s)} s; this page joins again by itself.`);
}

async function noticedFault(fault, now) {
  const refused = fault.reason === "no_connection" && (await serverAnswers());
  const known = refused ? { ...fault, reason: "socket_refused" } : fault;
  if (!fault.passing) notices.fault(known, {}, 15_000);
  else if (call.state !== "joined") notices.lost(known, call.state === "joining" ? "Connecting…" : "Reconnecting…", now);
}

// A browser does not say why a WebSocket failed: is nobody there, or is the page unwelcome?
async function serverAnswers() {
  try {
    return (await fetch(new URL("livez", location.href), { cache: "no-store" })).ok && call.state !== "joined";
  } catch {
    return false;
  }
}

call.addEventListener("change", show);
call.addEventListener("notice", noticed);
call.addEventListener("figures", () => grid.measure());
setInterval(() => call.measure().then(showControls, () => {}), MEASURE_MS);
at("copy").addEventListener("click", () => {
  navigator.clipboard?.writeText(at("invite").href).then(() => write(at("copy"), "Copied"), () => {});
});
addEventListener("pagehide", () => call.leave());
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
  measure: () => call.measure(),
  join,
  leave,
  setLayer: (publication, layer) => call.setLayer(publication, layer),
  mute: (kind, muted) => call.mute(kind, muted),
};
