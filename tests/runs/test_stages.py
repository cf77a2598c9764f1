"""Stages: their order, their commands, and outputs that are stale by name."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from helpers import TINY, beside, trained_beside
from synthetic_run import synthetic_run
from typer.testing import CliRunner

from thesis_lib.cli import app
from thesis_lib.config.registries import ENCODERS
from thesis_lib.corpus.manifest import Manifest
from thesis_lib.runs.analyse import analysed
from thesis_lib.runs.embed import Embeddings, embedded, load_embeddings
from thesis_lib.runs.folder import RunError
from thesis_lib.runs.prepare import prepared
from thesis_lib.runs.stages import RECORD, STAGES, StaleError
from thesis_lib.runs.vocoders import StaleWarning, load_trained_vocoder
from thesis_lib.training import train
from thesis_lib.utils import parallel


def test_a_stage_reads_earlier_stages_only():
    names = [stage.name for stage in STAGES]
    assert names == ["prepare", "embed", "analyse", "train", "evaluate"]
    for number, stage in enumerate(STAGES):
        assert set(stage.inputs) <= set(names[:number])


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_the_command_of_a_stage_is_a_verb(stage):
    verb = stage.command.split()[1]
    done = CliRunner().invoke(app, [verb, "--help"])
    assert done.exit_code == 0
    assert f"Example: thesis {verb}" in done.output


def without_one(run):
    """The corpus is prepared anew, and one training recording is no longer in it."""
    manifest = prepared(run)
    gone = manifest.split("train")[0]
    Manifest(run.path / "corpus", [u for u in manifest if u != gone], manifest.rejects).save()


def test_a_changed_corpus_makes_embeddings_and_analyses_stale_by_name(tiny_run, tmp_path):
    run = beside(tiny_run, tmp_path / "run")
    analysed(run, "conversion")
    without_one(run)
    with pytest.raises(
        StaleError, match=r"embeddings is stale \(corpus was .*remove that folder and run `thesis embed"
    ):
        embedded(run)
    with pytest.raises(StaleError, match=r"analyses/envelope is stale \(corpus .*`thesis analyse --task conversion"):
        analysed(run, "conversion")


def test_a_changed_corpus_makes_the_vocoder_stale_by_name(tiny_run, tmp_path):
    run = trained_beside(tiny_run, tmp_path / "run")
    without_one(run)
    with pytest.raises(StaleError, match=r"conversion is stale \(corpus .*run `thesis train --task conversion"):
        train(run, "conversion")
    with pytest.warns(StaleWarning, match="was trained before corpus changed: to train it again, remove"):
        load_trained_vocoder(run, "conversion")


def test_another_bandwidth_makes_the_vocoder_stale_by_name(tiny_run, tmp_path):
    """Training low-passes a recording at its bandwidth; nothing before it does."""
    run = trained_beside(tiny_run, tmp_path / "run")
    manifest = prepared(run)
    limited = [u.model_copy(update={"target_bandwidth": 4000.0}) for u in manifest]
    Manifest(run.path / "corpus", limited, manifest.rejects).save()
    embedded(run)
    with pytest.warns(StaleWarning, match="bandwidths of the recordings changed"):
        load_trained_vocoder(run, "conversion")


def test_other_texts_or_styles_make_nothing_stale(tiny_run, tmp_path, recwarn):
    run = trained_beside(tiny_run, tmp_path / "run")
    manifest = prepared(run)
    Manifest(run.path / "corpus", [u.model_copy(update={"style": ""}) for u in manifest], manifest.rejects).save()
    embedded(run)
    train(run, "conversion")
    load_trained_vocoder(run, "conversion")
    assert not [warning for warning in recwarn if warning.category is StaleWarning]


@pytest.mark.parametrize(
    ("name", "value"), [("conversion.losses.multi_scale_mel", 1.5), ("speaker encoder", "ecapa (0123)")]
)
def test_a_changed_recipe_or_encoder_is_named(tiny_run, tmp_path, name, value):
    run = trained_beside(tiny_run, tmp_path / "run")
    path = run.path / "conversion" / RECORD
    record = json.loads(path.read_text())
    assert name in record["inputs"]
    record["inputs"] |= {name: value, "a setting of another version": 1}
    path.write_text(json.dumps(record))
    with pytest.raises(StaleError, match=f"{name} was .*, is "):
        train(run, "conversion")


def test_the_earlier_name_of_a_setting_makes_nothing_stale(tiny_run, tmp_path, recwarn):
    run = trained_beside(tiny_run, tmp_path / "run")
    path = run.path / "conversion" / RECORD
    text = path.read_text()
    earlier = text.replace('"conversion.content.pitch": "target_median"', '"conversion.content.pitch": "level"')
    assert earlier != text
    path.write_text(earlier)
    assert train(run, "conversion").meta["steps"] == 4
    load_trained_vocoder(run, "conversion")
    assert not [warning for warning in recwarn if warning.category is StaleWarning]
    path.write_text(text.replace('pitch": "target_median"', 'pitch": "normalised"'))
    with pytest.raises(StaleError, match="conversion.content.pitch was normalised, is target_median"):
        train(run, "conversion")


def test_another_audio_setting_makes_analyses_stale(tiny_run, tmp_path):
    run = beside(tiny_run, tmp_path / "run")
    analysed(run, "conversion")
    path = run.path / "analyses" / "envelope" / RECORD
    path.write_text(path.read_text().replace('"audio.n_fft": 1024', '"audio.n_fft": 512'))
    with pytest.raises(StaleError, match="audio.n_fft was 512, is 1024"):
        analysed(run, "conversion")


@pytest.mark.weights("whisper-tiny.en")
def test_another_version_of_the_content_makes_phonetic_analyses_stale(tiny_run, tmp_path, monkeypatch):
    run = beside(tiny_run, tmp_path / "run", conversion__content__kind="phonetic")
    assert len(analysed(run, "conversion")) > 1
    monkeypatch.setattr("thesis_lib.runs.analyse.PHONETIC_VERSION", 99)
    with pytest.raises(StaleError, match=r"recogniser was whisper-tiny.en \(.*\), version \d, is .*, version 99"):
        analysed(run, "conversion")


def test_another_revision_of_a_pretrained_encoder_is_refused(tiny_run, tmp_path):
    run = beside(tiny_run, tmp_path / "run")
    summary = run.path / "embeddings" / "embeddings.json"
    tree = json.loads(summary.read_text()) | {"speaker": "ecapa (an-earlier-one)"}
    summary.write_text(json.dumps(tree))
    with pytest.raises(RunError, match=r"ecapa \(an-earlier-one\), this version has ecapa .*run `thesis embed"):
        embedded(run)


def test_another_revision_of_an_encoder_from_outside_is_refused(tmp_path, monkeypatch):
    """Of embeddings and of tables; the encoder is not made for it."""
    monkeypatch.setattr(ENCODERS, "_entries", dict(ENCODERS._entries))
    outside = SimpleNamespace(revision="1")
    ENCODERS.register("outside", roles=("speaker",))(outside)
    run = synthetic_run(tmp_path)
    summary = run.path / "embeddings" / "embeddings.json"
    summary.write_text(json.dumps(json.loads(summary.read_text()) | {"speaker": "outside (1)"}))
    run.save_table("x", pd.DataFrame({"a": [1]}), run.provenance([], {"outside": "1"}))
    assert load_embeddings(run, ("source",)).speaker_encoder == "outside (1)"
    assert run.has("x")
    outside.revision = "2"
    with pytest.raises(RunError, match=r"by the speaker encoder outside \(1\), this version has outside \(2\)"):
        load_embeddings(run, ("source",))
    assert run.stale() == {"x": ["outside was 1, is 2"]}


@pytest.mark.parametrize("name", ["whisper-emotion", "egemaps"])
def test_another_revision_of_an_emotion_encoder_is_refused(tmp_path, name):
    run = synthetic_run(tmp_path)
    summary = run.path / "embeddings" / "embeddings.json"
    summary.write_text(json.dumps(json.loads(summary.read_text()) | {"emotion": f"{name} (an-earlier-one)"}))
    run.save_table("x", pd.DataFrame({"a": [1]}), run.provenance([], {name: "an-earlier-one"}))
    with pytest.raises(RunError, match=rf"{name} \(an-earlier-one\), this version has {name} .*run `thesis embed"):
        load_embeddings(run, ("source",))
    assert not run.has("x")


def test_folders_of_earlier_versions_load_without_a_record(tiny_run, tmp_path):
    run = trained_beside(tiny_run, tmp_path / "run")
    for folder in ("embeddings", "conversion"):
        (run.path / folder / RECORD).unlink()
    analysed(run, "conversion")
    (run.path / "analyses" / "envelope" / RECORD).unlink()
    without_one(run)
    embedded(run, sides=("source",))
    analysed(run, "conversion")
    assert train(run, "conversion").meta["steps"] == 4
    assert not (run.path / "conversion" / RECORD).exists(), "nothing is claimed about them"


def test_a_look_up_builds_no_index(tiny_run):
    """79,000 pairs, 1,000 look-ups: the ids are read once."""

    class Ids(list):
        read = 0

        def __iter__(self):
            Ids.read += 1
            return super().__iter__()

    utterances = [
        u.model_copy(update={"id": str(79 * n)}) for n in range(1000) for u in prepared(tiny_run).utterances[:1]
    ]
    embeddings = Embeddings(Ids(str(n) for n in range(79_000)), "a", "b", {}, {})
    found = [int(embeddings.rows([utterance])[0]) for utterance in utterances]
    assert found == [79 * n for n in range(1000)]
    assert Ids.read == 1
    with pytest.raises(RunError, match="utterance 'x' has no embedding"):
        embeddings.rows([utterances[0].model_copy(update={"id": "x"})])


def test_one_process_and_two_workers_give_the_same_analyses(tiny_run, tmp_path):
    pytest.importorskip("distributed")
    from distributed import LocalCluster

    here, there = (beside(tiny_run, tmp_path / name) for name in ("here", "there"))
    shown = []
    one = analysed(here, "conversion", lambda items, total, label: shown.append((total, label)) or items)
    workers = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**workers, local_directory=str(tmp_path / "dask")) as cluster:
        two = analysed(there, "conversion", scheduler=cluster.scheduler_address)
    assert shown == [(len(one), "analyse, envelope")]
    assert [path.name for path in one] == [path.name for path in two]
    for a, b in zip(one, two, strict=True):
        with np.load(a) as first, np.load(b) as second:
            assert all(np.array_equal(first[name], second[name]) for name in first.files)


def test_threads_and_processes_give_the_same_analyses(tiny_run, tmp_path, monkeypatch):
    threads, processes = (beside(tiny_run, tmp_path / name) for name in ("threads", "processes"))
    one = analysed(threads, "conversion")
    monkeypatch.setattr(parallel, "MIN_ITEMS_FOR_PROCESSES", len(one))
    monkeypatch.setattr(parallel, "available_cores", lambda: 2)
    monkeypatch.setattr(parallel, "map_on_cores", None)
    shown = []
    two = analysed(processes, "conversion", lambda items, total, label: shown.append((total, label)) or items)
    assert shown == [(len(one), "analyse, envelope")]
    assert [path.name for path in one] == [path.name for path in two]
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


def test_the_verb_analyse_says_how_many(tiny_run, tmp_path):
    run = beside(tiny_run, tmp_path / "run")
    settings = [f"--set={key}={json.dumps(value)}" for key, value in TINY.items()]
    common = ["--profile", "smoke", "--run-dir", str(run.path), *settings]
    done = CliRunner().invoke(app, ["analyse", "--task", "conversion", *common])
    assert done.exit_code == 0, done.exception
    assert f"{len(prepared(run).split('train')) + len(prepared(run).split('validation'))} analyses" in done.output
    done = CliRunner().invoke(app, ["analyse", "--task", "resynthesis", *common])
    assert "needs no analysis" in done.output
