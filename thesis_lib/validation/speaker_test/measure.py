"""Run the speaker test: on a run's corpus, or on the trials of a benchmark."""

from collections.abc import Sequence

import pandas as pd

from thesis_lib.embeddings.encoders import Encoder, evaluation_encoders, revisions, speaker_encoder
from thesis_lib.runs.folder import Run
from thesis_lib.runs.vocoders import load_vocoder
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.validation.evaluation import Results, evaluate, save_results
from thesis_lib.validation.roles import Roles
from thesis_lib.validation.speaker_test.summary import gains, summarise_speakers
from thesis_lib.validation.speaker_test.systems import TrialSystem, speaker_test_systems
from thesis_lib.validation.speaker_test.trials import MAX_MALE_F0_HZ, SpeakerTrials, corpus_trials
from thesis_lib.validation.swap import SpeakerScorer, trial_scorer

ABOUT = ("target_speaker", "content", "target_sex", "content_sex", "semitones", "system", "encoder")
OURS = "conversion"


def enrol(trials: SpeakerTrials, encoders: Sequence[Encoder], progress: Progress = silent) -> list[SpeakerScorer]:
    """A scorer of each encoder, with all speakers of the trials enrolled."""
    rate = trials.audio.sample_rate
    return [SpeakerScorer(encoder, trials.speakers, rate, trials.contents, progress) for encoder in encoders]


def measure_speakers(
    trials: SpeakerTrials,
    systems: Sequence[TrialSystem],
    scorers: Sequence[SpeakerScorer],
    progress: Progress = silent,
) -> Results:
    """One row a trial, system and encoder: the columns ``ABOUT`` and those of ``SpeakerScorer.score``."""
    return evaluate(trials.test_set, systems, [trial_scorer(scorer) for scorer in scorers], progress)


def about_trials(trials: SpeakerTrials, scorers: Sequence[SpeakerScorer]) -> dict[str, object]:
    """What a table of the test states: speakers, enrolled voices, impostor pairs, and the session of the enrolment."""
    return {
        "speakers": len(trials.speakers),
        "enrolled voices": len(scorers[0].centroids),
        "impostor pairs": len(scorers[0].impostors),
        "enrolment": trials.session,
        "targets": len({trial.target.name for trial in trials.trials}),
        "contents": len({trial.content.name for trial in trials.trials}),
        "sexes": f"where not recorded, estimated from the log-F0 median: male below {MAX_MALE_F0_HZ:g} Hz",
    }


def speaker_test(run: Run, progress: Progress = silent) -> pd.DataFrame:
    """Evaluate the run's conversion vocoder on speakers of the test split, beside trivial systems.

    Returns the table of trials. Also written: ``speakers_summary`` with roles and chance levels, ``speakers_gains``,
    ``speakers_about`` and what was not measured. Raises RunError without a trained vocoder, or with fewer than two
    test speakers of two recordings.
    """
    if run.has("speakers"):
        return run.load_table("speakers")
    vocoder, config = load_vocoder(run, "conversion"), run.config
    trials, condition = corpus_trials(run), speaker_encoder(config.encoders)
    scorers = enrol(trials, [condition, *evaluation_encoders(config.encoders)], progress)
    results = measure_speakers(trials, speaker_test_systems(OURS, vocoder, condition), scorers, progress)
    resamples, seed = config.validation.resamples, config.swap.seed
    summary = summarise_speakers(results.table, resamples, seed)
    roles = Roles.of(config, {"conversion": vocoder})
    summary["role"] = [roles.of_network(encoder) for encoder in summary.encoder]
    weights = revisions(scorer.encoder for scorer in scorers)
    provenance = run.provenance_of("conversion", weights=weights)
    run.save_json("speakers_about", about_trials(trials, scorers))
    gained = gains(results.table, OURS, resamples, seed)
    gained["role"] = [roles.of_network(encoder) for encoder in gained.encoder]
    run.save_table("speakers_gains", gained, provenance)
    return save_results(run, "speakers", results, ABOUT, summary, provenance)
