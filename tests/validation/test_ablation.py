import shutil

import numpy as np
import pytest
from helpers import beside
from planted import measurements

from thesis_lib.config import Config, ConfigError
from thesis_lib.runs.folder import Run
from thesis_lib.training import TrainingError
from thesis_lib.validation import INVERSION, Measured, Measurements, ablation, cells, describe
from thesis_lib.validation.ablation import FULL, VARIANTS, ablate, differences_from_full
from thesis_lib.vocoder import checkpoints

SMALL = {
    "ablation__seeds": 2,
    "ablation__steps": 3,
    "ablation__late": 1,
    "ablation__metrics": ("mel_l1", "speaker", "style"),
}
# A recipe that could not start: every cell has to begin where the ablation says.
SMALL |= {"conversion__training__warm_start": "nowhere", "ablation__warm_start": "none"}


@pytest.fixture(scope="module")
def grid(tiny_run, tmp_path_factory):
    run = beside(tiny_run, tmp_path_factory.mktemp("grid") / "run", **SMALL)
    return run, ablate(run)


def test_the_grid_is_trained_and_compared(grid):
    run, table = grid
    variants = set(table.variant)
    assert FULL in variants
    assert "no adversarial loss" in variants
    assert set(table.metric) == {"mel_l1", "speaker", "style"}
    assert (table.difference[table.variant == FULL] == 0).all()
    assert (table.difference[table.variant == "no mel loss"] != 0).all()
    for name in ("speaker", "style"):
        assert set(table.role[table.metric == name]) == {"conditions"}
    left = run.load_table("ablation_not_measured").set_index("variant").reason
    assert "conversion.losses.emotion = 0.0 changes nothing" in left["no emotion preservation"]
    assert "MSE for cosine" in left, "there is no encoder loss here with a distance that could change"
    assert variants | set(left.index) == set(VARIANTS)


def test_every_cell_is_a_run_of_its_own_seed_and_variant(grid):
    run, table = grid
    for variant in set(table.variant):
        for seed in range(2):
            cell = run.path / "ablation" / f"{variant.replace(' ', '-').lower()}-{seed}"
            config = Config.from_json((cell / "config.json").read_text())
            assert config.conversion.training.seed == seed
            assert config.conversion.training.steps == 3
            assert (cell / "corpus").resolve() == (run.path / "corpus").resolve()
            assert not (cell / "conversion" / "checkpoints").exists(), "only the vocoder is kept"
    weights = [
        checkpoints.load(run.path / "ablation" / f"full-recipe-{seed}" / "conversion" / "vocoder")[0]
        for seed in range(2)
    ]
    assert any(not weights[0][name].equal(weights[1][name]) for name in weights[0])


@pytest.mark.parametrize("profile", ["smoke", "released"])
def test_a_device_that_cannot_train_the_grid_is_refused_before_the_stages(tmp_path, profile):
    changes = {"conversion.training.cuda_graph": True, "ablation.human": (), "corpus.root": str(tmp_path)}
    run = Run(tmp_path / "run", Config.from_profile(profile).override(changes))
    with pytest.raises(TrainingError, match="training.cuda_graph needs one GPU"):
        ablate(run, device="cpu")
    assert [path.name for path in run.path.iterdir()] == ["config.json"]


def test_what_is_done_is_kept(grid, monkeypatch):
    run, table = grid
    monkeypatch.setattr(ablation, "trained", None)
    assert ablate(run).shape == table.shape


def test_an_interrupted_grid_goes_on(grid, monkeypatch):
    run, table = grid
    run.table_path("ablation").unlink()
    started = []
    measure = ablation.measure
    monkeypatch.setattr(ablation, "measure", lambda *given: started.append(1) or measure(*given))
    again = ablate(run)
    assert np.allclose(again.value, table.value), "from the cells' own results"
    assert len(started) == 2 * table.variant.nunique(), "every cell is evaluated, from its stored measurements"


def test_a_changed_corpus_makes_both_tables_stale_and_every_cell_is_measured_again(grid, tmp_path):
    run = Run(shutil.copytree(grid[0].path, tmp_path / "run", symlinks=True), grid[0].config)
    tables = ("ablation", "ablation_not_measured")
    cell = run.path / "ablation" / "full-recipe-0" / "validation"
    for count, name in enumerate(("corpus/manifest.json", "embeddings/embeddings.json"), 1):
        ablate(run)
        assert [run.staleness(table) for table in tables] == [[], []]
        assert len(list(cell.iterdir())) == count, "a folder of measurements for each state of the corpus"
        path = run.path / name
        path.write_text(path.read_text() + "\n")
        assert [run.staleness(table) for table in tables] == [[f"{name} has changed since"]] * 2


