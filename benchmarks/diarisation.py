"""Who speaks when, and which speaker's voice the output has, on conversations with known turns (THESIS_HUMAN).

Each conversation is mixed from recordings of single speakers: human ones of THESIS_HUMAN, bundled Spanish test voices,
or both. Every second one has an overlap of two speakers. The diarisation error rate is the sum of the speech that is
missed, of the false alarms and of the confusion under the best map of labels, over the speech of the reference, with
overlaps and without a collar (NIST, Rich Transcription 2009). The system keeps 0.1 s beside each segment and pauses
within it, which are false alarms. The English is given, because the recordings may be in any language. An output
segment is right where Resemblyzer, which neither clusters nor conditions, finds it nearest to its own speaker among
those of the conversation. Speakers are enrolled with their turns without the tested one; the voice of the outputs is
extracted from all turns. The row of the TTS is Kokoro's own generator (int8), as in ``emotion``.
"""

import itertools
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment
from tqdm import tqdm

from benchmarks.conversations import Conversation, conversation_of
from benchmarks.emotion import TEXTS
from benchmarks.human import human_recordings
from benchmarks.json_rows import interval_columns, share_columns
from benchmarks.together import Sound, complete_rows, made_together
from thesis_lib.audio.files import read_audio, write_audio
from thesis_lib.audio.voice_activity import RATE, speech_segments
from thesis_lib.cloning import CloningError, TranslatedSegment, VoiceCloningPipeline, build, with_kokoros_speech
from thesis_lib.cloning.diarisation import Diarisation, diarise
from thesis_lib.cloning.recording_speakers import speakers_of_diarisation
from thesis_lib.cloning.speaker import Speaker
from thesis_lib.cloning.speaker_windows import windows_of
from thesis_lib.config import CorpusConfig, EncoderConfig
from thesis_lib.corpus import mini
from thesis_lib.embeddings.encoders import Encoder, embed, evaluation_encoders
from thesis_lib.embeddings.similarity import cosine
from thesis_lib.utils.errors import MetricError
from thesis_lib.utils.progress import bar
from thesis_lib.validation import Results, Scorer, TestSet, evaluate
from thesis_lib.validation.evaluation import Columns
from thesis_lib.validation.metrics import Bounded

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
UNTESTED, NO_OTHER_TURN = "untested", "a speaker of the conversation has no other turn to enrol"
ERRORS = ("missed", "false alarm", "confusion")
TOTAL = "diarisation error rate"


