"""CPU seconds of scoring one utterance in several systems: ours in one pass, against each package by itself.

The packages are called as their own documentation does, on files, warm and in this process: every call reads and
resamples what it needs. Ours is what `thesis validate` does: what the metrics share is computed once, and every
output has one thread. The values agree (tests/validation/test_signal.py, test_dnsmos.py, test_plcmos.py). Processor
time, of all threads.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from thesis_lib.audio.files import read_audio
from thesis_lib.audio.mel import LogMel
from thesis_lib.config import AudioConfig, Config
from thesis_lib.corpus import mini
from thesis_lib.corpus.manifest import Utterance
from thesis_lib.embeddings.encoders import evaluation_encoders, speaker_encoder
from thesis_lib.utils.load_librosa import load_librosa
from thesis_lib.validation import GROUND_TRUTH, Scorers, System, TestSet, ValidationItem, evaluate, griffin_lim, metrics
from thesis_lib.validation.validate import SPANISH
from thesis_lib.vocoder.voice import MEAN_VOICE

SYSTEMS = 3  # estimates of each utterance
RATE = AudioConfig().sample_rate
Files = dict[str, Path]  # "source", "reference", "estimate 0", ... -> file
Call = Callable[[Files, str], None]  # (files of an utterance, its English text)


def run(quick: bool) -> dict:
    """Medians over utterances, and the ratio with its spread."""
    config = Config.from_profile("demo").override({"encoders.emotion": "egemaps"})
    measured = [metric for metric in config.validation.metrics if metric != "nisqa"]  # no package of it installs here
    scorers = _scorers(config, measured)
    rows = mini.table(config.corpus).groupby("voice").head(1).head(2 if quick else 4)
    packages = _packages(config)
    seconds: dict[str, list[float]] = {"packages": [], "ours": []}
    with tempfile.TemporaryDirectory() as work:
        for number, row in enumerate(rows.itertuples()):
            files = _files(row.id, Path(work) / row.id)
            calls = {
                "packages": lambda f=files, r=row: [call(f, r.en) for call in packages],
                "ours": lambda f=files, r=row: _ours(f, r.en, scorers),
            }
            for name, call in calls.items():
                spent = _cpu_seconds(call)
                if number:  # the first loads the models
                    seconds[name].append(spent)
        # What each would take if it were the only one: what is left to gain, and where.
        alone = {}
        for metric in measured:
            only = _scorers(config, [metric])
            alone[metric] = _cpu_seconds(lambda: _ours(files, row.en, only))  # noqa: B023 - called at once
    ratios = [theirs / ours for theirs, ours in zip(*seconds.values(), strict=True)]
    return {
        "utterances": len(ratios),
        "systems": SYSTEMS,
        "cpu_seconds_an_utterance": {name: statistics.median(values) for name, values in seconds.items()},
        "packages / ours": {"median": statistics.median(ratios), "low": min(ratios), "high": max(ratios)},
        "cpu_seconds_of_ours_by_metric_alone": dict(sorted(alone.items(), key=lambda entry: -entry[1])),
    }


def _cpu_seconds(call: Callable[[], object]) -> float:
    started = time.process_time()
    call()
    return time.process_time() - started


def _scorers(config: Config, measured: list[str]) -> Scorers:
    return Scorers.load(config.override({"validation.metrics": measured}))


def _files(name: str, folder: Path) -> Files:
    """source, reference and estimates of a bundled pair, as files at the project's rate."""
    folder.mkdir()
    source, reference = (read_audio(mini.bundle() / "audio" / f"{name}.{side}.opus", RATE)[0] for side in ("es", "en"))
    rng, back = np.random.default_rng(0), griffin_lim(reference, LogMel(AudioConfig()))
    wavs = {"source": source, "reference": reference, "estimate 0": back}
    for number in range(1, SYSTEMS):
        wavs[f"estimate {number}"] = back + 0.003 * number * rng.normal(size=len(back)).astype(np.float32)
    for key, wav in wavs.items():
        soundfile.write(folder / f"{key}.wav", wav, RATE, subtype="FLOAT")
    return {key: folder / f"{key}.wav" for key in wavs}


def _ours(files: Files, text: str, scorers: Scorers) -> None:
    recordings = {name: scorers.record(read_audio(path)[0]) for name, path in files.items()}
    source, reference = recordings.pop("source"), recordings.pop("reference")
    item = ValidationItem(_utterance(text), reference, source, MEAN_VOICE)
    systems = [System(name, lambda item, output=output: output) for name, output in recordings.items()]
    systems += [System(GROUND_TRUTH, lambda item: item.reference), SPANISH]
    evaluate(TestSet([item]), systems, scorers.every, parallel=True)


