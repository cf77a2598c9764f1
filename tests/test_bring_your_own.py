"""The examples of the page "Bring your own", taken from it: each through two training steps, or one validation."""

import json
import re
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import TINY, log_of, spoken, trained_beside
from typer.testing import CliRunner

from thesis_lib.audio.files import write_audio
from thesis_lib.cli import app
from thesis_lib.config import Config, ConfigError, parse_assignment
from thesis_lib.config.registries import CORPORA, ENCODERS, GENERATORS, LOSSES, METRICS
from thesis_lib.corpus import mini
from thesis_lib.corpus.errors import CorpusError
from thesis_lib.corpus.manifest import Manifest
from thesis_lib.embeddings.encoders import EncoderError, evaluation_encoders, speaker_encoder
from thesis_lib.runs.embed import embedded
from thesis_lib.runs.folder import Run
from thesis_lib.runs.prepare import prepared
from thesis_lib.runs.stages import TRAIN
from thesis_lib.training import train
from thesis_lib.utils.registry import RegistryError
from thesis_lib.validation import GROUND_TRUTH, describe, validate
from thesis_lib.validation.scoring import score
from thesis_lib.vocoder import checkpoints
from thesis_lib.vocoder.checkpoints import CheckpointError
from thesis_lib.vocoder.description import EncoderMismatchError, VocoderDescription
from thesis_lib.vocoder.synthesis import DEFAULT, RELEASED, Vocoder

PAGE = (Path(__file__).parents[1] / "book" / "bring_your_own.md").read_text(encoding="utf-8")
TWO_STEPS = {"conversion.training.steps": 2, "conversion.training.checkpoint_every": 2}


def section(title: str) -> str:
    """The text below one heading of the page."""
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)[1]


def settings(title: str) -> dict:
    """The changes that the section's `thesis` commands make with --set: every command makes the same."""
    (block,) = re.findall(r"^```\n(thesis .*?)\n```$", section(title), re.M | re.S)
    first, *others = (changes_of(command) for command in block.splitlines())
    assert all(other == first for other in others)
    return first


def changes_of(command: str) -> dict:
    """The settings that a command changes."""
    words = shlex.split(command)
    return dict(parse_assignment(words[place + 1]) for place, word in enumerate(words) if word == "--set")


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A working folder with the page's modules; what they register is gone afterwards."""
    modules = dict(re.findall(r"^```python\n# (\w+)\.py\n(.*?)^```$", PAGE, re.M | re.S))
    for name, code in modules.items():
        (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for registry in (CORPORA, ENCODERS, GENERATORS, LOSSES, METRICS):
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    yield tmp_path
    for name in modules:
        sys.modules.pop(name, None)


def run_of(tiny_run, folder, changes, shared=("corpus", "embeddings")) -> Run:
    """A run of the tiny configuration with changes, and with what it shares with the tiny run."""
    run = Run(folder / "run", tiny_run.config.override(TWO_STEPS | changes))
    for name in shared:
        shutil.copytree(tiny_run.path / name, run.path / name)
    return run


def test_a_loss(tiny_run, workplace):
    run = run_of(tiny_run, workplace, settings("A loss"))
    train(run, "conversion")
    values = [row["log_energy"] for row in log_of(run, "conversion") if "log_energy" in row]
    assert len(values) == 2
    assert all(value > 0 for value in values)
    assert Config.from_json(run.config.model_dump_json()) == run.config
    assert run.config.digest() != tiny_run.config.digest()


def test_a_loss_moves_the_generator(tiny_run, workplace):
    """The same two steps end with other weights than without it."""
    first = run_of(tiny_run, workplace / "with", settings("A loss"))
    second = run_of(tiny_run, workplace / "without", {})
    one, other = (train(run, "conversion").generator.state_dict() for run in (first, second))
    assert any(not one[name].equal(other[name]) for name in one)


def test_a_loss_that_needs_an_encoder_begins_with_the_built_in_ones(tiny_run, workplace):
    def loss(config, weights):
        return lambda estimate, reference: (estimate - reference).abs().mean()

    LOSSES.register("at_once")(loss)
    LOSSES.register("later", needs_encoder=True)(loss)
    weights = {f"conversion.losses.{name}": 1.0 for name in ("at_once", "later")}
    run = run_of(tiny_run, workplace, weights | {"conversion.training.auxiliary_from": 1})
    train(run, "conversion")
    steps = [row for row in log_of(run, "conversion") if row["step"]]
    assert [("at_once" in row, "later" in row) for row in steps] == [(True, False), (True, True)]


def test_an_unknown_loss_and_a_typo_in_its_weight_are_refused(workplace):
    config = Config().override({"plugins": "my_loss"})
    with pytest.raises(ConfigError, match="no loss named 'log_enrgy'; known: adversarial, .*log_energy; .*plugins"):
        config.override({"conversion.losses.log_enrgy": 1.0})
    with pytest.raises(ConfigError, match="conversion.losses.log_energy"):
        config.override({"conversion.losses.log_energy": -1.0})
    LOSSES._entries.pop("log_energy")
    with pytest.raises(ConfigError, match="no loss named 'log_energy'"):
        Config().override({"conversion.losses.log_energy": 1.0})


def test_a_module_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match="cannot import 'my_lost'.*PYTHONPATH"):
        Config().override({"plugins": "my_lost"})


