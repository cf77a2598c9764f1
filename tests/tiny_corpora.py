"""Tiny corpora in the exact layout of the published archives, of synthetic speech."""

import functools
import tarfile
import zipfile
from pathlib import Path

import numpy as np
from helpers import voiced

from thesis_lib.audio.files import write_audio
from thesis_lib.config import Config
from thesis_lib.corpus.readers import READERS

SECONDS = 1.2
BASE = {"corpus.min_duration": 0.5, "corpus.max_duration": 30.0}  # settings
SPEAKERS_TXT = """; Some pipe(|) separated metadata about all LibriSpeech speakers
;ID  |SEX| SUBSET           |MINUTES| NAME
19   | F | train-clean-100  | 25.19 | Kara Shallenberg
26   | M | train-clean-100  | 25.08 | Denny | Sayers
27   | M | train-clean-100  | 20.14 | Sean McKinley
84   | F | dev-clean        |  8.02 | Christie Nowak
"""
METAINFO = """ SPEAKER   |   GENDER   | PARTITION  |  MINUTES   |  BOOK ID   |             TITLE              |  CHAPTER
  10667    |     M      |   train    |   17.148   |   6706     | Novelas cortas | 01
  11772    |     F      |    dev     |   17.148   |   9706     | Cuentos | 02
"""


@functools.cache
def tone(seed: int, rate: int) -> np.ndarray:
    return voiced(SECONDS, rate, f0=100 + 15 * (seed % 8), seed=seed)


def speak(path: Path, seed: int, rate: int = 16_000, **options) -> None:
    write_audio(path, tone(seed, rate), rate, **options)


def librispeech(root: Path) -> None:
    top = root / "LibriSpeech"
    for subset, speakers in (("train-clean-100", (19, 26, 27)), ("dev-clean", (84,))):
        for number, speaker in enumerate(speakers):
            folder = top / subset / str(speaker) / "198"
            lines = [f"{speaker}-198-{n:04d} CHAPTER {['ONE', 'TWO'][n]} OF {speaker}" for n in range(2)]
            for n, line in enumerate(lines):
                speak(folder / f"{line.split()[0]}.flac", 10 * number + n)
            (folder / f"{speaker}-198.trans.txt").write_text("\n".join(lines) + "\n")
    (top / "SPEAKERS.TXT").write_text(SPEAKERS_TXT)
    (top / "README.TXT").write_text("LibriSpeech\n")


def libritts_r(root: Path) -> None:
    top = root / "LibriTTS_R"
    for subset, speakers in (("train-clean-100", (103, 1034)), ("test-clean", (1089,))):
        for number, speaker in enumerate(speakers):
            for n in range(2):
                stem = top / subset / str(speaker) / "1241" / f"{speaker}_1241_00000{n}_000000"
                speak(stem.with_suffix(".wav"), 20 + 10 * number + n, 24_000)
                stem.with_suffix(".normalized.txt").write_text(f"Sentence {n}.")
                stem.with_suffix(".original.txt").write_text(f"Sentence {n} .")
    (top / "speakers.tsv").write_text("READER\tGENDER\tSUBSET\tNAME\n103\tF\ttrain-clean-100\tKaren Savage\n")


def vctk(root: Path) -> None:
    """p280 has one microphone, p315 no texts."""
    info = "ID  AGE  GENDER  ACCENTS  REGION COMMENTS \n"
    for number, speaker in enumerate(("p225", "p226", "p280", "p315")):
        for n in (1, 2):
            name = f"{speaker}_{n:03d}"
            for microphone in ("mic1",) if speaker == "p280" else ("mic1", "mic2"):
                path = root / "wav48_silence_trimmed" / speaker / f"{name}_{microphone}.flac"
                speak(path, 40 + 10 * number + n + 3 * (microphone == "mic2"), 48_000)
            if speaker != "p315":
                words = root / "txt" / speaker / f"{name}.txt"
                words.parent.mkdir(parents=True, exist_ok=True)
                words.write_text(f"Please call Stella, {n}.\n")
        info += f"{speaker}  {20 + number}  F    English    Southern  England\n"
    (root / "speaker-info.txt").write_text(info)
    (root / "license_text").write_text("CC BY 4.0\n")


