"""Which of a source's speaking style the cloned English carries: emotion recall, prosody, words, quality and voice.

THESIS_EMOTIONS names a folder of acted recordings: with a table utterances.tsv (path, speaker, emotion; optional use),
or as SPEAKER/EMOTION_*.wav. Rows marked "train" are left out. The English text is given, because the recordings may be
in any language: one of ``TEXTS`` for each speaker, so that the words do not differ between a speaker's emotions. The
recordings of one speaker should have the same words too: then the speaking rate differs as the durations do.

The recall is that of a probe that is neither a condition nor a loss of the vocoder: logistic regression, trained on
the recordings of the other speakers, standardised for each speaker, and applied to the output for the speaker that was
left out. One probe uses the mean and standard deviation of the states of Whisper base's encoder, loudness removed, the
other eGeMAPS, which has loudness and F0 among its functionals.

Two controls are rendered by the vocoder from the recording's own words instead of a synthesizer's: ``RESYNTHESIS`` is
the most that a vocoder can keep; ``FLAT`` has a constant F0 (the recording's own median), a constant energy and the
mean emotion embedding, while pronunciation, duration and speaker embedding stay those of the recording.

``MOVED`` is the trivial system: the synthesizer's speech, moved by WORLD to the recording's F0 median, at its loudness.
``MEAN_EMOTION`` differs from ``OURS`` in the emotion embedding alone, which is the training set's mean. Both carry the
watermark, as every output does; ``TTS`` and ``MOVED`` do not, and are spoken at the synthesizer's own rate. They use
Kokoro's own generator (int8): the samples of the student, which the pipeline uses, are the vocoder's input and not an
output.
"""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from benchmarks.acted import TABLE, Acted, acted_folder, acted_table, evaluated
from benchmarks.contours import robust_std, world_log_f0_std
from benchmarks.emotion_statistics import (
    FLAT,
    MEAN_EMOTION,
    MOVED,
    OURS,
    RESYNTHESIS,
    SOURCE,
    TTS,
    WITHOUT_TEXT,
    interval_rows,
    paired_differences,
    prosody_names,
    statistics_of,
)
from benchmarks.together import Sound, made_together
from thesis_lib.audio.files import read_audio, resample
from thesis_lib.audio.loudness import as_loud_as, at_loudness, limited
from thesis_lib.audio.pitch import MIN_VOICED_CONFIDENCE, PITCH_CHANNEL, PitchError, track
from thesis_lib.audio.prosody import MIN_SPEECH_SECONDS, letter_rate, loudness_variation, phonetic_change
from thesis_lib.audio.voice_activity import RATE, speech_seconds, speech_segments
from thesis_lib.cloning import VoiceCloningPipeline, build, with_kokoros_speech
from thesis_lib.config import AudioConfig, CorpusConfig, EncoderConfig
from thesis_lib.corpus import mini
from thesis_lib.embeddings.encoders import embed, evaluation_encoders
from thesis_lib.embeddings.encoders.egemaps import Egemaps
from thesis_lib.pretrained.whisper import Whisper
from thesis_lib.utils.errors import MetricError
from thesis_lib.validation.metrics import (
    Recording,
    Statistic,
    cosine,
    dnsmos,
    prosody,
    word_errors,
)
from thesis_lib.validation.speaker_test.world import towards
from thesis_lib.vocoder.content import ENERGY_SCALE, MAX_BELOW_PEAK_NEPERS, phonetic_states
from thesis_lib.vocoder.rendering import BaseVocoder
from thesis_lib.vocoder.voice import Voice

