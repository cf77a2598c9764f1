"""Files of every format, length, rate and spelling of the suffix."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile
from helpers import voiced

from thesis_lib.audio.files import read_audio, write_audio, writing

RATE = 22_050


@pytest.mark.parametrize("suffix", [".ogg", ".mp3", ".flac", ".opus"])
def test_minutes_are_written_at_once(tmp_path, suffix):
    """In another process, because libsndfile's Vorbis encoder ended the process (segmentation fault)."""
    code = f"""if True:
        import numpy as np
        from thesis_lib.audio.files import write_audio
        write_audio({str(tmp_path / f"a{suffix}")!r}, 0.1 * np.random.default_rng(0).normal(size=200 * {RATE}), {RATE})
    """
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    assert soundfile.info(tmp_path / f"a{suffix}").duration == pytest.approx(200, abs=0.1)


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("channels", [(), (2,)])
def test_opus_is_written_at_any_rate(tmp_path, rate, channels):
    wav = voiced(2.0, rate)
    with writing(tmp_path / "a.opus", rate, channels) as write:
        for part in np.array_split(wav, 7):
            write(np.stack([part] * 2, 1) if channels else part)
    read, written = read_audio(tmp_path / "a.opus", rate)
    assert written == rate
    assert len(read) == pytest.approx(len(wav), abs=2)
    assert np.sqrt(np.mean(read**2)) == pytest.approx(np.sqrt(np.mean(wav**2)), rel=0.05)


@pytest.mark.parametrize("suffix", [".OPUS", ".Wav", ".FLAC", ".Mp3", ".OGG"])
def test_the_case_of_a_suffix_does_not_matter(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    write_audio(path, voiced(1.0), RATE)
    assert len(read_audio(path, RATE)[0]) == pytest.approx(RATE, abs=0.1 * RATE)
    subtypes = {".opus": "OPUS", ".wav": "PCM_16", ".flac": "PCM_16", ".mp3": "MPEG_LAYER_III", ".ogg": "VORBIS"}
    assert soundfile.info(path).subtype == subtypes[suffix.lower()]
