// The progress of a session's job.

const STAGES = {
  read: "Read the recording", speakers: "Tell the speakers apart", voice: "Measure the voice",
  adapt: "Adapt to the voice", translate: "Recognise and translate", speak: "Speak in the voice", write: "Write the files",
};
const $ = (id) => document.getElementById(id);

export const runs = (job) => Boolean(job && ["queued", "running"].includes(job.state));

// Show a session's job; null where it has none.
export function showJob(job) {
  const isBusy = runs(job);
  $("stages").hidden = job?.state !== "running";
  $("preview").hidden = !(isBusy && job.segments.length);
  $("cancel").hidden = !isBusy;
  if (!job) { $("status").textContent = ""; return; }
  const now = Object.keys(job.stages).find((stage) => job.stages[stage] < 1);
  const before = job.ahead === 1 ? "one recording is" : `${job.ahead} recordings are`;
  const texts = {
    queued: job.ahead ? `Waiting: ${before} worked on before yours.` : "Waiting…",
    running: now ? `${STAGES[now]}…` : "Almost done…",
    done: job.kind === "export" ? "The file is ready." : "The English is ready.",
    failed: `Not done: ${job.error}`,
    cancelled: "Cancelled.",
  };
  if ($("status").textContent !== texts[job.state]) $("status").textContent = texts[job.state];
  $("status").classList.toggle("failed", job.state === "failed");
  $("stages").replaceChildren(...Object.entries(job.stages).map(([stage, share]) => stageRow(stage, share, now)));
  $("preview").replaceChildren(...job.segments.map((segment) => item(`${segment.spanish} → ${segment.english}`)));
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

export function item(text) {
  const made = document.createElement("li");
  made.textContent = text;
  return made;
}