def speechocean762(root: Path) -> None:
    top = root / "speechocean762"
    for split, speakers in (("train", ("0001", "0003")), ("test", ("0005",))):
        tables = {name: [] for name in ("wav.scp", "text", "utt2spk", "spk2gender", "spk2age", "spk2utt")}
        for number, speaker in enumerate(speakers):
            ids = [f"0{speaker}00{n}1" for n in (1, 2)]
            for n, id in enumerate(ids):
                file = f"WAVE/SPEAKER{speaker}/{id}.WAV"
                speak(top / file, 80 + 10 * number + n, format="WAV", subtype="PCM_16")
                tables["wav.scp"].append(f"{id}\t{file}")
                tables["text"].append(f"{id}\tWE CALL IT BEAR")
                tables["utt2spk"].append(f"{id}\t{speaker}")
            tables["spk2gender"].append(f"{speaker}\tm")
            tables["spk2age"].append(f"{speaker}\t{6 + number}")
            tables["spk2utt"].append(f"{speaker}\t{' '.join(ids)}")
        (top / split).mkdir()
        for name, lines in tables.items():
            (top / split / name).write_text("\n".join(lines) + "\n")
    (top / "README.md").write_text("speechocean762\n")


def mls_spanish(root: Path) -> None:
    top = root / "mls_spanish_opus"
    for split, speakers in (("train", ("10667", "9972")), ("dev", ("11772",)), ("test", ("12428",))):
        lines = []
        for number, speaker in enumerate(speakers):
            for n in range(2):
                id = f"{speaker}_6706_{n:06d}"
                speak(top / split / "audio" / speaker / "6706" / f"{id}.opus", 120 + 10 * number + n)
                lines.append(f"{id}\tera una noche oscura {n}")
        (top / split / "transcripts.txt").write_text("\n".join(lines) + "\n")
    (top / "metainfo.txt").write_text(METAINFO)


def common_voice(root: Path) -> None:
    top = root / "cv-corpus-17.0-2024-03-15" / "es"
    columns = "client_id\tpath\tsentence_id\tsentence\tsentence_domain\tup_votes\tdown_votes\tage\tgender\taccents\n"
    tables = {"validated": columns, "train": columns, "dev": columns, "test": columns}
    for number, split in enumerate(("train", "train", "dev", "test", "validated")):
        client = f"{number}a" * 64
        for n in range(2):
            file = f"common_voice_es_{100 * number + n}.mp3"
            speak(top / "clips" / file, 160 + 10 * number + n, 32_000)
            line = f'{client}\t{file}\tx\tDijo "hola" {number}.\t\t2\t0\ttwenties\tmale_masculine\t\n'
            tables["validated"] += line
            if split != "validated" and (split != "dev" or n == 0):  # the second clip of dev's speaker is in no split
                tables[split] += line
    for name, text in tables.items():
        (top / f"{name}.tsv").write_text(text)


MAKERS = {
    "librispeech": librispeech,
    "libritts-r": libritts_r,
    "vctk": vctk,
    "speechocean762": speechocean762,
    "mls-spanish": mls_spanish,
    "common-voice": common_voice,
}


def person(folder: Path, name: str, count: int = 2, rate: int = 24_000, seconds: float = SECONDS) -> None:
    """Some recordings of one speaker, each of another length."""
    for number in range(count):
        seed = sum(map(ord, name)) + number
        write_audio(folder / name / f"{number}.wav", voiced(seconds + number / 10, rate, seed=seed), rate)


def config_of(name: str, root: Path, **changes) -> Config:
    """The configuration that prepares a corpus; ``changes``: of its section corpus."""
    given = {"corpus.name": name, "corpus.root": str(root)}
    return Config().override(BASE | given | {f"corpus.{key}": value for key, value in changes.items()})


def make(name: str, root: Path) -> Path:
    """Write a corpus as its archives unpack; returns ``root``."""
    root.mkdir(parents=True, exist_ok=True)
    MAKERS[name](root)
    return root


def pack(name: str, folder: Path) -> Path:
    """The corpus as one archive of the published kind in ``folder``, under the published file name."""
    tree = make(name, folder / "tree" / name)
    archives = READERS[name].archives
    file = next(iter(archives.values())).url.rpartition("/")[2] if archives else "cv-corpus-17.0-2024-03-15-es.tar.gz"
    paths = sorted(path for path in tree.rglob("*") if path.is_file())
    target = folder / file
    if target.suffix == ".zip":
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as opened:
            for path in paths:
                opened.write(path, path.relative_to(tree).as_posix())
    else:
        with tarfile.open(target, "w:gz") as tar:
            for path in paths:
                tar.add(path, path.relative_to(tree).as_posix())
    return target
