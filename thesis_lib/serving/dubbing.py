"""What the jobs of the dubbing page do: ``clone_file`` on the files of a session."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np

from thesis_lib.audio.files import SUFFIXES, header, read_blocks, survey, writing
from thesis_lib.audio.video import VIDEO_SUFFIXES, played_times
from thesis_lib.cloning import AUTO, Clone, Request, VoiceCloningPipeline, clone_file, given_speakers
from thesis_lib.cloning.files import Adapter, spoken_script
from thesis_lib.cloning.recording_speakers import DIARISED
from thesis_lib.cloning.script import SRT, read_script, time_in_file, write_script
from thesis_lib.serving.jobs import Job
from thesis_lib.serving.options import Options
from thesis_lib.serving.playable import is_played
from thesis_lib.serving.sessions import JobOutputs, Session
from thesis_lib.serving.watched import WatchedPipeline
from thesis_lib.utils.files import fingerprint
from thesis_lib.utils.progress import Progress
from thesis_lib.vocoder.rendering import BaseVocoder

FORMATS = SUFFIXES + VIDEO_SUFFIXES  # of exports
STAGES = ("read", "speakers", "voice", "adapt", "translate", "speak", "write")


def speak_job(session: Session, pipeline: VoiceCloningPipeline, options: Options, adapter: Adapter | None) -> Job:
    """Translate and speak the recording, or speak the session's script where there is one.

    Raises CloningError for options that contradict each other.
    """
    request = request_of(session, options)

    def work(job: Job) -> None:
        source = _source(session)
        _make_playable(session, job, source)
        target = session.folder / "english" / f"{source.stem}.wav"
        clone, places = _cloned(session, job, pipeline, options, target, adapter)
        subtitles = {f"subtitles{''.join(path.suffixes[-2:])}": path for path in map(Path, clone.subtitles)}
        _replace_outputs(session, {"english": target} | subtitles)
        has_script = session.script.exists() and not is_replaced(session, options)
        if has_script:
            _name_speakers(session, _configured(pipeline, options), request)
            offer_script(session)
        session.made = JobOutputs(clone, request, options, places, fingerprint(session.script) if has_script else "")
        session.spoken += 1
        session.revision += 1

    return Job("speak", work, dict.fromkeys(_stages(session, options), 0.0))


def export_job(
    session: Session,
    pipeline: VoiceCloningPipeline,
    made: JobOutputs,
    suffix: str,
    add_track: bool,
    adapter: Adapter | None,
) -> Job:
    """Write what was spoken last in another format, or into the video; segments come from the cache."""

    def work(job: Job) -> None:
        target = session.folder / "exports" / f"{_source(session).stem}{suffix}"
        _cloned(session, job, pipeline, made.options, target, adapter, add_track)
        session.files[f"export{suffix}"] = target
        session.revision += 1

    return Job("export", work, dict.fromkeys(_stages(session, made.options), 0.0))


def is_replaced(session: Session, options: Options) -> bool:
    """Whether a given text or English recording is spoken, so that there is no script."""
    return bool(options.text or session.recordings["content"])


def set_script(session: Session, path: Path) -> None:
    """Check a script file, JSON or SRT, and make it the session's. Raises CloningError as ``read_script`` does."""
    names = read_script(session.script, _source(session)).speakers if session.script.exists() else {}
    script = read_script(path, _source(session), names)
    write_script(session.script, _source(session), script.segments, script.speakers)
    offer_script(session)
    session.revision += 1


def offer_script(session: Session) -> None:
    """Let the session's script be downloaded, also as SRT."""
    source, srt = _source(session), session.script.with_suffix(SRT)
    script = read_script(session.script, source)
    write_script(srt, source, script.segments, script.speakers)
    session.files |= {"script.json": session.script, "script.srt": srt}


def _name_speakers(session: Session, pipeline: VoiceCloningPipeline, request: Request) -> None:
    """Write the speakers that were found into a script that had segments without one."""
    source = _source(session)
    if any(x.speaker is None for x in read_script(session.script, source).segments):
        script = spoken_script(pipeline, source, request, session.script)
        write_script(session.script, source, script.segments, script.speakers)


def _source(session: Session) -> Path:
    assert session.source is not None  # no request reaches a session before its upload is complete
    return session.source


