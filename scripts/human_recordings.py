"""Make a folder of human recordings for THESIS_HUMAN from LibriSpeech (OpenSLR 12, CC BY 4.0).

`benchmarks/librispeech101.txt` lists one utterance of each of 101 speakers of train-clean-100, and the speaker's sex
(from LibriSpeech's list of readers). The first eight seconds of each are written as FLAC. No training uses them.

With `--for-training` the folder has the recordings that the default weights were trained on: one whole utterance of
each of 100 other speakers (`thesis_lib/data/human/librispeech.txt`). Choices between systems use these.

    python scripts/human_recordings.py LibriSpeech/train-clean-100 librispeech101
    THESIS_HUMAN=librispeech101 python -m benchmarks speakers

    python scripts/human_recordings.py LibriSpeech/train-clean-100 librispeech100 --for-training
    THESIS_HUMAN=librispeech100 python -m benchmarks recipes
"""

import argparse
from pathlib import Path

import soundfile
from tqdm import tqdm

ROOT = Path(__file__).parents[1]
MEASURED = ROOT / "benchmarks" / "librispeech101.txt"
TRAINED = ROOT / "thesis_lib" / "data" / "human" / "librispeech.txt"
SECONDS = 8


def make(corpus: Path, out: Path, listed: Path, seconds: int | None) -> None:
    """Write the first ``seconds``, or all, of the ``listed`` recordings below ``out``.

    SystemExit names the first recording that the corpus lacks, and how many it lacks.
    """
    sources = {}
    for line in listed.read_text(encoding="utf-8").splitlines():
        name = line.split()[0].removeprefix("librispeech-")
        speaker, chapter, _ = name.split("-")
        sources[name] = corpus / speaker / chapter / f"{name}.flac"
    if missing := [str(path) for path in sources.values() if not path.exists()]:
        raise SystemExit(
            f"{len(missing)} of {len(sources)} recordings are missing, the first {missing[0]}: "
            "give the folder train-clean-100 of LibriSpeech "
            "(`thesis download librispeech --subset train-clean-100 --to FOLDER`)"
        )
    out.mkdir(parents=True, exist_ok=True)
    for name, path in tqdm(sources.items(), "cut"):
        rate = soundfile.info(path).samplerate
        wav, _ = soundfile.read(path, frames=-1 if seconds is None else seconds * rate, dtype="int16")
        soundfile.write(out / f"{name}.flac", wav, rate)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="the folder train-clean-100 of LibriSpeech")
    parser.add_argument("out", type=Path, help="the folder to write")
    parser.add_argument("--for-training", action="store_true", help="recordings that the default weights trained on")
    given = parser.parse_args()
    listed, seconds = (TRAINED, None) if given.for_training else (MEASURED, SECONDS)
    make(given.corpus, given.out, listed, seconds)


if __name__ == "__main__":
    main()
