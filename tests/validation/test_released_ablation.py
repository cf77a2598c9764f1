"""The grid of the released recipe, on tiny corpora: a synthetic one (the bundled pairs) and a human one."""

import json
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
from cloning_stages import HZ
from helpers import voiced
from tiny_corpora import person
from typer.testing import CliRunner

from thesis_lib import cli
from thesis_lib.audio.files import read_audio, write_audio
from thesis_lib.config import Config, ConfigError
from thesis_lib.corpus.manifest import Manifest
from thesis_lib.runs.folder import Run, RunError
from thesis_lib.validation import ablation as losses
from thesis_lib.validation.ablation import ablate
from thesis_lib.validation.cells import at_budget, cell_path, possible
from thesis_lib.validation.released import ablation, scores, variants_of, verdicts, with_human_speech
from thesis_lib.validation.released.recipe import CONTROLS, EMOTION_CONDITION, FULL, PLANNED
from thesis_lib.validation.roles import CONDITIONS, EVALUATION
from thesis_lib.vocoder.synthesis import DEFAULT, Vocoder

SIMILARITY = "normalised_similarity, tiny-test-encoder"
# One variant of each kind: a weight, a size, a corpus and the full recipe.
FEW = (FULL, "with temporal loss", "half the size", "human speech only")


@pytest.fixture(scope="module")
def config(tiny_config, tmp_path_factory):
    """A released grid that trains for some seconds."""
    root = tmp_path_factory.mktemp("human")
    split_of = {"ana": "train", "bea": "train", "cruz": "validation", "dora": "test", "eva": "test"}
    for name in split_of:
        person(root, name, count=3)
    rows = [f"{name}/{n}.wav\t{name}\t{split}" for name, split in split_of.items() for n in range(3)]
    (root / "utterances.tsv").write_text("\n".join(["path\tspeaker\tsplit", *rows]) + "\n")
    return tiny_config.override(
        {
            "ablation.grid": "released",
            "ablation.human": [{"name": "speakers", "root": str(root)}],
            "ablation.steps": 2,
            "ablation.late": 1,
            "ablation.metrics": ("speaker",),
            "ablation.hypotheses": [("with temporal loss", SIMILARITY)],
            "ablation.targets": 2,
            "ablation.contents": 2,
            "conversion.losses.temporal": 0.0,
            "corpus.min_duration": 0.5,
            "corpus.limit": 6,
        }
    )


