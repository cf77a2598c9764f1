"""Speaker leak between the splits of a corpus, measured with the run's speaker embeddings."""

from thesis_lib.runs.embed import load_embeddings
from thesis_lib.runs.folder import Run
from thesis_lib.runs.prepare import load_manifest
from thesis_lib.validation.metrics import Leak, speaker_leak


def leaks(run: Run) -> dict[tuple[str, str], Leak]:
    """{(split, other): similarity of its speakers to the other's}, by the condition's encoder on the Spanish side.

    Every two splits are compared. Raises RunError with the command that computes the embeddings where they are missing,
    and MetricError where a split has no speakers, or too few have two recordings.
    """
    table, embeddings = load_manifest(run).table(), load_embeddings(run, ("source",))
    vectors, speakers, split = embeddings.speaker["source"], table.speaker.to_numpy(), table.split.to_numpy()
    compared = (("validation", "train"), ("test", "train"), ("test", "validation"))
    return {(a, b): speaker_leak(vectors, speakers, split == a, split == b) for a, b in compared}