def test_a_generator(tiny_run, workplace):
    run = run_of(tiny_run, workplace, settings("A generator"))
    vocoder = train(run, "conversion")
    assert type(vocoder.generator).__name__ == "LinearHeadGenerator"
    assert vocoder.generator.pre.out_channels == 96
    assert (vocoder.receptive_field.left, vocoder.receptive_field.right) == (3, 3)
    vocoder.save_pretrained(workplace / "saved")
    wav, again = spoken(0), Vocoder.from_torch(workplace / "saved")
    assert len(again.render(wav)) == len(wav)
    assert np.array_equal(again.render(wav), vocoder.render(wav))
    assert Config.from_json(run.config.model_dump_json()) == run.config
    by_name = Config().override({"plugins": ["my_generator"], "conversion.generator": "linear-head"})
    assert by_name.conversion.generator.channels == 64


def outside(tiny_run, workplace, task: str) -> Path:
    """A vocoder with the page's generator, in its folder; the module that registers the generator is not imported."""
    Config().override({"plugins": "my_generator"})
    about = VocoderDescription.of(checkpoints.load(tiny_run.path / task / "vocoder")[1])
    about = about.with_changes(generator={"kind": "linear-head", "channels": 8})
    Vocoder.untrained(about).save_pretrained(workplace / task)
    sys.modules.pop("my_generator")
    GENERATORS._entries.pop("linear-head")
    return workplace / task


@pytest.mark.parametrize("verb", ["stream", "export", "adapt"])
def test_a_command_on_a_vocoder_with_a_generator_from_outside(tiny_run, workplace, verb):
    """The remedy that the error names, ``plugins``, can be followed."""
    write_audio(workplace / "a.wav", spoken(0), 22_050)
    folder = outside(tiny_run, workplace, "conversion" if verb == "adapt" else "resynthesis")
    places = {
        "stream": ["a.wav", "b.wav"],
        "export": ["v.onnx"],
        "adapt": ["a.wav", "--run-dir", "me", "--minutes", "0.02"],
    }
    command = [verb, *places[verb], "--vocoder", str(folder)]
    done = CliRunner().invoke(app, command)
    assert isinstance(done.exception, CheckpointError)
    assert "name the module that registers it in `plugins`" in str(done.exception)
    done = CliRunner().invoke(app, [*command, "--set", "plugins=my_generator"])
    assert done.exit_code == 0, done.exception
    made = {"stream": "b.wav", "export": "v.onnx", "adapt": "me/conversion/vocoder/model.safetensors"}
    assert (workplace / made[verb]).exists()


def test_an_adapted_run_knows_its_plugins(tiny_run, workplace):
    write_audio(workplace / "a.wav", spoken(0), 22_050)
    folder = outside(tiny_run, workplace, "conversion")
    given = ["--set", "plugins=my_generator", "--set", "encoders.batch_size=2"]
    command = ["adapt", "a.wav", "--run-dir", "me", "--minutes", "0.02", "--vocoder", str(folder), *given]
    assert CliRunner().invoke(app, command).exit_code == 0
    run = Run(workplace / "me", Config.from_json((workplace / "me" / "config.json").read_text()))
    assert run.config.plugins == ("my_generator",)
    assert run.config.encoders.batch_size == 2
    named = TRAIN.command_for(run, "conversion")
    assert named.endswith("""--minutes 0.02 --set 'plugins=["my_generator"]'""")
    assert parse_assignment(shlex.split(named)[-1]) == ("plugins", ["my_generator"])
    done = CliRunner().invoke(app, [*command, "--set", "encoders.speaker=ecapa"])
    assert isinstance(done.exception, EncoderMismatchError)


