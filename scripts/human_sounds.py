"""Make the two human sounds of the first page, ``assets/human*.mp3``, from one recording of LibriSpeech (CC BY 4.0).

    python scripts/human_sounds.py FOLDER    # the folder of `python scripts/human_recordings.py`

The reader is the first target speaker of `python -m benchmarks speakers`; no recording of this reader was used in
training. The first half of the recording is the condition. The second half is the content: it is saved as it is, and
as the default vocoder renders it. The reader has not agreed to be cloned, so the output has only words of the reader.
"""

import sys
from pathlib import Path

from benchmarks.human import compared_speakers
from thesis_lib.audio.files import write_audio
from thesis_lib.config import Config
from thesis_lib.validation.speaker_test import unused_speakers
from thesis_lib.validation.swap import human_speakers
from thesis_lib.vocoder.synthesis import DEFAULT, Vocoder

ASSETS = Path(__file__).parents[1] / "assets"


def main(folder: Path) -> None:
    """Write the recording and the vocoder's output of the same words."""
    vocoder = Vocoder.from_pretrained(DEFAULT)
    config = Config.from_profile("demo").override({"encoders.emotion": vocoder.encoders.emotion})
    speakers = human_speakers(folder, config, count=None, vocoders=(vocoder,))
    reader = unused_speakers(speakers, compared_speakers())[0]
    (content,) = reader.references  # the other half of the recording than the condition
    for name, wav in {"human": content, "human_output": vocoder.render(content, reader.voice)}.items():
        write_audio(
            ASSETS / f"{name}.mp3", wav, vocoder.audio.sample_rate, bitrate_mode="VARIABLE", compression_level=0.6
        )
        print(f"assets/{name}.mp3: {len(wav) / vocoder.audio.sample_rate:.1f} s of {reader.name}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
