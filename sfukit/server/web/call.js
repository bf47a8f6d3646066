// A call across sessions: after a lost connection or a server restart it joins again.

import { delayMs, RetryTimer } from "./backoff.js";
import { Roster } from "./roster.js";
import { Session } from "./session.js";
import { RequestRefused, Unreachable } from "./signaling.js";
import { inboundStats, outboundStats, Rates } from "./stats.js";

// Reasons without a rejoin: it would replace another tab, or undo a decision.
const FINAL = new Set(["left", "replaced", "room_closed", "room_idle", "too_many_errors"]);
const RETRIED = new Set(["overloaded", "draining", "max_rooms", "max_participants", "max_egress", "rate_limited", "already_joined"]);
const MAX_ERRORS = 100;

// Events: "change" (state, participants, tracks), "stats", "notice" {detail: {kind, reason, ...}},
// "message" {detail: {label, uid, name, message}} of data channels.
export class Call extends EventTarget {
  #options;
  #session = null;
  #retryTimer = new RetryTimer();
  #joinNumber = 0;
  #lostAt = null;
  #lostReason = "";
  #lastError = "";
  #rates = new Rates();
  #requestedLayers = new Map(); // "uid/source" -> layer, kept across rejoins
  #mutedKinds = new Set(); // "audio", "video"

  state = "idle"; // idle, joining, joined, reconnecting, left, refused
  gaps = [];
  errors = [];
  sources = []; // published {track, source, stream, secondary}; secondary: a screen share secondary the camera
  roster = new Roster();
  layers = new Map(); // publication -> {rid, reason, waitMs, requested, ended, shown, paused, layers}
  quality = null; // {estimate_bps, sent_bps, video} reported by the server
  speakers = []; // {uid, publication, level_dbov}, the dominant speaker first
  encodings = new Map(); // "publication/rid" -> {active, reason} reported by the server
  received = []; // statistics of inbound streams
  sent = []; // statistics of outbound encodings
  serverStats = null;

  get uid() {
    return this.#options?.uid ?? null;
  }

  get room() {
    return this.#options?.room ?? null;
  }

  get name() {
    return this.#options?.name ?? "";
  }

  get publications() {
    return this.#session?.publishing.publications ?? [];
  }

  // "dominant", "speaks" or ""
  speechOf(publication) {
    const place = this.speakers.findIndex((speaker) => speaker.publication === publication);
    if (place < 0) return "";
    return place === 0 ? "dominant" : "speaks";
  }

  get ownSpeech() {
    const own = this.speakers.find(({ uid }) => uid === this.uid);
    return own ? this.speechOf(own.publication) : "";
  }

  track(publication) {
    return this.#session?.subscribing.tracks.get(publication) ?? null;
  }

