"""Make the folder of human recordings of the saved results, for THESIS_HUMAN, from LibriSpeech (OpenSLR 12, CC BY 4.0).

`benchmarks/librispeech101.txt` lists the utterances, one of each of 101 speakers of train-clean-100. The first eight
seconds of each are written as FLAC. No training uses them. `recipes` compares recipes on 48 of the speakers; none of
these is a target of the speaker test.

    python scripts/measured_recordings.py LibriSpeech/train-clean-100 librispeech101
    THESIS_HUMAN=librispeech101 python -m benchmarks speakers
"""

import argparse
from pathlib import Path

import soundfile
from tqdm import tqdm

LIST = Path(__file__).parents[1] / "benchmarks" / "librispeech101.txt"
SECONDS = 8


def make(corpus: Path, out: Path) -> None:
    """Write the recordings of ``LIST`` below ``out``. SystemExit names those that the corpus lacks."""
    sources = {}
    for name in LIST.read_text(encoding="utf-8").split():
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
        wav, _ = soundfile.read(path, frames=SECONDS * rate, dtype="int16")
        soundfile.write(out / f"{name}.flac", wav, rate)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="the folder train-clean-100 of LibriSpeech")
    parser.add_argument("out", type=Path, help="the folder to write")
    given = parser.parse_args()
    make(given.corpus, given.out)


if __name__ == "__main__":
    main()
