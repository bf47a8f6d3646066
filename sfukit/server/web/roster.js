// Who is in the room and what they publish. Facts are merged by uid and publication: one may come twice.

export class Roster {
  #people = new Map();

  count = 0;

  get participants() {
    return [...this.#people.values()].map((person) => ({ ...person, publications: [...person.publications.values()] }));
  }

  publication(number) {
    for (const person of this.#people.values()) {
      const found = person.publications.get(number);
      if (found) return { ...found, uid: person.uid, name: person.name };
    }
    return null;
  }

  // The result of `join` is the whole truth at its time.
  reset({ uid, participants, participant_count }) {
    this.self = uid;
    this.count = participant_count;
    this.#people.clear();
    for (const { publications, ...person } of participants) {
      this.#person(person.uid, person).publications = new Map(publications.map((entry) => [entry.publication, entry]));
    }
  }

  clear() {
    this.#people.clear();
    this.count = 0;
  }

  // Returns whether the notification was such a fact.
  merge(method, { uid, publication, ...rest }) {
    if (uid !== undefined && uid === this.self) return FACTS.has(method);
    switch (method) {
      case "participant-joined":
        this.#person(uid, rest);
        break;
      case "participant-left":
        if (this.#people.delete(uid)) this.count -= 1;
        break;
      case "publication-added":
        this.#person(uid).publications.set(publication, { publication, ...rest });
        break;
      case "publication-removed":
        this.#people.get(uid)?.publications.delete(publication);
        break;
      case "publication-muted":
        this.#mute(uid, publication, rest.muted);
        break;
      case "room-size":
        this.count = rest.participants;
        break;
    }
    return FACTS.has(method);
  }

  #person(uid, facts = {}) {
    if (!this.#people.has(uid)) {
      this.#people.set(uid, { uid, name: uid, role: "", publications: new Map() });
      this.count = Math.max(this.count, this.#people.size + 1);
    }
    return Object.assign(this.#people.get(uid), facts);
  }

  #mute(uid, publication, muted) {
    const found = this.#people.get(uid)?.publications.get(publication);
    if (found) found.muted = muted;
  }
}

const FACTS = new Set([
  "participant-joined", "participant-left", "publication-added", "publication-removed", "publication-muted", "room-size",
]);
