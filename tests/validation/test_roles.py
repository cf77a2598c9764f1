"""Roles of networks, from the recipe and from the recipes that a vocoder's weights come from."""

import pandas as pd
import pytest
from helpers import trained_beside

from thesis_lib.config import Config
from thesis_lib.config.registries import ENCODERS as ENCODER_REGISTRY
from thesis_lib.config.registries import LOSSES
from thesis_lib.embeddings.encoders.tiny import TinyTestEncoder
from thesis_lib.runs.vocoders import load_trained_vocoder
from thesis_lib.training import train
from thesis_lib.validation import CircularScoring, circular, headline
from thesis_lib.validation.metrics import MetricError
from thesis_lib.validation.roles import EVALUATION, PITCH_TRACKER, RECOGNISER, SELECTS, Roles, lineage
from thesis_lib.vocoder.sources import universal_description

VOCODER = universal_description().with_changes(speaker_encoder="ecapa (1)", emotion_encoder="egemaps (2)")
ENCODERS = {"speaker": "ecapa", "resemblyzer": "resemblyzer", "style": "egemaps"}


def roles_of(config: Config, task: str = "conversion", **changes: str) -> Roles:
    return Roles.along(lineage(config, task, VOCODER.with_changes(**changes)))


def test_a_warm_start_hands_its_roles_on():
    """The demo's own losses use no network, but it starts from weights trained by ECAPA and Whisper."""
    config = Config.from_profile("demo")
    losses = config.conversion.losses
    assert (losses.speaker, losses.sampled_speaker, losses.content, losses.emotion) == (0, 0, 0, 0)
    found = roles_of(config)
    assert found.of_network("ecapa") == "conditions and trains"
    assert found.of_network(RECOGNISER) == "gives content to and trains"
    assert found.of_network(PITCH_TRACKER) == "gives content to"
    assert found.of_network("resemblyzer") == EVALUATION
    cold = roles_of(config.override({"conversion.training.warm_start": "none"}))
    assert cold.of_network("ecapa") == "conditions"
    assert cold.of_network(RECOGNISER) == "gives content to"


@pytest.mark.parametrize("setting", ["warm_start", "teacher"])
def test_so_does_a_vocoder_of_another_run(tiny_run, tmp_path, setting):
    changes = {"conversion__losses__content": 1.0, "conversion__losses__speaker": 1.0}
    parent = trained_beside(tiny_run, tmp_path / "parent", **changes)
    folder = str(parent.path / "conversion" / "vocoder")
    config = tiny_run.config.override({f"conversion.training.{setting}": folder})
    found = Roles.of(config, {"conversion": load_trained_vocoder(tiny_run, "conversion")})
    assert found.of_network(RECOGNISER) == "trains"
    assert found.of_network("ecapa") == "trains"


def test_an_unknown_recipe_rules_every_network_out():
    found = roles_of(Config.from_profile("demo").override({"conversion.training.warm_start": "somebody/vocoder"}))
    assert found.of_network("resemblyzer") == "may have trained"
    assert found.of_network("ecapa") == "conditions"


def test_resynthesis_uses_no_recogniser_and_no_pitch_tracker():
    found = roles_of(Config.from_profile("demo"), "resynthesis")
    assert found.of_network(RECOGNISER) == found.of_network(PITCH_TRACKER) == EVALUATION


def test_a_network_has_the_roles_of_the_encoder_that_contains_it():
    """The encoder whisper-emotion is a head on the layers of the recogniser of the word metrics."""
    emotion = {"emotion_encoder": "whisper-emotion (1)"}
    found = roles_of(Config.from_profile("human"), "resynthesis", **emotion)
    assert found.of_network("whisper-emotion") == "conditions"
    for name in ("wer", "cer", "bleu", "chrf", "ter"):
        assert found.of_metric(name, ENCODERS) == "conditions"
        assert found.of_metric(name, ENCODERS, "whisper-base") == EVALUATION
    trained = Config.from_profile("human").override({"resynthesis.losses.emotion": 1.0})
    assert roles_of(trained, "resynthesis", **emotion).of_metric("wer", ENCODERS) == "conditions and trains"
    assert found.of_network(PITCH_TRACKER) == EVALUATION


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_the_emotion_loss_of_sampled_speakers_trains_by_the_emotion_encoder(weight):
    """Without the content loss: the recogniser that computes it is part of this encoder."""
    changes = {"conversion.losses.content": 0.0, "conversion.losses.sampled_emotion": weight}
    config = Config.from_profile("human").override(changes | {"conversion.training.warm_start": "none"})
    found = roles_of(config, emotion_encoder="whisper-emotion (1)").of_network("whisper-emotion")
    assert ("trains" in found) == (weight > 0)


def test_an_encoder_has_the_roles_of_the_networks_that_it_contains():
    """The demo's content and its warm start's loss are by Whisper tiny.en, its emotion encoder is another."""
    found = roles_of(Config.from_profile("demo"))
    assert found.of_metric("style_auc", {"style": "whisper-emotion"}) == "gives content to and trains"
    assert roles_of(Config.from_profile("demo"), "resynthesis").of_network("whisper-emotion") == EVALUATION