def _utterance(text: str) -> Utterance:
    """An utterance of which the scorers need the English text only."""
    names = dict.fromkeys(("id", "speaker", "source_audio", "target_audio", "source_text"), "unused")
    return Utterance(split="test", target_text=text, source_duration=1.0, target_duration=1.0, **names)


def _packages(config: Config) -> list[Call]:
    """One function a metric; each goes through the recording and all estimates of an utterance."""
    return [*_compared_with_reference(), *_prosody(), _opinion(), _words(), _similarity(config)]


def _estimates(files: Files) -> list[Path]:
    return [files[f"estimate {number}"] for number in range(SYSTEMS)]


def _outputs(files: Files) -> list[Path]:
    return [files["reference"], *_estimates(files)]


def _read(path: Path, rate: int) -> np.ndarray:
    return load_librosa().load(path, sr=rate)[0]


def _pairs(files: Files, rate: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The reference and each estimate; every pair reads the reference again."""
    return [(_read(files["reference"], rate), _read(estimate, rate)) for estimate in _estimates(files)]


def _compared_with_reference() -> list[Call]:
    """Mel distance, mel-cepstral distortion, PESQ and STOI."""
    from pesq import pesq
    from pymcd.mcd import Calculate_MCD
    from pystoi import stoi

    librosa, mcds = load_librosa(), [Calculate_MCD(MCD_mode=mode) for mode in ("plain", "dtw")]

    def mel(files: Files, text: str) -> None:
        for pair in _pairs(files, RATE):
            np.abs(np.subtract(*(librosa.feature.melspectrogram(y=x, sr=RATE) for x in pair))).mean()

    def cepstra(files: Files, text: str) -> None:
        for mcd in mcds:
            for estimate in _estimates(files):
                mcd.calculate_mcd(str(files["reference"]), str(estimate))

    def perceptual(files: Files, text: str) -> None:
        for a, b in _pairs(files, 16_000):
            pesq(16_000, a, b, "wb")
        for a, b in _pairs(files, 16_000):
            stoi(a, b, 16_000)

    return [mel, cepstra, perceptual]


def _prosody() -> list[Call]:
    """Errors of F0, and F0 and eGeMAPS beside those of the source."""
    import opensmile
    from swift_f0 import SwiftF0

    tracker = SwiftF0()
    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)

    def pitch(files: Files, text: str) -> None:
        for pair in _pairs(files, 16_000):
            for x in pair:
                tracker.detect(x, 16_000)

    def style(files: Files, text: str) -> None:
        for path in _outputs(files):
            for side in (files["source"], path):
                tracker.detect(_read(side, 16_000), 16_000)
                smile.process_file(str(side))

    return [pitch, style]


def _opinion() -> Call:
    """DNSMOS and PLCMOS."""
    import speechmos.dnsmos
    import speechmos.plcmos

    def opinion(files: Files, text: str) -> None:
        for path in _outputs(files):
            for predictor in (speechmos.dnsmos, speechmos.plcmos):
                predictor.run(_read(path, 16_000).clip(-1, 1), 16_000)

    return opinion


def _words() -> Call:
    """Recognition, word error rate and BLEU."""
    import jiwer
    import sacrebleu
    from faster_whisper import WhisperModel

    from thesis_lib import pretrained

    whisper = WhisperModel(str(pretrained.fetch("whisper-tiny.en")), device="cpu", compute_type="int8")

    def words(files: Files, text: str) -> None:
        for path in _outputs(files):
            segments, _ = whisper.transcribe(str(path), language="en", temperature=0.0)
            recognised = metrics.normalise_text(" ".join(segment.text for segment in segments))
            jiwer.wer(metrics.normalise_text(text), recognised)
            sacrebleu.corpus_bleu([recognised], [[metrics.normalise_text(text)]])

    return words


def _similarity(config: Config) -> Call:
    """Speaker embeddings of every output and of the source."""
    encoders = [speaker_encoder(config.encoders), *evaluation_encoders(config.encoders)]

    def similarity(files: Files, text: str) -> None:
        for encoder in encoders:
            for path in _outputs(files):
                for side in (files["source"], path):
                    encoder.encode(_read(side, encoder.sample_rate))

    return similarity
