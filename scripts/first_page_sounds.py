"""Make the sounds of the first page: ``assets/*.mp3``, from one recording of the bundled corpus (CC BY 4.0).

    python scripts/first_page_sounds.py
    thesis clone thesis_lib/data/mini/audio/000124.es.opus assets/english.mp3 --consent "synthetic voice"

The voice is synthetic and of the test split. Recordings of people are not used here: a licence of a recording is not
the consent of its speaker to be cloned.
"""

import tempfile
from pathlib import Path

import numpy as np

from thesis_lib import cloning
from thesis_lib.audio.files import read_audio, write_audio
from thesis_lib.audio.voice_activity import speech_segments
from thesis_lib.config import CloningConfig
from thesis_lib.training.adaptation import adapt
from thesis_lib.utils.progress import bar
from thesis_lib.validation.cloning_report import BASELINE_VOICE

ROOT = Path(__file__).parents[1]
CLIPS, ASSETS = ROOT / "thesis_lib" / "data" / "mini" / "audio", ROOT / "assets"
CLIP = "000124"
STEPS, MAX_MINUTES = 150, 30.0  # of speaker adaptation, as in `python -m benchmarks adaptation`


def save(name: str, wav: np.ndarray, rate: int) -> None:
    """Write a sound and print its length."""
    write_audio(ASSETS / f"{name}.mp3", wav, rate, bitrate_mode="VARIABLE", compression_level=0.6)
    print(f"assets/{name}.mp3: {len(wav) / rate:.1f} s")


def main() -> None:
    """Write the Spanish, the corpus's English of that voice, the TTS in a fixed voice, and the adapted output."""
    save("spanish", *read_audio(CLIPS / f"{CLIP}.es.opus"))
    save("own_english", *read_audio(CLIPS / f"{CLIP}.en.opus"))
    pipeline = cloning.build(config=CloningConfig(voice=BASELINE_VOICE, tts="int8"))
    wav, rate = read_audio(CLIPS / f"{CLIP}.es.opus", pipeline.sample_rate)
    segments = list(speech_segments([wav], rate))
    speaker = pipeline.analyse_speaker(segments, CLIP)
    spoken = pipeline.synthesise(pipeline.translate(segments, CLIP), speaker)
    save("tts", np.concatenate([segment.content for segment in spoken]), rate)
    with tempfile.TemporaryDirectory() as work:
        adapt([CLIPS / f"{CLIP}.es.opus"], work, minutes=MAX_MINUTES, progress=bar, steps=STEPS)
        adapted = cloning.build(str(Path(work) / "conversion" / "vocoder"))
        result = adapted(*read_audio(CLIPS / f"{CLIP}.es.opus"))
    save("adapted", result.wav, result.sample_rate)


if __name__ == "__main__":
    main()
