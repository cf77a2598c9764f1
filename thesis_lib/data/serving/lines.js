// The script's lines: shown, edited, played.

export function clock(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}.${Math.floor(10 * (seconds - whole))}`;
}

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

export class Lines {
  constructor(list, template, players, onChange) {
    Object.assign(this, { list, template, players, onChange, script: null, places: new Map(), spoken: new Map() });
  }

  // `script` is the file's JSON; `isSpoken`: it is what was spoken last.
  show(script, places, isSpoken) {
    this.script = script;
    this.list.replaceChildren();
    this.setPlaces(places);
    if (isSpoken) this.spoken = new Map(script.segments.map((segment) => [segment.start, JSON.stringify(segment)]));
    const several = new Set(script.segments.map((segment) => segment.speaker)).size > 1;
    this.list.replaceChildren(...script.segments.map((segment, at) => this.row(segment, at, several)));
  }

  // Where each segment is in the English, after it was spoken with other options.
  setPlaces(places) {
    this.places = new Map(places.map((place) => [place.source, place]));
    [...this.list.children].forEach((row, at) => this.script?.segments[at] && this.mark(row, at));
  }

  clear() {
    this.script = null;
    this.spoken = new Map();
    this.list.replaceChildren();
  }

  row(segment, at, several) {
    const row = this.template.content.firstElementChild.cloneNode(true);
    const part = (name) => row.querySelector(`.${name}`);
    const place = `line ${at + 1}, ${clock(segment.start)} to ${clock(segment.end)}`;
    part("time").textContent = `${at + 1} · ${clock(segment.start)} – ${clock(segment.end)}`;
    part("speaker").textContent = several ? `speaker ${segment.speaker}` : "";
    part("spanish").textContent = segment.spanish || "(nothing was recognised)";
    part("english").value = segment.english;
    part("strength").value = shown(segment.strength);
    part("speed").value = shown(segment.speed);
    part("left-out").checked = segment.left_out;
    part("doubts").textContent = segment.notes.join("; ");
    for (const name of ["english", "strength", "speed", "left-out"]) {
      const label = { english: "English", strength: "Style strength", speed: "Speed", "left-out": "Leave out" }[name];
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
