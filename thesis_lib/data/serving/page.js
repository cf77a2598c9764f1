// The dubbing page: one session, its state asked for again and again, and what the user does with it.
import { Lines, clock } from "./lines.js";

const BUSY_MS = 400, IDLE_MS = 15000; // between two requests of the state
const KEY = "dubbing-session";
const STAGES = {
  read: "Read the recording", voice: "Measure the voice", adapt: "Adapt to the voice",
  translate: "Recognise, translate", speak: "Speak in the voice", write: "Write the files",
};
const ROLES = {
  content: "English recording instead of the translation",
  voice: "Recordings of another voice",
  style: "Recording of another speaking style",
};
const $ = (id) => document.getElementById(id);
let session = null, settings = null, state = null, shown = -1, shownScript = "", timer = 0;

const lines = new Lines($("lines"), $("line"), { source: $("source"), english: $("english") }, showButtons);

function alertOf(text) {
  $("alert").textContent = text;
  $("alert").hidden = !text;
  if (text) $("alert").scrollIntoView({ block: "nearest" });
}

async function call(method, path, body) {
  let answer;
  try {
    const data = body === undefined || body instanceof Blob ? body : JSON.stringify(body);
    answer = await fetch(path, { method, body: data ?? (method === "GET" || method === "DELETE" ? undefined : "") });
  } catch {
    throw new Error("the server does not answer: start it again with `thesis serve`");
  }
  if (answer.status === 204) return null;
  const found = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(found.error), { status: answer.status });
  return found;
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

// With XMLHttpRequest, because fetch does not report how much of a file is sent.
function upload(file) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `api/sessions?name=${encodeURIComponent(file.name)}`);
    request.upload.onprogress = (event) => { $("upload-bar").value = event.loaded / Math.max(1, event.total); };
    request.onerror = () => reject(new Error("the upload was broken off: try again"));
    request.onload = () => {
      const found = JSON.parse(request.responseText);
      if (request.status === 201) resolve(found);
      else reject(new Error(found.error));
    };
    request.send(file);
  });
}

function checkFile(file) {
  if (file.size <= settings.upload_bytes) return;
  const mb = (size) => `${(size / 1e6).toLocaleString("en", { maximumFractionDigits: 1 })} MB`;
  throw new Error(`the file has ${mb(file.size)}: at most ${mb(settings.upload_bytes)} can be uploaded`);
}

