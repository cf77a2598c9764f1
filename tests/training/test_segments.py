import pickle
from collections import Counter

import numpy as np
import pytest
import soundfile
import torch
from helpers import beside, segments_of
from torch.utils.data import DataLoader

from thesis_lib.audio.files import read_audio
from thesis_lib.config import TASKS, Config
from thesis_lib.corpus.levels import levels
from thesis_lib.corpus.manifest import Manifest
from thesis_lib.embeddings.encoders import embed, evaluation_encoders
from thesis_lib.runs.embed import embedded, speaker_vectors
from thesis_lib.runs.folder import Run, RunError
from thesis_lib.runs.prepare import prepared
from thesis_lib.training import segments, train
from thesis_lib.training.segments import Segments, Steps
from thesis_lib.vocoder.voice import Voice


def test_embeddings_follow_the_manifest(tiny_run):
    manifest, embeddings = prepared(tiny_run), embedded(tiny_run)
    assert embeddings.ids == [u.id for u in manifest]
    assert embeddings.speaker["source"].shape == (len(manifest), 192)
    assert embeddings.emotion["target"].shape == (len(manifest), 88)
    assert "test" in embeddings.speaker_encoder, "a substitute encoder is named as one"
    last = manifest.utterances[-1]
    speaker, _ = embeddings.condition(last)
    assert np.array_equal(speaker, embeddings.speaker["source"][-1])


@pytest.mark.parametrize("task", TASKS)
def test_a_batch_depends_on_seed_and_step_alone(tiny_run, tmp_path, task):
    one, other = (Segments(tiny_run, task, "train") for _ in range(2))
    other.batch(0)
    a, b = one.batch(7), other.batch(7)
    assert a.ids == b.ids
    assert torch.equal(a.wav, b.wav)
    assert torch.equal(a.content, b.content), "the warp included"
    reseeded = segments_of(beside(tiny_run, tmp_path / "run", **{f"{task}__training__seed": 1}), task, "train")
    assert not torch.equal(reseeded.batch(7).wav, a.wav)


def test_the_content_of_a_cut_is_the_cut_of_the_content(tiny_run):
    """Away from the cut's edges, an unwarped segment's content equals the whole recording's."""
    segments = Segments(tiny_run, "conversion", "validation")
    batch = segments.batch(3)
    utterance = next(u for u in segments.utterances if u.id == batch.ids[0])
    whole = train(tiny_run, "conversion").content(read_audio(segments.manifest.target(utterance))[0])[0]
    cut = batch.content[0][:, 3:-3]
    differences = [(whole[:, s : s + cut.shape[1]] - cut).abs().max() for s in range(whole.shape[1] - cut.shape[1] + 1)]
    assert min(differences) < 1e-4


def test_only_training_is_warped(tiny_run, tmp_path):
    still = beside(tiny_run, tmp_path / "run", conversion__content__warp=0.0)
    for split, same in (("train", False), ("validation", True)):
        a, b = (segments_of(run, "conversion", split).batch(1).content for run in (tiny_run, still))
        assert torch.allclose(a, b, atol=1e-5) == same


def test_shapes_and_condition_of_a_batch(tiny_run):
    embeddings = embedded(tiny_run)
    training = tiny_run.config.resynthesis.training
    batch = Segments(tiny_run, "resynthesis", "train").batch(3)
    assert batch.wav.shape == (training.batch_size, 1, training.segment_frames * 256)
    assert batch.content.shape == (training.batch_size, 80, training.segment_frames)
    row = embeddings.ids.index(batch.ids[0])
    assert np.array_equal(batch.speaker[0], embeddings.speaker["source"][row]), "the Spanish side conditions"


def test_the_condition_can_be_another_recording_s_of_the_speaker_in_the_same_style(tiny_run, tmp_path):
    run = beside(tiny_run, tmp_path / "run", resynthesis__training__condition_from="another")
    own, another = (Segments(r, "resynthesis", "train") for r in (tiny_run, run))
    assert len({u.speaker for u in own.utterances}) < len(own.utterances), "some speaker has two recordings"
    # The bundled styles of a speaker differ: here the first two recordings of all are of one, the others of another.
    styled = [u.model_copy(update={"style": "lively" if i >= 2 else ""}) for i, u in enumerate(own.utterances)]
    own.utterances = another.utterances = styled
    another._conditions = segments._same_voice(another.utterances)
    seen = set()
    for number in range(30):
        plain, batch = own.batch(number), another.batch(number)
        assert plain.ids == batch.ids
        assert torch.equal(plain.wav, batch.wav)
        for item, name in enumerate(batch.ids):
            index = next(i for i, u in enumerate(own.utterances) if u.id == name)
            row = next(i for i in range(len(own.utterances)) if torch.equal(own.speaker[i], batch.speaker[item]))
            assert torch.equal(own.emotion[index], batch.emotion[item]), "the style is the segment's own"
            voice = [(u.speaker, u.style) for u in own.utterances]
            assert voice[row] == voice[index]
            assert (row == index) == (voice.count(voice[index]) == 1), "its own only where there is no other"
            seen.add((index, row))
    assert any(index != row for index, row in seen)
    held_out = [Segments(r, "resynthesis", "validation").batch(0).speaker for r in (tiny_run, run)]
    assert torch.equal(*held_out)