  // options: {url, room, uid, name, codec}. Resolves after the first join; rejoins in the background.
  join(options, sources) {
    this.#options = options;
    this.sources = sources;
    this.#mutedKinds.clear();
    this.#requestedLayers.clear();
    this.roster.clear();
    this.#lostAt = null;
    const joinNumber = ++this.#joinNumber;
    this.#enterState("joining");
    return new Promise((resolve, reject) => this.#run(joinNumber, resolve, reject));
  }

  async leave() {
    this.#joinNumber += 1;
    this.#retryTimer.skip();
    const session = this.#session;
    this.#clearSession();
    this.#enterState("left");
    await session?.leave();
  }

  // The network has changed: both peer connections look for new paths.
  async restartIce() {
    if (this.state === "joined") await this.#session?.restartIce();
  }

  retryNow() {
    this.#retryTimer.skip();
  }

  async setLayer(publication, layer) {
    const { uid, source } = this.roster.publication(publication) ?? {};
    await this.#requestLayer(publication, layer);
    this.#requestedLayers.set(`${uid}/${source}`, layer);
    this.#layer(publication).requested = layer;
    this.#changed();
  }

  // size: {width, height} at which the video is shown; the server sends no larger encoding, unless
  // one was requested by its rid.
  async setShownSize(publication, size) {
    const layer = this.#layer(publication);
    layer.shown = size;
    if (!isSized(layer.requested) || !this.#session || this.state !== "joined") return;
    await this.#requestLayer(publication, layer.requested);
  }

  async mute(kind, muted) {
    if (muted) this.#mutedKinds.add(kind);
    else this.#mutedKinds.delete(kind);
    this.#applyMute();
    this.#changed();
    await this.#sendMute(kind);
  }

  // Send to all others on a data channel: "chat" or "pointer".
  async send(label, message) {
    await this.#requireSession().channels.send(label, message);
  }

  isMuted(kind) {
    return this.#mutedKinds.has(kind);
  }

  async publish(entries) {
    await this.#requireSession().publish(entries);
    this.sources = [...this.sources, ...entries];
    this.#changed();
  }

  async unpublish(ended) {
    this.sources = this.sources.filter((entry) => !ended.includes(entry));
    this.#changed();
    if (this.#session && this.state === "joined") await this.#session.unpublish(ended.map(({ track }) => track));
  }

  // Read getStats of both peer connections; the rates are updated about once a second.
  async measure() {
    const session = this.#session;
    if (!session) return;
    const [inbound, outbound] = await Promise.all([
      inboundStats(session.subscribing.pc, session.subscribing.tracks),
      outboundStats(session.publishing.pc, session.publishing.publications),
    ]);
    if (session !== this.#session) return;
    this.received = this.#rates.received(inbound);
    this.sent = this.#rates.sent(outbound);
    this.dispatchEvent(new Event("stats"));
  }

  async #run(joinNumber, resolve, reject) {
    for (let attempt = 0; joinNumber === this.#joinNumber; attempt += 1) {
      const session = new Session(this.#listener(joinNumber));
      let error = null;
      try {
        this.#session = session;
        await session.join(this.#options, this.sources);
        resolve();
        await this.#untilConnected(session);
        attempt = -1;
      } catch (caught) {
        error = caught;
        session.drop(caught.reason ?? "failed");
      }
      const { reason } = await session.ended;
      if (joinNumber !== this.#joinNumber) return;
      this.#clearSession();
      if (error instanceof RequestRefused && !RETRIED.has(error.reason)) return this.#refuse(error, reject);
      if (FINAL.has(reason)) return this.#stop(reason);
      this.#lost(reason, error);
      await this.#retryTimer.wait(error?.retryAfterMs ?? delayMs(attempt < 0 ? 0 : attempt));
    }
  }

  #listener(joinNumber) {
    const current = () => joinNumber === this.#joinNumber;
    return {
      joined: (result) => current() && this.#joined(result),
      notified: (method, params) => current() && this.#notified(method, params),
      tracksChanged: () => current() && this.#changed(),
      statsReceived: (stats) => current() && this.#statsReceived(stats),
      failed: (error) => current() && this.#failed(error),
      messageReceived: (label, uid, message) => current() && this.#messageReceived(label, uid, message),
    };
  }

  #joined(result) {
    this.#options = { ...this.#options, uid: result.uid };
    this.roster.reset(result);
    this.layers.clear();
    this.quality = null;
    this.speakers = result.active_speakers ?? [];
    this.encodings.clear();
    this.#rates = new Rates();
    this.#lastError = "";
    this.#enterState("joined");
  }

  // A gap ends when the peer connections are connected, not at the response to `join`.
  async #untilConnected(session) {
    this.#applyMute();
    const subscribe = this.roster.participants.some(({ publications }) => publications.length > 0);
    await session.connected({ publish: this.sources.length > 0, subscribe });
    for (const kind of this.#mutedKinds) this.#sendMute(kind).catch((error) => this.#failed(error));
    this.#restoreLayers();
    if (this.#lostAt === null) return;
    const seconds = (performance.now() - this.#lostAt) / 1000;
    const gap = { reason: this.#lostReason, seconds: Math.round(seconds * 100) / 100, endedAt: new Date().toISOString() };
    this.#lostAt = null;
    this.gaps.push(gap);
    this.#notice("gap", gap);
    this.#changed();
  }

  #lost(reason, error) {
    if (this.#lostAt === null && this.state !== "joining") {
      this.#lostAt = performance.now();
      this.#lostReason = reason;
      this.#notice("lost", { reason });
    } else if (error && error.reason !== this.#lastError) {
      this.#lastError = error.reason;
      this.#failed(error);
    }
    this.#enterState(this.#lostAt === null ? "joining" : "reconnecting");
  }

  #refuse(error, reject) {
    this.#failed(error);
    this.#enterState("refused");
    reject(error);
  }

  #stop(reason) {
    this.#notice("ended", { reason });
    this.#enterState("left");
  }

  #notified(method, params) {
    if (this.roster.merge(method, params)) {
      this.#announce(method, params);
      return this.#changed();
    }
    switch (method) {
      case "layer-switch":
        Object.assign(this.#layer(params.publication), { rid: params.to, reason: params.reason, waitMs: params.wait_ms, layers: params.layers });
        break;
      case "active-speakers":
        this.speakers = params.speakers;
        break;
      case "quality":
        this.#qualityChanged(params);
        break;
      case "encoding-state":
        this.encodings.set(`${params.publication}/${params.rid ?? ""}`, params);
        break;
      case "subscription-ended":
        this.#layer(params.publication).ended = params.reason;
        break;
    }
    this.#announce(method, params);
    this.#changed();
  }

  #messageReceived(label, uid, message) {
    const name = this.roster.participants.find((entry) => entry.uid === uid)?.name || uid;
    this.dispatchEvent(new CustomEvent("message", { detail: { label, uid, name, message } }));
  }

  #qualityChanged(quality) {
    this.quality = quality;
    for (const { publication, paused, reason } of quality.video) {
      const layer = this.#layer(publication);
      if (layer.reason !== reason) layer.waitMs = null;
      Object.assign(layer, { paused, reason, rid: paused ? null : layer.rid });
    }
  }

  #announce(method, params) {
    if (method === "publication-added") this.#restoreLayers();
    this.#notice(method, params);
  }

  // After a rejoin, restore the requested layers by participant and source.
  #restoreLayers() {
    for (const { uid, publications } of this.roster.participants) {
      for (const { publication, source } of publications) {
        const layer = this.#requestedLayers.get(`${uid}/${source}`);
        if (layer === undefined || this.#layer(publication).requested === layer) continue;
        this.setLayer(publication, layer).catch((error) => this.#failed(error));
      }
    }
  }

  #statsReceived(stats) {
    this.serverStats = stats;
    for (const { publication, rid, last_reason } of stats.subscriptions) {
      const layer = this.#layer(publication);
      layer.rid = rid;
      layer.reason ??= last_reason === "none" ? null : last_reason;
    }
  }

  #layer(publication) {
    const initial = { rid: null, reason: null, waitMs: null, requested: "auto", ended: null, shown: null, paused: false, layers: null };
    if (!this.layers.has(publication)) this.layers.set(publication, initial);
    return this.layers.get(publication);
  }