TEXTS = (
    "Kids are talking by the door.",
    "She will hand it in on Wednesday.",
    "The tablecloth is lying on the fridge.",
    "I never said that you could take it away.",
)
# Robust ones, by percentiles; "f0_std" of ``validation.metrics.prosody`` is pYIN's plain one.
WORLD_F0_STD, HARVEST_F0_STD = "F0 standard deviation by WORLD", "F0 standard deviation by Harvest"
PYIN_F0_STD = "F0 standard deviation by pYIN, robust"
SPEAKING_RATE = "speaking rate"
WITHOUT_RATE = "ours, without rate and dynamics"
VARIANTS = {WITHOUT_RATE: {"follow_rate": False, "follow_dynamics": False}, OURS: {}, MEAN_EMOTION: {}}
PAIRS = (  # compared on the same recordings
    (OURS, TTS),
    (OURS, MOVED),
    (OURS, MEAN_EMOTION),
    (OURS, WITHOUT_RATE),
    (RESYNTHESIS, FLAT),
)
# Of eGeMAPS; the others are those of ``validation.metrics.prosody``.
FUNCTIONALS = {
    "loudness": "loudness_sma3_amean",
    "loudness variation": "loudness_sma3_stddevNorm",
    "loudness peaks a second": "loudnessPeaksPerSec",
    "alpha ratio": "alphaRatioV_sma3nz_amean",
    "harmonics-to-noise ratio": "HNRdBACF_sma3nz_amean",
    "jitter": "jitterLocal_sma3nz_amean",
}
ENERGY_CHANNEL, VOICING_CHANNEL = -3, -1  # of content features other than the mel, beside PITCH_CHANNEL
PROBE_LUFS = -23.0
QUICK_SPEAKERS, QUICK_EMOTIONS = 2, 3


def run(quick: bool) -> dict:
    """Recall, correlations within a speaker, WER, DNSMOS and cosines to the source's voice, a row each system.

    "differences" are paired, on the same recordings: the first of each of ``PAIRS`` minus the second.
    """
    warnings.filterwarnings("ignore", category=UserWarning)
    measured, missing = _measured(chosen_recordings(quick))
    tables = dict(list(measured.groupby("system", sort=False)))
    statistics = {name: statistics_of(name, found, measured, prosody_names(found)) for name, found in tables.items()}
    rows = [row for name, found in tables.items() for row in interval_rows(statistics[name], found, {"system": name})]
    return {
        "recordings": int(measured.number.nunique()),
        "speakers": int(measured.speaker.nunique()),
        "emotions": sorted(measured.emotion.unique()),
        "chance": {"recall": 1 / measured.emotion.nunique()},
        "bundled voices": {side: neutral(side, QUICK_SPEAKERS if quick else None) for side in ("es", "en")},
        "rows": rows,
        "differences": differences_of_pairs(statistics, tables[TTS]),
        "not measured": missing,
    }


def differences_of_pairs(statistics: Mapping[str, Mapping[str, Statistic]], one: pd.DataFrame) -> list[dict]:
    """First minus second system of each of ``PAIRS``; the rows of every system are the recordings of ``one``."""
    rows = []
    for first, second in PAIRS:
        rows += paired_differences({name: statistics[name] for name in (first, second)}, second, one)
    return rows


def acted_recordings(train: bool = False) -> pd.DataFrame:
    """path, speaker and emotion of each recording of the folder that may be measured, or that is marked "train"."""
    folder = acted_folder(f"{TABLE}, or with SPEAKER/EMOTION_*.wav")
    if train or (folder / TABLE).exists():
        table = acted_table(folder, train)
        return table.assign(path=[folder / path for path in table.path])
    paths = sorted(folder.glob("*/*_*.wav"))
    if not paths:
        raise SystemExit(f"{folder} has neither {TABLE} nor SPEAKER/EMOTION_*.wav")
    return pd.DataFrame([{"path": p, "speaker": p.parent.name, "emotion": p.stem.split("_")[0]} for p in paths])


