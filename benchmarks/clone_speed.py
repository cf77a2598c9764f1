"""Speed of the cloning pipeline, on two cores and on one, with each graph of the TTS.

The graphs are Kokoro in float32, Kokoro with its decoder's convolutions in int8, and that with a student in the place
of Kokoro's generator (`cloning.tts`). Bundled Spanish recordings, each cloned with the three in turn, in one process
for each number of cores: seconds of each stage for a second of Spanish, of the whole, and of the two cosines to the
speaker, which are computed when they are read and are not in the whole; and seconds to speak one changed line of a
script again. The speaker is analysed beside the translation, so the stage of translation takes longer than alone.

Then the same outputs are compared in words, predicted opinion and voice: means over the recordings, and the paired
differences from Kokoro in float32 with their 95 % intervals over the voices. The content features that the vocoder
extracts from the TTS's speech are compared with those of Kokoro in float32: phonetic states, energy, F0 and voicing,
after the shift in time at which the energies of the recording agree best (the TTS trims the silence of each portion of
text).
"""

import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
import pandas as pd
from tqdm import tqdm

from benchmarks.json_rows import interval_columns
from benchmarks.options import Option
from benchmarks.together import complete_rows
from thesis_lib.audio.files import AudioError, read_audio, resample, writing
from thesis_lib.audio.pitch import MIN_VOICED_CONFIDENCE, PITCH_CHANNEL, PITCH_SCALE
from thesis_lib.cloning import Request, Translation, VoiceCloningPipeline, build, clone_file
from thesis_lib.cloning.segments import STAGES
from thesis_lib.config import CloningConfig, CorpusConfig, TtsGraph
from thesis_lib.corpus import mini
from thesis_lib.corpus.split import spread
from thesis_lib.embeddings.encoders import embed
from thesis_lib.embeddings.encoders.resemblyzer import Resemblyzer
from thesis_lib.pretrained.whisper import RATE, Whisper
from thesis_lib.utils.progress import bar
from thesis_lib.utils.timing import ratio
from thesis_lib.validation import Scorer, System, TestSet, evaluate, metrics
from thesis_lib.validation.evaluation import Columns
from thesis_lib.vocoder.content import PHONETIC
from thesis_lib.vocoder.rendering import BaseVocoder

OPTIONS = {"recordings": Option(24, 2, "bundled Spanish recordings of the test split")}
FLOAT32 = "float32"
GRAPHS = get_args(TtsGraph)
FAST = tuple(name for name in GRAPHS if name != FLOAT32)
DEFAULT = CloningConfig().tts
EDITED_RECORDINGS = 6  # in the file with segments that are changed one by one
SIMILARITIES = "two similarities"  # computed when they are read, not part of the other times
MEASURES = ("WER of a recording", "DNSMOS", "cosine to the source, Resemblyzer")
RESAMPLES = 1000
MAX_SHIFT_FRAMES = 12  # of the vocoder, 0.14 s


class ClonedRecording(NamedTuple):
    """A recording (N,), its voice and its clone with each graph."""

    recording: str
    voice: str
    wav: np.ndarray
    rate: int
    outputs: dict[str, Translation]


def run(quick: bool, recordings: int) -> dict:
    """Seconds for a second of Spanish by stage, their ratio, and quality, for each number of cores."""
    cores = sorted(os.sched_getaffinity(0))
    found: dict = {"load average": os.getloadavg()[0]}
    for count in sorted({1, min(2, len(cores))}):
        # A new process: threads that exist keep the cores that they have.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _use, (cores[:count],)) as pool:
            found[f"{count} cores" if count > 1 else "1 core"] = pool.submit(_measured, count, recordings).result()
    return found


def _use(cores: Sequence[int]) -> None:
    os.sched_setaffinity(0, cores)
    os.environ["OMP_NUM_THREADS"] = str(len(cores))


