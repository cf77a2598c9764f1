"""Build the test: a static folder that needs no network, and the key that its raters do not get.

Three kinds of pages. MUSHRA (ITU-R BS.1534-3): every system of one sentence on sliders, with the open reference, the
reference hidden among them, and a low-pass anchor. MOS (ITU-T P.800): one recording, five steps. ABX: which of two
English recordings is in the voice of a Spanish one.
"""

import hashlib
import json
import shutil
from importlib import resources
from pathlib import Path

import numpy as np

from thesis_lib import pretrained
from thesis_lib.audio.files import read_audio, write_audio
from thesis_lib.config import TASKS
from thesis_lib.runs.embed import embedded, voice_of
from thesis_lib.runs.folder import Run, RunError
from thesis_lib.runs.prepare import prepared
from thesis_lib.runs.vocoders import load_vocoder
from thesis_lib.utils.files import write_text
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.validation import OTHER, OURS, SAME, Item, select, systems_of
from thesis_lib.validation.metrics import MetricError

ANCHOR = "anchor, 3.5 kHz low-pass"
ANCHOR_EDGE = 3500.0  # Hz, BS.1534-3's low anchor
LEVEL = -26.0  # dBFS RMS of every stimulus: loudness must not be what is rated
ATTENTION = ("2", "4")  # pages that only ask for a given answer
SECONDS_A_PAGE = {"mushra": 90, "mos": 15, "abx": 30}


def build(run: Run, folder: Path, progress: Progress = silent) -> Path:
    """Write the test into a new folder, and its key into the run; returns the page to open.

    Raises RunError when the folder holds anything.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise RunError(f"{folder} is not empty: a test of before, with answers to come? Name a new folder")
    vocoders = {task: load_vocoder(run, task) for task in TASKS}
    manifest, embeddings, settings = prepared(run, progress), embedded(run, progress), run.config.listening
    tests = manifest.split("test")
    systems = systems_of(vocoders, manifest, tests)
    key: dict[str, dict[str, str]] = {}
    trials: list[dict] = []
    draw = np.random.default_rng(settings.seed)
    rate = run.config.audio.sample_rate

    def stimulus(wav: np.ndarray, item: str, system: str) -> str:
        """Write one recording at the common level under a name that says nothing."""
        level = wav * 10 ** (LEVEL / 20) / max(np.sqrt(np.mean(wav**2)), 1e-9)
        level = level * min(1, 0.97 / np.abs(level).max())
        name = hashlib.sha256(f"{settings.seed}|{item}|{system}|".encode() + level.tobytes()).hexdigest()[:16] + ".wav"
        write_audio(folder / "audio" / name, level, rate)
        key[name] = {"item": item, "system": system}
        return name

    chosen = select(tests, settings.items)
    for number, utterance in enumerate(progress(chosen, len(chosen), "listening test")):
        voice = voice_of(utterance, manifest, embeddings, run.config.audio)
        item = Item(utterance, read_audio(manifest.target(utterance))[0], voice)
        said = {name: system.render(item) for name, system in systems.items() if system.says_it}
        names = {name: stimulus(wav, utterance.id, name) for name, wav in said.items()}
        names[ANCHOR] = stimulus(low_pass(item.wav, rate), utterance.id, ANCHOR)
        reference = stimulus(item.wav, utterance.id, "open reference")
        trials.append(
            {"kind": "mushra", "item": utterance.id, "reference": reference, "stimuli": sorted(names.values())}
        )
        # One opinion an item, of another system each time, so that all are recognised alike often.
        turn = list(said)[number % len(said)]
        trials.append({"kind": "mos", "item": utterance.id, "stimulus": names[turn]})
        x = stimulus(read_audio(manifest.source(utterance))[0], utterance.id, "Spanish source")
        try:
            other = stimulus(systems[OTHER].render(item), utterance.id, OTHER)
            same = stimulus(systems[SAME].render(item), utterance.id, SAME)
        except MetricError:  # a part with one speaker, or one recording of this one
            continue
        for name, target in ((OURS["conversion"], names[OURS["conversion"]]), (SAME, same)):
            trials.append({"kind": "abx", "item": utterance.id, "system": name, "x": x, "pair": [target, other]})
    draw.shuffle(trials)
    identity = hashlib.sha256(json.dumps([key, trials], sort_keys=True).encode()).hexdigest()[:12]
    shown = [_shown(trial) for trial in trials]
    minutes = round(sum(SECONDS_A_PAGE[trial["kind"]] for trial in trials) / 60) or 1
    test = {"id": identity, "trials": shown, "attention": ATTENTION, "minutes": minutes}
    write_text(folder / "trials.js", f"const TEST = {json.dumps(test)};\n")
    for name in ("index.html", "test.js", "test.css"):
        write_text(folder / name, (resources.files("thesis_lib") / "data" / "listening" / name).read_text())
    for weight in ("jspsych", "jspsych-form"):
        for name in pretrained.get(weight).files:
            shutil.copyfile(pretrained.fetch(weight) / name, folder / name)
    write_text(folder / "README.txt", _readme(minutes))
    write_text(key_path(run, identity), json.dumps({"test": identity, "stimuli": key, "trials": trials}, indent=1))
    return folder / "index.html"


def _shown(trial: dict) -> dict:
    """A trial without what would tell a rater which recording is which."""
    known = {name: value for name, value in trial.items() if name != "system"}
    return known | ({"pair": sorted(known["pair"])} if "pair" in known else {})


def key_path(run: Run, identity: str) -> Path:
    """Where the run keeps what its raters must not see."""
    return run.path / "listening" / f"key-{identity}.json"


def low_pass(wav: np.ndarray, sample_rate: int) -> np.ndarray:
    """(N,) -> (N,): the low anchor."""
    from scipy.signal import butter, sosfiltfilt

    return sosfiltfilt(butter(8, ANCHOR_EDGE, fs=sample_rate, output="sos"), wav).astype(np.float32)


def _readme(minutes: int) -> str:
    return (
        "A listening test. Open index.html in a browser; no network is needed, and the folder can be put on any web\n"
        f"server as it is. It takes about {minutes} minutes. At the end the browser saves a file answers-….json:\n"
        "collect those files and run `thesis listening analyse answers-*.json`.\n\n"
        "jspsych.js, jspsych.css and survey-html-form.js are jsPsych 8 (https://www.jspsych.org), MIT licence,\n"
        "copyright its contributors; jspsych.css embeds the font Open Sans, SIL Open Font License 1.1.\n"
    )
