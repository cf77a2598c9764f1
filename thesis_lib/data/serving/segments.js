// The script's segments: shown, edited, played.

export function clock(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}.${Math.floor(10 * (seconds - whole))}`;
}

const EDITED = {
  speaker: "Speaker", english: "English", strength: "Style strength", speed: "Speed", "left-out": "Leave out",
};

// A number is shown with two digits; unless it is changed, all of its digits stay.
const shown = (number) => (number === null ? "" : String(Math.round(100 * number) / 100));

function read(input, before) {
  if (input.value.trim() === shown(before)) return before;
  return input.value.trim() === "" ? null : Number(input.value);
}

// Play a player between two times in s.
export function playBetween(player, start, end) {
  for (const other of document.querySelectorAll("audio")) if (other !== player) other.pause();
  const stop = () => {
    if (player.currentTime >= end || player.paused) {
      player.removeEventListener("timeupdate", stop);
      if (!player.paused) player.pause();
    }
  };
  const begin = () => {
    player.currentTime = start;
    player.play().then(() => player.addEventListener("timeupdate", stop));
  };
  if (player.readyState > 0) begin();
  else {
    player.addEventListener("loadedmetadata", begin, { once: true });
    player.load();
  }
}

export class Segments {
  constructor(list, template, players, onChange) {
    Object.assign(this, { list, template, players, onChange });
    Object.assign(this, { script: null, places: new Map(), spoken: new Map(), found: 0 });
  }

  // `script` is the file's JSON; `isSpoken`: it is what was spoken last, in the voices of `found` speakers.
  show(script, places, isSpoken, found) {
    this.script = script;
    this.list.replaceChildren();
    this.setSpoken(places, found);
    if (isSpoken) this.spoken = new Map(script.segments.map((segment) => [segment.start, JSON.stringify(segment)]));
    this.list.replaceChildren(...script.segments.map((segment, at) => this.row(segment, at)));
  }

  // Where each segment is in the English, and the number of voices, after it was spoken with other options.
  setSpoken(places, found) {
    this.places = new Map(places.map((place) => [place.source, place]));
    this.found = found;
    [...this.list.children].forEach((row, at) => {
      this.offerSpeakers(row, this.script.segments[at]);
      this.mark(row, at);
    });
  }

  // The labels of the speakers that were found, and of those that the script names.
  labels() {
    const found = Array.from({ length: this.found }, (_, at) => String(at + 1)), { speakers, segments } = this.script;
    const used = segments.map((segment) => segment.speaker).filter((label) => label !== null);
    return [...new Set([...found, ...Object.keys(speakers ?? {}), ...used])].sort(
      (one, other) => one.localeCompare(other, "en", { numeric: true }));
  }

  offerSpeakers(row, segment) {
    const labels = this.labels(), select = row.querySelector(".speaker"), names = this.script.speakers ?? {};
    select.replaceChildren(...labels.map((label) => new Option(names[label] || `Speaker ${label}`, label)));
    if (segment.speaker === null) select.prepend(new Option("who speaks then", ""));
    select.value = segment.speaker ?? "";
    select.parentElement.hidden = labels.length < 2;
  }

  // What to do where the segments do not fit the number of speakers that is chosen; else nothing. `spokenChoice` is the
  // choice that the English was made with.
  hint(choice, spokenChoice) {
    const labels = new Set(this.script?.segments.map((segment) => segment.speaker));
    const isFoundWhenSpoken = labels.delete(null), used = labels.size;
    if (used > 1 && choice === "1") return "The segments have several speakers: choose their number in the options.";
    if (isFoundWhenSpoken || used !== 1 || choice === "1" || (this.found === 1 && choice === spokenChoice)) return "";
    const remedy = this.labels().length > 1 ? "correct the speaker of each segment, or discard" : "discard";
    return `All segments have one speaker: ${remedy} the script and translate again to have the speakers found.`;
  }

  clear() {
    this.script = null;
    this.spoken = new Map();
    this.list.replaceChildren();
  }

  row(segment, at) {
    const row = this.template.content.firstElementChild.cloneNode(true);
    const part = (name) => row.querySelector(`.${name}`);
    const place = `segment ${at + 1}, ${clock(segment.start)} to ${clock(segment.end)}`;
    part("time").textContent = `${at + 1} · ${clock(segment.start)} – ${clock(segment.end)}`;
    this.offerSpeakers(row, segment);
    part("spanish").textContent = segment.spanish || "(nothing was recognised)";
    part("english").value = segment.english;
    part("strength").value = shown(segment.strength);
    part("speed").value = shown(segment.speed);
    part("left-out").checked = segment.left_out;
    part("doubts").textContent = segment.notes.join("; ");
    for (const [name, label] of Object.entries(EDITED)) {
      part(name).setAttribute("aria-label", `${label}, ${place}`);
      part(name).addEventListener("input", () => this.read(row, at));
    }
    part("play-source").setAttribute("aria-label", `Play the Spanish of ${place}`);
    part("play-source").addEventListener("click", () => playBetween(this.players.source, segment.start, segment.end));
    part("play-english").setAttribute("aria-label", `Play the English of ${place}`);
    part("play-english").addEventListener("click", () => {
      const there = this.places.get(segment.start);
      if (there) playBetween(this.players.english, there.start, there.end);
    });
    this.mark(row, at);
    return row;
  }

  read(row, at) {
    const part = (name) => row.querySelector(`.${name}`), before = this.script.segments[at];
    this.script.segments[at] = {
      ...before,
      english: part("english").value,
      speaker: part("speaker").value || null,
      strength: read(part("strength"), before.strength),
      speed: read(part("speed"), before.speed),
      left_out: part("left-out").checked,
    };
    this.mark(row, at);
    this.onChange();
  }

  mark(row, at) {
    const segment = this.script.segments[at];
    row.classList.toggle("changed", this.isChanged(at));
    row.classList.toggle("out", segment.left_out);
    row.querySelector(".play-english").disabled = !this.places.has(segment.start);
  }

  isChanged(at) {
    const segment = this.script.segments[at];
    return JSON.stringify(segment) !== this.spoken.get(segment.start);
  }

  changed() {
    return this.script ? this.script.segments.filter((_, at) => this.isChanged(at)).length : 0;
  }
}
