"""Build a listening test: a static folder that needs no network, and the key that stays with the run.

Three kinds of pages. MUSHRA (ITU-R BS.1534-3): every system of one sentence on sliders, with the open reference, the
hidden reference, and a low-pass anchor. MOS (ITU-T P.800): one recording, five steps. ABX: which of two English
recordings is in the voice of a Spanish one.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import numpy as np

from thesis_lib import pretrained
from thesis_lib.audio.files import write_audio
from thesis_lib.config import TASKS
from thesis_lib.runs.embed import load_embeddings
from thesis_lib.runs.folder import Run, RunError
from thesis_lib.runs.prepare import load_manifest
from thesis_lib.runs.vocoders import load_trained_vocoder
from thesis_lib.utils.files import write_text
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.validation import OTHER, OURS, SAME, ValidationItem, ValidationSystem, select, systems_of
from thesis_lib.validation.metrics import MetricError

ANCHOR = "anchor, 3.5 kHz low-pass"
ANCHOR_CUTOFF_HZ = 3500.0  # of the low anchor of BS.1534-3
STIMULUS_RMS_DBFS = -26.0  # of every stimulus, so that loudness is not rated
MAX_PEAK = 0.97  # of full scale
MIN_RMS = 1e-9
ATTENTION = ("2", "4")  # pages that only ask for a given answer
SECONDS_A_PAGE = {"mushra": 90, "mos": 15, "abx": 30}


class Stimuli:
    """Write recordings at one level under names that do not tell the system; ``key`` maps name -> item, system."""

    def __init__(self, folder: Path, seed: int, rate: int) -> None:
        self.folder, self.seed, self.rate = folder, seed, rate
        self.key: dict[str, dict[str, str]] = {}

    def add(self, wav: np.ndarray, item: str, system: str) -> str:
        """(N,) -> the name of its file."""
        level = wav * 10 ** (STIMULUS_RMS_DBFS / 20) / max(np.sqrt(np.mean(wav**2)), MIN_RMS)
        level = level * min(1, MAX_PEAK / np.abs(level).max())
        name = hashlib.sha256(f"{self.seed}|{item}|{system}|".encode() + level.tobytes()).hexdigest()[:16] + ".wav"
        write_audio(self.folder / "audio" / name, level, self.rate)
        self.key[name] = {"item": item, "system": system}
        return name


def build_listening_test(
    run: Run, folder: Path, progress: Progress = silent, note: Callable[[str], None] = lambda text: None
) -> Path:
    """Write the test into a new folder, and its key into the run; returns the page to open.

    ``note`` is called with each item that has no ABX trials, and the reason; the key has them too.
    Raises RunError when the folder is not empty, or the run has no trained vocoders.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise RunError(f"{folder} is not empty and may hold a test that is under way: name a new folder")
    vocoders = {task: load_trained_vocoder(run, task) for task in TASKS}
    manifest, embeddings, settings = load_manifest(run), load_embeddings(run, ("source",)), run.config.listening
    tests = manifest.split("test")
    systems = systems_of(vocoders, manifest, tests)
    stimuli = Stimuli(folder, settings.seed, run.config.audio.sample_rate)
    trials: list[dict] = []
    left_out: list[dict[str, str]] = []
    chosen = select(tests, settings.items)
    for number, utterance in enumerate(progress(chosen, len(chosen), "listening test")):
        item = ValidationItem.load(utterance, manifest, embeddings, run.config.audio)
        names, rated = _rated(item, systems, stimuli, number)
        trials += rated
        try:
            trials += _abx(item, systems, stimuli, names[OURS["conversion"]])
        except MetricError as error:
            left_out.append({"item": utterance.id, "kind": "abx", "reason": str(error)})
            note(f"{utterance.id} has no ABX trial: {error}")
    np.random.default_rng(settings.seed).shuffle(trials)
    key = stimuli.key
    identity = hashlib.sha256(json.dumps([key, trials], sort_keys=True).encode()).hexdigest()[:12]
    minutes = round(sum(SECONDS_A_PAGE[trial["kind"]] for trial in trials) / 60) or 1
    _write_pages(folder, identity, trials, minutes)
    inputs = run.provenance_of(*TASKS).inputs
    told = {"test": identity, "inputs": inputs, "stimuli": key, "trials": trials, "left out": left_out}
    write_text(key_path(run, identity), json.dumps(told, indent=1))
    return folder / "index.html"


