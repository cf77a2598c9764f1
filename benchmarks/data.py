"""The corpus at full scale: the join of 105,457 rows, and recordings a second against the plain librosa loop.

The recordings are copies, under as many names as are wanted, of the bundled corpus's, the Spanish at Common Voice's
48 kHz. The loop reads with librosa at 22.05 kHz and writes with soundfile: with librosa's resampler of today, and with
the one that it had until version 0.9, which the recipes of HiFi-GAN's years pinned.
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.synthetic import SIZES, plant
from thesis_lib.audio.files import read_audio, write_audio
from thesis_lib.config import AudioConfig, CorpusConfig
from thesis_lib.corpus import mini
from thesis_lib.corpus.cvss_t import Release, join
from thesis_lib.corpus.prepare import CvssTConverter, prepare
from thesis_lib.utils.load_librosa import load_librosa
from thesis_lib.utils.progress import bar
from thesis_lib.utils.timing import interleaved, ratio

RATE = 22_050  # Hz
CLIP_RATE = 48_000  # Hz of Common Voice's MP3
PAIRS, ROUNDS = 40, 7  # of the comparison in one thread
SCALES = (1_000, 5_000, 20_000)  # clips: two a pair
DIFFERENT = 60  # pairs that the scales repeat


def run(quick: bool) -> dict:
    """Time the join, compare our conversion with the librosa loop, and time growing corpora."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        clips = _clips(root / "clips", 6 if quick else DIFFERENT)
        return {
            "join": _join(root / "tables", quick),
            "one thread": _beside(clips, root, 6 if quick else PAIRS, 2 if quick else ROUNDS),
            "scales": _scales(clips, root, (20, 40) if quick else SCALES),
            "cores": os.cpu_count(),
        }


def _join(folder: Path, quick: bool) -> dict:
    """Seconds and memory of a process of its own that joins a release of full size, and what it reported."""
    planted = plant(folder, {split: n // 100 for split, n in SIZES.items()} if quick else None)
    seconds, peaks = [], []
    for _ in range(2 if quick else 5):
        code = (
            "import sys, time; from pathlib import Path; from thesis_lib.corpora.cvss_t import Release, join;"
            "start = time.perf_counter(); rows = join(Release.at(Path(sys.argv[1])));"
            "print(time.perf_counter() - start);"
            "print(next(line for line in open('/proc/self/status') if 'VmHWM' in line).split()[1])"
        )
        finished = subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True)
        taken, peak = finished.stdout.split()
        seconds.append(float(taken))
        peaks.append(int(peak) / 1024)
    rows, rejects = join(planted.release)
    found = Counter(reject.reason for reject in rejects)
    mispaired = sum(row.source_text.split()[-1] != row.target_text.split()[-1] for row in rows)
    return {
        "rows": planted.rows,
        "seconds": _spread(seconds),
        "resident MB": round(max(peaks)),
        "joined": len(rows),
        "mispaired": mispaired,
        "rejects": {reason: {"planted": n, "reported": found[reason]} for reason, n in planted.rejects.items()},
    }


def _beside(clips: Path, root: Path, pairs: int, rounds: int) -> dict:
    """Pairs a second of ours and of the loops, in one process and thread, interleaved, and the ratios."""
    release = Release.at(clips)
    rows = join(release)[0][:pairs]

    def ours() -> None:
        # What is there already would not be made again.
        CvssTConverter(release, Path(tempfile.mkdtemp(dir=root)), RATE, CorpusConfig(name="mini")).all_of(rows)

    ways = {"ours": ours, "librosa": lambda: _loop(release, rows, root, "soxr_hq")}
    if importlib.util.find_spec("resampy"):
        ways["librosa, kaiser_best"] = lambda: _loop(release, rows, root, "kaiser_best")
    seconds = interleaved(ways, rounds, bar)
    decoded = _seconds_of_decoding(release, rows)
    return {
        "pairs": len(rows),
        "pairs a second": {name: _spread(len(rows) / np.array(taken)) for name, taken in seconds.items()},
        "times": {name: ratio(taken, seconds["ours"]) for name, taken in seconds.items() if name != "ours"},
        "decoding MP3, share of the librosa loop": round(decoded / float(np.median(seconds["librosa"])), 2),
        "not measured": "" if len(ways) > 2 else "kaiser_best: pip install 'thesis-lib[bench]'",
    }


def _loop(release: Release, rows: list, root: Path, resampler: str) -> None:
    librosa = load_librosa()
    for row in rows:
        source = release.common_voice / "clips" / row.file
        target = release.cvss / row.split / f"{row.file}.wav"
        for side, path in (("source", source), ("target", target)):
            wav, _ = librosa.load(path, sr=RATE, res_type=resampler)
            out = root / "loop" / side
            out.mkdir(parents=True, exist_ok=True)
            soundfile.write(out / f"{path.stem}.wav", wav, RATE, subtype="PCM_16")


def _seconds_of_decoding(release: Release, rows: list) -> float:
    start = time.perf_counter()
    for row in rows:
        soundfile.read(release.common_voice / "clips" / row.file, dtype="float32")
    return time.perf_counter() - start


def _scales(clips: Path, root: Path, scales: tuple[int, ...]) -> dict:
    """Seconds of ``prepare`` on every core, of ever more clips, and the exponent of their growth."""
    taken = {}
    for count in scales:
        release = _many(clips, root / f"many-{count}", count // 2)
        start = time.perf_counter()
        made = prepare(release, root / f"out-{count}", AudioConfig(), CorpusConfig(name="mini"))
        taken[count] = round(time.perf_counter() - start, 2)
        assert len(made) == count // 2
    slope = np.polyfit(np.log(list(taken)), np.log(list(taken.values())), 1)[0]
    return {"seconds of clips": taken, "exponent": round(float(slope), 3)}


def _clips(folder: Path, pairs: int) -> Path:
    """A release of bundled pairs with Spanish at 48 kHz."""
    release = mini.write_release(folder, CorpusConfig(name="mini", limit=-(-pairs // 3)))
    for path in (release.common_voice / "clips").iterdir():
        write_audio(path, *read_audio(path, CLIP_RATE))
    return folder


def _many(clips: Path, folder: Path, pairs: int) -> Release:
    """``pairs`` pairs with the recordings of ``clips`` under other names."""
    rows, _ = join(Release.at(clips))
    rows = [row for row in rows if row.split == "train"]
    original = Release.at(clips)
    planted = plant(folder, {"train": pairs, "dev": 0, "test": 0}, each=0)
    release = planted.release
    (release.common_voice / "clips").mkdir()
    (release.cvss / "train").mkdir()
    for number, row in enumerate(join(release)[0]):
        model = rows[number % len(rows)]
        os.link(original.common_voice / "clips" / model.file, release.common_voice / "clips" / row.file)
        os.link(original.cvss / "train" / f"{model.file}.wav", release.cvss / "train" / f"{row.file}.wav")
    return release


def _spread(values: object) -> dict[str, float]:
    low, middle, high = np.quantile(np.asarray(values, float), [0.0, 0.5, 1.0])
    return {"median": round(float(middle), 2), "low": round(float(low), 2), "high": round(float(high), 2)}
