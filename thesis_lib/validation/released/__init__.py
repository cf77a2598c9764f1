"""Ablation of the released recipe: data, losses and size, scored by speaker encoders, words and predicted opinion."""

from thesis_lib.validation.released.ablation import ablate_released
from thesis_lib.validation.released.recipe import variants_of, with_human_speech
from thesis_lib.validation.released.verdicts import verdicts

__all__ = ["ablate_released", "variants_of", "verdicts", "with_human_speech"]
