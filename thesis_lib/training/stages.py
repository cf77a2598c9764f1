"""The stages that a training needs, run by `thesis train` where they have not been run before."""

from thesis_lib.config import Task
from thesis_lib.runs.analyse import analysed
from thesis_lib.runs.embed import embedded
from thesis_lib.runs.folder import Run
from thesis_lib.runs.prepare import prepared
from thesis_lib.runs.stages import TRAIN, record_inputs
from thesis_lib.runs.vocoders import vocoder_inputs
from thesis_lib.training.distillation import distilled
from thesis_lib.utils.progress import Progress, silent


def run_earlier_stages(run: Run, task: Task, progress: Progress = silent) -> None:
    """Prepare, embed and analyse, record the inputs of the training, and make the distillation targets.

    Finished stages are not run again. Raises what the stages raise, and StaleError where the task's folder holds a
    training from other inputs.
    """
    manifest = prepared(run, progress)
    embedded(run, progress, sides=("source",))
    analysed(run, task, progress)
    record_inputs(run, TRAIN, vocoder_inputs(run, task, manifest), task)
    distilled(run, task, progress)
