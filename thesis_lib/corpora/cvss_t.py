"""Reader of CVSS-T es→en, joined by file name with Common Voice v4 (Spanish) and CoVoST 2 (translations).

References: CVSS, Jia et al. 2022, arXiv:2201.03713; CoVoST 2, Wang et al. 2020, arXiv:2007.10310;
Common Voice, Ardila et al. 2020, arXiv:1912.06670.
"""

import csv
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from thesis_lib.audio import AudioError, check_speech, read_audio, write_audio
from thesis_lib.config import AudioConfig, CorpusConfig
from thesis_lib.corpora.split import is_validation
from thesis_lib.errors import ThesisError
from thesis_lib.manifest import Manifest, Reject, Utterance, is_plain_name
from thesis_lib.runs import Progress, silent

SPLITS = ("train", "dev", "test")
# CoVoST's "train_covost" extends its "train"; CVSS names both "train".
COVOST_SPLITS = {"train": "train", "train_covost": "train", "dev": "dev", "test": "test"}


class CorpusError(ThesisError):
    """A release that is not laid out as documented."""


@dataclass(frozen=True)
class Release:
    """Where the three sources lie."""

    cvss: Path  # train/ dev/ test/ with common_voice_es_N.mp3.wav, and train.tsv dev.tsv test.tsv
    common_voice: Path  # clips/*.mp3 and validated.tsv
    covost: Path  # covost_v2.es_en.tsv
    styles: Path  # the bundled corpus's own extra: file name, style

    @classmethod
    def at(cls, root: Path) -> "Release":
        """The archives' own folder names below ``root``."""
        root = Path(root)
        return cls(
            cvss=root / "cvss_t_es_en_v1.0",
            common_voice=root / "cv-corpus-4-2019-12-10" / "es",
            covost=root / "covost_v2.es_en.tsv",
            styles=root / "styles.tsv",
        )

    def check(self) -> None:
        """CorpusError naming the first part that is missing."""
        for path in (*(self.cvss / f"{s}.tsv" for s in SPLITS), self.common_voice / "validated.tsv", self.covost):
            if not path.is_file():
                raise CorpusError(f"{path} is missing: see the data card for where each archive comes from")


@dataclass(frozen=True)
class _Row:
    split: str
    file: str
    source_text: str
    target_text: str
    speaker: str
    style: str


def _table(path: Path, escape: str | None = None) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE, escapechar=escape))


def _join(release: Release, rejects: list[Reject]) -> Iterator[_Row]:
    spoken = {row["path"]: row for row in _table(release.common_voice / "validated.tsv")}
    translated = {row["path"]: row for row in _table(release.covost, escape="\\")}
    styles = {row["path"]: row["style"] for row in _table(release.styles)} if release.styles.exists() else {}
    seen: set[str] = set()
    for split in SPLITS:
        with open(release.cvss / f"{split}.tsv", encoding="utf-8", newline="") as stream:
            for cells in csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
                file = cells[0] if cells else ""
                source, translation = spoken.get(file), translated.get(file)
                reason = (
                    "malformed row" if len(cells) != 2 or not file
                    else "unsafe file name" if not is_plain_name(file)
                    else "duplicate" if file in seen
                    else "no Common Voice row" if source is None
                    else "no CoVoST row" if translation is None
                    else "split differs from CoVoST" if COVOST_SPLITS.get(translation["split"]) != split
                    else "empty text" if not cells[1].strip() or not source["sentence"].strip()
                    else ""
                )  # fmt: skip
                if reason:
                    rejects.append(
                        Reject(id=file or "(empty)", split=split, reason=reason, detail="\t".join(cells)[:200])
                    )
                    continue
                seen.add(file)
                speaker = source["client_id"]
                yield _Row(split, file, source["sentence"], cells[1], speaker, styles.get(file, ""))


def prepare(
    release: Release, folder: Path, audio: AudioConfig, corpus: CorpusConfig, progress: Progress = silent
) -> Manifest:
    """Join, check, convert to 16-bit mono WAV at the project's rate, and write the manifest below ``folder``.

    Every row of CVSS's tables ends in the manifest or among the rejects. Finished files are kept, so an
    interrupted call goes on where it was. Raises CorpusError when the layout is wrong or nothing is left.
    """
    if (folder / "manifest.jsonl").exists():
        return Manifest.load(folder)
    release.check()
    rejects: list[Reject] = []
    rows = list(_join(release, rejects))

    def convert(row: _Row) -> Utterance | Reject:
        part = _part(row, corpus)
        names, durations = {}, {}
        sides = (
            ("source", release.common_voice / "clips" / row.file),
            ("target", release.cvss / row.split / f"{row.file}.wav"),
        )
        for side, path in sides:
            names[side] = f"wav/{side}/{Path(row.file).stem}.wav"
            target = folder / names[side]
            try:
                # The converted file is the cache: it was written atomically.
                wav, rate = read_audio(target if target.exists() else path, audio.sample_rate)
                durations[side] = len(wav) / rate
                check_speech(wav, rate, path)
            except AudioError as error:
                return Reject(id=row.file, split=row.split, reason=f"{side}: {error.reason}", detail=str(error))
            if not corpus.min_duration <= durations[side] <= corpus.max_duration:
                detail = f"{durations[side]:.2f} s is outside {corpus.min_duration}–{corpus.max_duration} s"
                return Reject(id=row.file, split=row.split, reason=f"{side}: duration", detail=detail)
            if not target.exists():
                write_audio(target, wav, rate)
        return Utterance(
            id=Path(row.file).stem,
            split=part,
            speaker=row.speaker,
            source_audio=names["source"],
            target_audio=names["target"],
            source_text=row.source_text,
            target_text=row.target_text,
            source_duration=durations["source"],
            target_duration=durations["target"],
            style=row.style,
        )

    with ThreadPoolExecutor() as pool:
        results = list(progress(pool.map(convert, rows), len(rows), "prepare"))
    utterances = [r for r in results if isinstance(r, Utterance)]
    rejects += [r for r in results if isinstance(r, Reject)]
    utterances, shared = _without_shared_speakers(utterances)
    manifest = Manifest(folder, utterances, rejects + shared)
    if not utterances:
        raise CorpusError(
            f"none of the {len(rejects)} rows can be used; the first reason: {manifest.rejects[0].reason}"
        )
    manifest.save()
    return manifest


def _part(row: _Row, corpus: CorpusConfig) -> str:
    """Official dev and test are our test; a fifth of the training speakers is our validation."""
    if row.split != "train":
        return "test"
    held = is_validation(row.speaker, corpus.validation_fraction, corpus.split_seed)
    return "validation" if held else "train"


def _without_shared_speakers(utterances: list[Utterance]) -> tuple[list[Utterance], list[Reject]]:
    """Training pairs whose speaker also stands in the test part are left out, by name."""
    tested = {u.speaker for u in utterances if u.split == "test"}
    kept, rejects = [], []
    for utterance in utterances:
        if utterance.split != "test" and utterance.speaker in tested:
            reason = "speaker is in the test part"
            rejects.append(
                Reject(id=f"{utterance.id}.mp3", split=utterance.split, reason=reason, detail=utterance.speaker)
            )
        else:
            kept.append(utterance)
    return kept, rejects
