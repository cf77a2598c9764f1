"""The released weights on human speech that nobody trained on, beside their references (THESIS_HUMAN).

V1 + FiLM is the demo's resynthesis vocoder: warm-started from HiFi-GAN universal, some minutes of training.
"""

from benchmarks.quality import Material, table
from thesis_lib.config import Config
from thesis_lib.reporting import bar
from thesis_lib.runs.folder import Run
from thesis_lib.training import train
from thesis_lib.validation.swap import System
from thesis_lib.validation.systems import GROUND_TRUTH, INVERSION, PUBLISHED, griffin_lim
from thesis_lib.vocoder.synthesis import DEFAULT, UNIVERSAL, Vocoder

GUIDANCE = (1.0, 2.0)


def run(quick: bool) -> dict:
    """Rows of resynthesis and of conversion with intervals, and how the compared weights came about."""
    ours, published = Vocoder.from_pretrained(DEFAULT), Vocoder.from_pretrained(UNIVERSAL)
    large = train(Run("runs/demo", Config.from_profile("demo")), "resynthesis", bar)
    test_set = Material(ours.encoders.emotion, quick)
    systems = {
        GROUND_TRUTH: lambda s: s.content,
        INVERSION: lambda s: griffin_lim(s.content, ours.log_mel),
        PUBLISHED: lambda s: published.render(s.content),
        "V1 + FiLM": lambda s: large.render(s.content, s.voice),
        "released": lambda s: ours.render(s.content, s.voice),
    }
    copies = [row for name, render in systems.items() for row in test_set.resynthesis(name, render)]
    swaps = []
    for guidance in GUIDANCE:
        system = System("conversion", f"released, guidance {guidance:g}", ours, guidance=guidance)
        swaps += test_set.conversion(system)
    made = {
        name: {key: vocoder.meta[key] for key in ("steps", "minutes")} | {"parameters": vocoder.parameters()}
        for name, vocoder in (("released", ours), ("V1 + FiLM", large))
    }
    return {
        "speakers": len(test_set.speakers),
        "too short": test_set.short,
        "made": made,
        "resynthesis": copies,
        "conversion": swaps,
        "table": table(copies) | table(swaps),
    }