@pytest.fixture(scope="module")
def grid(config, tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setattr(ablation, "variants_of", lambda base: {name: variants_of(base)[name] for name in FEW})
    run = Run(tmp_path_factory.mktemp("grid") / "run", config)
    yield run, ablate(run)
    patch.undo()


def test_the_grid_is_trained_and_scored_with_its_seeds(grid):
    run, table = grid
    assert set(table.variant) == set(FEW)
    assert set(table.against) == {FULL}
    assert (table.difference[table.variant == FULL] == 0).all()
    similar = table[table.metric == SIMILARITY].set_index("variant")
    assert (similar.difference.drop(FULL) != 0).all()
    assert set(similar.role) == {CONDITIONS}
    assert set(zip(table.seeds, table.n, table.speakers, strict=True)) == {(2, 4, 2)}, "two targets, two sentences"
    by_seed = run.load_table("ablation_seeds")
    for variant in FEW:
        own = by_seed[(by_seed.variant == variant) & (by_seed.metric == SIMILARITY)]
        assert list(own.seed) == [0, 1]
        assert own.value.mean() == pytest.approx(similar.value[variant])
    reasons = set(run.load_table("ablation_not_measured").reason)
    assert f"{SIMILARITY}: 2 seeds: no test" in reasons
    assert any("accepted_5" in reason for reason in reasons), "two speakers give no threshold"


def test_a_cell_with_another_corpus_has_that_corpus_and_computes_nothing_twice(grid):
    run, _ = grid
    human, full = (cell_path(run, variant, 0) for variant in ("human speech only", FULL))
    rows = {path: Manifest.load(path / "corpus").utterances for path in (human, full)}
    assert {u.id for u in rows[human]} == {u.id for u in rows[full] if u.id.startswith("speakers-")}
    assert any(u.id.startswith("synthetic-") for u in rows[full])
    data = run.path / "ablation" / "data"
    assert (human / "corpus" / "members").resolve() == (data / "corpus" / "members").resolve()
    stored = sorted((human / "analyses" / "envelope").glob("*.npz"))
    assert stored
    assert all(path.is_symlink() for path in stored)
    half, whole = (Vocoder.from_torch(cell_path(run, v, 0) / "conversion" / "vocoder") for v in ("half the size", FULL))
    assert half.parameters() < whole.parameters()


def test_a_grid_that_was_killed_goes_on_with_the_next_cell(grid, monkeypatch):
    """Two cells are lost, one with its training and one with its scores alone; the others are not made again."""
    run, table = grid
    run.table_path("ablation").unlink()
    shutil.rmtree(cell_path(run, "half the size", 1))
    shutil.rmtree(cell_path(run, FULL, 0) / "validation")
    scored, trained = [], []
    evaluate, train = scores.evaluate, ablation.trained
    monkeypatch.setattr(scores, "evaluate", lambda *given, **more: scored.append(1) or evaluate(*given, **more))

    def training(cell, device):
        trained.append((cell.path.name, (cell.path / "conversion" / "vocoder").exists(), device))
        return train(cell, device)

    monkeypatch.setattr(ablation, "trained", training)
    again = ablate(run, device="cpu")
    pd.testing.assert_frame_equal(again.drop(columns="role"), table.drop(columns="role"))
    assert [name for name, existed, _ in trained if not existed] == ["half-the-size-1"]
    assert {device for *_, device in trained} == {"cpu"}
    assert len(scored) == 2


def test_a_changed_corpus_makes_every_table_stale_and_every_cell_is_scored_again(grid, monkeypatch, tmp_path):
    run = Run(shutil.copytree(grid[0].path, tmp_path / "run", symlinks=True), grid[0].config)
    ablate(run)
    tables = ("ablation", "ablation_not_measured", "ablation_seeds", "ablation_verdicts")
    assert [run.staleness(name) for name in tables] == [[]] * 4
    scored, evaluate = [], scores.evaluate
    monkeypatch.setattr(scores, "evaluate", lambda *given, **more: scored.append(1) or evaluate(*given, **more))
    for count, name in enumerate(("corpus/manifest.json", "embeddings/embeddings.json"), 1):
        path = run.path / "ablation" / "data" / name
        path.write_text(path.read_text() + "\n")
        assert [run.staleness(table) for table in tables] == [[f"ablation/data/{name} has changed since"]] * 4
        ablate(run)
        assert len(scored) == count * 2 * len(FEW)
        assert [run.staleness(table) for table in tables] == [[]] * 4


def test_a_changed_recipe_is_refused_with_the_settings_and_the_cell(grid, config, monkeypatch, tmp_path):
    run, _ = grid
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "ablation").symlink_to(run.path / "ablation")
    changed = config.override({"conversion.losses.stft": 3.0})
    (tmp_path / "run" / "config.json").write_text(changed.model_dump_json())
    with pytest.raises(ConfigError, match=r"conversion\.losses\.stft was .*, is 3\.0") as error:
        ablate(Run(tmp_path / "run", changed))
    assert "ablation/data" in str(error.value)


def test_an_unknown_device_is_refused(grid):
    run, _ = grid
    run.table_path("ablation").unlink(missing_ok=True)
    with pytest.raises(Exception, match="no accelerator named 'tpu'"):
        ablate(run, device="tpu")


@pytest.fixture
def released(tmp_path):
    """The profile released with folders for its corpora, which nothing reads here."""
    corpora = {name: tmp_path / name for name in ("synthetic", "librispeech", "speechocean762")}
    for folder in corpora.values():
        folder.mkdir()
    human = [{"name": name, "root": str(corpora[name])} for name in ("librispeech", "speechocean762")]
    changes = {"corpus.root": str(corpora["synthetic"]), "ablation.human": human}
    return Config.from_profile("released").override(changes)


