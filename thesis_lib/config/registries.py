"""The five registries: losses, generators, encoders, corpora, metrics.

They are here, below the packages that fill them, so that a configuration can refuse an unknown name without importing
torch. Use them from the packages: ``from thesis_lib.losses import LOSSES``.
"""

from collections.abc import Callable
from typing import Any

from thesis_lib.utils.registry import Registry

# (Config, LossConfig) -> loss of (B, N) estimate and (B, N) reference. The name is the weight's in ``LossConfig``.
# ``needs_encoder``: whether an encoder computes it, so that it begins at ``training.auxiliary_from``, not at step 0.
# ``contains``: the pretrained networks that compute it; a metric by one of them is circular (``validation.roles``).
LOSSES: Registry[Callable[..., Any]] = Registry(
    "loss",
    "thesis_lib.training.losses",
    {
        **dict.fromkeys(("mel", "multi_scale_mel", "stft", "temporal"), {"needs_encoder": False}),
        **dict.fromkeys(("speaker", "emotion", "content"), {"needs_encoder": True}),
    },
    optional={"needs_encoder": False, "contains": ()},
    # Weights of losses that are no function of two waveforms, and the one setting among the weights.
    reserved=("adversarial", "feature_matching", "sampled_speaker", "sampled_emotion", "embedding_distance"),
)

# A subclass of ``vocoder.generators.Generator``. The name is ``generator.kind``; ``config`` is its settings' class, a
# subclass of ``GeneratorSettings``.
GENERATORS: Registry[Callable[..., Any]] = Registry(
    "generator", "thesis_lib.vocoder.generators", {"hifigan": {}, "istft": {}}, required=("config",)
)

# EncoderConfig -> ``embeddings.encoders.Encoder``. ``roles``: the settings of ``encoders`` that may name it.
# ``contains``: the pretrained networks that its vectors are computed by, beside layers of its own.
ENCODERS: Registry[Callable[..., Any]] = Registry(
    "encoder",
    "thesis_lib.embeddings.encoders.select",
    {
        "ecapa": {"roles": ("speaker",)},
        "tiny-test": {"roles": ("speaker",)},
        "emotion2vec": {"roles": ("emotion",)},
        "whisper-emotion": {"roles": ("emotion",), "contains": ("whisper-tiny.en",)},
        "egemaps": {"roles": ("emotion",)},
        "resemblyzer": {"roles": ("evaluation",)},
        "eres2net": {"roles": ("evaluation",)},
    },
    required=("roles",),
    optional={"contains": ()},
)

# (Config, folder of the manifest, Progress, address of a Dask scheduler or None) -> ``corpus.manifest.Manifest``.
# ``licence``: a sentence for the data card. ``weights``: whether the licence allows to publish weights trained on it.
# ``pairs``: whether its utterances are translations; otherwise recordings of one language, with ids that begin with the
# corpus's name.
_PAIRS, _ONE_LANGUAGE = {"weights": True, "pairs": True}, {"weights": True, "pairs": False}
CORPORA: Registry[Callable[..., Any]] = Registry(
    "corpus",
    "thesis_lib.corpus.select",
    {
        **dict.fromkeys(("mini", "cvss-t", "recordings", "manifest", "combined"), _PAIRS),
        **dict.fromkeys(
            ("librispeech", "libritts-r", "vctk", "speechocean762", "common-voice", "mls-spanish", "speakers"),
            _ONE_LANGUAGE,
        ),
    },
    required=("licence",),
    optional={"weights": True, "pairs": True},
)

# (output, reference), both ``validation.metrics.Recording`` -> a number, which is the column of the metric's name; only
# the built-in ones return several, by column. ``label`` with its unit, ``better`` "higher", "lower" or "", ``settings``
# for the footnote; ``reference``: whether it compares with the recording, so that the recording itself has no value.
METRICS: Registry[Callable[..., Any]] = Registry(
    "metric",
    "thesis_lib.validation.scoring",
    {
        **dict.fromkeys(("mel_l1", "stft", "mcd", "mcd_dtw", "pesq", "stoi", "pitch"), {"reference": True}),
        **dict.fromkeys(("dnsmos", "plcmos", "nisqa"), {"reference": False}),
    },
    required=("label", "better", "settings"),
    optional={"reference": True},
    # Metrics of a recogniser, an encoder or the Spanish source, which are no function of two recordings.
    reserved=("asr", "speaker", "evaluation", "style", "prosody"),
)
