// The pages of a listening test. TEST (trials.js) names the stimuli by meaningless file names; which system made
// which is in a key that raters do not get. Everything works by keyboard: digits play, Tab and arrows rate.
"use strict";

const rater = Math.random().toString(36).slice(2, 10);
const jsPsych = initJsPsych({ override_safe_mode: true, show_progress_bar: true, message_progress_bar: "progress", on_finish: finish });
jsPsych.randomization.setSeed(TEST.id + rater); // a rater's order can be drawn again from the answers file
const started = new Date().toISOString();

// One recording at a time; changing between recordings of one sentence goes on at the same place.
const player = {
  sounds: new Map(), current: null, counts: {},
  sound(file) {
    if (!this.sounds.has(file)) {
      const audio = new Audio("audio/" + file);
      audio.preload = "auto";
      audio.addEventListener("error", () => ask("The recording " + file + " could not be loaded."));
      audio.addEventListener("ended", () => mark(file, false));
      this.sounds.set(file, audio);
    }
    return this.sounds.get(file);
  },
  play(file, keepPlace) {
    const next = this.sound(file), before = this.current && this.sound(this.current);
    const place = keepPlace && before && !before.paused ? before.currentTime : 0;
    this.stop();
    next.currentTime = Math.min(place, next.duration || 0);
    next.play().catch((error) => ask("This recording does not play: " + error.message));
    this.current = file;
    this.counts[file] = (this.counts[file] || 0) + 1;
    mark(file, true);
  },
  stop() {
    if (this.current) { this.sound(this.current).pause(); mark(this.current, false); }
    this.current = null;
  },
};

const buttons = () => [...document.querySelectorAll(".play")];
const ask = (text) => { const line = document.querySelector(".asks"); if (line) line.textContent = text; };

function mark(file, playing) {
  for (const button of buttons().filter((b) => b.dataset.file === file)) {
    button.classList.toggle("playing", playing);
    if (playing) button.classList.add("played");
  }
}

const playButton = (file, label, digit) =>
  `<button type="button" class="play" data-file="${file}" aria-keyshortcuts="${digit}">${label}</button>`;

// What every page has: play buttons and their digits, and the next page opens when all is played and answered.
function wire(keepPlace) {
  player.counts = {};
  for (const button of buttons()) button.addEventListener("click", () => player.play(button.dataset.file, keepPlace));
  for (const slider of document.querySelectorAll("input[type=range]")) {
    slider.addEventListener("input", () => {
      slider.dataset.moved = "yes";
      slider.parentElement.querySelector("output").value = slider.value;
    });
  }
  const form = document.querySelector("form");
  form.addEventListener("submit", (event) => {
    const unplayed = buttons().filter((b) => !b.classList.contains("played"));
    const unmoved = [...document.querySelectorAll("input[type=range]")].filter((s) => !s.dataset.moved);
    if (!unplayed.length && !unmoved.length) { player.stop(); return; }
    event.preventDefault();
    event.stopImmediatePropagation();
    ask(unplayed.length ? "Please play every recording first." : "Please move every slider, back to its place if need be.");
    (unplayed[0] || unmoved[0]).focus();
  }, true);
}

document.addEventListener("keydown", (event) => {
  const number = "0123456789".indexOf(event.key);
  const button = number >= 0 && buttons().find((b) => b.getAttribute("aria-keyshortcuts") === event.key);
  if (button) { event.preventDefault(); button.click(); }
  if (event.key === "Escape") player.stop();
});

const page = (html, data, keepPlace = false) => ({
  type: jsPsychSurveyHtmlForm,
  html: html + '<p class="asks" role="alert"></p>',
  button_label: "Continue",
  data,
  on_load() { wire(keepPlace); },
  on_finish(row) { row.plays = { ...player.counts }; },
});

const radios = (name, options, legend) =>
  `<fieldset><legend>${legend}</legend>` +
  options.map(([value, text]) => `<label><input type="radio" name="${name}" value="${value}" required> ${text}</label>`).join("") +
  "</fieldset>";

const OPINION = [["5", "5 – excellent"], ["4", "4 – good"], ["3", "3 – fair"], ["2", "2 – poor"], ["1", "1 – bad"]];

