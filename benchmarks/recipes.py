"""Recipes compared for the small weights: 1,200 steps of training each, scored on human speech.

Needs THESIS_HUMAN, a folder of human speech for training, as a recipe is chosen by these scores; and, for the recipes
of 153 voices, the corpus of the profile "released" (``thesis prepare --profile released``, after
scripts/build_wide_corpus.py); where it is not there, they are "not measured".
"""

import shutil
from pathlib import Path

from benchmarks.quality import CONVERSION, HumanTest, overview, summarise_systems
from thesis_lib.config import Config
from thesis_lib.corpus.manifest import Manifest
from thesis_lib.reporting import bar
from thesis_lib.runs.embed import embedded
from thesis_lib.runs.folder import Run
from thesis_lib.runs.prepare import prepared
from thesis_lib.training import train
from thesis_lib.utils.errors import ThesisError
from thesis_lib.validation.swap import SwapSystem

STEPS, QUICK_STEPS = 1200, 20  # 1,200: ten minutes measured on one core
FOLDER = Path("runs/recipes")
# Some minutes of a CPU allow spectral losses alone, on small batches, without speaker sampling.
COMMON = {
    "conversion.losses.content": 0.0,
    "conversion.losses.sampled_speaker": 0.0,
    "conversion.training.batch_size": 16,
    "conversion.training.segment_frames": 48,
    "conversion.training.learning_rate": 1e-3,
    "conversion.training.schedule": "constant",
    "conversion.training.ema_decay": 0.99,
    "conversion.training.checkpoint_every": 10_000,
    "conversion.generator.channels": 192,
}
RECIPES = {
    "45 bundled voices": ("demo", {}),
    "153 voices": ("released", {}),
    "153 voices at three speeds": ("released", {}),
    "… 256 channels": ("released", {"conversion.generator.channels": 256}),
}


def run(quick: bool) -> dict:
    """Per recipe: size, minutes of training, and quality of resynthesis and conversion with intervals."""
    test_set, vocoders = HumanTest("egemaps", quick, for_choice=True), {}
    steps = QUICK_STEPS if quick else STEPS
    missing = []
    for number, (name, (corpus, changes)) in enumerate(RECIPES.items()):
        folder = FOLDER / f"{number}-{steps}"
        try:
            made = _run(folder, corpus, changes, steps, plain=name == "153 voices")
        except ThesisError as error:  # the corpus is not there
            missing.append({"system": name, "reason": str(error)})
            continue
        vocoders[name] = train(made, "conversion", bar)
    copies, uncopied = test_set.resynthesis(
        {name: lambda s, v=vocoder: v.render(s.content, s.voice) for name, vocoder in vocoders.items()}
    )
    converted = test_set.conversion([SwapSystem("conversion", *entry) for entry in vocoders.items()])
    swaps, unswapped = summarise_systems(converted, CONVERSION)
    rows = [*copies, *(row | {"metric": f"conversion, {row['metric']}"} for row in swaps)]
    return {
        "steps": steps,
        "trained": {
            name: {"minutes": vocoder.meta["minutes"], "parameters": vocoder.parameters()}
            for name, vocoder in vocoders.items()
        },
        "table": overview(rows),
        "rows": rows,
        "not measured": missing + uncopied + unswapped,
    }


def _run(folder: Path, corpus: str, changes: dict, steps: int, plain: bool) -> Run:
    """A run with the released profile's recipe on the corpus of a profile; ``plain`` leaves out the other speeds."""
    config = Config.from_profile("released")
    source = Run(Path("runs") / corpus, Config.from_profile(corpus))
    prepared(source, bar), embedded(source, bar, sides=("source",))
    corpus_of = {"corpus": source.config.corpus.model_dump(), "encoders": source.config.encoders.model_dump()}
    made = Run(folder, config.override(corpus_of | COMMON | changes | {"conversion.training.steps": steps}))
    if not (made.path / "corpus").exists():
        manifest = Manifest.load(source.path / "corpus")
        kept = [u for u in manifest if not plain or u.id.endswith("_0")]
        (made.path / "corpus").mkdir(parents=True)
        (made.path / "corpus" / "wav").symlink_to(source.path / "corpus" / "wav")
        (source.path / "analyses").mkdir(exist_ok=True)
        (made.path / "analyses").symlink_to(source.path / "analyses")
        shutil.copytree(source.path / "embeddings", made.path / "embeddings", ignore=lambda *_: {"store"})
        Manifest(made.path / "corpus", kept, manifest.rejects).save()
    return made