def _rated(
    item: ValidationItem, systems: dict[str, ValidationSystem], stimuli: Stimuli, number: int
) -> tuple[dict[str, str], list[dict]]:
    """Files by system, and the MUSHRA and MOS trials of one item."""
    utterance = item.utterance
    outputs = {name: system.render(item) for name, system in systems.items() if system.has_words}
    names = {name: stimuli.add(wav, utterance.id, name) for name, wav in outputs.items()}
    names[ANCHOR] = stimuli.add(low_anchor(item.wav, stimuli.rate), utterance.id, ANCHOR)
    reference = stimuli.add(item.wav, utterance.id, "open reference")
    mushra = {"kind": "mushra", "item": utterance.id, "reference": reference, "stimuli": sorted(names.values())}
    # One MOS trial an item, of another system each time, so that all are rated equally often.
    turn = list(outputs)[number % len(outputs)]
    return names, [mushra, {"kind": "mos", "item": utterance.id, "stimulus": names[turn]}]


def _abx(item: ValidationItem, systems: dict[str, ValidationSystem], stimuli: Stimuli, ours: str) -> list[dict]:
    """The ABX trials of one item. MetricError where the split has one speaker, or one recording of this one."""
    utterance = item.utterance
    rendered = {name: systems[name].render(item) for name in (OTHER, SAME)}
    other, same = (stimuli.add(wav, utterance.id, name) for name, wav in rendered.items())
    x = stimuli.add(item.source.wav, utterance.id, "Spanish source")
    return [
        {"kind": "abx", "item": utterance.id, "system": name, "x": x, "pair": [target, other]}
        for name, target in ((OURS["conversion"], ours), (SAME, same))
    ]


def _write_pages(folder: Path, identity: str, trials: list[dict], minutes: int) -> None:
    shown = [_shown(trial) for trial in trials]
    test = {"id": identity, "trials": shown, "attention": ATTENTION, "minutes": minutes}
    write_text(folder / "trials.js", f"const TEST = {json.dumps(test)};\n")
    for name in ("index.html", "test.js", "test.css"):
        write_text(folder / name, (resources.files("thesis_lib") / "data" / "listening" / name).read_text())
    for weight in ("jspsych", "jspsych-form"):
        for name in pretrained.get(weight).files:
            shutil.copyfile(pretrained.fetch(weight) / name, folder / name)
    write_text(folder / "README.txt", _readme(minutes))


def _shown(trial: dict) -> dict:
    """A trial without the columns that tell which recording is which."""
    known = {name: value for name, value in trial.items() if name != "system"}
    return known | ({"pair": sorted(known["pair"])} if "pair" in known else {})


def key_path(run: Run, identity: str) -> Path:
    """Path of a test's key, which raters do not get."""
    return run.path / "listening" / f"key-{identity}.json"


def low_anchor(wav: np.ndarray, sample_rate: int) -> np.ndarray:
    """(N,) -> (N,): the low anchor."""
    from scipy.signal import butter, sosfiltfilt

    return sosfiltfilt(butter(8, ANCHOR_CUTOFF_HZ, fs=sample_rate, output="sos"), wav).astype(np.float32)


def _readme(minutes: int) -> str:
    return (
        "A listening test. Open index.html in a browser; no network is needed, and the folder can be put on any web\n"
        f"server as it is. It takes about {minutes} minutes. At the end the browser saves a file answers-….json:\n"
        "collect those files and run `thesis listening analyse answers-*.json`.\n\n"
        "jspsych.js, jspsych.css and survey-html-form.js are jsPsych 8 (https://www.jspsych.org), MIT licence,\n"
        "copyright its contributors; jspsych.css embeds the font Open Sans, SIL Open Font License 1.1.\n"
    )
