"""The strong speaker test: the default weights on human voices, beside natural recordings and trivial systems.

THESIS_HUMAN names a folder of human recordings (``recordings_by_speaker`` has its layout). All speakers of the folder
are enrolled. Recipes were compared on some speakers of the folder of the saved result (``compared_speakers``). Targets
are spread over the others; where the folder has no others, the result says how many targets they may have used.
Contents are bundled English sentences by the TTS, of voices outside the training split. A speaker with a single
recording is enrolled by its second half, and the condition comes from its first half: the same session, which
``enrolment`` states.
"""

from benchmarks.human import compared_speakers, human_folder, recorded_sexes
from benchmarks.json_rows import records
from benchmarks.options import Option
from thesis_lib.config import Config
from thesis_lib.embeddings.encoders import Encoder, evaluation_encoders, speaker_encoder
from thesis_lib.utils.progress import bar
from thesis_lib.validation.roles import Roles, named_lineage
from thesis_lib.validation.speaker_test import (
    ALL_PAIRS,
    NATURAL,
    SpeakerTrials,
    about_trials,
    beside_natural,
    enrol,
    gains,
    human_trials,
    impostor_levels,
    measure_speakers,
    speaker_test_systems,
    summarise_speakers,
)
from thesis_lib.vocoder.synthesis import DEFAULT, Vocoder

OPTIONS = {
    "targets": Option(24, 3, "human target speakers"),
    "contents": Option(6, 2, "sentences, each by another TTS voice", most=9),
}
RELEASED = "released weights"
RESAMPLES, QUICK_RESAMPLES, SEED = 1000, 100, 0


def run(quick: bool, targets: int, contents: int) -> dict:
    """``of_weights`` for the default weights."""
    return of_weights(DEFAULT, RELEASED, quick, targets, contents)


def of_weights(weights: str, system: str, quick: bool, targets: int, contents: int) -> dict:
    """Rows of each system, encoder, kind of pairs and statistic; differences to other systems; chance levels.

    ``system`` is the name of the released ``weights`` in the rows. The differences are paired: to the best trivial
    system ("gains"), and to natural recordings of the same targets.
    """
    vocoder = Vocoder.from_torch(weights)
    resamples = QUICK_RESAMPLES if quick else RESAMPLES
    trials, encoders = human_set(vocoder, targets, contents)
    scorers, roles = enrol(trials, encoders, bar), roles_of(vocoder, weights)
    results = measure_speakers(trials, speaker_test_systems(system, vocoder, encoders[0]), scorers, bar)
    levels = impostor_levels(scorers)
    summary = summarise_speakers(results.table, levels, resamples, SEED)
    to_natural = gains(beside_natural(results.table), system, resamples, SEED, trivial=(NATURAL,))
    return about_trials(trials, scorers) | {
        "system": system,
        "not measured": results.missing,
        "rows": records(roles.of_encoders(summary)),
        "gains": records(roles.of_encoders(gains(results.table, system, resamples, SEED))),
        "differences to natural recordings": records(roles.of_encoders(to_natural[to_natural.pairs == ALL_PAIRS])),
        "impostors": records(levels),
    }


def human_set(vocoder: Vocoder, targets: int, contents: int) -> tuple[SpeakerTrials, list[Encoder]]:
    """The trials of the folder that THESIS_HUMAN names, and the encoders: first that of the condition."""
    folder = human_folder()
    config = Config.from_profile("demo").override({"encoders.emotion": vocoder.encoders.emotion})
    encoders = [speaker_encoder(config.encoders), *evaluation_encoders(config.encoders)]
    return human_trials(folder, config, targets, contents, compared_speakers(), recorded_sexes()), encoders


def roles_of(vocoder: Vocoder, weights: str = DEFAULT) -> Roles:
    """The roles of every network in the released ``weights``."""
    return Roles.along(named_lineage(weights, vocoder.description))
