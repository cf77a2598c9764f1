"""Three ways to give the English output the source's prosody, in one table, and their combinations.

- "contour gain", the pipeline's default but for the F0 movement, which ``f0_movement`` measures: the F0 contour and
  the loudness of the synthesizer's speech are scaled, so that their variation is the source's; the synthesizer's speed
  follows the source's speaking rate.
- "style vector": the prosody half of Kokoro's style vector is that of the English voice with the variation of F0 and
  loudness and the speaking rate nearest to the source's (``style_halves``). The speed then makes up only for what the
  voice's own rate leaves. The gains of F0 and loudness are off.
- "model": a small network predicts F0 and energy of each frame (``prosody_model``); it is trained without the source's
  speaker. The speaking rate follows as in the default. The gains are off.

In every row the log-F0 median and the loudness are the source's, and the vocoder has the source's emotion embedding;
the row "F0 median and loudness" follows nothing else. No row has a watermark.

THESIS_EMOTIONS names the folder of acted recordings, with a table utterances.tsv, as for ``emotion``, which has the
measures. Its rows marked "train" are used, and no others: the comparison is a choice. The vocoder and the emotion
encoder were trained on recordings of this kind too, so the values are those of known speakers. THESIS_HUMAN names
English recordings for training, which are never measured, with the layout of ``speakers``: the model is trained on
their first seconds too.
"""

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks import contours, emotion
from benchmarks.acted import Acted, evaluated
from benchmarks.emotion_statistics import SOURCE, TTS, comparison, interval_rows
from benchmarks.human import human_recordings
from benchmarks.prosody_model import (
    EPOCHS,
    Example,
    ModelledVocoder,
    ProsodyModel,
    examples_of,
    frame_correlations,
    held_out_models,
)
from benchmarks.style_halves import (
    HalvesSynthesizer,
    nearest_half,
    source_statistics,
    voice_statistics,
)
from benchmarks.together import Sound, made_together
from thesis_lib.audio.files import read_audio, resample
from thesis_lib.audio.voice_activity import RATE, Segment, speech_segments
from thesis_lib.cloning import VoiceCloningPipeline, build
from thesis_lib.cloning.segments import SynthesisedSegment, TranslatedSegment
from thesis_lib.cloning.speaker import Speaker
from thesis_lib.cloning.voices import english_voices
from thesis_lib.config import CloningConfig, CorpusConfig
from thesis_lib.corpus import mini
from thesis_lib.validation.metrics import Bounded, Statistic

DEFAULT, LEVEL = "contour gain", "F0 median and loudness"
STYLE, STYLE_AND_GAIN = "style vector", "style vector and contour gain"
MODEL = "model"
GAIN = {"follow_movement": False}
NO_GAIN = GAIN | {"follow_pitch": False, "follow_dynamics": False}
WAYS = {  # way -> changes of the pipeline's configuration
    LEVEL: NO_GAIN | {"follow_rate": False},
    DEFAULT: GAIN,
    STYLE: NO_GAIN,
    STYLE_AND_GAIN: GAIN,
    MODEL: NO_GAIN,
}
F0_SLOPE, FINAL_MOVEMENT = "F0 slope", "final F0 movement"
CORRELATED = (emotion.WORLD_F0_STD, F0_SLOPE, FINAL_MOVEMENT, "loudness variation", emotion.SPEAKING_RATE)
FOLDS = 5
MAX_TRAINING_RECORDINGS = 4  # of a speaker and emotion
HUMAN_SECONDS = 4.0  # of each recording of THESIS_HUMAN
VOICE_TEXTS = 2  # bundled English texts, from which a voice's prosody is measured
QUICK_VOICES, QUICK_HUMANS, QUICK_EPOCHS = 3, 2, 2


def run(quick: bool) -> dict:
    """The statistics of each way, and their differences to the default; how well the model predicts unseen speakers."""
    warnings.filterwarnings("ignore", category=UserWarning)
    table = common_sentences_first(emotion.acted_recordings(train=True))
    ways = Ways(emotion.chosen_recordings(quick, table, MAX_TRAINING_RECORDINGS), quick)
    measured, missing = _measured(emotion.chosen_recordings(quick, table), ways)
    return comparison(measured, WAYS, DEFAULT, CORRELATED) | {
        "model": ways.model_rows() | {"recordings": len(ways.examples), "folds": FOLDS},
        "prosody halves": ways.chosen,
        "not measured": missing,
    }


