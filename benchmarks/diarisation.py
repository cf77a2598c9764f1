"""Who speaks when, and which speaker's voice the output has, on conversations with known turns (THESIS_HUMAN).

Each conversation is mixed from recordings of single speakers: human ones of THESIS_HUMAN, bundled Spanish test voices,
or both. Every second one has an overlap of two speakers. The confusion is the share of the time that both the
reference and the diarisation give to a speaker, overlaps excluded, in which the speakers differ under the best map of
labels. The English is given, because the recordings may be in any language. An output segment is right where
Resemblyzer, which neither clusters nor conditions, finds it nearest to its own speaker among those of the conversation.
"""

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment
from tqdm import tqdm

from benchmarks.conversations import Conversation, mixed
from benchmarks.emotion import TEXTS
from benchmarks.human import human_recordings
from thesis_lib.audio.files import read_audio, write_audio
from thesis_lib.audio.voice_activity import RATE, speech_segments
from thesis_lib.cloning import CloningError, TranslatedSegment, VoiceCloningPipeline, build
from thesis_lib.cloning.cast import cast_from
from thesis_lib.cloning.diarisation import Diarisation, diarise
from thesis_lib.cloning.speaker_windows import windows_of
from thesis_lib.config import CorpusConfig, EncoderConfig
from thesis_lib.corpus import mini
from thesis_lib.embeddings.encoders import embed, evaluation_encoders
from thesis_lib.embeddings.similarity import cosine
from thesis_lib.validation.metrics import Bounded, bootstrap

CONVERSATIONS, QUICK_CONVERSATIONS = 15, 3
KINDS = ("human", "Spanish", "human and Spanish")
SPEAKERS = (2, 1, 3, 4, 2)  # of three conversations each, one of each kind
BUNDLED_RECORDINGS = 3  # of each bundled voice
MAX_HUMAN_SECONDS = 20.0
OUTPUTS = 2  # synthesised segments of each speaker: the first turns that are found
FRAMES_PER_SECOND = 100
TOLERANCE_SECONDS = 0.25  # of a found overlap
RESAMPLES = 1000
SOURCE, TTS, OURS = "source turn", "TTS", "ours"


def run(quick: bool) -> dict:
    """Confusion, number of speakers and overlaps; and the speaker to whom source turns, TTS and outputs are nearest."""
    pipeline, rows, outputs = build(), [], []
    encoder = next(x for x in evaluation_encoders(EncoderConfig()) if x.name == "resemblyzer")
    count = QUICK_CONVERSATIONS if quick else CONVERSATIONS
    for number, (kind, talk) in enumerate(tqdm(conversations(count), "conversations", count)):
        row, found = _diarised(pipeline, talk)
        rows.append({"kind": kind, "speakers": talk.speakers, "seconds": len(talk.wav) / RATE} | row)
        if talk.speakers > 1:
            outputs += [{"conversation": number, "kind": kind} | x for x in _outputs(pipeline, talk, found, encoder)]
    return {
        "conversations": count,
        "seconds": sum(row["seconds"] for row in rows),
        "rows": summary(rows),
        "number of speakers": [[row["speakers"], row["found"]] for row in rows],
        "overlaps": {key: sum(row[f"overlaps {key}"] for row in rows) for key in ("real", "noted", "false")},
        "one speaker too many": {"asked": count, "refused": sum(row["refuses one more"] for row in rows)},
        "evaluation encoder": encoder.name,
        "nearest": nearest(outputs),
    }