def test_segments_are_pieces_of_the_english_file(tiny_run):
    manifest = prepared(tiny_run)
    batch = Segments(tiny_run, "resynthesis", "train").batch(5)
    utterance = next(u for u in manifest if u.id == batch.ids[0])
    whole, _ = soundfile.read(manifest.target(utterance), dtype="float32")
    piece = batch.wav[0, 0].numpy()
    starts = np.flatnonzero(whole[: len(whole) - len(piece) + 1] == piece[0])
    assert any(np.array_equal(whole[s : s + len(piece)], piece) for s in starts)


def test_a_teacher_s_rendering_is_the_target_of_training_and_the_recording_stays_the_content(tiny_run, tmp_path):
    teacher = train(tiny_run, "resynthesis")
    run = beside(tiny_run, tmp_path, **{"resynthesis.training.teacher": str(teacher.name)})
    manifest, embeddings = prepared(run), embedded(run)
    plain, distilled = (segments_of(r, "resynthesis", "train").batch(0) for r in (tiny_run, run))
    assert torch.equal(plain.content, distilled.content)
    assert not torch.equal(plain.wav, distilled.wav)
    utterance = next(u for u in manifest if u.id == distilled.ids[0])
    wav, _ = read_audio(manifest.target(utterance))
    spoken = teacher.render(wav, Voice(*embeddings.condition(utterance)))
    piece = distilled.wav[0, 0].numpy()
    assert min(np.abs(spoken[k : k + len(piece)] - piece).max() for k in range(0, len(spoken) - len(piece), 256)) < 1e-4
    held_out = [segments_of(r, "resynthesis", "validation").batch(0).wav for r in (tiny_run, run)]
    assert torch.equal(*held_out), "what is held out is compared with its recording"


def test_every_speaker_is_drawn_equally_often_and_every_recording_of_each(tiny_run):
    segments = Segments(tiny_run, "resynthesis", "train")
    segments.speakers = [[0], [1, 2, 3], [4, 5]]
    turns = [[segments._index(3 * turn + i) for i in range(3)] for turn in range(12)]
    assert all(len({0} & set(turn)) == len({1, 2, 3} & set(turn)) == len({4, 5} & set(turn)) == 1 for turn in turns)
    drawn = Counter(index for turn in turns for index in turn)
    assert drawn == {0: 12, 1: 4, 2: 4, 3: 4, 4: 6, 5: 6}
    assert len({tuple(turn) for turn in turns}) > 6, "in another order each time"


def test_an_empty_split_is_an_error(tiny_run, tmp_path):
    run = beside(tiny_run, tmp_path / "run")
    Manifest(run.path / "corpus", [u for u in prepared(tiny_run) if u.split != "train"]).save()
    with pytest.raises(RunError, match="train split is empty"):
        Segments(run, "resynthesis", "train")


def test_the_real_corpus_needs_a_folder(tmp_path):
    with pytest.raises(RunError, match=r"corpus\.root"):
        prepared(Run(tmp_path / "run", Config.from_profile("thesis")))


def test_embeddings_of_one_side_are_completed_by_the_same_encoders_only(tiny_run, tmp_path):
    run = beside(tiny_run, tmp_path / "run")
    whole, folder = embedded(run), run.path / "embeddings"
    (folder / "speaker_target.npy").unlink()
    assert list(embedded(run, sides=("source",)).speaker) == ["source"]
    assert not (folder / "speaker_target.npy").exists()
    again = embedded(run)
    assert np.array_equal(again.speaker["target"], whole.speaker["target"])
    (folder / "speaker_target.npy").unlink()
    summary = folder / "embeddings.json"
    summary.write_text(summary.read_text().replace("egemaps", "another-emotion"))
    with pytest.raises(
        RunError, match="holds embeddings by .* and another-emotion .*, today's encoders are .* and egemaps"
    ):
        embedded(run)


def test_levels_are_those_of_the_styles(tiny_run):
    manifest = prepared(tiny_run)
    expected = {"neutral": -23, "calm": -27, "lively": -20, "solemn": -24}
    for utterance, level in zip(manifest, levels(manifest), strict=True):
        assert abs(level - expected[utterance.style]) < 1.5


@pytest.mark.weights("resemblyzer")
def test_evaluation_encoders_embed_both_sides_beside_the_condition_s_encoder(tiny_run, tmp_path):
    run = beside(tiny_run, tmp_path / "run", encoders__evaluation=("resemblyzer",))
    manifest, embeddings = prepared(run), embedded(run)
    chosen = manifest.split("test")[:2]
    found = speaker_vectors(run, chosen)
    assert list(found) == ["tiny-test-encoder", "resemblyzer"]
    assert np.array_equal(found["tiny-test-encoder"]["target"], embeddings.speaker["target"][embeddings.rows(chosen)])
    (encoder,) = evaluation_encoders(run.config.encoders)
    again = embed(encoder, *read_audio(manifest.source(chosen[1])))
    np.testing.assert_allclose(found["resemblyzer"]["source"][1], again, atol=1e-6)


@pytest.mark.parametrize("task", ["resynthesis", "conversion"])
def test_segments_can_be_pickled_after_use(tiny_run, task):
    data = Segments(tiny_run, task, "train")
    batch = data.batch(0)
    assert torch.equal(pickle.loads(pickle.dumps(data)).batch(0).content, batch.content)


def test_spawned_workers_prepare_the_same_batches(tiny_run):
    steps = Steps(Segments(tiny_run, "conversion", "train"))
    loader = DataLoader(steps, batch_size=None, sampler=[3], num_workers=1, multiprocessing_context="spawn")
    ((found,),) = list(loader)
    (expected,) = steps[3]
    assert found.ids == expected.ids
    assert torch.equal(found.content, expected.content)
