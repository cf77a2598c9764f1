"""Speak a corpus of many voices for the released weights: published voices and mixtures of two, by Kokoro.

Every voice says some Spanish (its reference) and more English (its content), checked by Whisper and ECAPA. What
is kept is written as a release in CVSS-T's layout; the English is no translation of the Spanish, only the same
voice. Resampled by a tenth or so, tempo, pitch and formants together, a recording becomes one of a new speaker, as
in speaker verification (Ko et al. 2015, speed perturbation), so every voice stands there three times.

Seeded and resumable: finished voices are kept.

    python scripts/build_wide_corpus.py --out build/wide --jobs 2
"""

import argparse
import json
import random
import shutil
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import numpy as np
import pandas as pd
import soxr
from build_mini_corpus import DEV, HERE, MAX_WER, SAME_VOICE, STYLES, TEST, _tools, load_tools, speak
from tqdm import tqdm

from thesis_lib.audio.files import read_audio, write_audio
from thesis_lib.cloning.tts import KokoroSynthesizer, SpeechError
from thesis_lib.config import CorpusConfig
from thesis_lib.corpus.cvss_t import SPLITS, Release
from thesis_lib.corpus.mini import _write_tsv
from thesis_lib.corpus.sentences import sentence
from thesis_lib.corpus.split import client_id, is_validation
from thesis_lib.embeddings.encoders.base import embed
from thesis_lib.validation.metrics import word_errors

VOICES = 200  # are drawn
DEFAULT_VOICES = 153  # of them that are synthesised: what some three hours of two cores give
ENGLISH, SPANISH = 8, 2  # utterances a voice
ATTEMPTS = 2  # for each, with another sentence
ALIKE = 0.75  # ECAPA cosine of two voices' means, above which they count as one; a mixture is often like a parent
SPEEDS = (1.0, 0.88, 1.13)  # of the resampled voices


def voices(names: list[str], rng: random.Random) -> list[str]:
    """Published voices that train, then mixtures of two of them, none with a parent that is held back."""
    config = CorpusConfig()
    held = set(DEV + TEST)
    parents = [
        name
        for name in names
        if name not in held and not is_validation(client_id(name), config.validation_fraction, config.split_seed)
    ]
    pairs = [f"{a}+{b}" for i, a in enumerate(parents) for b in parents[i + 1 :]]
    return parents + rng.sample(pairs, VOICES - len(parents))


def plan(names: list[str], seed: int) -> list[dict]:
    """One job a voice, with the sentences it shall say."""
    rng = random.Random(seed)
    bundled = pd.read_csv(HERE / "mini_sentences.tsv", sep="\t", quoting=3)
    jobs = []
    for number, voice in enumerate(voices(names, rng)):
        said = {
            "es": rng.sample(list(bundled.es), SPANISH * ATTEMPTS),
            "en": [sentence(rng) for _ in range(ENGLISH * ATTEMPTS)],
        }
        jobs.append({"number": number, "voice": voice, **said})
    return jobs


def say(job: dict, out: Path) -> dict:
    """Speak one voice's utterances; what is refused is listed with its reason."""
    kept, refused, vectors = [], [], []
    for language, wanted in (("es", SPANISH), ("en", ENGLISH)):
        texts = iter(job[language])
        for place in range(wanted):
            style = STYLES[(job["number"] + place) % len(STYLES)]
            for text in [next(texts) for _ in range(ATTEMPTS)]:
                row = {"language": language, "style": style.name, "text": text}
                wav, reason = utterance(text, job["voice"], language, style, vectors)
                if wav is None:
                    refused.append(row | {"reason": reason})
                    continue
                name = f"{job['number']:04d}_{language}_{place}"
                write_audio(out / "spoken" / f"{name}.flac", wav, 24_000)
                kept.append(row | {"name": name})
                break
    mean = np.mean(vectors, axis=0) if vectors else np.zeros(1)
    return {"number": job["number"], "voice": job["voice"], "kept": kept, "refused": refused, "mean": mean.tolist()}


