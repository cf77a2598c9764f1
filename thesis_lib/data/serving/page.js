// The dubbing page: one session, its state asked for again and again, and what the user does with it.
import { Segments, clock } from "./segments.js";
import { offer, options, resetOptions, showOptions } from "./options.js";
import { item, runs, showJob } from "./progress.js";
import { call, upload } from "./requests.js";

const BUSY_MS = 400, IDLE_MS = 15000; // between two requests of the state
const KEY = "dubbing-session";
const PAGE = crypto.randomUUID(); // a duplicated tab shows the same session and is another page
const ROLES = {
  content: "English recording instead of the translation",
  voice: "Recordings of another voice",
  style: "Recording of another speaking style",
};
const FILES = {
  english: "English speech",
  "subtitles.en.srt": "English subtitles", "subtitles.en.vtt": "English subtitles",
  "subtitles.es.srt": "Spanish subtitles", "subtitles.es.vtt": "Spanish subtitles",
  "script.json": "script, complete", "script.srt": "script, times and English",
};
const orderOf = (name) => Object.keys(FILES).indexOf(name);
const $ = (id) => document.getElementById(id);
let session = null, settings = null, state = null, shown = -1, shownScript = "", timer = 0;

const segments = new Segments($("segments"), $("segment"), { source: $("source"), english: $("english") }, showButtons);

function alertOf(text) {
  $("alert").textContent = text;
  $("alert").hidden = !text;
  if (text) $("alert").scrollIntoView({ block: "nearest" });
}

const here = (path = "") => `api/sessions/${session}${path}`;

// Run what a user has asked for; an error is shown on the page.
async function act(work) {
  alertOf("");
  try {
    await work();
  } catch (error) {
    fail(error);
  }
}

function fail(error) {
  if (error.status === 404 && session) close();
  alertOf(error.message);
}

function checkFile(file) {
  if (file.size <= settings.upload_bytes) return;
  const mb = (size) => `${(size / 1e6).toLocaleString("en", { maximumFractionDigits: 1 })} MB`;
  throw new Error(`the file has ${mb(file.size)}: at most ${mb(settings.upload_bytes)} can be uploaded`);
}

async function open(file) {
  checkFile(file);
  if ($("file").disabled) throw new Error("another file is being uploaded: wait for it, or close the page");
  $("upload").hidden = false;
  $("file").disabled = true;
  try {
    session = (await upload(file, (share) => { $("upload-bar").value = share; })).id;
  } finally {
    $("upload").hidden = true;
    $("file").disabled = false;
    $("file").value = "";
  }
  sessionStorage.setItem(KEY, session);
  await refresh();
  $("speak").focus();
}

function close() {
  clearTimeout(timer);
  session = state = null;
  shown = -1;
  shownScript = "";
  segments.clear();
  sessionStorage.removeItem(KEY);
  for (const id of ["source", "english"]) {
    $(id).removeAttribute("src");
    $(id).dataset.version = "";
  }
  for (const id of ["work", "result", "script", "downloads"]) $(id).hidden = true;
  $("choose").hidden = false;
  resetOptions(settings);
  $("file").focus();
}

async function refresh() {
  clearTimeout(timer);
  const asked = session;
  const found = await call("GET", here(`?page=${PAGE}`));
  if (asked !== session) return;
  state = found;
  await show();
  askAgain();
}

// Ask for the state again soon; also after a request without an answer, as when a computer wakes up.
function askAgain() {
  clearTimeout(timer);
  timer = setTimeout(() => session && refresh().catch((error) => {
    fail(error);
    if (session) askAgain();
  }), isBusy() ? BUSY_MS : IDLE_MS);
}

const isBusy = () => runs(state?.job);

async function show() {
  $("choose").hidden = true;
  $("work").hidden = false;
  $("work-title").textContent = state.source.name;
  $("facts").textContent = `${clock(state.source.seconds)} ${state.source.is_video ? "video" : "audio"}`;
  showJob(state.job);
  showRoles();
  showFormats();
  if (state.revision !== shown && !isBusy()) await showResult();
  showButtons();
}

async function showResult() {
  shown = state.revision;
  const { made, files } = state;
  $("result").hidden = !files.source;
  $("english").parentElement.hidden = !made;
  $("downloads").hidden = !made;
  $("script").hidden = false;
  for (const id of ["anew", "speak-below"]) $(id).hidden = !files["script.json"];
  $("script-help").textContent = files["script.json"]
    ? "Correct the English and press Speak again: only changed segments are spoken again."
    : "The script is written with the translation. One that you have saved, JSON or SRT, can be loaded instead.";
  setPlayer("source", files.source, `${session}`);
  setPlayer("english", files.english, `${session} ${state.spoken}`);
  if (made) {
    const { clone } = made, similarity = (value) => value.toFixed(2);
    $("measured").textContent = `${clock(clone.source_duration)} Spanish, ${clock(clone.duration)} English. Cosine `
      + `similarity to the speaker: ${similarity(clone.similarity_before)} before voice conversion, `
      + `${similarity(clone.similarity_after)} after (by ${clone.encoder}, which conditions the output).`;
  }
  if (!files["script.json"]) {
    segments.clear();
  } else if (state.script !== shownScript) {
    const script = await call("GET", here("/files/script.json"));
    segments.show(script, made?.places ?? [], state.is_spoken, made?.clone.speakers ?? 0);
  } else {
    segments.setSpoken(made?.places ?? [], made?.clone.speakers ?? 0);
  }
  shownScript = state.script;
  const saved = Object.entries(files).filter(([name]) => name !== "source").sort(([a], [b]) => orderOf(a) - orderOf(b));
  $("files").replaceChildren(...saved.map(([name, file]) => {
    const link = document.createElement("a"), row = item("");
    link.href = `${here(`/files/${name}`)}?download`;
    link.download = file;
    link.textContent = file;
    row.append(link, ` ${FILES[name] ?? "English, as asked for"}`);
    return row;
  }));
}