def _stages(session: Session, options: Options) -> list[str]:
    translates = not session.script.exists() and not is_replaced(session, options)
    several = given_speakers(options.speakers) != 1
    wanted = {"speakers": several, "adapt": options.adapt > 0, "translate": translates}
    return [stage for stage in STAGES if wanted.get(stage, True)]


def _configured(pipeline: VoiceCloningPipeline, options: Options) -> VoiceCloningPipeline:
    """The pipeline with the settings of the options."""
    return pipeline.copy_with(config=options.config(pipeline.config))


def _cloned(
    session: Session,
    job: Job,
    pipeline: VoiceCloningPipeline,
    options: Options,
    target: Path,
    adapter: Adapter | None,
    add_track: bool = False,
) -> tuple[Clone, list[dict[str, float]]]:
    request = request_of(session, options)
    job.report("read", 0)
    length = survey(_source(session)).seconds
    configured = _configured(pipeline, options)
    voices = 0 if request.speakers == AUTO else int(request.speakers) + len(request.recordings) - bool(request.content)
    watched = WatchedPipeline(configured, job, length, voices)

    def say(text: str) -> None:
        job.notes.append(session.shown(text))

    made = clone_file(
        watched,
        _source(session),
        target,
        replace(request, add_track=add_track),
        say,
        _progress(job, options.adapt),
        adapter and _inside(session, adapter),
    )
    delay = played_times(_source(session))[0]
    return made, [place | {"source": time_in_file(place["source"], delay)} for place in watched.places]


def request_of(session: Session, options: Options) -> Request:
    """What ``clone_file`` is asked for. Raises CloningError for options that contradict each other."""
    content, style = (next(iter(session.recordings[role]), None) for role in ("content", "style"))
    return Request(
        text=options.text,
        content=content,
        voice_from=tuple(session.recordings["voice"]),
        emotion_from=style,
        emotion_mix=options.emotion_mix if style else 1.0,
        adapt=options.adapt,
        subtitles=True,
        consent=options.consent,
        script=None if is_replaced(session, options) else session.script,
        speakers=given_speakers(options.speakers),
    )


def _replace_outputs(session: Session, made: dict[str, Path]) -> None:
    """Offer what was made; delete what an earlier job has made and this one has not."""
    earlier = {name: path for name, path in session.files.items() if name.startswith(("export", "subtitles"))}
    session.files = {name: path for name, path in session.files.items() if name not in earlier} | made
    for path in set(earlier.values()) - set(made.values()):
        path.unlink(missing_ok=True)


def _progress(job: Job, minutes: float) -> Progress:
    """The Progress of diarisation and speaker adaptation: training ends after minutes, not after a number of steps."""

    def shown(items: Iterable, total: int, label: str) -> Iterator:
        started = time.monotonic()
        for number, item in enumerate(items):
            if label == DIARISED:
                job.report("read", 1)
                job.report("speakers", number / max(1, total))
            is_training = minutes > 0 and label.startswith("train")
            share = (time.monotonic() - started) / (60 * minutes) if is_training else 0.0
            job.report("adapt", share)  # of a job without adaptation: only asks whether it is cancelled
            yield item

    return shown


def _inside(session: Session, adapter: Adapter) -> Adapter:
    """The adapter that writes its vocoders into the session's folder."""

    def inside(
        recordings: Sequence[Path], folder: Path, vocoder: str, minutes: float, progress: Callable
    ) -> BaseVocoder:
        return adapter(recordings, session.folder / "adapted" / folder.name, vocoder, minutes, progress)

    return inside


def _make_playable(session: Session, job: Job, source: Path) -> None:
    """Convert what no browser plays; silence replaces a delay of the audio after the picture."""
    if "source" in session.files:
        return
    if is_played(source):
        session.files["source"] = source
        return
    target = session.folder / "played" / f"{source.stem}.flac"
    rate, delay = header(source)[0], played_times(source)[0]
    with writing(target, rate) as write:
        for block in chain(_silence(round(delay * rate), rate), read_blocks(source)):
            job.report("read", 0)
            write(block)
    session.files["source"] = target


def _silence(samples: int, block: int) -> Iterator[np.ndarray]:
    """Zeros in blocks (n,) of at most ``block`` samples."""
    for first in range(0, samples, block):
        yield np.zeros(min(block, samples - first), np.float32)
