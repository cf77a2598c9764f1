import os
from pathlib import Path

import pandas as pd
import pytest

from thesis_lib import pretrained
from thesis_lib.cli.options import run_of
from thesis_lib.config import Config, ConfigError
from thesis_lib.runs import provenance
from thesis_lib.runs.folder import Run, RunError, project_root
from thesis_lib.utils.files import fingerprint, write_text


def test_a_run_folder_belongs_to_one_configuration(tmp_path):
    run = Run(tmp_path / "run", Config())
    run.save_table("x", pd.DataFrame({"a": [1]}), run.provenance([]))
    Run(tmp_path / "run", Config())
    with pytest.raises(ConfigError, match="another configuration"):
        Run(tmp_path / "run", Config().override({"resynthesis.training.seed": 9}))
    assert run.load_table("x").a[0] == 1


def test_settings_that_change_no_result_are_no_other_configuration(tmp_path):
    run = Run(tmp_path / "run", Config())
    run.save_table("x", pd.DataFrame({"a": [1]}), run.provenance_of())
    more = {"conversion.training.steps": 600_000, "conversion.training.workers": 2, "encoders.batch_size": 8}
    other = Run(tmp_path / "run", Config().override(more | {"resynthesis.training.keep": 5}))
    assert other.config.conversion.training.workers == 2
    assert other.has("x"), "its tables are not stale"
    assert other.stamp()["config"] == Config().digest()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"conversion.training.seed": 9}, "conversion.training.seed was 0, is 9"),
        ({"conversion.training.steps": 10}, "conversion.training.steps was 500000, is 10"),
        ({"conversion.training.max_minutes": 3}, "conversion.training.max_minutes was None, is 3"),
        ({"resynthesis.training.max_minutes": 9}, "resynthesis.training.max_minutes was 10.0, is 9.0"),
        ({"resynthesis.training.patience": 4}, "resynthesis.training.patience was 5, is 4"),
        ({"corpus.max_duration": 11.0}, "corpus.max_duration was 10.0, is 11.0"),
    ],
)
def test_a_refusal_names_the_settings_that_differ(tmp_path, changes, says):
    config = Config().override({"resynthesis.training.max_minutes": 10, "resynthesis.training.patience": 5})
    run = Run(tmp_path / "run", config)
    run.save_table("x", pd.DataFrame({"a": [1]}), run.provenance([]))
    with pytest.raises(ConfigError, match="another configuration") as caught:
        Run(tmp_path / "run", config.override(changes | {"encoders.batch_size": 8}))
    assert says in str(caught.value)
    assert "batch_size" not in str(caught.value)


@pytest.mark.parametrize(("minutes", "patience"), [(20, 9), (None, None), (10, 5)])
def test_higher_limits_of_a_training_are_no_other_configuration(tmp_path, minutes, patience):
    limits = "conversion.training.max_minutes", "conversion.training.patience"
    config = Config().override(dict(zip(limits, (10, 5), strict=True)))
    run = Run(tmp_path / "run", config)
    run.save_table("x", pd.DataFrame({"a": [1]}), run.provenance_of())
    other = Run(tmp_path / "run", config.override(dict(zip(limits, (minutes, patience), strict=True))))
    assert other.has("x")
    assert other.config.conversion.training.patience == patience
    assert other.begun_with == config


def test_where_the_corpus_lies_is_no_other_configuration(tmp_path):
    moved = {"root": "/elsewhere", "cvss_url": "https://mirror/cvss.tar.gz", "covost_url": "https://mirror/covost.tsv"}
    moved |= {"common_voice_page": "https://mirror", "accepted_licences": ["speechocean762"]}
    run = Run(tmp_path / "run", Config())
    run.save_table("x", pd.DataFrame({"a": [1]}), run.provenance_of())
    assert Run(tmp_path / "run", Config().override({f"corpus.{key}": value for key, value in moved.items()})).has("x")

    def member(name, root):
        return Config().override({"corpus.name": "combined", "corpus.members": [{"name": name, "root": root}]})

    for name in ("vctk", "speakers"):
        run = Run(tmp_path / name, member(name, "here"))
        run.save_table("x", pd.DataFrame({"a": [1]}), run.provenance_of())
    assert Run(tmp_path / "vctk", member("vctk", "there")).has("x")
    with pytest.raises(ConfigError, match=r"corpus\.members was .*here.*, is .*there"):
        Run(tmp_path / "speakers", member("speakers", "there"))  # another folder may hold other recordings
    mine = Config().override({"corpus.name": "manifest", "corpus.root": "here"})
    run = Run(tmp_path / "mine", mine)
    run.save_table("x", pd.DataFrame({"a": [1]}), run.provenance_of())
    with pytest.raises(ConfigError, match=r"corpus\.root was here, is there"):
        Run(tmp_path / "mine", mine.override({"corpus.root": "there"}))


def test_more_steps_are_another_configuration_where_the_learning_rate_depends_on_them(tmp_path):
    config = Config().override({"conversion.training.schedule": "cosine"})
    run = Run(tmp_path / "run", config)
    run.save_table("x", pd.DataFrame({"a": [1]}), run.provenance([]))
    with pytest.raises(ConfigError, match=r"conversion\.training\.steps was"):
        Run(tmp_path / "run", config.override({"conversion.training.steps": 600_000}))


def test_commands_take_a_relative_run_folder_from_where_they_are_run(tmp_path, monkeypatch):
    (tmp_path / "_toc.yml").write_text("")
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert run_of("smoke", Path("mine"), None).path == tmp_path / "notebooks" / "mine"
    assert run_of("smoke", None, None).path == tmp_path / "notebooks" / "runs" / "smoke"