def common_sentences_first(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of each speaker, the sentence first that the speaker said in the most emotions.

    The duration of the first recording of each emotion then tells the speaking rate.
    """
    emotions = table.groupby(["speaker", "sentence"]).emotion.transform("nunique")
    return table.assign(most=-emotions).sort_values(["speaker", "most", "sentence", "path"]).drop(columns="most")


def _measured(table: pd.DataFrame, ways: "Ways") -> tuple[pd.DataFrame, list[dict]]:
    """A row each system and recording, and what could not be measured."""

    def outputs_of(item: Acted) -> dict[str, Sound]:
        return ways(list(speech_segments([item.read()[0]], RATE)), item.text, item.speaker)

    systems = made_together((SOURCE, TTS, *WAYS), (SOURCE,), outputs_of)
    return evaluated(emotion.items_of(table, RATE), systems, ContourMeasures())


class ContourMeasures:
    """(N,) speech -> what ``emotion.Measures`` gives, with F0 slope and final F0 movement."""

    def __init__(self) -> None:
        self.base = emotion.Measures(every_tracker=False)

    def __call__(self, wav: np.ndarray, rate: int, source: np.ndarray, source_rate: int, text: str | None) -> dict:
        """One row, as ``emotion.Measures``; cosines are to the speech of the source."""
        speech = np.concatenate([segment.wav for segment in speech_segments([source], source_rate)])
        found = self.base(wav, rate, speech, RATE, text)
        times, log_f0 = contours.world_log_f0(resample(wav, rate, RATE))
        return found | {F0_SLOPE: contours.slope(times, log_f0), FINAL_MOVEMENT: contours.final_movement(log_f0)}


class Ways:
    """The pipeline, the synthesizer with other prosody halves and the models; a source -> the output of each way."""

    def __init__(self, training: pd.DataFrame, quick: bool) -> None:
        # The only segment is the whole recording, from which its style does not differ.
        config = CloningConfig(follow_segments=False, watermark=False, tts="int8")
        self.pipeline, self.synthesizer = build(config=config), HalvesSynthesizer()
        self.pipeline.synthesizer = self.synthesizer
        voices = english_voices()
        texts = mini.table(CorpusConfig(name="mini")).en[:VOICE_TEXTS]
        self.voices = voice_statistics(self.synthesizer, voices[: QUICK_VOICES if quick else None], list(texts))
        acted = [(row.speaker, read_audio(row.path, RATE)[0]) for row in training.itertuples()]
        human = list(human_recordings().items())[: QUICK_HUMANS if quick else None]
        read = [(name, read_audio(paths[0], RATE)[0][: int(HUMAN_SECONDS * RATE)]) for name, paths in human]
        self.examples = examples_of(self.pipeline, acted + read)
        self.models = held_out_models(
            self.examples, sorted(training.speaker.unique()), FOLDS, QUICK_EPOCHS if quick else EPOCHS
        )
        self.chosen: dict[str, int] = {}  # voice -> how often its prosody half was taken

    def __call__(self, segments: list[Segment], text: str, speaker_name: str) -> dict[str, Sound]:
        """System -> its (N,) and sample rate; AudioError if there is no speech."""
        speaker = self.pipeline.analyse_speaker(segments, speaker_name)
        (translated,) = self.pipeline.from_text(text, segments)
        half = nearest_half(source_statistics(speaker), self.voices)
        self.chosen[half] = self.chosen.get(half, 0) + 1
        source = np.concatenate([segment.wav for segment in segments])
        found, rate = {SOURCE: (source, RATE)}, self.pipeline.sample_rate
        for way in WAYS:
            made = self._made(way, translated, speaker, half, self.models[speaker_name])
            found.setdefault(TTS, (made.content, rate))
            found[way] = (made.wav, rate)
        return found

    def _made(
        self, way: str, translated: TranslatedSegment, speaker: Speaker, half: str, model: ProsodyModel
    ) -> SynthesisedSegment:
        pipeline = changed(self.pipeline, way)
        self.synthesizer.prosody = half if way in (STYLE, STYLE_AND_GAIN) else None
        if way == MODEL:
            pipeline.vocoder = ModelledVocoder(pipeline.vocoder, model, speaker.voice)
        return pipeline.synthesise_one(translated, speaker)

    def model_rows(self) -> dict:
        """How well the models predict the acted recordings, each by the model that was trained without its speaker."""
        return held_out_rows([one for one in self.examples if one.speaker in self.models], self.models)


def changed(pipeline: VoiceCloningPipeline, way: str) -> VoiceCloningPipeline:
    """A copy of the pipeline with a way's configuration."""
    return pipeline.copy_with(config=pipeline.config.model_copy(update=WAYS[way]))


def held_out_rows(examples: Sequence[Example], models: dict[str, ProsodyModel]) -> dict:
    """ "log-F0", "energy" -> mean correlation of predicted and own frames over the examples, with its interval."""
    correlations = np.array([frame_correlations(example, models[example.speaker]) for example in examples])
    defined = np.isfinite(correlations).all(1)
    statistics: dict[str, Statistic] = {
        name: Bounded(lambda rows, values=values: float(values[rows].mean()), -1, 1)
        for name, values in zip(("log-F0", "energy"), correlations[defined].T, strict=True)
    }
    speakers = pd.DataFrame({"speaker": [example.speaker for example in examples]})[defined]
    return {row.pop("statistic"): row for row in interval_rows(statistics, speakers, {})}
