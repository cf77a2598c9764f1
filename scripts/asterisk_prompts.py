"""Debian's telephone prompts as WAV: human speech of one speaker, for ``thesis clone-report --spanish``.

    apt-get download asterisk-core-sounds-es-g722
    dpkg -x asterisk-core-sounds-es-g722_*.deb prompts
    python scripts/asterisk_prompts.py prompts prompts-wav

CC-BY-SA-3.0; 16 kHz. Nothing of it is part of the project.
"""

import argparse
from pathlib import Path

import av
import numpy as np

from thesis_lib.audio.files import write_audio
from thesis_lib.corpus.split import spread

RATE = 16_000  # Hz, of G.722
MIN_PROMPT_SECONDS, MAX_PROMPT_SECONDS = 4.0, 10.0  # s, of prompts that are taken
COUNT = 4  # of them, spread evenly


def decode(path: Path) -> np.ndarray:
    with av.open(str(path), format="g722") as container:
        frames = [frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)]
    return np.concatenate(frames).astype(np.float32) / 32768


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    wavs = {path.stem: decode(path) for path in sorted(given.folder.rglob("*.g722"))}
    long = [name for name, wav in wavs.items() if MIN_PROMPT_SECONDS <= len(wav) / RATE <= MAX_PROMPT_SECONDS]
    for index in spread(len(long), COUNT):
        write_audio(given.out / f"{long[index]}.wav", wavs[long[index]], RATE)
        print(f"{long[index]}: {len(wavs[long[index]]) / RATE:.1f} s")


if __name__ == "__main__":
    main()
