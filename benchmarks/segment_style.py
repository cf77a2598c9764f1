"""Whether the style follows from segment to segment: an actor's emotions joined to one recording.

THESIS_EMOTIONS names a folder of acted recordings with a table utterances.tsv, as for ``emotion``, which has the
measures. Each actor's recordings, one an emotion, are the segments of one recording. Two systems clone it: with the
average style of the recording, and with the style of each segment. The result says too how far a short recording
measures its style: the variances within and between emotions, over the rows of the table that are marked "train"; and
the word errors of the synthesizer by its speed.
"""

import warnings
from functools import partial

import numpy as np
import pandas as pd
from tqdm import tqdm

from benchmarks import emotion
from benchmarks.acted import TABLE, Acted, acted_folder, acted_table, evaluated
from benchmarks.emotion_statistics import RESAMPLES, SOURCE, statistic_rows
from benchmarks.json_rows import interval_columns
from benchmarks.quality import error_rate
from benchmarks.together import Sound, made_together
from thesis_lib.audio.files import read_audio, resample
from thesis_lib.audio.pitch import MIN_LOG_F0_STD, track
from thesis_lib.audio.prosody import letter_rate, loudness_variation
from thesis_lib.audio.voice_activity import RATE, Segment, speech_segments
from thesis_lib.cloning import VoiceCloningPipeline, build
from thesis_lib.cloning.tts import KokoroSynthesizer
from thesis_lib.config import AudioConfig, CorpusConfig
from thesis_lib.corpus import mini
from thesis_lib.pretrained.whisper import Whisper
from thesis_lib.validation.metrics import word_errors

PAUSE_SECONDS = 1.0  # between two recordings
VARIANTS = {"average style": {"follow_segments": False}, "style of each segment": {}}
SPEEDS = (0.6, 0.7, 0.8, 1.0, 1.25, 1.4)  # of the synthesizer
VOICE, TEXTS, QUICK_TEXTS = "af_heart", 40, 2  # bundled English texts
QUICK_TRAIN_ROWS = 60


def run(quick: bool) -> dict:
    """Measure the source and both systems as ``emotion`` does, and the n0 (``prior_seconds``) of each statistic."""
    warnings.filterwarnings("ignore", category=UserWarning)
    table = emotion.chosen_recordings(quick)
    measured, missing = _measured(table)
    systems = measured.groupby("system", sort=False)
    return {
        "segments": int(measured.number.nunique()),
        "speakers": int(measured.speaker.nunique()),
        "emotions": sorted(measured.emotion.unique()),
        "chance": {"recall": 1 / measured.emotion.nunique()},
        "rows": [row for system, found in systems for row in statistic_rows(system, found, measured)],
        "speeds of the synthesizer": speeds(QUICK_TEXTS if quick else TEXTS),
        "prior seconds": prior_seconds(train_statistics(QUICK_TRAIN_ROWS if quick else None)),
        "not measured": missing,
    }


def _measured(table: pd.DataFrame) -> tuple[pd.DataFrame, list[dict]]:
    """A row each system and segment, and what could not be measured."""
    pipeline, texts, items = build(), emotion.texts_of(table), []
    made: dict[int, dict[str, Sound]] = {}  # number of a segment -> outputs, of one speaker
    recordings: dict[str, dict[int, Segment]] = {}  # speaker -> number -> segment of the joined recording
    for speaker, found in table.groupby("speaker"):
        own = found.sample(frac=1, random_state=0)  # the emotions in another order than the table's
        segments = joined_segments([read_audio(path) for path in own.path])
        recordings[speaker] = dict(zip(own.index, segments, strict=True))
        for number, name, path, segment in zip(own.index, own.emotion, own.path, segments, strict=True):
            read = partial(sound_of, segment)
            items.append(Acted(number, speaker, name, path.name, texts[speaker], read))

    def outputs_of(item: Acted) -> dict[str, Sound]:
        if item.number not in made:
            made.clear()
            own = recordings[item.speaker]
            found = clones(pipeline, list(own.values()), item.text)
            for place, number in enumerate(own):
                made[number] = {system: sounds[place] for system, sounds in found.items()}
        return made[item.number]

    systems = made_together((SOURCE, *VARIANTS), (SOURCE,), outputs_of)
    return evaluated(items, systems, emotion.Measures())


