// The form of the options: what `thesis clone` calls by the same names.

const $ = (id) => document.getElementById(id);
const controlOf = (name) => (name === "consent" ? $("consent") : $("form").elements[name]);

// What the server is asked for. A disabled control has no value: to be read before the form is disabled.
export function options() {
  const form = new FormData($("form")), number = (name) => (form.get(name) === "" ? null : Number(form.get(name)));
  return {
    consent: $("consent").value, text: form.get("text").trim() || null, language: form.get("language"),
    emotion_mix: number("emotion_mix") ?? 1, adapt: number("adapt") ?? 0, fit: form.get("fit") !== null,
    style_strength: number("style_strength"), guidance: number("guidance"), voice: form.get("voice").trim() || null,
    speakers: form.get("speakers"), background: form.get("background") === null ? "drop" : "keep",
  };
}

// Show options: those of the last job, or the server's defaults.
export function showOptions(given) {
  for (const [name, value] of Object.entries(given)) {
    const control = controlOf(name);
    if (control.type === "checkbox") control.checked = value === true || value === "keep";
    else control.value = value ?? "";
  }
}

// The form as it is for a new recording.
export function resetOptions(settings) {
  $("form").reset();
  showOptions({ consent: "", ...settings.defaults });
}

// Offer what the server knows: its voices, and numbers of speakers.
export function offer(settings) {
  $("voices").replaceChildren(...["nearest", ...settings.voices].map((name) => new Option(name)));
  const several = Array.from({ length: settings.max_speakers - 1 }, (_, at) => String(at + 2));
  controlOf("speakers").append(...several.map((count) => new Option(count, count)));
}