  // layer: "auto", a rid, or {layer, spatial, temporal}: a rid and the highest layers
  #requestLayer(publication, layer) {
    const named = typeof layer === "object" ? layer : { layer };
    const shown = isSized(layer) ? this.#layer(publication).shown : null;
    return this.#requireSession().call("layers", { publication, ...named, ...shown });
  }

  #applyMute() {
    for (const { track, secondary } of this.sources) {
      if (!secondary) track.enabled = !this.#mutedKinds.has(track.kind);
    }
  }

  async #sendMute(kind) {
    if (!this.#session || this.state !== "joined") return;
    const muted = this.#mutedKinds.has(kind);
    const main = this.sources.filter(({ secondary }) => !secondary).map(({ source }) => source);
    for (const entry of this.publications) {
      if (entry.kind !== kind || !main.includes(entry.source)) continue;
      await this.#session.call("mute", { publication: entry.publication, muted });
    }
  }

  #requireSession() {
    if (this.#session && this.state === "joined") return this.#session;
    throw new Unreachable("not_joined");
  }

  // The roster stays visible until the next join replaces it.
  #clearSession() {
    this.#session = null;
    this.received = [];
    this.sent = [];
    this.serverStats = null;
    this.quality = null;
    this.speakers = [];
  }

  #failed(error) {
    const reason = error.reason ?? "failed";
    const entry = { reason, message: error.message, at: new Date().toISOString() };
    this.errors = [...this.errors, entry].slice(-MAX_ERRORS);
    this.#notice("error", { ...entry, unreachable: error instanceof Unreachable });
  }

  #notice(kind, detail) {
    this.dispatchEvent(new CustomEvent("notice", { detail: { ...detail, kind } }));
  }

  #enterState(state) {
    this.state = state;
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

// Whether the size at which the video is shown limits what is sent.
function isSized(layer) {
  return layer === "auto" || (typeof layer === "object" && layer.layer === undefined && layer.spatial === undefined);
}
