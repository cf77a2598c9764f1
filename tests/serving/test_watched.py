"""The pipeline of the dubbing page has every stage of the pipeline that it watches."""

from types import SimpleNamespace

from cloning_stages import Turning, pipeline

from thesis_lib.serving.watched import WatchedPipeline


def test_the_page_follows_the_speaking_rate_too(stages):
    made = pipeline(stages, phonetic_states=Turning(1.2))
    watched = WatchedPipeline(made, SimpleNamespace(report=lambda *given: None), 1.0)
    for one in (watched, watched.copy_with(config=made.config)):
        assert one.analyser.phonetic_states is made.analyser.phonetic_states
        assert (one.translator, one.synthesizer, one.vocoder) == (made.translator, made.synthesizer, made.vocoder)
