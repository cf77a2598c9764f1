"""The released weights on held-out human speech, beside references (THESIS_HUMAN).

V1 + FiLM is the demo's resynthesis vocoder (thesis train --task resynthesis): some minutes of training from HiFi-GAN
universal.
"""

import dataclasses

from benchmarks.quality import CONVERSION, HumanTest, differences_of_systems, overview, summarise_systems
from benchmarks.together import complete_rows
from thesis_lib.config import Config
from thesis_lib.embeddings.encoders import embed, emotion_encoder
from thesis_lib.runs.folder import Run
from thesis_lib.runs.vocoders import load_trained_vocoder
from thesis_lib.validation.swap import SwapSpeaker, SwapSystem
from thesis_lib.validation.systems import GROUND_TRUTH, INVERSION, PUBLISHED, griffin_lim
from thesis_lib.vocoder.synthesis import DEFAULT, UNIVERSAL, Vocoder
from thesis_lib.vocoder.voice import Voice

GUIDANCE = (1.0, 2.0)


def run(quick: bool) -> dict:
    """Rows of resynthesis and of conversion with intervals, and the training of the compared weights.

    "differences" are paired: conversion with the other guidance minus conversion with a guidance of 1.
    """
    ours, published = Vocoder.from_pretrained(DEFAULT), Vocoder.from_pretrained(UNIVERSAL)
    large = load_trained_vocoder(Run("runs/demo", Config.from_profile("demo")), "resynthesis")
    test_set = HumanTest(ours.encoders.emotion, quick)
    styles = emotion_encoder(large.encoders)

    def voice(speaker: SwapSpeaker) -> Voice:
        """The speaker's own voice, with the emotion embedding of the demo's vocoder."""
        return dataclasses.replace(speaker.voice, emotion=embed(styles, speaker.content, large.audio.sample_rate))

    systems = {
        GROUND_TRUTH: lambda s: s.content,
        INVERSION: lambda s: griffin_lim(s.content, ours.log_mel),
        PUBLISHED: lambda s: published.render(s.content),
        "V1 + FiLM": lambda s: large.render(s.content, voice(s)),
        "released": lambda s: ours.render(s.content, s.voice),
    }
    guided = [SwapSystem("conversion", f"released, guidance {g:g}", ours, guidance=g) for g in GUIDANCE]
    stronger = [(system.stage, guided[0].stage) for system in guided[1:]]
    (copies, uncopied), converted = test_set.resynthesis(systems), test_set.conversion(guided)
    swaps, unswapped = summarise_systems(converted, CONVERSION)
    made = {
        name: {key: vocoder.meta[key] for key in ("steps", "minutes")} | {"parameters": vocoder.parameters()}
        for name, vocoder in (("released", ours), ("V1 + FiLM", large))
    }
    return {
        "speakers": len(test_set.speakers),
        "too short": test_set.short,
        "speakers that a choice may have used": len(test_set.used),
        "made": made,
        "resynthesis": copies,
        "conversion": swaps,
        "differences": differences_of_systems(complete_rows(converted, CONVERSION), CONVERSION, stronger),
        "table": overview(copies) | overview(swaps),
        "not measured": uncopied + unswapped,
    }
