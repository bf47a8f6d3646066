// A call as its user sees it: it outlives lost lines and restarted servers by joining again.

import { delayMs, Pause } from "./backoff.js";
import { Membership } from "./membership.js";
import { Roster } from "./roster.js";
import { Refused, Unreachable } from "./signal.js";
import { inboundOf, outboundOf, Rates } from "./stats.js";

// After these a rejoin would fight another tab, or somebody's decision.
const FINAL = new Set(["left", "replaced", "room_closed", "room_idle", "too_many_errors"]);
const PASSING = new Set(["overloaded", "draining", "max_rooms", "max_participants", "max_egress", "rate_limited", "already_joined"]);
const KEPT_ERRORS = 100;

// Events: "change" (state or people), "figures", "notice" {detail: {kind, reason, ...}}.
export class Call extends EventTarget {
  #wishes;
  #member = null;
  #pause = new Pause();
  #round = 0;
  #lostAt = null;
  #lostReason = "";
  #lastFault = "";
  #rates = new Rates();
  #choices = new Map(); // "uid/source" -> layer, kept over rejoins
  #silenced = new Set(); // kinds that the user muted

  state = "idle"; // idle, joining, joined, reconnecting, left, refused
  gaps = [];
  errors = [];
  sources = []; // {track, source, stream, beside} that are published; `beside`: next to the main ones
  roster = new Roster();
  layers = new Map(); // publication -> {rid, reason, waitMs, wanted, ended}
  encodings = new Map(); // "publication/rid" -> {active, reason}, as the server sees them
  received = []; // figures of inbound streams
  sent = []; // figures of outbound encodings
  serverStats = null;

  get uid() {
    return this.#wishes?.uid ?? null;
  }

  get room() {
    return this.#wishes?.room ?? null;
  }

  get name() {
    return this.#wishes?.name ?? "";
  }

  get publications() {
    return this.#member?.publishing.publications ?? [];
  }

  track(publication) {
    return this.#member?.subscribing.tracks.get(publication) ?? null;
  }

