"""Run the speaker test: on a run's corpus, or on the trials of a benchmark."""

from collections.abc import Sequence

import pandas as pd

from thesis_lib.embeddings.encoders import Encoder, evaluation_encoders, revisions, speaker_encoder
from thesis_lib.runs.folder import Run
from thesis_lib.runs.vocoders import load_trained_vocoder
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.validation.evaluation import Results, evaluate, save_results
from thesis_lib.validation.roles import Roles
from thesis_lib.validation.speaker_test.same_sex import SexScorer, impostor_levels
from thesis_lib.validation.speaker_test.summary import gains, summarise_speakers
from thesis_lib.validation.speaker_test.systems import TrialSystem, natural_about, speaker_test_systems
from thesis_lib.validation.speaker_test.trials import MAX_MALE_F0_HZ, SpeakerTrials, corpus_trials, estimated_sex
from thesis_lib.validation.swap import SpeakerScorer, trial_scorer

ABOUT = ("target_speaker", "content", "target_sex", "content_sex", "semitones", "system", "encoder")
CONVERSION = "conversion"


def enrol(trials: SpeakerTrials, encoders: Sequence[Encoder], progress: Progress = silent) -> list[SexScorer]:
    """A scorer of each encoder, with all speakers of the trials enrolled.

    Raises RunError where the enrolment is not of one kind (``SpeakerTrials.enrolment``).
    """
    rate, _ = trials.audio.sample_rate, trials.enrolment
    return [SexScorer(encoder, trials.speakers, rate, trials.contents, progress) for encoder in encoders]


def measure_speakers(
    trials: SpeakerTrials,
    systems: Sequence[TrialSystem],
    scorers: Sequence[SexScorer],
    progress: Progress = silent,
) -> Results:
    """One row for each trial, system and encoder: the columns ``ABOUT`` and those of ``SexScorer.score``.

    And a row for the natural recording of each target.
    """
    natural = [
        natural_about(speaker) | {"encoder": scorer.encoder.name} | scorer.score_natural(speaker)
        for scorer in scorers
        for speaker in trials.targets
    ]
    by_encoder = [trial_scorer(scorer) for scorer in scorers]
    return Results(natural) + evaluate(trials.test_set, systems, by_encoder, progress, parallel=True)


def about_trials(trials: SpeakerTrials, scorers: Sequence[SpeakerScorer]) -> dict[str, object]:
    """What a table of the test states of its speakers, its enrolment and its impostors."""
    targets = {target.name for target in trials.targets}
    recorded = [speaker for speaker in trials.speakers if speaker.name in trials.recorded]
    estimated = [(speaker.sex, estimated_sex(speaker.voice.log_f0_median)) for speaker in recorded]
    return {
        "speakers": len(trials.speakers),
        "enrolled voices": len(scorers[0].centroids),
        "impostor pairs": len(scorers[0].impostors),
        "enrolment": trials.enrolment,
        "targets": len(targets),
        "target names": sorted(targets),
        "targets that a choice between systems may have used": len(targets & trials.compared),
        "contents": len({trial.content.name for trial in trials.trials}),
        "sexes": f"where not recorded, estimated from the log-F0 median: male below {MAX_MALE_F0_HZ:g} Hz",
        "speakers with a recorded sex": len(recorded),
        "recorded sex differs from the estimate": sum(bool(found) and found != own for own, found in estimated),
    }


def speaker_test(run: Run, progress: Progress = silent) -> pd.DataFrame:
    """Evaluate the run's conversion vocoder on speakers of the test split, beside trivial systems.

    Returns the table of trials. Also written: ``speakers_summary`` with roles and chance levels, ``speakers_chance``
    (``impostor_levels``), ``speakers_gains``, ``speakers_about`` and what was not measured. Raises RunError without a
    trained vocoder, or with fewer than two test speakers of two recordings.
    """
    if run.has("speakers"):
        return run.load_table("speakers")
    vocoder, config = load_trained_vocoder(run, "conversion"), run.config
    trials, condition = corpus_trials(run), speaker_encoder(config.encoders)
    scorers = enrol(trials, [condition, *evaluation_encoders(config.encoders)], progress)
    results = measure_speakers(trials, speaker_test_systems(CONVERSION, vocoder, condition), scorers, progress)
    resamples, seed = config.validation.resamples, config.swap.seed
    levels, roles = impostor_levels(scorers), Roles.of(config, {"conversion": vocoder})
    summary = roles.of_encoders(summarise_speakers(results.table, levels, resamples, seed))
    weights = revisions(scorer.encoder for scorer in scorers)
    provenance = run.provenance_of("conversion", weights=weights)
    run.save_json("speakers_about", about_trials(trials, scorers))
    run.save_table("speakers_chance", levels, provenance)
    gained = gains(results.table, CONVERSION, resamples, seed)
    run.save_table("speakers_gains", roles.of_encoders(gained), provenance)
    return save_results(run, "speakers", results, ABOUT, summary, provenance)