def test_the_variants_of_the_released_recipe_each_change_what_they_say(released):
    base = with_human_speech(released)
    every = variants_of(base)
    found, missing = possible(base, every, FULL)
    assert list(found) == list(every)
    assert missing == []
    assert len(found) == 12
    assert all(len(changes) <= 2 for changes in found.values())
    assert base.conversion.training.steps >= 2_500
    assert released.ablation.seeds >= 3
    titles = {v: [m.title for m in base.override(changes).corpus.members] for v, changes in found.items()}
    assert titles["synthetic speech only"] == ["synthetic"]
    assert titles["human speech only"] == ["librispeech", "speechocean762"]
    assert titles[FULL] == ["synthetic", "librispeech", "speechocean762"]
    for variant, metric in released.ablation.hypotheses:
        assert variant in every
        assert metric.split(", ")[0] in (*scores.SPEAKER_SCORES, scores.OPINION)


def test_half_the_size_is_half_the_parameters(released):
    meta = dict(Vocoder.from_torch(DEFAULT).meta)
    base = with_human_speech(released)
    half = base.override(variants_of(base)["half the size"])
    sizes = [
        Vocoder.untrained(meta | {"generator": config.conversion.generator.model_dump()}).parameters()
        for config in (half, base)
    ]
    assert sizes[0] / sizes[1] == pytest.approx(0.5, abs=0.03)


def test_a_missing_corpus_is_named_with_the_command_that_fetches_it(released, tmp_path):
    (tmp_path / "librispeech").rmdir()
    with pytest.raises(RunError) as error:
        with_human_speech(released)
    text = str(error.value)
    assert "\n" not in text
    folder = tmp_path / "librispeech"
    assert f"thesis download librispeech --subset train-clean-100 --subset dev-clean --to {folder}" in text
    assert "ablation.human=" in text
    (tmp_path / "synthetic").rmdir()
    with pytest.raises(RunError, match=r"scripts/build_wide_corpus.py --out"):
        with_human_speech(released)


def test_the_profile_s_own_corpus_keeps_its_speed_beside_the_human_ones(released):
    corpus = with_human_speech(released.override({"corpus.name": "vctk", "corpus.speed": 1.1})).corpus
    assert {member.title: member.speed for member in corpus.members} == {
        "synthetic": 1.1, "librispeech": 1.0, "speechocean762": 1.0,
    }  # fmt: skip
    assert corpus.speed == 1.0


def test_a_corpus_that_is_no_human_one_and_a_grid_without_one_are_refused_or_named(released):
    with pytest.raises(ConfigError, match="'mini' is no corpus of one language; known: librispeech"):
        with_human_speech(released.override({"ablation.human": [{"name": "mini"}]}))
    with pytest.raises(ConfigError, match="combines the corpora itself"):
        with_human_speech(
            Config().override(
                {"corpus.name": "combined", "corpus.members": [{"name": "mini"}], "ablation.grid": "released"}
            )
        )
    alone = with_human_speech(released.override({"ablation.human": []}))
    assert "human speech only" not in variants_of(alone)
    with pytest.raises(ConfigError, match="ablation.human belongs to ablation.grid=released"):
        Config().override({"ablation.human": [{"name": "librispeech"}]})
    with pytest.raises(ConfigError, match="ablation.compared belongs to ablation.grid=released"):
        Config().override({"ablation.compared": "names.txt"})
    with pytest.raises(ConfigError, match="ablation.task=conversion"):
        Config().override({"ablation.grid": "released", "ablation.task": "resynthesis"})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"ablation.metrics": ("mel_l1",)}, "no metric 'mel_l1'; known: speaker, evaluation, asr, dnsmos"),
        ({"ablation.hypotheses": [("no mel loss", SIMILARITY)]}, "no variant named 'no mel loss'"),
        ({"ablation.hypotheses": [("half the size", "pesq")]}, "no metric named 'pesq'"),
    ],
)
def test_an_unknown_name_is_refused_before_any_training(grid, config, monkeypatch, tmp_path, changes, says):
    monkeypatch.setattr(ablation, "trained", None)
    run = Run(tmp_path / "run", config.override(changes))
    source = grid[0].path / "ablation" / "data"
    shutil.copytree(source, run.path / "ablation" / "data", symlinks=True)
    (run.path / "ablation" / "data" / "config.json").write_text(with_human_speech(run.config).model_dump_json())
    with pytest.raises(ConfigError, match=says):
        ablate(run)


