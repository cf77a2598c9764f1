"""A table of Kokoro's English voices: their ECAPA-TDNN embeddings and their speaking rates.

``thesis clone`` synthesises with the voice that is nearest to the Spanish speaker, so that the vocoder has least to
convert, and divides the speed by the voice's own speaking rate. Ten minutes on two cores.
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
RATE_SENTENCES = (  # the speaking rate is measured on these and the two above
    "Nobody had told them that the shop would be closed on a Monday.",
    "I am not sure what to say.",
    "Three of the five boxes were empty, and the others were full of old letters.",
    "Where did you put the keys?",
    "The doctor said that it would take a week, perhaps two.",
    "We waited for an hour before somebody opened the door.",
)
ENGLISH = ("af_", "am_", "bf_", "bm_")  # American and British voices


def main() -> None:
    synthesizer, encoder = (
        KokoroSynthesizer(precision="float32"),
        speaker_encoder(EncoderConfig(speaker="ecapa", precision="float32")),
    )
    names = [name for name in synthesizer.voices if name.startswith(ENGLISH)]
    rows, rates, rate = [], [], synthesizer.sample_rate
    for name in names:
        spoken = {text: synthesizer(text, name) for text in SENTENCES + RATE_SENTENCES}
        vectors = [embed(encoder, spoken[text], rate, name) for text in SENTENCES]
        rows.append(np.mean([vector / np.linalg.norm(vector) for vector in vectors], axis=0))
        rates.append([letter_rate(wav, rate, text) for text, wav in spoken.items()])
        cosine = np.dot(*vectors) / np.prod(np.linalg.norm(vectors, axis=1))
        print(f"{name}: cosine of two sentences {cosine:.2f}, {np.median(rates[-1]):.1f} letters a second")
    logs = np.log(np.array(rates, float))  # (V, sentences)
    relative = np.exp((logs - np.median(logs, axis=0)).mean(1))
    with replacing(TABLE) as partial, open(partial, "wb") as stream:
        np.savez(
            stream,
            names=np.array(names),
            vectors=np.array(rows, np.float32),
            rates=relative.astype(np.float32),
            encoder=encoder.revision,
        )


if __name__ == "__main__":
    main()