def test_an_encoder_from_outside_declares_what_it_contains(monkeypatch):
    monkeypatch.setattr(ENCODER_REGISTRY, "_entries", dict(ENCODER_REGISTRY._entries))
    ENCODER_REGISTRY.register("head-on-resemblyzer", roles=("emotion",), contains=("resemblyzer",))(lambda config: None)
    ENCODER_REGISTRY.register("alone", roles=("emotion",))(lambda config: None)
    config = Config.from_profile("demo")
    assert roles_of(config, emotion_encoder="head-on-resemblyzer (1)").of_network("resemblyzer") == "conditions"
    assert roles_of(config, emotion_encoder="alone (1)").of_network("resemblyzer") == EVALUATION


def test_a_loss_from_outside_declares_the_networks_that_compute_it(monkeypatch):
    monkeypatch.setattr(LOSSES, "_entries", dict(LOSSES._entries))
    LOSSES.register("by_resemblyzer", contains=("resemblyzer", "whisper-emotion"))(lambda config, weights: None)
    LOSSES.register("by_no_network")(lambda config, weights: None)
    config = Config.from_profile("demo").override({"resynthesis.losses.by_no_network": 1.0})
    assert roles_of(config, "resynthesis").of_network("resemblyzer") == EVALUATION
    trained = roles_of(config.override({"resynthesis.losses.by_resemblyzer": 1.0}), "resynthesis")
    assert trained.of_metric("eer_resemblyzer", ENCODERS) == "trains"
    assert trained.of_metric("wer", ENCODERS) == "trains", "Whisper tiny.en is in the emotion encoder"
    off = roles_of(config.override({"resynthesis.losses.by_resemblyzer": 0.0}), "resynthesis")
    assert off.of_network("resemblyzer") == EVALUATION


def test_every_metric_by_a_network_has_its_role():
    found = roles_of(Config.from_profile("demo"))
    role = {name: found.of_metric(name, ENCODERS) for name in ("mel_l1", "pesq", "dnsmos_ovrl", "follows_pauses")}
    assert set(role.values()) == {""}
    for name in ("wer", "cer", "bleu", "chrf", "ter"):
        assert found.of_metric(name, ENCODERS) == "gives content to and trains"
        assert found.of_metric(name, ENCODERS, "whisper-base") == EVALUATION
    assert found.of_metric("periodicity", ENCODERS) == "gives content to"
    for name in ("voicing_f1", "f0_cents", "follows_f0_median", "follows_f0_std", "follows_rate"):
        assert found.of_metric(name, ENCODERS) == "", "by pYIN, which has no part in a vocoder"
    for name in ("speaker", "normalised_speaker", "percentile_speaker", "eer_speaker"):
        assert found.of_metric(name, ENCODERS) == "conditions and trains"
    assert found.of_metric("style_auc", ENCODERS) == "conditions"
    assert found.of_metric("eer_resemblyzer", ENCODERS) == EVALUATION


def test_roles_are_merged():
    chosen = Roles({"ecapa": frozenset({SELECTS})})
    assert (roles_of(Config.from_profile("demo")) | chosen).of_network(
        "ecapa"
    ) == "conditions and trains and selects for"


def test_a_circular_word_error_rate_is_marked_and_no_headline():
    found = roles_of(Config.from_profile("demo"))
    summary = pd.DataFrame(
        [
            {"system": "ours", "metric": name, "value": 1.0, "role": found.of_metric(name, ENCODERS)}
            for name in ("wer", "periodicity", "mel_l1", "resemblyzer")
        ]
    )
    assert circular(summary) == {"wer", "periodicity"}
    for name in ("wer", "periodicity"):
        with pytest.raises(CircularScoring, match="gives content to"):
            headline(summary, "ours", name)
    assert headline(summary, "ours", "mel_l1").value == headline(summary, "ours", "resemblyzer").value == 1


def test_roles_of_encoders(tiny_run):
    vocoders = {"conversion": train(tiny_run, "conversion")}

    class Ecapa(TinyTestEncoder):
        name = "ecapa"

    own, other = TinyTestEncoder().name, Ecapa().name
    roles = Roles.of(tiny_run.config, vocoders)
    assert (roles.of_network(own), roles.of_network(other)) == ("conditions", EVALUATION)
    for loss in ("speaker", "swap"):
        trained = tiny_run.config.override({f"conversion.losses.{loss}": 1.0})
        assert Roles.of(trained, vocoders).of_network(other) == "trains", "by what it is"


def test_no_circular_headline():
    rows = [("speaker", "conditions"), ("resemblyzer", EVALUATION), ("mel_l1", "")]
    summary = pd.DataFrame([{"system": "ours", "metric": m, "role": r, "value": 1.0} for m, r in rows])
    assert headline(summary, "ours", "resemblyzer").value == 1
    assert headline(summary, "ours", "mel_l1").value == 1
    with pytest.raises(CircularScoring, match="conditions the vocoder"):
        headline(summary, "ours", "speaker")
    with pytest.raises(MetricError, match="not measured"):
        headline(summary, "ours", "pesq")
    read = pd.read_csv(pd.io.common.StringIO(summary.to_csv(index=False)))
    assert headline(read, "ours", "mel_l1").value == 1, "an empty role is a missing one in a file"
