"""Durations come from decoded samples: a header that says another length rejects no recording."""

import pytest
import soundfile
from containers import RATE, encoded, joined, muxed, without_first_frame
from helpers import voiced
from tiny_corpora import config_of

from thesis_lib.corpus.one_language import RecordingConverter, prepare_recordings
from thesis_lib.corpus.readers import CorpusRecording


def test_recordings_of_any_container_are_prepared_in_their_whole_length(people, tmp_path):
    joined(people / "ana" / "joined.mp3", 2.0, 3.0)
    joined(people / "ana" / "chained.opus", 1.0, 1.5)
    muxed(people / "eva" / "film.mp4", voiced(2.0, RATE), "aac", picture=True)
    path = people / "luis" / "variable.mp3"
    data = encoded(path, 0.5 * voiced(4.0, RATE), bitrate_mode="VARIABLE", compression_level=0.3)
    path.write_bytes(without_first_frame(data, path))
    assert abs(soundfile.info(path).duration - 4.0) > 0.5
    made = prepare_recordings(config_of("speakers", people, max_duration=5.5), tmp_path / "out")
    assert not made.rejects
    seconds = {utterance.id.removeprefix("speakers-"): utterance.target_duration for utterance in made}
    wanted = {"ana-joined": 5.0, "ana-chained": 2.5, "eva-film": 2.0, "luis-variable": 4.0}
    assert {name: seconds[name] for name in wanted} == pytest.approx(wanted, abs=0.1)
    for utterance in made:
        assert soundfile.info(made.target(utterance)).duration == utterance.target_duration


def test_a_joined_recording_over_the_limit_is_rejected_by_its_packets(people, tmp_path):
    joined(people / "ana" / "joined.mp3", 4.0, 4.0)
    config = config_of("speakers", people, max_duration=6.0)
    row = CorpusRecording("ana-joined", "train", "ana", people / "ana" / "joined.mp3")
    assert RecordingConverter(tmp_path, 22_050, config.corpus).probe(row).reason == "duration"