def _measured(cores: int, recordings: int) -> dict:
    table = mini.table(CorpusConfig(name="mini"))
    table = table[table.split == "test"]
    chosen = table.iloc[spread(len(table), recordings)]
    pipelines = {name: build(config=CloningConfig(tts=name), threads=cores) for name in GRAPHS}
    rows, made, missing, rng = [], [], [], np.random.default_rng(0)
    for row in tqdm(chosen.itertuples(), f"clones, {cores}", len(chosen)):
        wav, rate = read_audio(mini.bundle() / "audio" / f"{row.id}.es.opus")
        try:
            # In random order: the one before may have changed the clock of the processor.
            outputs = {name: _timed(pipelines[name], wav, rate) for name in rng.permutation(GRAPHS).tolist()}
        except AudioError as error:
            missing.append({"recording": row.id, "reason": str(error)})
            continue
        if made:  # the first fills caches
            rows += [{"graph": name, **seconds} for name, (_, seconds) in outputs.items()]
        clones = {name: clone for name, (clone, _) in outputs.items()}
        made.append(ClonedRecording(row.id, row.voice, wav, rate, clones))
    times, (quality, unscored) = pd.DataFrame(rows), _quality(made)
    whole = {name: part["whole"].to_list() for name, part in times.groupby("graph")}
    return {
        "recordings": len(made),
        "seconds for a second of Spanish": times.groupby("graph").median().round(3).to_dict("index"),
        "faster than float32, whole": {name: ratio(whole[FLOAT32], whole[name]) for name in FAST},
        "a changed line of a script": _changed_lines(pipelines[DEFAULT], made[:EDITED_RECORDINGS]),
        "quality": quality,
        "content beside that of float32": _contents(made, pipelines[DEFAULT].vocoder),
        "not measured": missing + unscored,
    }


def _changed_lines(pipeline: VoiceCloningPipeline, made: Sequence[ClonedRecording]) -> dict:
    """Seconds to synthesise one changed line of a recording again and write the file, with loaded models.

    The recordings follow each other in one file. Each line in turn is changed, and the file is cloned by its script.
    """
    seconds = []
    with tempfile.TemporaryDirectory() as work:
        source, script, target = (Path(work) / name for name in ("talk.wav", "talk.json", "out.wav"))
        with writing(source, RATE) as write:
            for one in made:
                write(np.concatenate([resample(one.wav, one.rate, RATE), np.zeros(RATE, np.float32)]))
        clone_file(pipeline, source, target, Request(script=script))
        tree = json.loads(script.read_text(encoding="utf-8"))
        for segment in tree["segments"]:
            segment["english"] = f"Well, {segment['english']}"
            script.write_text(json.dumps(tree), encoding="utf-8")
            started = time.perf_counter()
            clone_file(pipeline, source, target, Request(script=script))
            seconds.append(time.perf_counter() - started)
    return {"median": float(np.median(seconds)), "low": min(seconds), "high": max(seconds), "n": len(seconds)}


def _timed(pipeline: VoiceCloningPipeline, wav: np.ndarray, rate: int) -> tuple[Translation, dict[str, float]]:
    """A clone; the seconds of each stage, of the whole, and then of the similarities, for a second of the source."""
    started = time.perf_counter()
    output = pipeline(wav, rate)
    whole = time.perf_counter() - started
    _ = output.similarity_before, output.similarity_after
    similarities = time.perf_counter() - started - whole
    stages = {stage: sum(segment.seconds.get(stage, 0.0) for segment in output.segments) for stage in STAGES}
    seconds = {**stages, "whole": whole, SIMILARITIES: similarities}
    return output, {name: value / (len(wav) / rate) for name, value in seconds.items()}


def _contents(made: Sequence[ClonedRecording], vocoder: BaseVocoder) -> dict[str, dict[str, Columns]]:
    """Of each graph the mean ``content_agreement`` with float32 over the recordings; intervals over the voices."""
    voices, found = np.array([item.voice for item in made]), dict[str, dict[str, Columns]]()
    contents = {name: [vocoder.features(item.outputs[name].content)[0] for item in made] for name in GRAPHS}
    for name in FAST:
        table = pd.DataFrame(map(content_agreement, contents[name], contents[FLOAT32]))
        found[name] = {
            key: interval_columns(len(table), metrics.mean_of(table[key].to_numpy()), RESAMPLES, voices)
            for key in table
        }
    return found


