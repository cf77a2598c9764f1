"""Converted recordings that an earlier call or the disk has damaged are converted again; limits apply to headers."""

import pytest
from tiny_corpora import config_of

from thesis_lib.config import AudioConfig, CorpusConfig
from thesis_lib.corpus import mini
from thesis_lib.corpus.manifest import Reject, index_of
from thesis_lib.corpus.one_language import RecordingConverter, prepare_recordings
from thesis_lib.corpus.prepare import prepare
from thesis_lib.corpus.readers import CorpusRecording


@pytest.mark.parametrize(("format", "kept_bytes"), [("wav", 0), ("wav", 20), ("flac", 4000)])
def test_a_damaged_converted_recording_is_converted_again(format, kept_bytes, people, tmp_path):
    config = config_of("speakers", people, format=format)
    made = prepare_recordings(config, tmp_path / "out")
    path = made.target(made.utterances[0])
    whole = path.read_bytes()
    index_of(made.folder).unlink()
    path.write_bytes(whole[:kept_bytes])
    assert prepare_recordings(config, made.folder).utterances == made.utterances
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("side", "format", "kept_bytes"), [("source", "wav", 20), ("target", "wav", 20), ("target", "flac", 4000)]
)
def test_a_damaged_converted_recording_of_a_pair_is_converted_again(side, format, kept_bytes, tmp_path):
    settings = CorpusConfig(name="mini", limit=1, format=format)
    release = mini.write_release(tmp_path / "release", settings)
    made = prepare(release, tmp_path / "out", AudioConfig(), settings)
    path = getattr(made, side)(made.utterances[0])
    whole = path.read_bytes()
    index_of(made.folder).unlink()
    path.write_bytes(whole[:kept_bytes])
    assert prepare(release, made.folder, AudioConfig(), settings).utterances == made.utterances
    assert path.read_bytes() == whole


def test_the_header_alone_rejects_a_recording_outside_the_limits(people, tmp_path):
    """So that a subset is drawn from recordings that can be used."""
    config = config_of("speakers", people, min_duration=2.0)
    row = CorpusRecording("ana-0", "train", "ana", people / "ana" / "0.wav")
    found = RecordingConverter(tmp_path, 22_050, config.corpus).probe(row)
    assert isinstance(found, Reject)
    assert found.reason == "duration"
    near = config_of("speakers", people, min_duration=1.5).corpus  # an MP3's header only estimates it
    assert RecordingConverter(tmp_path, 22_050, near).probe(row) == pytest.approx(1.2, abs=0.01)
    trimmed = config_of("speakers", people, max_duration=0.6, trim=40.0).corpus  # which may shorten it
    assert RecordingConverter(tmp_path, 22_050, trimmed).probe(row) == pytest.approx(1.2, abs=0.01)
