"""The benchmark of the full mel: its trainings differ in the content and the speaker loss alone."""

import pytest

from benchmarks import full_mel


@pytest.fixture
def runs(monkeypatch, tmp_path):
    """The run of each weight of the speaker loss, without its embeddings."""
    monkeypatch.setattr(full_mel, "embedded", lambda run, progress: None)
    return {
        weight: full_mel.prepared_run(tmp_path / f"{weight:g}", 7, weight) for _, weight in full_mel.VARIANTS.values()
    }


def test_the_trainings_differ_in_the_content_and_the_speaker_loss_alone(runs):
    plain, lossy, without = (runs[weight].config.model_dump()[task] for task, weight in full_mel.VARIANTS.values())
    for recipe in (plain, lossy, without):
        assert (recipe["losses"]["adversarial"], recipe["losses"]["feature_matching"]) == (0, 0)
        assert (recipe["training"]["schedule"], recipe["training"]["max_minutes"]) == ("cosine", None)
        del recipe["discriminator"]  # of no effect without an adversarial loss, as is the next
        for name in ("adversarial_from", "lr_decay", "decay_every"):  # the last two are of the other schedule
            del recipe["training"][name]
    assert plain["training"]["steps"] == 7
    assert plain["content"] != without["content"]
    assert (plain["content"]["kind"], without["content"]["kind"]) == ("mel", "phonetic")
    assert lossy["content"] == plain["content"]
    assert [recipe["losses"]["speaker"] for recipe in (plain, lossy, without)] == [0, full_mel.SPEAKER_LOSS, 0]
    for other in (lossy, without):
        assert other | {"content": plain["content"], "losses": other["losses"] | {"speaker": 0.0}} == plain


def test_a_run_takes_the_corpus_and_the_embeddings_of_another(runs, tmp_path):
    first = next(iter(runs.values()))
    for part in ("corpus", "embeddings"):
        (first.path / part).mkdir()
        (first.path / part / "made").write_text(part)
    copied = full_mel.prepared_run(tmp_path / "copy", 7, 1.0, first)
    assert [(copied.path / part / "made").read_text() for part in ("corpus", "embeddings")] == ["corpus", "embeddings"]