def chosen_recordings(quick: bool, table: pd.DataFrame | None = None, count: int = 1) -> pd.DataFrame:
    """The first ``count`` recordings of each speaker and emotion; with ``quick`` of few speakers and emotions.

    ``table`` replaces ``acted_recordings``.
    """
    table = acted_recordings() if table is None else table
    if quick:
        speakers, emotions = (
            sorted(table[name].unique())[:n] for name, n in (("speaker", QUICK_SPEAKERS), ("emotion", QUICK_EMOTIONS))
        )
        table = table[table.speaker.isin(speakers) & table.emotion.isin(emotions)]
    return table.groupby(["speaker", "emotion"]).head(count).reset_index(drop=True)


def _measured(table: pd.DataFrame) -> tuple[pd.DataFrame, list[dict]]:
    """A row each system and recording, and what could not be measured."""
    pipeline, names = build(), (SOURCE, RESYNTHESIS, FLAT, TTS, MOVED, *VARIANTS)
    made = made_together(names, WITHOUT_TEXT, lambda item: outputs(pipeline, *item.read(), item.text, item.recording))
    return evaluated(items_of(table), made, Measures())


def items_of(table: pd.DataFrame, rate: int | None = None) -> list[Acted]:
    """The recordings of a table, read at ``rate`` or at their own; those of a speaker have one text."""
    texts = texts_of(table)
    return [
        Acted(number, row.speaker, row.emotion, row.path.name, texts[row.speaker], partial(read_audio, row.path, rate))
        for number, row in enumerate(table.itertuples())
    ]


def texts_of(table: pd.DataFrame) -> dict[str, str]:
    """Speaker -> the English text that is spoken for all recordings of the speaker."""
    return {speaker: TEXTS[number % len(TEXTS)] for number, speaker in enumerate(sorted(table.speaker.unique()))}


def outputs(pipeline: VoiceCloningPipeline, wav: np.ndarray, rate: int, text: str, name: object) -> dict[str, Sound]:
    """System -> its (N,) and sample rate; the source is its speech segments, which the others are made from."""
    segments = list(speech_segments([wav], rate))
    speaker = pipeline.analyse_speaker(segments, name)
    speech, vocoder = np.concatenate([segment.wav for segment in segments]), pipeline.vocoder
    found = {SOURCE: (speech, RATE)} | {
        system: (vocoder.samples(content, voice), vocoder.sample_rate)
        for system, content, voice in own_words(vocoder, resample(speech, RATE, vocoder.sample_rate), speaker.voice)
    }
    neutral_speaker = replace(speaker, voice=replace(speaker.voice, emotion=vocoder.mean_emotion))
    for variant, changes in VARIANTS.items():
        target = neutral_speaker if variant == MEAN_EMOTION else speaker
        changed = pipeline.copy_with(config=pipeline.config.model_copy(update=changes))
        translated = changed.from_text(text, segments, name)
        if variant == WITHOUT_RATE:
            found[TTS] = with_kokoros_speech(changed).content(*translated, target), pipeline.sample_rate
        (made,) = changed.synthesise(translated, target)
        found[variant] = (made.wav, pipeline.sample_rate)
    return found | {MOVED: (trivially_moved(found[TTS][0], speech, speaker.voice, vocoder.audio), pipeline.sample_rate)}


def trivially_moved(wav: np.ndarray, source: np.ndarray, voice: Voice, audio: AudioConfig) -> np.ndarray:
    """(N,) at the rate of ``audio``, moved to the voice's log-F0 median and the loudness of (M,) at RATE.

    PitchError where one of them is not voiced.
    """
    if voice.log_f0_median is None:
        raise PitchError("the source is not voiced: use another recording")
    shifted = towards(wav, audio.sample_rate, track(wav, audio).range.log_f0_median, voice.log_f0_median)
    return limited(as_loud_as(shifted, source, audio.sample_rate, RATE), audio.sample_rate)


