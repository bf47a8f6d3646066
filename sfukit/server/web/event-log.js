// The event log, newest first: joins, layer switches with their reasons, reconnections, errors.

import { element } from "./dom.js";
import { encodingStateText, errorText, formatMilliseconds, formatSeconds, layerSwitchText, sourceText } from "./texts.js";

const MAX_ENTRIES = 60;

export class EventLog {
  #list;
  #call;

  constructor(list, call) {
    this.#list = list;
    this.#call = call;
  }

  add(notice) {
    const text = noticeText(notice, this.#call);
    if (!text) return;
    const time = new Date();
    const stamp = element("time", { dateTime: time.toISOString() }, time.toLocaleTimeString());
    this.#list.prepend(element("li", {}, stamp, ` ${text}`));
    while (this.#list.children.length > MAX_ENTRIES) this.#list.lastChild.remove();
  }
}

function noticeText(notice, { roster, publications }) {
  const remote = () => {
    const entry = roster.publication(notice.publication);
    return entry ? `${entry.name}'s ${sourceText(entry.source)}` : `publication ${notice.publication}`;
  };
  const local = () => {
    if (notice.rid) return `your encoding ${notice.rid}`;
    return `your ${sourceText(publications.find((entry) => entry.publication === notice.publication)?.source ?? "publication")}`;
  };
  switch (notice.kind) {
    case "participant-joined":
      return notice.uid === roster.self ? "" : `${notice.name} joined`;
    case "participant-left":
      return `${notice.name ?? notice.uid} left (${notice.reason.replaceAll("_", " ")})`;
    case "layer-switch":
      if (notice.wait_ms === null) return `${remote()}: encoding ${notice.to} remains, ${layerSwitchText(notice.reason)}`;
      return `${remote()}: encoding ${notice.from ?? "none"} → ${toText(notice)}${waitText(notice)}, ${layerSwitchText(notice.reason)}`;
    case "encoding-state":
      return `${local()} is ${encodingStateText(notice.reason)}`;
    case "transport-state":
      return `${notice.target === 0 ? "publish" : "subscribe"} transport ${notice.state}${notice.srtp_profile ? `, ${notice.srtp_profile}` : ""}`;
    case "subscription-ended":
      return `${remote()}: subscription ended. ${errorText(notice).cause}`;
    case "drain":
      return `the server stops in ${Math.round(notice.deadline_s)} s`;
    case "gap":
      return `reconnected after ${formatSeconds(notice.seconds)}: ${errorText(notice).cause}`;
    case "lost":
    case "ended":
    case "error":
      return errorText(notice).cause;
  }
  return "";
}

function toText({ to, reason }) {
  return to ?? (reason === "no_encoding" ? "none" : "single");
}

function waitText({ wait_ms }) {
  return wait_ms ? ` after ${formatMilliseconds(wait_ms)}` : "";
}
