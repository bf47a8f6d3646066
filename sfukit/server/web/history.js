// What happened, in words, newest first: joins, layer switches with their reasons, gaps, faults.

import { element } from "./dom.js";
import { encodingWords, faultWords, millisecondWords, secondWords, sourceWords, switchWords } from "./words.js";

const KEPT = 60;

export class History {
  #list;
  #call;

  constructor(list, call) {
    this.#list = list;
    this.#call = call;
  }

  add(notice) {
    const text = sentence(notice, this.#call);
    if (!text) return;
    const time = new Date();
    const stamp = element("time", { dateTime: time.toISOString() }, time.toLocaleTimeString());
    this.#list.prepend(element("li", {}, stamp, ` ${text}`));
    while (this.#list.children.length > KEPT) this.#list.lastChild.remove();
  }
}

function sentence(notice, { roster, publications }) {
  const stream = () => {
    const found = roster.publication(notice.publication);
    return found ? `${found.name}'s ${sourceWords(found.source)}` : `stream ${notice.publication}`;
  };
  const own = () => {
    if (notice.rid) return `your encoding ${notice.rid}`;
    return `your ${sourceWords(publications.find((entry) => entry.publication === notice.publication)?.source ?? "stream")}`;
  };
  switch (notice.kind) {
    case "participant-joined":
      return notice.uid === roster.self ? "" : `${notice.name} came in`;
    case "participant-left":
      return `${notice.name ?? notice.uid} left (${notice.reason.replaceAll("_", " ")})`;
    case "layer-switch":
      if (notice.wait_ms === null) return `${stream()}: stays at layer ${notice.to}, ${switchWords(notice.reason)}`;
      return `${stream()}: layer ${notice.from ?? "none"} → ${notice.to ?? "only"}${waited(notice)}, ${switchWords(notice.reason)}`;
    case "encoding-state":
      return `${own()} ${notice.active ? "arrives at the server" : encodingWords(notice.reason)}`;
    case "transport-state":
      return `${notice.target === 0 ? "sending" : "receiving"} path ${notice.state}${notice.srtp_profile ? `, ${notice.srtp_profile}` : ""}`;
    case "subscription-ended":
      return `${stream()} cannot be received: ${faultWords(notice).what}`;
    case "drain":
      return `the server stops in ${Math.round(notice.deadline_s)} s`;
    case "gap":
      return `reconnected after ${secondWords(notice.seconds)}: ${faultWords(notice).what}`;
    case "lost":
    case "ended":
    case "error":
      return faultWords(notice).what;
  }
  return "";
}

function waited({ wait_ms }) {
  return wait_ms ? ` after ${millisecondWords(wait_ms)}` : "";
}