def run(quick: bool) -> dict:
    """Errors, number of speakers and overlaps; and the speaker to whom source turns, TTS and outputs are nearest."""
    pipeline, rows, turns = build(), [], list[SynthesisedTurn]()
    encoder = next(x for x in evaluation_encoders(EncoderConfig()) if x.name == "resemblyzer")
    count = QUICK_CONVERSATIONS if quick else CONVERSATIONS
    for number, (kind, talk) in enumerate(tqdm(conversations(count), "conversations", count)):
        row, found = _diarised(pipeline, talk)
        rows.append({"kind": kind, "speakers": talk.speakers, "seconds": len(talk.wav) / RATE} | row)
        if talk.speakers > 1:
            turns += turns_of(pipeline, number, kind, talk, found, encoder)
    outputs = outputs_of(pipeline, turns, encoder)
    return {
        "conversations": count,
        "seconds": sum(row["seconds"] for row in rows),
        "rows": summary(rows),
        "number of speakers": [[row["speakers"], row["found"]] for row in rows],
        "right number": share_columns(np.array([row["speakers"] == row["found"] for row in rows])),
        "overlaps": {key: sum(row[f"overlaps {key}"] for row in rows) for key in ("real", "noted", "false")},
        "one speaker too many": {"asked": count, "refused": sum(row["refuses one more"] for row in rows)},
        "evaluation encoder": encoder.name,
        "nearest": nearest(complete_rows(outputs, ["conversation", "turn"])),
        UNTESTED: len(
            {(row["conversation"], row["turn"]) for row in outputs.missing if row["reason"] == NO_OTHER_TURN}
        ),
        "not measured": [row for row in outputs.missing if row["reason"] != NO_OTHER_TURN],
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
        yield kind, conversation_of(voices, rng, overlap=number % 2 == 1 and speakers > 1)


def _diarised(pipeline: VoiceCloningPipeline, talk: Conversation) -> tuple[dict, Diarisation]:
    """Seconds of each error and of reference speech, with the number of speakers given and without, and overlaps."""
    windows = [windows_of(x, pipeline.analyser.speaker_encoder) for x in speech_segments([talk.wav], RATE)]
    found, row = diarise(windows), {}
    known = found if talk.speakers == 1 else _or_none(windows, talk.speakers)
    for name, diarisation in (("auto", found), ("known", known)):
        if diarisation:
            row |= {f"{part}, {name}": value for part, value in errors(talk, diarisation).items()}
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


def errors(talk: Conversation, found: Diarisation) -> dict[str, float]:
    """Seconds of each error and of the reference's speech; the speech of two speakers at once counts twice."""
    labels = {label: number for number, label in enumerate(found.speakers)}
    real = _frames(talk, talk.sounds, talk.speakers)
    given = _frames(talk, [(x.start, x.end, labels[x.speaker]) for x in found.turns], len(labels))
    speaking, answered = real.sum(0), given.sum(0)
    together = real.astype(float) @ given.T
    right = together[linear_sum_assignment(-together)].sum()
    parts = (
        np.maximum(speaking - answered, 0).sum(),
        np.maximum(answered - speaking, 0).sum(),
        np.minimum(speaking, answered).sum() - right,
        speaking.sum(),
    )
    return {name: float(x) / FRAMES_PER_SECOND for name, x in zip((*ERRORS, "speech"), parts, strict=True)}


def _frames(talk: Conversation, spans: Iterable[tuple[float, float, int]], speakers: int) -> np.ndarray:
    """Whether each speaker speaks in each frame (K, n), from the start and the end in s of what they say."""
    frames = np.zeros((speakers, round(FRAMES_PER_SECOND * len(talk.wav) / RATE)), int)
    for start, end, speaker in spans:
        frames[speaker, round(start * FRAMES_PER_SECOND) : round(end * FRAMES_PER_SECOND)] = 1
    return frames


@dataclass(frozen=True)
class SynthesisedTurn:
    """A turn to synthesise, its real speaker, and the embedded enrolment of every speaker of the conversation.

    ``voices`` is empty where a speaker has no other turn to enrol.
    """

    conversation: int
    number: int  # among the synthesised turns of the conversation
    kind: str
    own: int
    translated: TranslatedSegment
    speaker: Speaker
    voices: list[np.ndarray]

    @property
    def about(self) -> Columns:
        """The columns of a row."""
        return {"conversation": self.conversation, "turn": self.number, "kind": self.kind}


def turns_of(
    pipeline: VoiceCloningPipeline, number: int, kind: str, talk: Conversation, found: Diarisation, encoder: Encoder
) -> Iterator[SynthesisedTurn]:
    """The first ``OUTPUTS`` turns of each speaker of a conversation."""
    texts, places = itertools.cycle(TEXTS), itertools.count()
    left = dict.fromkeys(range(talk.speakers), OUTPUTS)
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "conversation.wav"
        write_audio(path, talk.wav, RATE)
        speakers = speakers_of_diarisation(pipeline, path, found)
        for segment in speakers.segments(path):
            own = talk.speaker_at(segment.start, segment.end)
            if not left[own]:
                continue
            left[own] -= 1
            enrolled = [talk.clean_without(speaker, segment.start, segment.end) for speaker in range(talk.speakers)]
            voices = [embed(encoder, wav, RATE) for wav in enrolled] if all(map(len, enrolled)) else []
            translated = TranslatedSegment(segment, "", next(texts) if voices else "")
            yield SynthesisedTurn(number, next(places), kind, own, translated, speakers.of(translated), voices)


def outputs_of(pipeline: VoiceCloningPipeline, turns: Sequence[SynthesisedTurn], encoder: Encoder) -> Results:
    """A row for each turn and system: whether it is nearest to its own speaker."""
    kokoro = with_kokoros_speech(pipeline)

    def made(turn: SynthesisedTurn) -> dict[str, Sound]:
        if not turn.voices:
            raise MetricError(NO_OTHER_TURN)
        given, rate = (turn.translated, turn.speaker), pipeline.sample_rate
        spoken, output = kokoro.content(*given), pipeline.synthesise_one(*given)
        return {SOURCE: (turn.translated.segment.wav, RATE), TTS: (spoken, rate), OURS: (output.wav, rate)}

    def nearest_is_own(turn: SynthesisedTurn, output: Sound) -> Columns:
        vector = embed(encoder, *output)
        cosines = [cosine(vector, voice) for voice in turn.voices]
        return {"right": int(np.argmax(cosines)) == turn.own, "chance": 1 / len(cosines)}

    test_set = TestSet(turns, lambda turn: turn.about, "turns")
    return evaluate(test_set, made_together((SOURCE, TTS, OURS), (SOURCE,), made), [Scorer(nearest_is_own)], bar)


def summary(rows: list[dict]) -> list[dict]:
    """Each error's share of the speech, of all conversations and of each kind, with the number found and given.

    Conversations without the error have no interval: every resample of them has none either.
    """
    found = []
    for kind, mode in itertools.product(("all", *KINDS), ("auto", "known")):
        kept = [row for row in rows if kind in ("all", row["kind"]) and f"speech, {mode}" in row]
        if len(kept) < 2:
            continue
        parts = {name: np.array([row[f"{name}, {mode}"] for row in kept]) for name in (*ERRORS, "speech")}
        sums = {name: parts[name] for name in ERRORS} | {TOTAL: sum(parts[name] for name in ERRORS)}
        for name, seconds in sums.items():
            statistic = Bounded(lambda n, a=seconds, b=parts["speech"]: float(a[n].sum() / b[n].sum()), 0)
            row = {"conversations": kind, "speakers": mode, "n": len(kept), "error": name}
            share: Columns = {"share": 0.0, "low": None, "high": None}
            if seconds.any():
                share = interval_columns(len(kept), statistic, RESAMPLES, name="share")
            found.append(row | share)
    return found


def nearest(outputs: list[dict]) -> list[dict]:
    """Share of segments that are nearest to their own speaker; segments of one conversation are not independent."""
    found = []
    for kind, system in itertools.product(("all", *KINDS), (SOURCE, TTS, OURS)):
        kept = [row for row in outputs if row["system"] == system and kind in ("all", row["kind"])]
        groups = np.array([row["conversation"] for row in kept])
        row = {"conversations": kind, "system": system, "n": len(kept), "groups": len(set(groups.tolist()))}
        if row["groups"] > 1:
            row |= share_columns(np.array([row["right"] for row in kept]), groups)
            found.append(row | {"chance": float(np.mean([x["chance"] for x in kept]))})
    return found
