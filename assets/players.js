// Tables of sounds by keyboard. In a row, 1-9 play its sounds, each from where the last one was: an instant A/B.
// Space stops and goes on; the arrows change the row. Wherever a sound begins, all others stop.
document.addEventListener("play", (event) => {
  for (const audio of document.querySelectorAll("audio")) if (audio !== event.target) audio.pause();
}, true);

document.addEventListener("DOMContentLoaded", () => {
  for (const table of document.querySelectorAll("table.players")) {
    const rows = [...table.querySelectorAll("tbody tr")].filter((row) => row.querySelector("audio"));
    if (!rows.length) continue;
    for (const row of rows) {
      row.tabIndex = 0;
      row.addEventListener("keydown", (event) => handle(event, row, rows));
    }
    const keys = document.createElement("p");
    keys.className = "players-keys";
    keys.textContent = "By keyboard: Tab to a row; 1–9 play its sounds, each from where the last one was; " +
      "space stops and goes on; ↑ ↓ change the row.";
    table.after(keys);
  }
});

function handle(event, row, rows) {
  const sounds = [...row.querySelectorAll("audio")];
  const last = sounds.find((audio) => !audio.paused) || sounds.find((audio) => audio === row.lastSound);
  let sound = null;
  if (/^[1-9]$/.test(event.key)) {
    sound = sounds[event.key - 1];
    if (sound) seek(sound, last && !last.ended ? last.currentTime : 0);
  } else if (event.key === " " && event.target === row) {
    if (last && !last.paused) last.pause();
    else sound = last || sounds[0];
  } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    rows[rows.indexOf(row) + (event.key === "ArrowDown" ? 1 : -1)]?.focus();
  } else return;
  event.preventDefault();
  if (sound) {
    row.lastSound = sound;
    sound.play();
  }
}

function seek(sound, seconds) {
  if (sound.readyState) sound.currentTime = seconds;
  else sound.addEventListener("loadedmetadata", () => { sound.currentTime = seconds; }, {once: true});
}