  // wishes: {url, room, uid, name}. Resolves once in the room; goes on in the background.
  join(wishes, sources) {
    this.#wishes = wishes;
    this.sources = sources;
    this.#silenced.clear();
    this.#choices.clear();
    this.roster.clear();
    this.#lostAt = null;
    const round = ++this.#round;
    this.#enterState("joining");
    return new Promise((resolve, reject) => this.#stay(round, resolve, reject));
  }

  async leave() {
    this.#round += 1;
    this.#pause.wake();
    const member = this.#member;
    this.#forget();
    this.#enterState("left");
    await member?.leave();
  }

  retryNow() {
    this.#pause.wake();
  }

  async setLayer(publication, layer) {
    const { uid, source } = this.roster.publication(publication) ?? {};
    await this.#joined().call("layers", { publication, layer });
    this.#choices.set(`${uid}/${source}`, layer);
    this.#layer(publication).wanted = layer;
    this.#changed();
  }

  async mute(kind, muted) {
    if (muted) this.#silenced.add(kind);
    else this.#silenced.delete(kind);
    this.#applySilence();
    this.#changed();
    await this.#tellSilence(kind);
  }

  isMuted(kind) {
    return this.#silenced.has(kind);
  }

  async publish(entries) {
    await this.#joined().publish(entries);
    this.sources = [...this.sources, ...entries];
    this.#changed();
  }

  async unpublish(ended) {
    this.sources = this.sources.filter((entry) => !ended.includes(entry));
    this.#changed();
    if (this.#member && this.state === "joined") await this.#member.unpublish(ended.map(({ track }) => track));
  }

  // Read the peer connections now; figures per second stay those of the last whole second.
  async measure() {
    const member = this.#member;
    if (!member) return;
    const [inbound, outbound] = await Promise.all([
      inboundOf(member.subscribing.pc, member.subscribing.tracks),
      outboundOf(member.publishing.pc, member.publishing.publications),
    ]);
    if (member !== this.#member) return;
    this.received = this.#rates.received(inbound);
    this.sent = this.#rates.sent(outbound);
    this.dispatchEvent(new Event("figures"));
  }

  async #stay(round, joined, refused) {
    for (let attempt = 0; round === this.#round; attempt += 1) {
      const member = new Membership(this.#listener(round));
      let fault = null;
      try {
        this.#member = member;
        await member.enter(this.#wishes, this.sources);
        joined();
        await this.#untilFlowing(member);
        attempt = -1;
      } catch (error) {
        fault = error;
        member.drop(error.reason ?? "failed");
      }
      const { reason } = await member.ended;
      if (round !== this.#round) return;
      this.#forget();
      if (fault instanceof Refused && !PASSING.has(fault.reason)) return this.#refuse(fault, refused);
      if (FINAL.has(reason)) return this.#stop(reason);
      this.#lost(reason, fault);
      await this.#pause.wait(fault?.retryAfterMs ?? delayMs(attempt < 0 ? 0 : attempt));
    }
  }

  #listener(round) {
    const current = () => round === this.#round;
    return {
      entered: (result) => current() && this.#entered(result),
      notified: (method, params) => current() && this.#notified(method, params),
      bound: () => current() && this.#changed(),
      measured: (stats) => current() && this.#measured(stats),
      failed: (fault) => current() && this.#failed(fault),
    };
  }

  #entered(result) {
    this.#wishes = { ...this.#wishes, uid: result.uid };
    this.roster.reset(result);
    this.layers.clear();
    this.encodings.clear();
    this.#rates = new Rates();
    this.#lastFault = "";
    this.#enterState("joined");
  }

  // A gap ends when pictures can flow again, not when the server merely answers.
  async #untilFlowing(member) {
    this.#applySilence();
    const receives = this.roster.participants.some(({ publications }) => publications.length > 0);
    await member.negotiated({ sends: this.sources.length > 0, receives });
    for (const kind of this.#silenced) this.#tellSilence(kind).catch((fault) => this.#failed(fault));
    this.#chooseAgain();
    if (this.#lostAt === null) return;
    const seconds = (performance.now() - this.#lostAt) / 1000;
    const gap = { reason: this.#lostReason, seconds: Math.round(seconds * 100) / 100, endedAt: new Date().toISOString() };
    this.#lostAt = null;
    this.gaps.push(gap);
    this.#notice("gap", gap);
    this.#changed();
  }

  #lost(reason, fault) {
    if (this.#lostAt === null && this.state !== "joining") {
      this.#lostAt = performance.now();
      this.#lostReason = reason;
      this.#notice("lost", { reason });
    } else if (fault && fault.reason !== this.#lastFault) {
      this.#lastFault = fault.reason;
      this.#failed(fault);
    }
    this.#enterState(this.#lostAt === null ? "joining" : "reconnecting");
  }

  #refuse(fault, refused) {
    this.#failed(fault);
    this.#enterState("refused");
    refused(fault);
  }

  #stop(reason) {
    this.#notice("ended", { reason });
    this.#enterState("left");
  }

  #notified(method, params) {
    if (this.roster.merge(method, params)) {
      this.#happened(method, params);
      return this.#changed();
    }
    switch (method) {
      case "layer-switch":
        Object.assign(this.#layer(params.publication), { rid: params.to, reason: params.reason, waitMs: params.wait_ms });
        break;
      case "encoding-state":
        this.encodings.set(`${params.publication}/${params.rid ?? ""}`, params);
        break;
      case "subscription-ended":
        this.#layer(params.publication).ended = params.reason;
        break;
    }
    this.#happened(method, params);
    this.#changed();
  }

  #happened(method, params) {
    if (method === "publication-added") this.#chooseAgain();
    this.#notice(method, params);
  }

  // What the user chose before a rejoin holds for the same source afterwards.
  #chooseAgain() {
    for (const { uid, publications } of this.roster.participants) {
      for (const { publication, source } of publications) {
        const layer = this.#choices.get(`${uid}/${source}`);
        if (layer === undefined || this.#layer(publication).wanted === layer) continue;
        this.setLayer(publication, layer).catch((fault) => this.#failed(fault));
      }
    }
  }

  #measured(stats) {
    this.serverStats = stats;
    for (const { publication, rid, last_reason } of stats.subscriptions) {
      const layer = this.#layer(publication);
      layer.rid = rid;
      layer.reason ??= last_reason === "none" ? null : last_reason;
    }
  }

  #layer(publication) {
    const untold = { rid: null, reason: null, waitMs: null, wanted: "auto", ended: null };
    if (!this.layers.has(publication)) this.layers.set(publication, untold);
    return this.layers.get(publication);
  }

  #applySilence() {
    for (const { track, beside } of this.sources) {
      if (!beside) track.enabled = !this.#silenced.has(track.kind);
    }
  }

  async #tellSilence(kind) {
    if (!this.#member || this.state !== "joined") return;
    const muted = this.#silenced.has(kind);
    const main = this.sources.filter(({ beside }) => !beside).map(({ source }) => source);
    for (const entry of this.publications) {
      if (entry.kind !== kind || !main.includes(entry.source)) continue;
      await this.#member.call("mute", { publication: entry.publication, muted });
    }
  }

  #joined() {
    if (this.#member && this.state === "joined") return this.#member;
    throw new Unreachable("not_joined");
  }

  // Who was there stays on show until the next join tells who is.
  #forget() {
    this.#member = null;
    this.received = [];
    this.sent = [];
    this.serverStats = null;
  }

  #failed(fault) {
    const reason = fault.reason ?? "failed";
    const entry = { reason, message: fault.message, at: new Date().toISOString() };
    this.errors = [...this.errors, entry].slice(-KEPT_ERRORS);
    this.#notice("error", { ...entry, passing: fault instanceof Unreachable });
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
