// getStats (W3C webrtc-stats) reduced to what the page shows, with rates per second.

// Rates over shorter intervals jump.
const RATE_INTERVAL_MS = 900;

export async function inboundStats(pc, tracks) {
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

export async function outboundStats(pc, publications) {
  const report = await pc.getStats();
  const remoteInbound = new Map();
  for (const entry of report.values()) {
    if (entry.type === "remote-inbound-rtp") remoteInbound.set(entry.localId, entry);
  }
  const byMid = new Map(publications.map((entry) => [entry.mid, entry]));
  const rows = [];
  for (const entry of report.values()) {
    const publication = entry.type === "outbound-rtp" && byMid.get(entry.mid);
    if (publication) rows.push(outbound(entry, publication, remoteInbound.get(entry.id)));
  }
  return rows.sort((a, b) => a.publication - b.publication || a.rank - b.rank);
}

function outbound(entry, { publication, source, rids }, remoteInbound) {
  return {
    publication,
    source,
    kind: entry.kind,
    rid: entry.rid ?? "",
    rank: rids.indexOf(entry.rid),
    at_ms: entry.timestamp,
    bytes: entry.bytesSent ?? 0,
    packets: entry.packetsSent ?? 0,
    packetsLost: remoteInbound?.packetsLost ?? 0,
    active: entry.active ?? true,
    width: entry.frameWidth ?? 0,
    height: entry.frameHeight ?? 0,
    fps: entry.framesPerSecond ?? 0,
    framesSent: entry.framesSent ?? 0,
    qualityLimitationReason: entry.qualityLimitationReason ?? "none",
    rtt_ms: remoteInbound?.roundTripTime === undefined ? null : remoteInbound.roundTripTime * 1000,
  };
}

function roundTripMs(report) {
  for (const entry of report.values()) {
    if (entry.type !== "candidate-pair" || !entry.nominated || entry.state !== "succeeded") continue;
    if (entry.currentRoundTripTime !== undefined) return entry.currentRoundTripTime * 1000;
  }
  return null;
}

// Adds `bitrate_bps` and `loss` (ratio) to rows, from the difference to earlier rows; null at first.
export class Rates {
  #previous = new Map();
  #rates = new Map();

  // Packets expected: received and lost by the receiver, sent by the sender.
  received(rows) {
    return rows.map((row) => this.#withRates(`in/${row.publication}`, row, row.packets + row.packetsLost));
  }

  sent(rows) {
    return rows.map((row) => this.#withRates(`out/${row.publication}/${row.rid}`, row, row.packets));
  }

  #withRates(key, row, expected) {
    const previous = this.#previous.get(key);
    if (!previous || row.at_ms - previous.at_ms >= RATE_INTERVAL_MS) {
      const now = { at_ms: row.at_ms, bytes: row.bytes, packetsLost: row.packetsLost, expected };
      this.#rates.set(key, previous ? rate(previous, now) : { bitrate_bps: null, loss: null });
      this.#previous.set(key, now);
    }
    return { ...row, ...this.#rates.get(key) };
  }
}

function rate(previous, now) {
  const lost = Math.max(0, now.packetsLost - previous.packetsLost);
  const expected = now.expected - previous.expected;
  return {
    bitrate_bps: Math.max(0, ((now.bytes - previous.bytes) * 8000) / (now.at_ms - previous.at_ms)),
    loss: expected > 0 ? Math.min(1, lost / expected) : 0,
  };
}
