"""What the emotion loss of outputs for sampled target speakers (``losses.sampled_emotion``) adds to released weights.

Two trainings of some minutes on a CPU continue the released weights, one with the loss and one without it. Both train
the layers of the condition alone (``training.trainable``), without a discriminator: they compare the loss, and no
weights are made from them. Their corpus is the rows of THESIS_EMOTIONS that are marked "train", without the measured
recordings, and ``HUMANS`` speakers of THESIS_HUMAN, so that half of the speakers are actors. THESIS_HUMAN must hold
recordings for training, which are never measured. Before the encoders the signal is augmented as in the profile
``human``.

Measured as in ``emotion`` on one recording of each actor and emotion among the rows marked "train". The vocoders were
trained on these actors and sentences (the released weights on EmoDB as a whole), the emotion encoder on these
recordings: the values are for a choice. The weight of the loss is that of a trial on the same recordings, of which no
result is saved.
"""

import shutil
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import emotion
from benchmarks.acted import Acted, evaluated
from benchmarks.emotion_statistics import SOURCE, comparison
from benchmarks.human import human_recordings
from benchmarks.prosody_ways import common_sentences_first
from benchmarks.together import Sound, made_together
from thesis_lib.audio.files import read_audio, write_audio
from thesis_lib.audio.voice_activity import RATE, speech_segments
from thesis_lib.cloning import VoiceCloningPipeline, build
from thesis_lib.config import Config
from thesis_lib.embeddings.encoders import embed
from thesis_lib.embeddings.similarity import cosine
from thesis_lib.reporting import bar
from thesis_lib.runs.folder import Run
from thesis_lib.training import train
from thesis_lib.vocoder.synthesis import DEFAULT, Vocoder

RELEASED, WITHOUT, WITH = "released weights", "continued without the loss", "continued with the loss"
WEIGHT = 3.0
STEPS, QUICK_STEPS, QUICK_RECORDINGS = 150, 2, 8
HUMANS = 10
HUMAN_SECONDS = 8.0  # of each speaker of THESIS_HUMAN
FOLDER = Path("runs/emotion-loss")
SETTINGS = {
    "corpus.members": [{"name": "speakers", "root": str(FOLDER / name), "label": name} for name in ("acted", "read")],
    "conversion.losses.adversarial": 0.0,
    "conversion.losses.feature_matching": 0.0,
    "conversion.training.warm_start": DEFAULT,
    "conversion.training.trainable": "condition",
    "conversion.training.adversarial_from": STEPS,
    "conversion.training.auxiliary_from": 0,
    "conversion.training.recorded_share": 1.0,
    "conversion.training.batch_size": 4,
    "conversion.training.learning_rate": 3e-4,
    "conversion.training.schedule": "cosine",
    "conversion.training.warmup_steps": 20,
    "conversion.training.ema_decay": 0.0,
    "conversion.training.checkpoint_every": STEPS,
}
CORRELATED = (
    emotion.WORLD_F0_STD,
    emotion.SPEAKING_RATE,
    "loudness variation",
    "alpha ratio",
    "harmonics-to-noise ratio",
    "jitter",
)


def run(quick: bool) -> dict:
    """The statistics of each system, and the paired differences to the training without the loss."""
    warnings.filterwarnings("ignore", category=UserWarning)
    table = common_sentences_first(emotion.acted_recordings(train=True))
    chosen = emotion.chosen_recordings(quick, table)
    others = table[~table.path.isin(emotion.chosen_recordings(False, table).path)]
    measured, missing = _measured(chosen, continued_weights(others, quick))
    about = {"steps": QUICK_STEPS if quick else STEPS, "weight": WEIGHT, "not measured": missing}
    return comparison(measured, (RELEASED, WITHOUT, WITH), WITHOUT, CORRELATED) | about


def continued_weights(table: pd.DataFrame, quick: bool) -> dict[str, Vocoder]:
    """The released weights, and those continued without and with the loss, on the recordings of a table."""
    shutil.rmtree(FOLDER, ignore_errors=True)  # a saved training may be of other weights
    _write_corpus(table, QUICK_RECORDINGS if quick else None)
    found, first = {RELEASED: Vocoder.from_torch(DEFAULT)}, FOLDER / WITHOUT
    for name, weight in ((WITHOUT, 0.0), (WITH, WEIGHT)):
        changes = {
            "conversion.losses.sampled_emotion": weight,
            "conversion.training.steps": QUICK_STEPS if quick else STEPS,
        }
        made = Run(FOLDER / name, Config.from_profile("human").override(SETTINGS | changes))
        for part in ("corpus", "embeddings", "analyses") if (first / "corpus").exists() else ():
            shutil.copytree(first / part, made.path / part)
        found[name] = train(made, "conversion", bar)
    return found


def _write_corpus(table: pd.DataFrame, count: int | None) -> None:
    """Two folders of speakers: the acted recordings of a table, ``count`` of each, and the readers of THESIS_HUMAN."""
    for row in table.groupby("speaker").head(count or len(table)).itertuples():
        place = FOLDER / "acted" / row.speaker
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(row.path, place)
    for name, paths in list(human_recordings().items())[:HUMANS]:
        wav, rate = read_audio(paths[0])
        write_audio(FOLDER / "read" / name / "0.wav", wav[: int(HUMAN_SECONDS * rate)], rate)


def _measured(table: pd.DataFrame, vocoders: dict[str, Vocoder]) -> tuple[pd.DataFrame, list[dict]]:
    """A row each system and recording, and what could not be measured."""
    base, pipeline = emotion.Measures(every_tracker=False), build()
    encoder = pipeline.analyser.emotion_encoder
    pipelines = {name: pipeline.copy_with(vocoder=vocoder) for name, vocoder in vocoders.items()}

    def measure(wav: np.ndarray, rate: int, source: np.ndarray, source_rate: int, text: str | None) -> dict:
        found = base(wav, rate, source, source_rate, text)
        emotions = (embed(encoder, *sound) for sound in ((wav, rate), (source, source_rate)))
        return found | {f"cosine, {encoder.name}": cosine(*emotions)}

    systems = made_together((SOURCE, *vocoders), (SOURCE,), partial(clones_of_each, pipelines))
    return evaluated(emotion.items_of(table, RATE), systems, measure)


def clones_of_each(pipelines: dict[str, VoiceCloningPipeline], item: Acted) -> dict[str, Sound]:
    """Name of a pipeline -> its (N,) and sample rate; the source is its speech segments.

    AudioError if there is no speech.
    """
    segments = list(speech_segments([item.read()[0]], RATE))
    found = {SOURCE: (np.concatenate([segment.wav for segment in segments]), RATE)}
    for name, pipeline in pipelines.items():
        speaker = pipeline.analyse_speaker(segments, item.recording)
        (made,) = pipeline.synthesise(pipeline.from_text(item.text, segments, item.recording), speaker)
        found[name] = made.wav, pipeline.sample_rate
    return found