async function open(file) {
  checkFile(file);
  $("upload").hidden = false;
  $("file").disabled = true;
  try {
    session = (await upload(file)).id;
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
  lines.clear();
  sessionStorage.removeItem(KEY);
  for (const id of ["source", "english"]) {
    $(id).removeAttribute("src");
    $(id).dataset.version = "";
  }
  for (const id of ["work", "result", "script", "downloads"]) $(id).hidden = true;
  $("choose").hidden = false;
  $("form").reset();
  setDefaults();
  $("file").focus();
}

async function refresh() {
  clearTimeout(timer);
  const asked = session;
  const found = await call("GET", here());
  if (asked !== session) return;
  state = found;
  await show();
  timer = setTimeout(() => session && refresh().catch(fail), isBusy() ? BUSY_MS : IDLE_MS);
}

const isBusy = () => Boolean(state?.job && ["queued", "running"].includes(state.job.state));

async function show() {
  $("choose").hidden = true;
  $("work").hidden = false;
  $("work-title").textContent = state.source.name;
  $("facts").textContent = `${clock(state.source.seconds)} ${state.source.is_video ? "video" : "audio"}`;
  showJob();
  showRoles();
  showFormats();
  if (state.revision !== shown && !isBusy()) await showResult();
  showButtons();
}

function showJob() {
  const job = state.job;
  $("stages").hidden = !isBusy();
  $("preview").hidden = !(isBusy() && job.lines.length);
  $("cancel").hidden = !isBusy();
  if (!job) { $("status").textContent = ""; return; }
  const now = Object.keys(job.stages).find((stage) => job.stages[stage] < 1);
  const texts = {
    queued: `Waiting: ${job.ahead === 1 ? "one recording is" : `${job.ahead} recordings are`} worked on before yours.`,
    running: now ? `${STAGES[now]}…` : "Almost done…",
    done: job.kind === "export" ? "The file is ready." : "The English is ready.",
    failed: `Not done: ${job.error}`,
    cancelled: "Cancelled.",
  };
  if ($("status").textContent !== texts[job.state]) $("status").textContent = texts[job.state];
  $("status").classList.toggle("failed", job.state === "failed");
  $("stages").replaceChildren(...Object.entries(job.stages).map(([stage, share]) => stageRow(stage, share, now)));
  $("preview").replaceChildren(...job.lines.map((line) => item(`${line.spanish} → ${line.english}`)));
  $("notes").hidden = !job.notes.length;
  $("notes").querySelector("summary").textContent = `Notes (${job.notes.length})`;
  $("notes").querySelector("ul").replaceChildren(...job.notes.map((note) => item(note)));
}

function stageRow(stage, share, now) {
  const row = document.createElement("li"), bar = document.createElement("progress");
  const name = document.createElement("span"), percent = document.createElement("span");
  name.textContent = STAGES[stage];
  percent.textContent = `${Math.floor(100 * share)} %`;
  percent.className = "share";
  bar.value = share;
  bar.setAttribute("aria-label", STAGES[stage]);
  row.classList.toggle("now", stage === now);
  row.append(name, bar, percent);
  return row;
}

function item(text) {
  const made = document.createElement("li");
  made.textContent = text;
  return made;
}

async function showResult() {
  shown = state.revision;
  const { made, files } = state;
  $("result").hidden = !files.source;
  $("english").parentElement.hidden = !made;
  $("downloads").hidden = !made;
  $("script").hidden = !made && !files["script.json"];
  setPlayer("source", files.source, `${session}`);
  setPlayer("english", files.english, `${session} ${state.spoken}`);
  if (made) {
    const { clone } = made, similarity = (value) => value.toFixed(2);
    $("measured").textContent = `${clock(clone.source_duration)} Spanish, ${clock(clone.duration)} English. Cosine `
      + `similarity to the speaker (${clone.encoder}): ${similarity(clone.similarity_before)} before voice conversion, `
      + `${similarity(clone.similarity_after)} after.`;
  }
  if (!files["script.json"]) {
    lines.clear();
  } else if (state.script !== shownScript) {
    lines.show(await call("GET", here("/files/script.json")), made?.places ?? [], state.is_spoken);
  } else {
    lines.setPlaces(made?.places ?? []);
  }
  shownScript = state.script;
  const saved = Object.entries(files).filter(([name]) => name !== "source");
  $("files").replaceChildren(...saved.map(([name, file]) => {
    const link = document.createElement("a"), row = item("");
    link.href = `${here(`/files/${name}`)}?download`;
    link.download = file;
    link.textContent = file;
    row.append(link);
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
  const count = lines.changed();
  const says = count ? `Speak again (${count} changed line${count === 1 ? "" : "s"})` : "Speak again";
  $("speak").textContent = state?.files["script.json"] ? says : "Translate and speak";
  const changing = "#speak, #anew, #script-file, #consent, #export button, #lines :is(textarea, input), #form *";
  for (const control of document.querySelectorAll(changing)) control.disabled = isBusy();
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

function options() {
  const form = new FormData($("form")), number = (name) => (form.get(name) === "" ? null : Number(form.get(name)));
  return {
    consent: $("consent").value, text: form.get("text").trim() || null, language: form.get("language"),
    emotion_mix: number("emotion_mix") ?? 1, adapt: number("adapt") ?? 0, fit: form.get("fit") !== null,
    style_strength: number("style_strength"), guidance: number("guidance"), voice: form.get("voice").trim() || null,
  };
}

async function speak() {
  const chosen = options(); // before the form is disabled: a disabled control has no value
  if (lines.script && lines.changed()) {
    const script = new Blob([JSON.stringify(lines.script)]);
    await call("PUT", here("/script?name=script.json"), script);
  }
  await call("POST", here("/speak"), chosen);
  await refresh();
}

function setDefaults() {
  const { defaults } = settings, { elements } = $("form");
  for (const name of ["language", "style_strength", "guidance", "voice"]) elements[name].value = defaults[name];
  elements.fit.checked = defaults.fit;
}

function showFormats() {
  $("add-track").hidden = !state.source.is_video;
  const list = [...settings.audio.filter((suffix) => suffix !== ".wav"), ...(state.source.is_video ? settings.video : [])];
  const select = $("export").elements.format;
  if (select.options.length === list.length) return;
  select.replaceChildren(...list.map((suffix) => new Option(suffix.slice(1), suffix)));
}

async function start() {
  settings = await call("GET", "api/settings");
  $("file").accept = settings.types.join(",");
  $("file-help").textContent = `Up to ${(settings.upload_bytes / 1e6).toLocaleString("en")} MB: ${settings.types.map((type) => type.slice(1)).join(", ")}`;
  $("voices").replaceChildren(...["nearest", ...settings.voices].map((name) => new Option(name)));
  setDefaults();
  session = sessionStorage.getItem(KEY);
  if (session) await refresh();
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
$("speak").addEventListener("click", () => act(speak));
$("cancel").addEventListener("click", () => act(async () => { await call("DELETE", here("/speak")); await refresh(); }));
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
$("form").addEventListener("submit", (event) => event.preventDefault());
$("export").addEventListener("submit", (event) => {
  event.preventDefault();
  const { format, add_track: track } = $("export").elements;
  act(async () => {
    await call("POST", here("/export"), { format: format.value, add_track: track.checked && settings.video.includes(format.value) });
    await refresh();
  });
});
addEventListener("pagehide", () => session && navigator.sendBeacon(here("/leave"), ""));
act(start);
