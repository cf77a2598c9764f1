"""A table of Kokoro's English voices: their ECAPA-TDNN embeddings and their speaking rates.

``thesis clone`` synthesises with the voice that is nearest to the Spanish speaker, so that the vocoder has least to
convert, and divides the speed by the voice's own speaking rate at the length of the text. Half an hour on one core.
"""

import numpy as np

from thesis_lib.audio.prosody import letter_rate
from thesis_lib.cloning.tts import KokoroSynthesizer
from thesis_lib.cloning.voices import TABLE
from thesis_lib.config import EncoderConfig
from thesis_lib.embeddings.encoders import embed, speaker_encoder
from thesis_lib.utils.files import replacing

SENTENCES = (
    "The harbour was quiet when the last boat came in, and nobody spoke until the ropes were tied.",
    "If you leave before nine you can still catch the early train and be home for dinner.",
)
RATE_SENTENCES = (  # of five lengths, from short to long
    ("Where is my red coat?", "Call me in the evening.", "We have plenty of time.", "Nobody saw the fox."),
    (
        "Where did you put the house keys?",
        "I am not sure what to say now.",
        "The train leaves in ten minutes.",
        "Please close the window at night.",
    ),
    (
        "We waited for an hour in front of the door.",
        "He never wanted to come to this old town.",
        "My sister works in a small bakery downtown.",
        "They asked us to bring two loaves of bread.",
    ),
    (
        "Nobody had told them that the shop would be closed on a Monday.",
        "The doctor said that it would take a week, perhaps even two.",
        "Three of the five boxes were empty, the others full of letters.",
        "We walked along the river until it was too dark to see the path.",
    ),
    (
        "The harbour was quiet when the last boat came in, and nobody spoke until the ropes were tied.",
        "If you leave before nine you can still catch the early train and be home again for dinner.",
    ),
)
ENGLISH = ("af_", "am_", "bf_", "bm_")  # American and British voices


def main() -> None:
    synthesizer, encoder = (
        KokoroSynthesizer(graph="float32"),
        speaker_encoder(EncoderConfig(speaker="ecapa", precision="float32")),
    )
    names = [name for name in synthesizer.voices if name.startswith(ENGLISH)]
    rows, rates, rate = [], [], synthesizer.sample_rate
    for name in names:
        vectors = [embed(encoder, synthesizer(text, name), rate, name) for text in SENTENCES]
        rows.append(np.mean([vector / np.linalg.norm(vector) for vector in vectors], axis=0))
        rates.append([[letter_rate(synthesizer(text, name), rate, text) for text in group] for group in RATE_SENTENCES])
        cosine = np.dot(*vectors) / np.prod(np.linalg.norm(vectors, axis=1))
        print(f"{name}: cosine of two sentences {cosine:.2f}")
    with replacing(TABLE) as partial, open(partial, "wb") as stream:
        np.savez(
            stream,
            names=np.array(names),
            vectors=np.array(rows, np.float32),
            rates=relative_rates(rates),
            lengths=np.array([np.mean([len(text) for text in group]) for group in RATE_SENTENCES], np.float32),
            encoder=encoder.revision,
        )


def relative_rates(rates: list[list[list[float]]]) -> np.ndarray:
    """Letters a second of V voices, L groups and their sentences -> rates relative to the median voice, (V, L)."""
    groups = [np.log(np.array(group, float)) for group in zip(*rates, strict=True)]  # each (V, sentences)
    relative = [(logs - np.median(logs, axis=0)).mean(1) for logs in groups]
    return np.exp(np.stack(relative, 1)).astype(np.float32)


if __name__ == "__main__":
    main()