def test_a_loss_that_does_not_exist_is_refused(tiny_run, tmp_path):
    run = beside(tiny_run, tmp_path / "run", ablation__losses={"speker": 1.0})
    with pytest.raises(ConfigError, match="conversion.losses: no loss named 'speker'; known: "):
        ablate(run)


def shifted(planted: Measurements, by: float) -> Measurements:
    """One system alone, its mel worse by that much."""
    rows = [
        [{**row, "mel_l1": row["mel_l1"] + by} for row in m.rows if row["system"] == INVERSION]
        for m in planted.measured
    ]
    return Measurements([Measured(row, [], {}) for row in rows])


def test_differences_are_paired_by_seed_and_utterance():
    planted = measurements("abcdefgh")
    cells = {(FULL, seed): shifted(planted, seed) for seed in range(3)}
    cells |= {("no mel loss", seed): shifted(planted, seed + 0.2) for seed in range(3)}
    named = [["no mel loss", "mel_l1"], ["no mel loss", "dnsmos_ovrl"], ["MSE for cosine", "mel_l1"]]
    config = Config().override({"validation.resamples": 100, "ablation.hypotheses": named})
    table, missing = differences_from_full(cells, [FULL, "no mel loss"], 3, config)
    assert [(row["variant"], row["reason"]) for row in missing] == [
        ("no mel loss", "mel_l1: 3 seeds: no test"),
        ("no mel loss", "dnsmos_ovrl: a hypothesis, but not measured"),
        ("MSE for cosine", "mel_l1: a hypothesis, but not measured"),
    ]
    table = table.set_index("variant")
    row = table.loc["no mel loss"]
    assert row.difference == pytest.approx(0.2), "seeds differ by far more, and cancel"
    assert (row.low, row.high) == pytest.approx((0.2, 0.2))
    assert np.isnan(row.p), "three trainings: no test"
    assert np.isnan(row.p_holm)
    assert not row.significant
    assert np.isnan(table.loc[FULL].p_holm)
    assert (row.seeds, row.n, row.speakers) == (3, 8, 8)


def test_the_difference_and_the_test_are_of_speakers_means():
    """One speaker of two has most utterances: each counts the same."""
    planted = measurements("abbbbbbbbb")
    cells = {(FULL, seed): shifted(planted, 0.0) for seed in range(6)}
    rng = np.random.default_rng(0)
    for seed in range(6):
        cells["no mel loss", seed] = shifted(planted, 0.1 * rng.normal())
        cells["no mel loss", seed].measured[0].rows[0]["mel_l1"] += 1.0
    table, _ = differences_from_full(cells, [FULL, "no mel loss"], 6, Config().override({"validation.resamples": 100}))
    row, full = (table.set_index("variant").loc[name] for name in ("no mel loss", FULL))
    mel = {cell: np.array([m.rows[0]["mel_l1"] for m in found.measured]) for cell, found in cells.items()}
    by_seed = [mel["no mel loss", seed] - mel[FULL, seed] for seed in range(6)]
    expected = np.mean([(difference[0] + difference[1:].mean()) / 2 for difference in by_seed])
    assert row.difference == pytest.approx(expected)
    assert row.value - full.value == pytest.approx(row.difference), "value and difference are of one mean"
    assert row.low < row.difference < row.high


def test_one_speaker_gives_an_empty_table_and_the_reasons():
    planted = measurements("aaa")
    cells = {(v, s): shifted(planted, 0.0) for v in (FULL, "no mel loss") for s in range(6)}
    named = Config().override({"ablation.hypotheses": [["no mel loss", "mel_l1"]]})
    table, missing = differences_from_full(cells, [FULL, "no mel loss"], 6, named)
    assert table.empty
    assert {"variant", "metric", "value", "p_holm", "significant", "seeds"} <= set(table.columns)
    reasons = [row["reason"] for row in missing if row["variant"] == "no mel loss"]
    assert "mel_l1 was measured for fewer than two speakers" in reasons
    assert "mel_l1: a hypothesis, but not measured" not in reasons, "it was measured, for one speaker"
    assert "mel_l1: a hypothesis, but measured for fewer than two speakers" in reasons