def utterance(text, voice, language, style, vectors) -> tuple[np.ndarray | None, str]:
    """Speech, or None and why not. Its embedding is added to ``vectors``."""
    config = CorpusConfig()
    try:
        wav = speak(text, voice, language, style)
    except SpeechError as error:
        return None, str(error)
    if not config.min_duration <= len(wav) / 24_000 * min(1 / s for s in SPEEDS):
        return None, "too short"
    if len(wav) / 24_000 * max(1 / s for s in SPEEDS) > config.max_duration:
        return None, "too long"
    if language == "en":  # tiny.en recognises no Spanish, and base costs as much as Kokoro
        recognised = _tools["en"](wav, 24_000, language="en", beams=1).text
        errors, words = word_errors(recognised, text, "en")
        if errors / words > MAX_WER:
            return None, f"recognised as {recognised!r}"
    vector = embed(_tools["ecapa"], wav, 24_000)
    vector = vector / np.linalg.norm(vector)
    if vectors and float(np.mean([v @ vector for v in vectors])) < SAME_VOICE:
        return None, "another voice than its own"
    vectors.append(vector)
    return wav, ""


def release(done: list[dict], out: Path) -> None:
    """The kept utterances in CVSS-T's layout, each at every speed."""
    root = Release.at(out / "release")
    shutil.rmtree(out / "release", ignore_errors=True)
    distinct: list[np.ndarray] = []
    voices, spoken, refused = 0, [], []
    for voice in sorted(done, key=lambda found: found["number"]):
        refused += [{"voice": voice["voice"], **row} for row in voice["refused"]]
        sides = {language: [r for r in voice["kept"] if r["language"] == language] for language in ("es", "en")}
        mean = np.array(voice["mean"])
        mean = mean / max(np.linalg.norm(mean), 1e-9)
        if not sides["es"] or len(sides["en"]) < ENGLISH // 2:
            refused.append({"voice": voice["voice"], "reason": "too few utterances"})
            continue
        voices += 1
        if max((float(mean @ other) for other in distinct), default=0.0) <= ALIKE:
            distinct.append(mean)
        for speed_number, speed in enumerate(SPEEDS):
            for place, row in enumerate(sides["en"]):
                source = sides["es"][place % len(sides["es"])]
                file = f"common_voice_es_{row['name']}_{speed_number}.mp3"
                for path, name, options in (
                    (root.common_voice / "clips" / file, source["name"], {"compression_level": 0.2}),
                    (root.cvss / "train" / f"{file}.wav", row["name"], {}),
                ):
                    wav, rate = read_audio(out / "spoken" / f"{name}.flac")
                    # Said to be of another rate, and resampled to the true one.
                    write_audio(path, soxr.resample(wav, rate * speed, rate, "VHQ"), rate, **options)
                spoken.append([client_id(f"{voice['voice']}@{speed}"), file, source["text"], row["text"], row["style"]])
    for split in SPLITS:
        rows = [[file, text] for _, file, _, text, _ in spoken] if split == "train" else []
        _write_tsv(root.cvss / f"{split}.tsv", rows)
    columns = ["client_id", "path", "sentence"]
    _write_tsv(root.common_voice / "validated.tsv", [columns, *([s, f, t] for s, f, t, _, _ in spoken)])
    translated = [[f, t, "train"] for _, f, _, t, _ in spoken]
    _write_tsv(root.covost, [["path", "translation", "split"], *translated])
    _write_tsv(root.styles, [["path", "style"], *([f, style] for _, f, _, _, style in spoken)])
    pd.DataFrame(refused).to_csv(out / "refused.tsv", sep="\t", index=False)
    print(
        f"{voices} voices, {len(distinct)} of them no nearer than {ALIKE} to each other; {len(SPEEDS)} speeds, "
        f"{len(spoken)} utterances; {len(refused)} refusals listed"
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("build/wide"))
    parser.add_argument(
        "--voices", type=int, default=DEFAULT_VOICES, help=f"the first so many of {VOICES} that are drawn"
    )
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=2026)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    log = args.out / "spoken.jsonl"
    done = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    finished = {row["number"] for row in done}
    names = sorted(KokoroSynthesizer(threads=1).voices)
    jobs = [job for job in plan(names, args.seed)[: args.voices] if job["number"] not in finished]
    with ProcessPoolExecutor(args.jobs, initializer=load_tools) as pool, open(log, "a") as stream:
        futures = [pool.submit(say, job, args.out) for job in jobs]
        for future in tqdm(as_completed(futures), total=len(futures), desc="voices"):
            done.append(future.result())
            stream.write(json.dumps(done[-1]) + "\n")
            stream.flush()
    release(done, args.out)


if __name__ == "__main__":
    main()