def content_agreement(own: np.ndarray, base: np.ndarray) -> dict[str, float]:
    """How alike two contents (C, T) and (C, T') of the same words are, after the best shift in time.

    Mean cosine of the phonetic channels, correlation of the energies, median absolute difference of F0 in
    semitones where both are voiced, share of the frames with another voicing.
    """

    def shifted(shift: int) -> tuple[np.ndarray, np.ndarray]:
        a, b = own[:, max(shift, 0) :], base[:, max(-shift, 0) :]
        frames = min(a.shape[1], b.shape[1])
        return a[:, :frames], b[:, :frames]

    def energies_agree(shift: int) -> float:
        a, b = (side[PHONETIC] for side in shifted(shift))
        return float(np.corrcoef(a, b)[0, 1])

    a, b = shifted(max(range(-MAX_SHIFT_FRAMES, MAX_SHIFT_FRAMES + 1), key=energies_agree))
    products = (a[:PHONETIC] * b[:PHONETIC]).sum(0)
    cosines = products / np.maximum(np.linalg.norm(a[:PHONETIC], axis=0) * np.linalg.norm(b[:PHONETIC], axis=0), 1e-9)
    voiced_a, voiced_b = (side[-1] >= MIN_VOICED_CONFIDENCE for side in (a, b))
    both = voiced_a & voiced_b
    semitones = 12 / np.log(2) * PITCH_SCALE * np.abs(a[PITCH_CHANNEL] - b[PITCH_CHANNEL])[both]
    return {
        "phonetic cosine": float(cosines.mean()),
        "energy, correlation": float(np.corrcoef(a[PHONETIC], b[PHONETIC])[0, 1]),
        "F0, median difference in semitones": float(np.median(semitones)) if both.any() else np.nan,
        "other voicing, share": float((voiced_a != voiced_b).mean()),
    }


def _quality(made: Sequence[ClonedRecording]) -> tuple[dict[str, dict[str, Columns]], list[Columns]]:
    """Of each measure the mean with each graph, with the difference from float32; and what could not be measured.

    The intervals are over the voices. A recording of which one output could not be measured is in no mean.
    """
    whisper, encoder = Whisper("whisper-base"), Resemblyzer()

    def score(item: ClonedRecording, output: Translation) -> Columns:
        speech = output.wav
        recognised = whisper(resample(speech, output.sample_rate, RATE), RATE, "en").text
        errors, words = metrics.word_errors(recognised, output.translation)
        vectors = (embed(encoder, *sound) for sound in ((speech, output.sample_rate), (item.wav, item.rate)))
        opinion = metrics.dnsmos(metrics.Recording(speech, output.sample_rate))["dnsmos_ovrl"]
        return dict(zip(MEASURES, (errors / words, opinion, metrics.cosine(*vectors)), strict=True))

    systems = [System(name, lambda item, name=name: item.outputs[name], about={"system": name}) for name in GRAPHS]
    test_set = TestSet(made, lambda item: {"recording": item.recording, "voice": item.voice}, "quality")
    results = evaluate(test_set, systems, [Scorer(score)], bar)
    table = pd.DataFrame(complete_rows(results, ["recording"]), columns=["voice", "system", *MEASURES])
    sides = {name: table[table.system == name] for name in GRAPHS}
    voices, found = sides[FLOAT32].voice.to_numpy(), dict[str, dict[str, Columns]]()
    for measure in MEASURES:
        base = sides[FLOAT32][measure].to_numpy()
        found[measure] = {FLOAT32: {"mean": base.mean()}}
        for name in FAST:
            own = sides[name][measure].to_numpy()
            difference = interval_columns(len(own), metrics.mean_of(own - base), RESAMPLES, voices, "difference")
            found[measure][name] = {"mean": own.mean()} | difference
    return found, results.missing