@pytest.mark.parametrize(
    ("hypothesis", "says"),
    [(["no mel los", "mel_l1"], "no variant named 'no mel los'"), (["no mel loss", "mel"], "no metric named 'mel'")],
)
def test_a_hypothesis_of_an_unknown_name_is_refused_before_any_training(
    tiny_run, tmp_path, monkeypatch, hypothesis, says
):
    monkeypatch.setattr(ablation, "trained", None)
    run = beside(tiny_run, tmp_path / "run", **SMALL, ablation__hypotheses=[hypothesis])
    with pytest.raises(ConfigError, match=f"ablation.hypotheses: {says}"):
        ablate(run)


def test_a_metric_that_one_variant_hardly_has_is_named():
    planted = measurements("abcd")
    cells = {(v, s): shifted(planted, 0.0) for v in (FULL, "no mel loss", "MSE for cosine") for s in range(2)}
    for one in cells["no mel loss", 1].measured[1:]:
        del one.rows[0]["mel_l1"]
    config = Config().override({"validation.resamples": 100})
    table, missing = differences_from_full(cells, [FULL, "no mel loss", "MSE for cosine"], 2, config)
    assert set(table.variant) == {FULL, "MSE for cosine"}
    assert missing[0] == {"variant": "no mel loss", "reason": "mel_l1 was measured for fewer than two speakers"}


def trained_at_random(seeds: int, effect: float, rng: np.random.Generator) -> dict:
    """Cells with a mel that is worse by the effect, and by a random effect of each training for all its utterances."""
    planted = measurements("abcdefgh")
    effects = {(variant, seed): rng.normal() for variant in (FULL, "no mel loss") for seed in range(seeds)}
    return {cell: shifted(planted, by + effect * (cell[0] != FULL)) for cell, by in effects.items()}


def share_significant(effect: float, trials: int, seeds: int = 6) -> float:
    rng = np.random.default_rng(0)
    config = Config().override({"validation.resamples": 100, "ablation.hypotheses": [["no mel loss", "mel_l1"]]})
    found = 0
    for _ in range(trials):
        table, _ = differences_from_full(trained_at_random(seeds, effect, rng), [FULL, "no mel loss"], seeds, config)
        found += table.significant.sum()
    return found / trials


def test_a_random_effect_of_training_is_rarely_significant_and_a_large_effect_mostly_is():
    # Taking the 48 values of six trainings for independent finds a difference in far more than one null of twenty.
    assert share_significant(0.0, trials=60) <= 0.1
    assert share_significant(5.0, trials=10) >= 0.9


def test_the_tests_of_two_hypotheses_are_corrected_together():
    named = [["no mel loss", "mel_l1"], ["MSE for cosine", "mel_l1"]]
    config = Config().override({"validation.resamples": 100, "ablation.hypotheses": named})
    cells = trained_at_random(6, 0.0, np.random.default_rng(0))
    cells |= {("MSE for cosine", seed): cells["no mel loss", seed] for seed in range(6)}
    table, missing = differences_from_full(cells, [FULL, "no mel loss", "MSE for cosine"], 6, config)
    assert not missing
    tested = table[(table.variant != FULL) & (table.metric == "mel_l1")]
    assert tested.p_holm.to_numpy() == pytest.approx(np.minimum(2 * tested.p.to_numpy(), 1))
    assert table[table.metric != "mel_l1"].p.isna().all()


def test_a_hypothesis_that_was_not_measured_is_named():
    config = Config().override({"validation.resamples": 100})
    cells = trained_at_random(6, 0.0, np.random.default_rng(0))
    table, missing = differences_from_full(cells, [FULL, "no mel loss"], 6, config)
    assert table.p.isna().all(), "no mel loss is no hypothesis"
    assert [row["variant"] for row in missing] == [variant for variant, _ in config.ablation.hypotheses]
    assert all(row["reason"].endswith("a hypothesis, but not measured") for row in missing)


def test_the_hypotheses_of_the_configuration_name_variants_and_metrics_that_exist():
    for variant, metric in Config().ablation.hypotheses:
        assert variant in VARIANTS
        assert describe(metric).better


def test_a_variant_without_a_loss_is_named_and_not_trained(tiny_config):
    losses = {"stft": 0.0, "temporal": 0.0}
    config = tiny_config.override({f"conversion.losses.{name}": weight for name, weight in losses.items()})
    possible, missing = cells.possible(cells.at_budget(config), ablation._variants("conversion"), FULL)
    assert "no mel loss" not in possible
    reason = next(row["reason"] for row in missing if row["variant"] == "no mel loss")
    assert "no loss is active in steps 0 to 1" in reason