def planted(**rows) -> pd.DataFrame:
    """A table with one row for each loss of the plan: loss=(metric, low, high, role)."""
    found = []
    for loss, (metric, low, high, role) in rows.items():
        about = {"variant": f"with {loss} loss", "metric": metric, "against": FULL, "role": role}
        found.append(about | {"difference": (low + high) / 2, "low": low, "high": high})
    return pd.DataFrame(found)


def test_each_loss_of_the_plan_gets_a_verdict_null_results_included():
    table = planted(
        speaker=("normalised_similarity, resemblyzer", 0.1, 0.3, EVALUATION),
        emotion=("wer, whisper-base", 0.01, 0.05, EVALUATION),
        temporal=("dnsmos_ovrl", -0.1, 0.1, ""),
    )
    found = verdicts(table).set_index("loss")
    assert set(found.index) == {variant.removeprefix("with ") for variant in PLANNED}
    assert dict(found.verdict) == {
        "speaker loss": "better in 1 and worse in 0 of 1 scores",
        "emotion loss": "not measured in emotion; other scores: better in 0 and worse in 1 of 1 scores",
        "temporal loss": "no difference shown",
    }
    said = "better: normalised_similarity, resemblyzer +0.200 [0.100, 0.300] against full recipe"
    assert found.evidence["speaker loss"] == said
    assert [loss for loss, text in found.evidence.items() if "emotion of the outputs is not scored" in text] == [
        "emotion loss"
    ]


def test_a_score_by_a_network_of_the_vocoder_is_no_evidence():
    table = planted(speaker=("normalised_similarity, ecapa", 0.1, 0.3, "conditions and trains"))
    other = "not measured in emotion; other scores: not measured"
    assert dict(verdicts(table).set_index("loss").verdict) == dict.fromkeys(
        ("speaker loss", "temporal loss"), "not measured"
    ) | {"emotion loss": other}


def test_the_emotion_loss_is_compared_with_its_own_encoder(released):
    base = with_human_speech(released)
    every = variants_of(base)
    assert CONTROLS == {"with emotion loss": EMOTION_CONDITION}
    assert every["with emotion loss"].items() > every[EMOTION_CONDITION].items()
    assert at_budget(base).override(every["with emotion loss"]).conversion.losses.emotion > 0


def test_no_target_is_enrolled_by_the_recording_of_its_condition(grid):
    run, _ = grid
    data = Run(run.path / "ablation" / "data", with_human_speech(run.config))
    trials, manifest = scores.trials_of(data), Manifest.load(data.path / "corpus")
    for speaker in trials.speakers:
        own = next(u for u in manifest if u.id == speaker.content_id)
        assert own.source_audio != own.target_audio
        source, _ = read_audio(manifest.source(own))
        for reference in speaker.references:
            assert len(reference) != len(source) or not np.allclose(reference, source)


@pytest.mark.parametrize(("words", "device"), [([], "auto"), (["--device", "cuda"], "cuda")])
def test_the_command_hands_the_device_through(grid, monkeypatch, words, device):
    run, table = grid
    found = pd.DataFrame(
        [{"loss": "speaker loss", "verdict": "better in 1 and worse in 0 of 8 scores", "evidence": "x"}]
    )
    run.save_table("ablation_verdicts", found, run.provenance([]))
    given = []
    monkeypatch.setattr(sys.modules["thesis_lib.cli.evaluation"], "run_of", lambda *_: run)
    monkeypatch.setattr(losses, "ablate", lambda run, progress, device: given.append(device) or table)
    result = CliRunner().invoke(cli.app, ["ablate", "--profile", "released", *words])
    assert result.exit_code == 0, result.output
    assert given == [device]
    assert "speaker loss: better in 1 and worse in 0 of 8 scores. x" in result.output


