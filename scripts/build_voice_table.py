"""How Kokoro's English voices look to ECAPA-TDNN: a table from which a clone's content voice is chosen.

``thesis clone`` lets the Kokoro voice speak that is nearest to the Spanish speaker, so that the vocoder has the
shortest way. Two minutes on two cores.
"""

import numpy as np

from thesis_lib.cloning.tts import KokoroSynthesizer
from thesis_lib.cloning.voices import TABLE
from thesis_lib.config import EncoderConfig
from thesis_lib.embeddings.encoders import embed, speaker_encoder
from thesis_lib.utils.files import replacing

SENTENCES = (
    "The harbour was quiet when the last boat came in, and nobody spoke until the ropes were tied.",
    "If you leave before nine you can still catch the early train and be home for dinner.",
)
ENGLISH = ("af_", "am_", "bf_", "bm_")  # American and British voices


def main() -> None:
    synthesizer, encoder = (
        KokoroSynthesizer(precision="float32"),
        speaker_encoder(EncoderConfig(speaker="ecapa", precision="float32")),
    )
    names = [name for name in synthesizer.voices if name.startswith(ENGLISH)]
    rows = []
    for name in names:
        vectors = [embed(encoder, synthesizer(text, name), synthesizer.sample_rate, name) for text in SENTENCES]
        rows.append(np.mean([vector / np.linalg.norm(vector) for vector in vectors], axis=0))
        print(f"{name}: its two sentences agree to {np.dot(*vectors) / np.prod(np.linalg.norm(vectors, axis=1)):.2f}")
    with replacing(TABLE) as partial, open(partial, "wb") as stream:
        np.savez(stream, names=np.array(names), vectors=np.array(rows, np.float32), encoder=encoder.revision)


if __name__ == "__main__":
    main()