def own_words(vocoder: BaseVocoder, wav: np.ndarray, voice: Voice) -> list[tuple[str, np.ndarray, Voice]]:
    """System, content (1, C, T) of the recording (N,) and voice: as it is, and with constant F0 and energy."""
    content = vocoder.features(wav, voice.log_f0_median, voice.log_f0_std)
    flat, energy = content.copy(), content[0, ENERGY_CHANNEL]
    voiced = content[0, VOICING_CHANNEL] >= MIN_VOICED_CONFIDENCE
    spoken = energy >= energy.max() - MAX_BELOW_PEAK_NEPERS / ENERGY_SCALE
    flat[0, PITCH_CHANNEL] = np.median(content[0, PITCH_CHANNEL, voiced])
    flat[0, ENERGY_CHANNEL, spoken] = energy[spoken].mean()
    return [(RESYNTHESIS, content, voice), (FLAT, flat, replace(voice, emotion=vocoder.mean_emotion))]


class Measures:
    """(N,) speech -> the probe's input, prosodic statistics, word errors, DNSMOS and cosines to a source."""

    def __init__(self, every_tracker: bool = True) -> None:
        """``every_tracker``: by pYIN (``validation.metrics.prosody``) and by Harvest too, which are slow."""
        self.recogniser, self.egemaps, self.every_tracker = Whisper("whisper-base"), Egemaps(), every_tracker
        self.encoders = evaluation_encoders(EncoderConfig())

    def __call__(self, wav: np.ndarray, rate: int, source: np.ndarray, source_rate: int, text: str | None) -> dict:
        """One row. MetricError, AudioError: a recording in which hardly anything is voiced, spoken or audible."""
        narrow, recording = resample(wav, rate, RATE), Recording(wav, rate)
        even = at_loudness(narrow, PROBE_LUFS, RATE)
        states = self.recogniser.encode(even, RATE)
        functionals = dict(zip(self.egemaps.feature_names, vector := self.egemaps.encode(narrow), strict=True))
        found = prosody(recording) if self.every_tracker else {}
        if (seconds := speech_seconds(narrow)) < MIN_SPEECH_SECONDS:
            raise MetricError(f"{seconds:.2f} s of speech are detected; a rate needs {MIN_SPEECH_SECONDS:g} s")
        found[WORLD_F0_STD] = world_log_f0_std(narrow)
        if self.every_tracker:
            found[HARVEST_F0_STD] = world_log_f0_std(narrow, by_harvest=True)
            found[PYIN_F0_STD] = robust_std(np.log(recording.f0[recording.f0 > 0]))
        found[SPEAKING_RATE] = 1 / seconds
        found |= {name: float(functionals[key]) for name, key in FUNCTIONALS.items()}
        found |= {"probe": np.concatenate([states.mean(0), states.std(0)]), "functionals": vector}
        found["DNSMOS"] = dnsmos(recording)["dnsmos_ovrl"]
        if text is None:
            return found
        errors, words = word_errors(self.recogniser(narrow, RATE, "en").text, text)
        cosines = {f"cosine, {e.name}": cosine(*(embed(e, *x) for x in ((wav, rate), (source, source_rate))))
                   for e in self.encoders}  # fmt: skip
        return found | {"errors": errors, "words": words} | cosines


def neutral(side: str, count: int | None = None) -> dict[str, float]:
    """Medians of the prosodic statistics of the bundled recordings in a language ("es" or "en")."""
    found, audio = [], AudioConfig()
    for row in mini.table(CorpusConfig(name="mini"))[:count].itertuples():
        wav, rate = read_audio(mini.bundle() / "audio" / f"{row.id}.{side}.opus", RATE)
        speech = np.concatenate([segment.wav for segment in speech_segments([wav], rate)])
        pitch = track(resample(speech, RATE, audio.sample_rate), audio)
        change = phonetic_change(phonetic_states(speech, RATE), speech)
        letters = letter_rate(speech, RATE, getattr(row, side))
        found.append((pitch.range.log_f0_std, loudness_variation(speech, RATE), change, letters))
    names = ("log-F0 standard deviation", "loudness variation", "phonetic change", "letters a second")
    return dict(zip(names, np.nanmedian(np.array(found, float), 0).tolist(), strict=True)) | {"n": len(found)}