def test_a_folder_without_results_takes_another_configuration(tmp_path):
    Run(tmp_path / "run", Config())
    changed = Config().override({"corpus.root": "x"})
    Run(tmp_path / "run", changed)
    assert Config.from_json((tmp_path / "run" / "config.json").read_text()) == changed


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(ConfigError, match="other files"):
        Run(tmp_path, Config())
    assert [p.name for p in tmp_path.iterdir()] == ["letter.txt"]


def test_a_file_is_no_run_folder(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(RunError, match="--run-dir"):
        Run(tmp_path / "run", Config())


def test_a_missing_result_names_the_command_that_writes_it(tmp_path):
    run = Run(tmp_path / "run", Config())
    for load, suffix in ((run.load_table, "csv"), (run.load_json, "json")):
        with pytest.raises(RunError) as error:
            load("validation_summary")
        assert str(error.value) == (
            f"{run.path}/tables/validation_summary.{suffix} is missing: "
            f"run `thesis validate --profile thesis --run-dir {run.path}`"
        )
    with pytest.raises(RunError, match="tables/x.csv is missing: no command of this version writes it"):
        run.load_table("x")


def test_a_relative_folder_starts_where_it_is_named_and_in_a_notebook_that_jupyter_opens_in_the_project(
    tmp_path, monkeypatch
):
    (tmp_path / "_toc.yml").write_text("")
    for name, start in (("notebooks", tmp_path), ("mine", tmp_path / "mine"), ("mine/notebooks", None)):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        assert project_root() == tmp_path
        assert Run("runs/x", Config()).path == (start or tmp_path / name) / "runs" / "x"


def test_stamp_says_what_made_it(tmp_path):
    stamp = Run(tmp_path / "run", Config()).stamp()
    assert stamp["config"] == Config().digest()
    assert {"profile", "commit", "torch", "machine"} <= set(stamp)


def test_a_machine_is_named_by_the_widest_of_its_instructions(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "CPU_FLAGS", tmp_path / "cpuinfo")
    assert "with" not in provenance.machine()
    (tmp_path / "cpuinfo").write_text("flags : sse2 avx2 avx512f\n")
    assert " with avx512f, " in provenance.machine()


def test_writing_is_all_or_nothing(tmp_path, monkeypatch):
    write_text(tmp_path / "a", "old")

    def fails(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(OSError, match="No space"):
        write_text(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_table_of_an_earlier_version_is_stale_by_name(tmp_path):
    run = Run(tmp_path / "run", Config())
    write_text(run.table_path("swap"), "judge\necapa\n")
    assert run.has("swap")
    (run.path / "tables" / "swap.origin.json").write_text("{}")
    assert not run.has("swap")
    assert "earlier version" in run.stale()["swap"][0]


def test_no_table_is_saved_without_provenance(tmp_path):
    run = Run(tmp_path / "run", Config())
    with pytest.raises(TypeError, match="provenance"):
        run.save_table("x", pd.DataFrame({"a": [1]}))
    assert not run.table_path("x").exists()


def test_a_table_by_another_revision_of_an_encoder_is_stale(tmp_path):
    run, known = Run(tmp_path / "run", Config()), pretrained.get("ecapa").revision
    revisions = {"same": known, "bfloat16": f"{known}-bfloat16", "another": "0" * len(known)}
    for name, revision in revisions.items():
        weights = {"ecapa": revision, "an encoder from outside": "2"}
        run.save_table(name, pd.DataFrame({"a": [1]}), run.provenance([], weights))
    run.save_table("earlier", pd.DataFrame({"a": [1]}), run.provenance([]))
    assert run.stale() == {"another": [f"ecapa was {'0' * len(known)}, is {known}"]}


def test_statistics_of_an_earlier_version_are_read_under_their_present_names(tmp_path):
    run = Run(tmp_path / "a", Config())
    earlier = {"source_f0_level": [1.0, 2.0], "energy_spread_output": [3.0, 4.0], "metric": ["follows_f0_spread", None]}
    run.save_table("earlier", pd.DataFrame(earlier), run.provenance([]))
    found = run.load_table("earlier")
    assert list(found) == ["source_f0_median", "energy_std_output", "metric"]
    assert found.metric[0] == "follows_f0_std"
    assert found.metric.isna()[1]
    assert found.energy_std_output.to_list() == [3.0, 4.0]


def test_a_table_made_from_files_outside_the_run_is_stale_where_one_has_changed(tmp_path):
    run, outside = Run(tmp_path / "run", Config()), tmp_path / "voice.wav"
    outside.write_bytes(b"before")
    seen = {str(outside): fingerprint(outside), "a vocoder": "key"}
    run.save_table("x", pd.DataFrame({"a": [1]}), run.provenance([], outside=seen))
    assert run.has("x")
    assert run.has("x", seen)
    assert run.staleness("x", {"a vocoder": "key"}) == [f"{outside} has changed since"], "it is no longer read"
    assert run.staleness("x", seen | {"another": "1"}) == ["another has changed since"]
    outside.write_bytes(b"after")
    assert run.stale() == {"x": [f"{outside} has changed since"]}
    outside.unlink()
    assert run.has("x"), "without the file nothing shows that it has changed"
    run.save_table("earlier", pd.DataFrame({"a": [1]}), run.provenance([]))
    assert run.staleness("earlier", seen) == ["it has no fingerprints of the recordings outside the run"]
