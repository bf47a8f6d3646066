// From getStats (W3C webrtc-stats) to the figures that a page shows. Rates are per second in between.

// Shorter spans give figures that jump.
const RATE_MS = 900;

export async function inboundOf(pc, tracks) {
  const report = await pc.getStats();
  const publications = new Map([...tracks].map(([publication, track]) => [track.id, publication]));
  const rtt_ms = roundTripMs(report);
  const rows = [];
  for (const entry of report.values()) {
    if (entry.type !== "inbound-rtp" || !publications.has(entry.trackIdentifier)) continue;
    rows.push({ ...inbound(entry), publication: publications.get(entry.trackIdentifier), rtt_ms });
  }
  return rows;
}

function inbound(entry) {
  return {
    kind: entry.kind,
    at_ms: entry.timestamp,
    bytes: entry.bytesReceived ?? 0,
    packets: entry.packetsReceived ?? 0,
    packetsLost: entry.packetsLost ?? 0,
    width: entry.frameWidth ?? 0,
    height: entry.frameHeight ?? 0,
    fps: entry.framesPerSecond ?? 0,
    framesDecoded: entry.framesDecoded ?? 0,
    framesDropped: entry.framesDropped ?? 0,
    freezeCount: entry.freezeCount ?? 0,
    jitter_ms: (entry.jitter ?? 0) * 1000,
    playout_ms: entry.estimatedPlayoutTimestamp ?? null,
  };
}

export async function outboundOf(pc, publications) {
  const report = await pc.getStats();
  const heard = new Map();
  for (const entry of report.values()) {
    if (entry.type === "remote-inbound-rtp") heard.set(entry.localId, entry);
  }
  const byMid = new Map(publications.map((entry) => [entry.mid, entry]));
  const rows = [];
  for (const entry of report.values()) {
    const publication = entry.type === "outbound-rtp" && byMid.get(entry.mid);
    if (publication) rows.push(outbound(entry, publication, heard.get(entry.id)));
  }
  return rows.sort((a, b) => a.publication - b.publication || a.rank - b.rank);
}

function outbound(entry, { publication, source, rids }, heard) {
  return {
    publication,
    source,
    kind: entry.kind,
    rid: entry.rid ?? "",
    rank: rids.indexOf(entry.rid),
    at_ms: entry.timestamp,
    bytes: entry.bytesSent ?? 0,
    packets: entry.packetsSent ?? 0,
    packetsLost: heard?.packetsLost ?? 0,
    active: entry.active ?? true,
    width: entry.frameWidth ?? 0,
    height: entry.frameHeight ?? 0,
    fps: entry.framesPerSecond ?? 0,
    framesSent: entry.framesSent ?? 0,
    limited: entry.qualityLimitationReason ?? "none",
    rtt_ms: heard?.roundTripTime === undefined ? null : heard.roundTripTime * 1000,
  };
}

function roundTripMs(report) {
  for (const entry of report.values()) {
    if (entry.type !== "candidate-pair" || !entry.nominated || entry.state !== "succeeded") continue;
    if (entry.currentRoundTripTime !== undefined) return entry.currentRoundTripTime * 1000;
  }
  return null;
}

// Adds `bitrate_bps` and `loss` (ratio) to rows, from what changed since an earlier look; null before that.
export class Rates {
  #before = new Map();
  #rates = new Map();

  // A receiver knows what came and what did not; a sender knows what it sent and is told what did not come.
  received(rows) {
    return rows.map((row) => this.#rated(`in/${row.publication}`, row, row.packets + row.packetsLost));
  }

  sent(rows) {
    return rows.map((row) => this.#rated(`out/${row.publication}/${row.rid}`, row, row.packets));
  }

  #rated(key, row, expected) {
    const before = this.#before.get(key);
    if (!before || row.at_ms - before.at_ms >= RATE_MS) {
      const now = { at_ms: row.at_ms, bytes: row.bytes, packetsLost: row.packetsLost, expected };
      this.#rates.set(key, before ? rate(before, now) : { bitrate_bps: null, loss: null });
      this.#before.set(key, now);
    }
    return { ...row, ...this.#rates.get(key) };
  }
}

function rate(before, now) {
  const lost = Math.max(0, now.packetsLost - before.packetsLost);
  const expected = now.expected - before.expected;
  return {
    bitrate_bps: Math.max(0, ((now.bytes - before.bytes) * 8000) / (now.at_ms - before.at_ms)),
    loss: expected > 0 ? Math.min(1, lost / expected) : 0,
  };
}
