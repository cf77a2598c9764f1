"""Speed of the cloning pipeline, on two cores and on one, with the TTS in int8 and in float32.

Bundled Spanish recordings, each cloned by both pipelines in turn, in one process for each number of cores: seconds of
each stage for a second of Spanish, and of the whole; and seconds to speak one changed line of a script again. Then the
same outputs are compared in words, predicted opinion and voice: means over the recordings, and the paired differences
with their 95 % intervals over the voices.
"""

import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from benchmarks.json_rows import interval_columns
from benchmarks.options import Option
from benchmarks.together import complete_rows
from thesis_lib.audio.files import AudioError, read_audio, resample, writing
from thesis_lib.cloning import Request, Translation, VoiceCloningPipeline, build, clone_file
from thesis_lib.cloning.segments import STAGES
from thesis_lib.cloning.tts import KokoroSynthesizer
from thesis_lib.config import CorpusConfig
from thesis_lib.corpus import mini
from thesis_lib.corpus.split import spread
from thesis_lib.embeddings.encoders import embed
from thesis_lib.embeddings.encoders.resemblyzer import Resemblyzer
from thesis_lib.pretrained.whisper import RATE, Whisper
from thesis_lib.utils.progress import bar
from thesis_lib.utils.timing import ratio
from thesis_lib.validation import Scorer, System, TestSet, evaluate, metrics
from thesis_lib.validation.evaluation import Columns

OPTIONS = {"recordings": Option(24, 2, "bundled Spanish recordings of the test split")}
FLOAT32, INT8 = "float32", "int8"
EDITED_RECORDINGS = 6  # in the file with segments that are changed one by one
MEASURES = ("WER of a recording", "DNSMOS", "cosine to the source, Resemblyzer")
RESAMPLES = 1000


class ClonedRecording(NamedTuple):
    """A recording (N,), its voice and its clone by each precision."""

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
    pipelines = {INT8: build(threads=cores), FLOAT32: build(threads=cores)}
    pipelines[FLOAT32].synthesizer = KokoroSynthesizer(cores, FLOAT32)
    rows, made, missing = [], [], []
    for row in tqdm(chosen.itertuples(), f"clones, {cores}", len(chosen)):
        wav, rate = read_audio(mini.bundle() / "audio" / f"{row.id}.es.opus")
        try:
            outputs = {name: _timed(pipeline, wav, rate) for name, pipeline in pipelines.items()}
        except AudioError as error:
            missing.append({"recording": row.id, "reason": str(error)})
            continue
        if made:  # the first fills caches
            rows += [{"precision": name, **seconds} for name, (_, seconds) in outputs.items()]
        clones = {name: clone for name, (clone, _) in outputs.items()}
        made.append(ClonedRecording(row.id, row.voice, wav, rate, clones))
    times, (quality, unscored) = pd.DataFrame(rows), _quality(made)
    whole = {name: part["whole"].to_list() for name, part in times.groupby("precision")}
    return {
        "recordings": len(made),
        "seconds for a second of Spanish": times.groupby("precision").median().round(3).to_dict("index"),
        "int8 is faster, whole": ratio(whole[FLOAT32], whole[INT8]),
        "a changed line of a script": _changed_lines(pipelines[INT8], made[:EDITED_RECORDINGS]),
        "quality": quality,
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
    """A clone, and the seconds of each stage and of the whole for a second of the source."""
    started = time.perf_counter()
    output = pipeline(wav, rate)
    whole = time.perf_counter() - started
    stages = {stage: sum(segment.seconds.get(stage, 0.0) for segment in output.segments) for stage in STAGES}
    return output, {name: seconds / (len(wav) / rate) for name, seconds in {**stages, "whole": whole}.items()}


def _quality(made: Sequence[ClonedRecording]) -> tuple[dict[str, Columns], list[Columns]]:
    """Means of each precision and of the differences int8 - float32, and what could not be measured.

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

    systems = [
        System(name, lambda item, name=name: item.outputs[name], about={"system": name}) for name in (INT8, FLOAT32)
    ]
    test_set = TestSet(made, lambda item: {"recording": item.recording, "voice": item.voice}, "quality")
    results = evaluate(test_set, systems, [Scorer(score)], bar)
    table = pd.DataFrame(complete_rows(results, ["recording"]), columns=["voice", "system", *MEASURES])
    sides = [table[table.system == name] for name in (INT8, FLOAT32)]
    voices, found = sides[0].voice.to_numpy(), dict[str, Columns]()
    for measure in MEASURES:
        own, base = (side[measure].to_numpy() for side in sides)
        difference = interval_columns(len(own), metrics.mean_of(own - base), RESAMPLES, voices, "difference")
        found[measure] = {INT8: own.mean(), FLOAT32: base.mean()} | difference
    return found, results.missing
