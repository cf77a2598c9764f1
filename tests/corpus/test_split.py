"""One person in one split: ids of one register in several corpora, official splits that differ, and users' tables."""

import pytest
import tiny_corpora
from tiny_corpora import BASE, config_of, speak

from thesis_lib.config import Config, CorpusConfig
from thesis_lib.corpus import mini
from thesis_lib.corpus.combined import prepare_combined
from thesis_lib.corpus.cvss_t import CvssTRow
from thesis_lib.corpus.errors import CorpusError
from thesis_lib.corpus.one_language import _with_splits, prepare_recordings
from thesis_lib.corpus.pairs import prepare_pairs, read_pairs
from thesis_lib.corpus.prepare import split_of
from thesis_lib.corpus.readers import READERS, CorpusRecording, speaker_identity
from thesis_lib.corpus.readers.base import official_split
from thesis_lib.corpus.split import is_validation

FRACTION, SEED = 0.2, 7  # the defaults


def test_ids_of_one_register_are_one_identity():
    for name in ("librispeech", "libritts-r", "mls-spanish"):
        assert speaker_identity(f"{name}-19") == "librispeech-19"
    assert speaker_identity("common-voice-0a0a") == "0a0a"  # as CVSS-T has it
    for speaker in ("vctk-p225", "speechocean762-0001", "speakers-ana", "0a0a"):
        assert speaker_identity(speaker) == speaker


def test_a_reader_is_in_the_same_split_of_both_corpora_of_audio_books(tmp_path):
    """Speakers for whom a hash of the prefixed id gave another split."""
    validation = {prefix: {n for n in range(300) if is_validation(f"{prefix}-{n}", FRACTION, SEED)} for prefix in
                  ("librispeech", "libritts-r")}  # fmt: skip
    moved = sorted(validation["librispeech"] ^ validation["libritts-r"])[:4]
    for n, speaker in enumerate([*moved, 500]):
        subset = "dev-clean" if speaker == 500 else "train-clean-100"
        speak(tmp_path / "LibriTTS_R" / subset / str(speaker) / "1" / f"{speaker}_1_0_0.wav", n, 24_000)
    made = prepare_recordings(config_of("libritts-r", tmp_path), tmp_path / "out")
    splits = {u.speaker: u.split for u in made}
    assert splits.pop("libritts-r-500") == "test"
    assert splits == {
        f"libritts-r-{n}": "validation" if n in validation["librispeech"] else "train" for n in moved
    }  # fmt: skip


@pytest.mark.parametrize("label", [None, "again"])
def test_one_reader_in_the_test_split_of_one_corpus_and_in_training_of_another_is_refused(label, tmp_path):
    """A label does not make two people of one reader."""
    libri = tiny_corpora.make("librispeech", tmp_path / "libri")  # 84 is in dev-clean
    for n, (subset, speaker) in enumerate((("train-clean-100", 84), ("dev-clean", 500))):
        speak(tmp_path / "tts" / "LibriTTS_R" / subset / str(speaker) / "1" / f"{speaker}_1_0_0.wav", n, 24_000)
    members = [
        {"name": "librispeech", "root": str(libri)},
        {"name": "libritts-r", "root": str(tmp_path / "tts"), "label": label},
    ]
    config = Config().override(BASE | {"corpus.name": "combined", "corpus.members": members, "corpus.limit": None})
    with pytest.raises(CorpusError, match=r"libritts-r-84 is in the test split of the member librispeech.*one person"):
        prepare_combined(config, tmp_path / "out")


def test_a_speaker_in_two_splits_of_a_table_is_refused_before_anything_is_converted(people, tmp_path):
    table = "path\tspeaker\tsplit\nana/0.wav\tA\ttrain\nana/1.wav\tA\ttest\neva/0.wav\tE\tvalidation\n"
    (people / "utterances.tsv").write_text(table)
    with pytest.raises(CorpusError, match=r"people: the speaker speakers-A is in the splits test and train"):
        prepare_recordings(config_of("speakers", people), tmp_path / "out")
    rows = [f"ana/{n}.wav,ana/{n}.wav,uno,one,A,{split}" for n, split in enumerate(("train", "test"))]
    header = "source_audio,target_audio,source_text,target_text,speaker,split"
    (people / "pairs.csv").write_text("\n".join([header, *rows]) + "\n")
    with pytest.raises(CorpusError, match=r"pairs\.csv: the speaker A is in the splits test and train"):
        prepare_pairs(config_of("manifest", people), tmp_path / "pairs")
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "pairs").exists()


def test_a_folder_that_is_no_subset_is_refused_by_name(tmp_path):
    assert [official_split(name) for name in ("train-clean-100", "dev-other", "test")] == ["train", "test", "test"]
    root = tiny_corpora.make("librispeech", tmp_path / "in")
    (root / "LibriSpeech" / "dev-clean").rename(root / "LibriSpeech" / "my-clean")
    with pytest.raises(CorpusError, match="the subset 'my-clean' is neither train, dev nor test"):
        prepare_recordings(config_of("librispeech", root), tmp_path / "out")


SPEAKERS = [f"{number:03d}" for number in range(200)]


def mini_splits(corpus, folder):
    return dict(mini.table(corpus)[["voice", "split"]].drop_duplicates().query("split != 'test'").to_numpy())


def cvss_t_splits(corpus, folder):
    labels = {"split": "train", "source_text": "uno", "target_text": "one"}
    return {name: split_of(CvssTRow(file=f"{name}.mp3", speaker=name, **labels), corpus) for name in SPEAKERS}


def splits_of_a_reader(corpus, folder, name, split):
    rows = [CorpusRecording(number, split, number, folder / f"{number}.wav") for number in SPEAKERS]
    return {row.speaker: row.split for row in _with_splits(rows, READERS[name], corpus, folder)}


def official_splits(corpus, folder):
    return splits_of_a_reader(corpus, folder, "librispeech", "train")


def drawn_splits(corpus, folder):
    return splits_of_a_reader(corpus, folder, "speakers", "")


def splits_of_a_table(corpus, folder):
    header = "source_audio,target_audio,source_text,target_text,speaker"
    rows = [f"{name}.wav,{name}.wav,uno,one,{name}" for name in SPEAKERS]
    (folder / "pairs.csv").write_text("\n".join([header, *rows]) + "\n")
    return {pair.speaker: pair.split for pair in read_pairs(folder / "pairs.csv", corpus)}


@pytest.mark.parametrize(
    ("splits", "tolerance"),
    [(mini_splits, 0.15), (cvss_t_splits, 0.1), (official_splits, 0.1), (drawn_splits, 0), (splits_of_a_table, 0)],
)
def test_the_fraction_and_the_seed_of_the_settings_choose_the_validation_speakers(splits, tolerance, tmp_path):
    """A hash of each speaker decides where the release has a test split; else a number of speakers is drawn."""

    def validation(fraction, seed):
        found = splits(CorpusConfig(validation_fraction=fraction, split_seed=seed), tmp_path)
        chosen = {speaker for speaker, split in found.items() if split == "validation"}
        assert len(chosen) / len(found) == pytest.approx(fraction, abs=tolerance)
        return chosen

    few, many, others = validation(FRACTION, SEED), validation(0.45, SEED), validation(FRACTION, SEED + 1)
    assert few < many
    assert not others <= many
    assert validation(FRACTION, SEED) == few