function mushra(trial) {
  const stimuli = jsPsych.randomization.shuffle(trial.stimuli);
  const rows = stimuli.map((file, i) =>
    `<div class="stimulus">${playButton(file, "Play " + (i + 1), i + 1)}` +
    `<input type="range" name="${file}" min="0" max="100" value="50" aria-label="quality of recording ${i + 1}"><output>50</output></div>`);
  return page(
    `<h2>How close to the reference?</h2>
     <p>Rate each recording against the reference, from 0 (bad) to 100 (no difference). One of them is the reference
        itself. Keys: 0 plays the reference, 1 to ${stimuli.length} the recordings, Escape stops.</p>
     <p>${playButton(trial.reference, "Reference", 0)}</p>
     <div class="scale"><span>bad</span><span>poor</span><span>fair</span><span>good</span><span>excellent</span></div>` +
      rows.join(""),
    { kind: "mushra", item: trial.item, order: stimuli }, true);
}

function opinion(trial) {
  return page(
    `<h2>How natural does this sound?</h2><p>Key 1 plays it.</p><p>${playButton(trial.stimulus, "Play", 1)}</p>` +
      radios(trial.stimulus, OPINION, "Naturalness"),
    { kind: "mos", item: trial.item });
}

function abx(trial) {
  const pair = jsPsych.randomization.shuffle(trial.pair);
  return page(
    `<h2>Speaker similarity</h2><p>X speaks Spanish, A and B English. Keys: 0 plays X, 1 A, 2 B.</p>
     <p>${playButton(trial.x, "X", 0)} ${playButton(pair[0], "A", 1)} ${playButton(pair[1], "B", 2)}</p>` +
      radios("voice", [[pair[0], "A is the voice of X"], [pair[1], "B is the voice of X"]], "Which of the two?"),
    { kind: "abx", item: trial.item, order: pair });
}

const attention = (answer) => page(
  `<h2>Please read this</h2><p>This question only shows that you are still with us: choose
   <strong>“${Object.fromEntries(OPINION)[answer]}”</strong>.</p>` + radios("attention", OPINION, "Your choice"),
  { kind: "attention", expected: answer });

const KINDS = { mushra, mos: opinion, abx };
const pages = jsPsych.randomization.shuffle(TEST.trials).map((trial) => KINDS[trial.kind](trial));
for (const answer of TEST.attention) {
  pages.splice(1 + Math.floor(Math.random() * pages.length), 0, attention(answer));
}

jsPsych.run([
  page(
    `<h1>Listening test</h1>
     <p>${TEST.trials.length} pages of short recordings, about ${TEST.minutes} minutes. Use headphones, in a quiet place, at
        a comfortable loudness, and leave it there. The recordings are of synthetic and processed speech.</p>
     <p>Your answers stay on this computer until you send the file that is saved at the end. They hold no name: only
        the code <strong>${rater}</strong>, your ratings, how often you played what, and how long it took.</p>` +
      radios("headphones", [["yes", "I wear headphones"], ["no", "I use loudspeakers"]], "You listen by") +
      radios("consent", [["yes", "I am of age, take part of my own will, and may stop at any time"]], "Consent"),
    { kind: "begin" }),
  ...pages,
]);

function finish() {
  const answers = jsPsych.data.get().values().map(({ kind, item, order, expected, response, rt, plays }) =>
    ({ kind, item, order, expected, response, rt, plays }));
  const found = { test: TEST.id, rater, started, finished: new Date().toISOString(), browser: navigator.userAgent, answers };
  const text = JSON.stringify(found, null, 1);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = `answers-${TEST.id}-${rater}.json`;
  link.textContent = "Save the answers again";
  const target = document.querySelector(".jspsych-content");
  target.innerHTML =
    `<h1>Thank you</h1><p>Your answers were saved as <strong>${link.download}</strong>: please send that file to whoever
     asked you. Should there be none, copy the text below.</p><p id="again"></p><textarea readonly aria-label="your answers"></textarea>`;
  target.querySelector("textarea").value = text;
  target.querySelector("#again").append(link);
  link.click();
}