def test_a_replaced_human_recording_makes_the_grid_stale_and_every_cell_is_scored_again(grid, monkeypatch, tmp_path):
    human = tmp_path / "human"
    for number in range(4):
        for recording in range(3):
            write_audio(human / str(number) / f"{recording}.wav", voiced(1.5, HZ, 110.0 + 30 * number), HZ)
    folder = shutil.copytree(grid[0].path, tmp_path / "run", symlinks=True)
    for path in folder.rglob("config.json"):  # so that no cell is trained again
        settings = json.loads(path.read_text())
        if "swap" in settings:  # of a run, not of a vocoder
            settings["swap"]["human"] = str(human)
        path.write_text(json.dumps(settings))
    config = grid[0].config.override({"swap.human": str(human)})
    run = Run(folder, config)
    ablate(run)
    assert run.has("ablation", scores.outside_of(config))
    write_audio(human / "2" / "0.wav", voiced(1.5, HZ, 200.0), HZ)
    assert run.staleness("ablation") == [f"{human / '2' / '0.wav'} has changed since"]
    scored, evaluate = [], scores.evaluate
    monkeypatch.setattr(scores, "evaluate", lambda *given, **more: scored.append(1) or evaluate(*given, **more))
    ablate(run)
    assert len(scored) == 2 * len(FEW)
    assert run.staleness("ablation") == []


def test_scores_are_of_the_human_recordings_as_they_are_now(tiny_run, tmp_path):
    config = tiny_run.config.override({"swap.human": str(tmp_path)})
    for name in "ab":
        write_audio(tmp_path / f"{name}.wav", voiced(1.0, HZ), HZ)
    before = scores.outside_of(config)
    assert set(before) == {str(tmp_path), *(str(tmp_path / f"{name}.wav") for name in "ab")}
    write_audio(tmp_path / "b.wav", voiced(1.0, HZ, 150.0), HZ)
    after = scores.outside_of(config)
    assert [path for path in before if before[path] != after[path]] == [str(tmp_path / "b.wav")]
    assert scores.outside_of(tiny_run.config) is None
    assert scores.outside_of(config.override({"swap.human": str(tmp_path / "gone")})) is None


def test_no_target_is_a_speaker_on_whom_the_recipe_was_chosen(tiny_run, tmp_path):
    human, names = tmp_path / "human", tmp_path / "names.txt"
    for number, name in enumerate("abcd"):
        write_audio(human / f"{name}.wav", voiced(1.5, HZ, 110.0 + 30 * number), HZ)
    names.write_text("a\nc\n")
    given = {"ablation.grid": "released", "ablation.compared": str(names)}

    def run(**changes) -> Run:
        return Run(tmp_path / "run", tiny_run.config.override(given | changes))

    found = scores.trials_of(run(**{"swap.human": str(human)}))
    assert {target.name for target in found.targets} == {"b", "d"}
    before = scores.outside_of(run(**{"swap.human": str(human)}).config)
    names.write_text("a\n")
    after = scores.outside_of(run(**{"swap.human": str(human)}).config)
    assert [path for path in before if before[path] != after[path]] == [str(names)]
    for wrong, says in (("a\ne\n", "has no speaker named e: correct"), ("a b c d", "no target is left")):
        names.write_text(wrong)
        with pytest.raises(RunError, match=says):
            scores.trials_of(run(**{"swap.human": str(human)}))
    with pytest.raises(RunError, match="set both, or neither"):
        scores.trials_of(run())
    names.unlink()
    with pytest.raises(RunError, match="is no file"):
        scores.trials_of(run(**{"swap.human": str(human)}))
