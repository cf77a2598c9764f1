"""The benchmark of the full mel: its trainings differ in the content and the speaker loss alone."""

from itertools import product

import pandas as pd
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


def test_the_variants_are_compared_on_the_same_pairs_of_content_and_target():
    nearer = dict(zip(full_mel.VARIANTS, (0.1, 0.1, 0.7), strict=True))  # cosine of each variant to the target
    table = pd.DataFrame(
        {
            "target": kind,
            "encoder": "resemblyzer",
            "stage": variant,
            "target_speaker": f"{kind}{target}",
            "content": f"c{content}",
            "to_target": cosine + 0.01 * target + 0.02 * content,
            "to_content": 0.5,
            "floor": 0.0,
            "ceiling": 1.0,
            "identified": float(variant != "full mel" and target == content),
        }
        for kind, (variant, cosine), target, content in product(("seen", "unseen"), nearer.items(), range(4), range(4))
    )
    rows = pd.DataFrame(full_mel.differences_of_variants(table)).set_index(["target", "system", "against", "metric"])
    assert set(rows.index.get_level_values("target")) == {"seen", "unseen"}
    plain, lossy, without = full_mel.VARIANTS
    assert {(system, against) for _, system, against, _ in rows.index} == {
        (lossy, plain),
        (without, plain),
        (without, lossy),
    }
    for against in (plain, lossy):
        similarity = rows.loc["seen", without, against, "normalised_similarity"]
        assert [similarity.difference, similarity.low, similarity.high] == pytest.approx([0.6] * 3), "paired"
    nearest = rows.loc["unseen", without, plain, "target_preference"]
    assert nearest.difference == 1
    assert 0 < nearest.low < 1
    assert rows.loc["seen", without, lossy, "identified"].difference == 0
    assert rows.loc["seen", lossy, plain, "identified"].difference == pytest.approx(0.25)
    assert rows.loc["seen", without, lossy, "margin"].difference == pytest.approx(0.6)
    assert (rows.n == 16).all()
    margins = pd.DataFrame(full_mel.margins(table)).set_index(["target", "system"])
    mean = 0.7 + 0.01 * 1.5 + 0.02 * 1.5 - 0.5
    assert margins.loc["seen", without].margin == pytest.approx(mean)
    assert margins.loc["seen", without].low < mean < margins.loc["seen", without].high
    assert margins.loc["unseen", plain].high < 0