def conversations(count: int) -> Iterator[tuple[str, Conversation]]:
    """Kind and conversation; a human speaker takes part in one only."""
    rng, human = np.random.default_rng(0), human_recordings()
    names = iter(rng.permutation(sorted(human)).tolist())
    table = mini.table(CorpusConfig(name="mini")).query("split == 'test'")
    for number in range(count):
        kind, speakers = KINDS[number % len(KINDS)], SPEAKERS[number // len(KINDS) % len(SPEAKERS)]
        bundled = {"human": 0, "Spanish": speakers}.get(kind, speakers // 2)
        voices = [[read_audio(human[next(names)][0], RATE)[0]] for _ in range(speakers - bundled)]
        for voice in rng.choice(table.voice.unique().astype(str), bundled, replace=False):
            ids = table[table.voice == voice].id[:BUNDLED_RECORDINGS]
            voices.append([read_audio(mini.bundle() / "audio" / f"{id}.es.opus", RATE)[0] for id in ids])
        voices = [[wav[: int(MAX_HUMAN_SECONDS * RATE)] for wav in wavs] for wavs in voices]
        yield kind, mixed(voices, rng, overlap=number % 2 == 1 and speakers > 1)


def _diarised(pipeline: VoiceCloningPipeline, talk: Conversation) -> tuple[dict, Diarisation]:
    """Seconds of confusion and of reference speech, with the number of speakers given and without, and overlaps."""
    windows = [windows_of(x, pipeline.analyser.speaker_encoder) for x in speech_segments([talk.wav], RATE)]
    found, row = diarise(windows), {}
    known = found if talk.speakers == 1 else _or_none(windows, talk.speakers)
    for name, diarisation in (("auto", found), ("known", known)):
        if diarisation:
            row[f"wrong, {name}"], row[f"seconds, {name}"] = confusion(talk, diarisation)
    noted = [any(a < last and b > first for a, b in found.overlaps) for first, last in talk.overlaps]
    near = [(first - TOLERANCE_SECONDS, last + TOLERANCE_SECONDS) for first, last in talk.overlaps]
    false = [not any(a < last and b > first for first, last in near) for a, b in found.overlaps]
    row |= {"overlaps real": len(noted), "overlaps noted": sum(noted), "overlaps false": sum(false)}
    row |= {"found": len(found.speakers), "refuses one more": _or_none(windows, talk.speakers + 1) is None}
    return row, found


def _or_none(windows: list, count: int) -> Diarisation | None:
    try:
        return diarise(windows, count)
    except CloningError:
        return None


def confusion(talk: Conversation, found: Diarisation) -> tuple[float, float]:
    """Seconds given to a wrong speaker under the best map of labels, and seconds that were compared."""
    length = int(FRAMES_PER_SECOND * len(talk.wav) / RATE) + 1
    real, given = np.full(length, -1), np.full(length, -1)
    labels = {label: number for number, label in enumerate(found.speakers)}
    sides = ((real, talk.turns), (given, [(x.start, x.end, labels[x.speaker]) for x in found.turns]))
    for frames, turns in sides:
        for start, end, speaker in turns:
            frames[int(start * FRAMES_PER_SECOND) : int(end * FRAMES_PER_SECOND)] = speaker
    for start, end in talk.overlaps:
        real[int(start * FRAMES_PER_SECOND) : int(end * FRAMES_PER_SECOND)] = -1
    both = (real >= 0) & (given >= 0)
    table = np.zeros((talk.speakers, len(labels)))
    np.add.at(table, (real[both], given[both]), 1)
    right = table[linear_sum_assignment(-table)].sum()
    return float(both.sum() - right) / FRAMES_PER_SECOND, float(both.sum()) / FRAMES_PER_SECOND


def _outputs(pipeline: VoiceCloningPipeline, talk: Conversation, found: Diarisation, encoder) -> Iterator[dict]:
    """A row for each system and synthesised turn: whether it is nearest to its own speaker."""
    enrolled = [embed(encoder, wav, RATE) for wav in talk.clean]
    texts = itertools.cycle(TEXTS)
    left = dict.fromkeys(range(talk.speakers), OUTPUTS)
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "conversation.wav"
        write_audio(path, talk.wav, RATE)
        cast = cast_from(pipeline, path, found)
        for segment in cast.segments(path):
            own = talk.speaker_at(segment.start, segment.end)
            if not left[own]:
                continue
            left[own] -= 1
            translated = TranslatedSegment(segment, "", next(texts))
            made = pipeline.synthesise_one(translated, cast.of(translated))
            sides = {SOURCE: (segment.wav, RATE), TTS: (made.content, pipeline.sample_rate)}
            for system, side in (sides | {OURS: (made.wav, pipeline.sample_rate)}).items():
                cosines = [cosine(embed(encoder, *side), voice) for voice in enrolled]
                yield {"system": system, "right": int(np.argmax(cosines)) == own, "chance": 1 / talk.speakers}


def summary(rows: list[dict]) -> list[dict]:
    """Confusion of all conversations and of each kind, with the number of speakers found and given."""
    found = []
    for kind, mode in itertools.product(("all", *KINDS), ("auto", "known")):
        kept = [row for row in rows if kind in ("all", row["kind"]) and f"seconds, {mode}" in row]
        wrong, seconds = (np.array([row[f"{name}, {mode}"] for row in kept]) for name in ("wrong", "seconds"))
        statistic = Bounded(lambda n, a=wrong, b=seconds: float(a[n].sum() / b[n].sum()), 0, 1)
        value, low, high = bootstrap(len(kept), statistic, RESAMPLES, 0) if len(kept) > 1 else (None, None, None)
        found.append(
            {"conversations": kind, "speakers": mode, "n": len(kept), "confusion": value, "low": low, "high": high}
        )
    return found


def nearest(outputs: list[dict]) -> list[dict]:
    """Share of segments that are nearest to their own speaker; intervals resample conversations."""
    found = []
    for kind, system in itertools.product(("all", *KINDS), (SOURCE, TTS, OURS)):
        kept = [row for row in outputs if kind in ("all", row["kind"]) and row["system"] == system]
        right, groups = (np.array([row[name] for row in kept]) for name in ("right", "conversation"))
        row = {"conversations": kind, "system": system, "n": len(kept), "groups": len(set(groups.tolist()))}
        if row["groups"] > 1:
            statistic = Bounded(lambda n, x=right: float(x[n].mean()), 0, 1)
            row["share"], row["low"], row["high"] = bootstrap(len(kept), statistic, RESAMPLES, 0, groups)
            found.append(row | {"chance": float(np.mean([x["chance"] for x in kept]))})
    return found
