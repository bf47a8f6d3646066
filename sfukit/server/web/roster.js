// The participants and publications of the room. Notifications may repeat: they are merged by id.

export class Roster {
  #participants = new Map();

  count = 0;

  get participants() {
    return [...this.#participants.values()].map((participant) => ({ ...participant, publications: [...participant.publications.values()] }));
  }

  publication(number) {
    for (const participant of this.#participants.values()) {
      const entry = participant.publications.get(number);
      if (entry) return { ...entry, uid: participant.uid, name: participant.name };
    }
    return null;
  }

  // The result of `join` replaces everything.
  reset({ uid, participants, participant_count }) {
    this.self = uid;
    this.count = participant_count;
    this.#participants.clear();
    for (const { publications, ...participant } of participants) {
      this.#participant(participant.uid, participant).publications = new Map(publications.map((entry) => [entry.publication, entry]));
    }
  }

  clear() {
    this.#participants.clear();
    this.count = 0;
  }

  // Returns whether the notification concerned participants or publications.
  merge(method, { uid, publication, ...rest }) {
    if (uid !== undefined && uid === this.self) return METHODS.has(method);
    switch (method) {
      case "participant-joined":
        this.#participant(uid, rest);
        break;
      case "participant-left":
        if (this.#participants.delete(uid)) this.count -= 1;
        break;
      case "publication-added":
        this.#participant(uid).publications.set(publication, { publication, ...rest });
        break;
      case "publication-removed":
        this.#participants.get(uid)?.publications.delete(publication);
        break;
      case "publication-muted":
        this.#mute(uid, publication, rest.muted);
        break;
      case "room-size":
        this.count = rest.participants;
        break;
    }
    return METHODS.has(method);
  }

  #participant(uid, properties = {}) {
    if (!this.#participants.has(uid)) {
      this.#participants.set(uid, { uid, name: uid, role: "", publications: new Map() });
      this.count = Math.max(this.count, this.#participants.size + 1);
    }
    return Object.assign(this.#participants.get(uid), properties);
  }

  #mute(uid, publication, muted) {
    const entry = this.#participants.get(uid)?.publications.get(publication);
    if (entry) entry.muted = muted;
  }
}

const METHODS = new Set([
  "participant-joined", "participant-left", "publication-added", "publication-removed", "publication-muted", "room-size",
]);