def test_a_vocoder_of_a_generator_or_encoder_that_is_not_loaded_names_the_remedy(tmp_path):
    about = json.loads((RELEASED[DEFAULT] / checkpoints.META).read_text())
    changed = about | {"generator": about["generator"] | {"kind": "linear-head"}}
    checkpoints.save(tmp_path / "v", {"a": torch.zeros(1)}, changed)
    says = r"^\S+/v: .*no generator named 'linear-head'; .*in `plugins`, or install its package\)$"
    with pytest.raises(CheckpointError, match=says):
        Vocoder.from_torch(tmp_path / "v")
    checkpoints.save(tmp_path / "w", {"a": torch.zeros(1)}, about)
    with pytest.raises(CheckpointError, match=r"^\S+/w: .*Missing key\(s\).*\)$") as error:
        Vocoder.from_torch(tmp_path / "w")
    assert "\n" not in str(error.value)
    with pytest.raises(EncoderMismatchError, match="band-energies .* `plugins` or install its package"):
        VocoderDescription.of(about | {"speaker_encoder": "band-energies (1)"}).encoder_config()


def test_a_generators_settings_are_strict(workplace):
    with pytest.raises(ConfigError, match="conversion.generator.chanels"):
        Config().override(
            {"plugins": "my_generator", "conversion.generator": {"kind": "linear-head", "chanels": 3}},
        )
    with pytest.raises(ConfigError, match="no generator named 'linear'; known: v1, .*istft-live, linear-head"):
        Config().override({"plugins": "my_generator", "conversion.generator": "linear"})


def test_an_encoder(tiny_run, workplace):
    run = run_of(tiny_run, workplace, settings("An encoder"), shared=("corpus",))
    vocoder = train(run, "conversion")
    assert embedded(run, sides=("source",)).speaker["source"].shape == (len(prepared(run)), 80)
    assert vocoder.meta["speaker_encoder"] == "band-energies (1)"
    assert vocoder.generator.condition.speaker.in_features == 80
    (evaluation,) = evaluation_encoders(run.config.override({"encoders.evaluation": ["band-energies"]}).encoders)
    assert evaluation.name == "band-energies"


def test_an_encoder_on_the_workers_of_a_cluster(tiny_run, workplace):
    """The worker is started in another folder than the one that has the module."""
    pytest.importorskip("distributed")
    from distributed import LocalCluster

    workers = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**workers, local_directory=str(workplace / "dask")) as cluster:
        run = run_of(tiny_run, workplace, settings("An encoder"), shared=("corpus",))
        found = embedded(run, scheduler=cluster.scheduler_address, sides=("source",)).speaker["source"]
    here = run_of(tiny_run, workplace / "here", settings("An encoder"), shared=("corpus",))
    np.testing.assert_allclose(found, embedded(here, sides=("source",)).speaker["source"], rtol=1e-4)


def test_an_encoder_of_another_role_or_name_is_refused(workplace):
    config = Config().override({"plugins": "my_encoder", "encoders.speaker": "band-energies"})
    with pytest.raises(ConfigError, match="encoders.emotion: no encoder named 'band-energies'; known: emotion2vec"):
        config.override({"encoders.emotion": "band-energies"})
    with pytest.raises(ConfigError, match="known: ecapa, tiny-test, band-energies, auto"):
        config.override({"encoders.speaker": "band-energy"})
    sys.modules["my_encoder"].BandEnergies.name = "something else"
    with pytest.raises(EncoderError, match="give it the same"):
        speaker_encoder(config.encoders)


def pairs(folder: Path) -> None:
    """The page's table, with a bundled recording for each of its paths."""
    (table,) = re.findall(r"^```text\n(.*?)^```$", section("A corpus"), re.M | re.S)
    (folder / "pairs.csv").write_text(table)
    for number, row in enumerate(table.splitlines()[1:]):
        for side, path in zip(("es", "en"), row.split(",")[:2], strict=True):
            (folder / path).parent.mkdir(exist_ok=True)
            write_audio(folder / path, spoken(number, 24_000, side), 24_000)


def test_a_corpus_as_a_table_of_pairs(tiny_run, workplace):
    pairs(workplace)
    run = run_of(tiny_run, workplace, settings("A corpus"), shared=())
    train(run, "conversion")
    manifest = prepared(run)
    assert [u.speaker for u in manifest] == ["ana", "ana", "luis", "luis", "eva", "eva"]
    assert [len(manifest.split(name)) for name in ("train", "validation", "test")] == [2, 2, 2]
    assert manifest.utterances[0].source_text == "Buenos días a todos."
    assert "user's own" in (run.path / "corpus" / "DATA_CARD.md").read_text()