def sound_of(segment: Segment) -> Sound:
    """The samples and the sample rate of a segment."""
    return segment.wav, RATE


def joined_segments(recordings: list[tuple[np.ndarray, int]]) -> list[Segment]:
    """The speech of each recording (N,), Hz as one segment, one after the other with pauses."""
    segments, start = [], 0.0
    for wav, rate in recordings:
        speech = np.concatenate([segment.wav for segment in speech_segments([wav], rate)])
        segments.append(Segment(start, start + len(speech) / RATE, speech))
        start = segments[-1].end + PAUSE_SECONDS
    return segments


def clones(pipeline: VoiceCloningPipeline, segments: list[Segment], text: str) -> dict[str, list[Sound]]:
    """System -> the (N,) and sample rate of each segment; the source is the segments themselves."""
    speaker = pipeline.analyse_speaker(segments, alone=True)
    found = {SOURCE: [sound_of(segment) for segment in segments]}
    for system, changes in VARIANTS.items():
        changed = pipeline.copy_with(config=pipeline.config.model_copy(update=changes))
        translated = [one for segment in segments for one in changed.from_text(text, [segment])]
        found[system] = [(made.wav, pipeline.sample_rate) for made in changed.synthesise(translated, speaker)]
    return found


def speeds(count: int) -> list[dict]:
    """Word error rate of bundled English texts by the synthesizer, a row each speed, and letters a second of speech."""
    synthesizer, recogniser = KokoroSynthesizer(), Whisper("whisper-base")
    texts, rows = mini.table(CorpusConfig(name="mini")).en[:count], []
    for speed in tqdm(SPEEDS, "speeds"):
        found = []
        for text in texts:
            wav = resample(synthesizer(text, VOICE, speed=speed), synthesizer.sample_rate, RATE)
            errors, words = word_errors(recogniser(wav, RATE, "en").text, text)
            found.append((errors, words, letter_rate(wav, RATE, text)))
        errors, words, letters = np.array(found).T
        rate = error_rate(np.column_stack([errors, words]))
        row = {"speed": speed, "n": len(found)} | interval_columns(len(found), rate, RESAMPLES, name="WER")
        rows.append(row | {"letters a second": float(np.median(letters))})
    return rows


def train_statistics(count: int | None = None) -> pd.DataFrame:
    """Speaker, emotion, seconds of voiced speech and style statistics of the recordings marked "train"."""
    folder, audio, rows = acted_folder(TABLE), AudioConfig(), []
    for row in acted_table(folder, train=True)[:count].itertuples():
        wav, rate = read_audio(folder / row.path)
        pitch = track(resample(wav, rate, audio.sample_rate), audio)
        variation = loudness_variation(wav, rate)
        if pitch.is_voiced and variation:
            rows.append(
                {
                    "speaker": row.speaker,
                    "emotion": row.emotion,
                    "voiced": pitch.voiced.sum() * audio.hop_length / audio.sample_rate,
                    "log-F0 median": pitch.range.log_f0_median,
                    "log of the log-F0 standard deviation": np.log(max(pitch.range.log_f0_std, MIN_LOG_F0_STD)),
                    "log of the loudness variation": np.log(variation),
                }
            )
    return pd.DataFrame(rows)


def prior_seconds(found: pd.DataFrame) -> list[dict]:
    """n0 of each statistic: mean seconds of voiced speech x variance within an emotion / variance between emotions.

    The variances are pooled over the speakers; the one between the emotions' means is without the means' own error.
    """
    rows = []
    for name in found.columns[3:]:
        groups = found.groupby(["speaker", "emotion"])[name]
        count, mean = groups.size(), groups.mean()
        within = (groups.var() * (count - 1)).sum() / (count - 1).sum()
        between = mean.groupby("speaker").var().mean() - (within / count).mean()
        seconds = float(found.voiced.mean() * within / between) if between > 0 else None
        spread = {"within": float(within**0.5), "between": float(max(between, 0.0) ** 0.5)}
        rows.append({"statistic": name, "n": len(found), "seconds": seconds} | spread)
    return rows