// The player loads a file again only where it has changed: `version` says so.
function setPlayer(id, file, version) {
  if (!file || $(id).dataset.version === version) return;
  $(id).dataset.version = version;
  $(id).src = `${here(`/files/${id}`)}?v=${encodeURIComponent(version)}`;
}

function showButtons() {
  const count = segments.changed();
  const says = count ? `Speak again (${count} changed segment${count === 1 ? "" : "s"})` : "Speak again";
  for (const button of document.querySelectorAll(".speak")) {
    button.textContent = state?.files["script.json"] ? says : "Translate and speak";
  }
  const changing = ".speak, #anew, #script-file, #consent, #export button, #segments :is(textarea, input, select)";
  const hint = segments.hint($("form").elements.speakers.value, state?.made?.speakers);
  if ($("speakers-hint").textContent !== hint) $("speakers-hint").textContent = hint;
  for (const control of document.querySelectorAll(`${changing}, #form *`)) control.disabled = isBusy();
}

function showRoles() {
  for (const place of document.querySelectorAll(".upload-role")) {
    const role = place.dataset.role, names = state.recordings[role].join("\n");
    if (place.dataset.names === names) continue;
    place.dataset.names = names;
    const label = document.createElement("label"), input = document.createElement("input");
    input.type = "file";
    input.addEventListener("change", () => act(async () => {
      for (const file of input.files) {
        checkFile(file);
        await call("PUT", here(`/recordings/${role}?name=${encodeURIComponent(file.name)}`), file);
      }
      await refresh();
    }));
    label.append(ROLES[role], input);
    const list = document.createElement("ul");
    list.append(...state.recordings[role].map((name) => item(name)));
    const remove = document.createElement("button");
    remove.type = "button";
    remove.textContent = "Remove";
    remove.setAttribute("aria-label", `Remove: ${ROLES[role]}`);
    remove.hidden = !names;
    remove.addEventListener("click", () => act(async () => {
      await call("DELETE", here(`/recordings/${role}`));
      await refresh();
    }));
    place.replaceChildren(label, list, remove);
  }
}

async function speak() {
  const chosen = options(); // before the form is disabled: a disabled control has no value
  if (segments.script && segments.changed()) {
    const script = new Blob([JSON.stringify(segments.script)]);
    await call("PUT", here("/script?name=script.json"), script);
  }
  await call("POST", here("/speak"), chosen);
  await refresh();
}

function showFormats() {
  $("add-track").hidden = !state.source.is_video;
  const audio = settings.audio.filter((suffix) => suffix !== ".wav"); // which is always there
  const list = state.source.is_video ? [...audio, ...settings.video] : audio;
  const select = $("export").elements.format;
  if (select.options.length === list.length) return;
  select.replaceChildren(...list.map((suffix) => new Option(suffix.slice(1), suffix)));
}

async function start() {
  settings = await call("GET", "api/settings");
  $("file").accept = settings.types.join(",");
  const types = settings.types.map((type) => type.slice(1)).join(", ");
  $("file-help").textContent = `Up to ${(settings.upload_bytes / 1e6).toLocaleString("en")} MB: ${types}`;
  offer(settings);
  resetOptions(settings);
  session = sessionStorage.getItem(KEY);
  if (!session) return;
  await refresh();
  if (state.options) showOptions(state.options);
  showButtons();
}

$("file").addEventListener("change", () => $("file").files.length && act(() => open($("file").files[0])));
document.addEventListener("dragover", (event) => { event.preventDefault(); $("drop").classList.add("over"); });
document.addEventListener("dragleave", () => $("drop").classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  $("drop").classList.remove("over");
  const file = event.dataTransfer.files[0];
  if (file && !session) act(() => open(file));
});
for (const button of document.querySelectorAll(".speak")) button.addEventListener("click", () => act(speak));
$("cancel").addEventListener("click", () => act(async () => {
  await call("DELETE", here("/speak"));
  await refresh();
}));
$("end").addEventListener("click", () => act(async () => { await call("DELETE", here()); close(); }));
$("anew").addEventListener("click", () => act(async () => {
  const chosen = options();
  await call("DELETE", here("/script"));
  await call("POST", here("/speak"), chosen);
  await refresh();
}));
$("script-file").addEventListener("change", () => act(async () => {
  const file = $("script-file").files[0];
  if (!file) return;
  try {
    await call("PUT", here(`/script?name=${encodeURIComponent(file.name)}`), file);
    await refresh();
  } finally {
    $("script-file").value = "";
  }
}));
$("form").addEventListener("change", showButtons);
$("form").addEventListener("submit", (event) => event.preventDefault());
$("export").addEventListener("submit", (event) => {
  event.preventDefault();
  const { format, add_track: track } = $("export").elements;
  act(async () => {
    const isAdded = track.checked && settings.video.includes(format.value);
    await call("POST", here("/export"), { format: format.value, add_track: isAdded });
    await refresh();
  });
});
addEventListener("pagehide", () => session && navigator.sendBeacon(here(`/leave?page=${PAGE}`), ""));
act(start);