def manifest_config(**changes) -> Config:
    base = {"corpus.name": "manifest", "corpus.root": ".", "corpus.limit": None}
    return Config.from_profile("smoke").override(TINY | base | {f"corpus.{k}": v for k, v in changes.items()})


def test_a_table_without_splits_draws_speakers(workplace):
    pairs(workplace)
    table = workplace / "pairs.csv"
    table.write_text(re.sub(r",[^,]+$", "", table.read_text(), flags=re.M))
    run = Run(workplace / "run", manifest_config())
    first = {u.id: u.split for u in prepared(run)}
    assert sorted(first.values()) == ["test"] * 2 + ["train"] * 2 + ["validation"] * 2
    again = Run(workplace / "again", manifest_config(limit=1))
    assert {u.id: u.split for u in prepared(again)}.items() <= first.items()
    assert len(prepared(again)) == 3


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("target_text", "english", "no column 'target_text'"),
        ("Good morning to everybody.", "", "row 1: target_text is empty"),
        ("validation", "dev", "split 'dev' is unknown; known: train"),
    ],
)
def test_a_wrong_table_is_refused_with_the_place(workplace, before, after, says):
    pairs(workplace)
    table = workplace / "pairs.csv"
    table.write_text(table.read_text().replace(before, after))
    with pytest.raises(CorpusError, match=says):
        prepared(Run(workplace / "run", manifest_config()))


def test_pairs_that_cannot_be_used_are_listed_with_the_reason(workplace):
    pairs(workplace)
    (workplace / "es" / "ana_1.wav").unlink()
    write_audio(workplace / "en" / "eva_2.wav", spoken(0, 24_000, "en")[:24_000], 24_000)
    manifest = prepared(Run(workplace / "run", manifest_config()))
    assert [(r.id, r.reason) for r in manifest.rejects] == [
        ("pair-000006", "target: duration"),
        ("pair-000001", "source: missing file"),
    ]
    assert len(manifest) == 4


def test_a_corpus_without_a_table_is_refused_with_the_remedy(workplace):
    for changes, says in (({}, "pairs.csv or pairs.tsv"), ({"root": None}, "corpus.root="), ({"subset": 3}, "subset")):
        with pytest.raises(CorpusError, match=says):
            prepared(Run(workplace / "run", manifest_config(**changes)))


def test_a_corpus_from_a_function(tiny_run, workplace):
    @CORPORA.register("copied", licence="The recordings are those of the tiny run.")
    def copied(config, folder, progress, scheduler):
        shutil.copytree(tiny_run.path / "corpus", folder)
        return Manifest.load(folder)

    run = run_of(tiny_run, workplace, {"corpus.name": "copied"}, shared=())
    assert [u.id for u in prepared(run)] == [u.id for u in prepared(tiny_run)]
    assert len(mini.table(run.config.corpus)) == len(prepared(run))


def test_a_metric(tiny_run, workplace):
    changes = {key.replace(".", "__"): value for key, value in settings("A metric").items()}
    run = trained_beside(tiny_run, workplace / "run", **changes)
    table = validate(run)
    measured = table[table.system != GROUND_TRUTH].crest_factor.dropna()
    assert len(measured) >= 3
    assert (measured >= 0).all()
    assert table[table.system == GROUND_TRUTH].crest_factor.isna().all(), "nothing is compared with itself"
    summary = run.load_table("validation_summary")
    assert "crest_factor" in set(summary.metric)
    assert "crest_factor" in set(run.load_table("validation_comparisons").metric)
    assert (describe("crest_factor").label, describe("crest_factor").better) == (
        "crest factor difference (dB)",
        "lower",
    )


def test_a_metric_with_a_column_that_no_summary_has_is_refused():
    def levels(output, reference):
        return {"levels": 1.0, "peak": 2.0}

    METRICS.register("levels", label="levels", better="", settings="none")(levels)
    try:
        with pytest.raises(RegistryError, match="metric 'levels' returned the columns levels, peak: .*for each number"):
            score("levels", None, None)
        METRICS._entries.pop("levels")
        METRICS.register("levels", label="levels", better="", settings="none")(lambda output, reference: 3.0)
        assert score("levels", None, None) == {"levels": 3.0}
    finally:
        METRICS._entries.pop("levels")


def test_an_unknown_metric_is_refused_with_the_known_ones(workplace):
    with pytest.raises(ConfigError, match="no metric named 'crest'; known: mel_l1, .*crest_factor, asr"):
        Config().override({"plugins": "my_metric", "validation.metrics": ["crest"]})
