"""Headings of columns and names of rows: words with units in place of the keys of results."""

from thesis_lib.cloning.segments import STAGES
from thesis_lib.validation import ALIGNED, PREDICTED, WORDS, describe
from thesis_lib.validation.columns import encoder_of

STATISTICS = {
    "normalised_similarity": "normalised similarity",
    "identified": "identified at rank 1",
    "accepted_1": "accepted at 1 %",
    "accepted_5": "accepted at 5 %",
    "normalised_similarity_same_sex": "normalised similarity, same-sex impostors",
    "accepted_1_same_sex": "accepted at 1 % of same-sex impostors",
    "accepted_5_same_sex": "accepted at 5 % of same-sex impostors",
    "target_preference": "target-preference rate",
}
ENCODERS = {"ecapa": "ECAPA", "resemblyzer": "Resemblyzer", "eres2net": "ERes2Net", "egemaps": "eGeMAPS"}
# Published English beside the human Spanish of ``validation.pairs``, by the names of its files.
PUBLISHED = {
    "ref": "published, one canonical voice",
    "ref_voicetransfer": "published, the speaker's voice transferred",
    "pred_voice": "published, by a system that keeps voices",
    "t2_conv": "conversational",
    "t2_covost": "CoVoST 2",
    "t2_turn": "speaker turns",
}
NETWORKS = {  # presets of a generator
    "v1": "HiFi-GAN V1",
    "v2": "HiFi-GAN V2",
    "v3": "HiFi-GAN V3",
    "istft": "inverse STFT",
    "istft-small": "small inverse STFT",
    "istft-large": "large inverse STFT",
    "istft-live": "streaming inverse STFT",
}
ENDINGS = {"_normalised": "normalised similarity", "_percentile": "percentile"}  # of a metric of an encoder
_LOW, _HIGH = "lower limit, 95 %", "upper limit, 95 %"
# Key of a result -> heading.
HEADINGS = (
    STATISTICS
    | ENCODERS
    | PUBLISHED
    | NETWORKS
    | {
        "target preference": "target-preference rate",
        "to_target": "cosine to the target voice",
        "to_content": "cosine to the content's voice",
        "wer_es": "WER, Spanish (%)",
        "wer_en": "WER, English (%)",
        "low": _LOW,
        "high": _HIGH,
        "tau": "Kendall's tau",
        "first": "first encoder",
        "second": "second encoder",
        "role": "role of the encoder",
        "test_set": "recordings",
        "group": "recordings",
        "megabytes": "size (MB)",
        "times_real_time": "× real time",
        "speed_ratio": "speed relative to torch float32",
        "speed_ratio_low": "lowest relative speed",
        "speed_ratio_high": "highest relative speed",
        "mel_l1_low": f"mel L1, {_LOW}",
        "mel_l1_high": f"mel L1, {_HIGH}",
        **{stage: f"{name} (s)" for stage, name in STAGES.items()},
        "whole": "whole (s)",
        "two similarities": "two similarities (s)",
    }
)


def heading(key: object) -> object:
    """The heading of a column, each part between commas in words; a heading that is no string stays as it is."""
    return ", ".join(map(_in_words, key.split(", "))) if isinstance(key, str) else key


def metric_heading(key: str) -> str:
    """The name of a validation's metric in words, with the encoder that computes it."""
    name, dagger, _ = key.partition(" †")
    label, encoder = describe(name).label, encoder_of(name)
    if name in (*ALIGNED, *PREDICTED, *WORDS) or name.startswith("follows_") or encoder == "style":
        return label + dagger
    return f"{label}, {'conditioning encoder' if encoder == 'speaker' else _in_words(encoder)}{dagger}"


def _in_words(key: str) -> str:
    """Look up a key without its dagger, which is then appended: heading, else a metric's label, else the spaced key."""
    name, dagger, _ = key.partition(" †")
    if name not in HEADINGS and name in (*ALIGNED, *PREDICTED, *WORDS):
        return describe(name).label + dagger
    for ending, words in ENDINGS.items():
        if name.endswith(ending):
            return f"{words}, {_in_words(name.removesuffix(ending))}{dagger}"
    return HEADINGS.get(name, name.replace("_", " ")) + dagger
