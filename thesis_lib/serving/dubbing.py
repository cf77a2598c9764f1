"""What the jobs of the dubbing page do: ``clone_file`` on the files of a session."""

import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from thesis_lib.audio.files import SUFFIXES, header, read_blocks, survey, writing
from thesis_lib.audio.video import VIDEO_SUFFIXES
from thesis_lib.cloning import Clone, Request, VoiceCloningPipeline, clone_file
from thesis_lib.cloning.files import Adapter
from thesis_lib.cloning.script import SRT, read_script, write_script
from thesis_lib.serving.jobs import Job
from thesis_lib.serving.options import Options
from thesis_lib.serving.sessions import Made, Session
from thesis_lib.serving.watched import WatchedPipeline
from thesis_lib.utils.files import fingerprint
from thesis_lib.utils.progress import Progress
from thesis_lib.vocoder.rendering import BaseVocoder

# Of recordings that browsers play; others are converted to be played.
PLAYED = (".wav", ".mp3", ".ogg", ".oga", ".opus", ".flac", ".m4a", ".aac", ".mp4", ".m4v", ".mov", ".webm")
FORMATS = SUFFIXES + VIDEO_SUFFIXES  # of exports


def speak_job(session: Session, pipeline: VoiceCloningPipeline, options: Options, adapter: Adapter | None) -> Job:
    """Translate and speak the recording, or speak the session's script where there is one.

    Raises CloningError for options that contradict each other.
    """
    _request(session, options)

    def work(job: Job) -> None:
        source = _source(session)
        _make_playable(session, source)
        folder = session.folder / "english"
        target = folder / f"{source.stem}.wav"
        shutil.rmtree(session.folder / "exports", ignore_errors=True)
        session.files = {name: path for name, path in session.files.items() if not name.startswith("export")}
        clone, places = _cloned(session, job, pipeline, options, target, adapter)
        session.files["english"] = target
        for path in map(Path, clone.subtitles):
            session.files[f"subtitles{''.join(path.suffixes[-2:])}"] = path
        has_script = session.script.exists() and not is_replaced(session, options)
        if has_script:
            offer_script(session)
        session.made = Made(clone, options, places, fingerprint(session.script) if has_script else "")
        session.spoken += 1
        session.revision += 1

    return Job("speak", work, dict.fromkeys(_stages(session, options), 0.0))


def export_job(
    session: Session, pipeline: VoiceCloningPipeline, made: Made, suffix: str, add_track: bool, adapter: Adapter | None
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
    script = read_script(path, _source(session))
    write_script(session.script, _source(session), script.segments)
    offer_script(session)
    session.revision += 1


def offer_script(session: Session) -> None:
    """Let the session's script be downloaded, also as SRT."""
    source, srt = _source(session), session.script.with_suffix(SRT)
    write_script(srt, source, read_script(session.script, source).segments)
    session.files |= {"script.json": session.script, "script.srt": srt}


def _source(session: Session) -> Path:
    assert session.source is not None  # no request reaches a session before its upload is complete
    return session.source


def _stages(session: Session, options: Options) -> list[str]:
    translates = not session.script.exists() and not is_replaced(session, options)
    wanted = {"adapt": options.adapt > 0, "translate": translates}
    return [stage for stage in ("read", "voice", "adapt", "translate", "speak", "write") if wanted.get(stage, True)]


def _cloned(
    session: Session,
    job: Job,
    pipeline: VoiceCloningPipeline,
    options: Options,
    target: Path,
    adapter: Adapter | None,
    add_track: bool = False,
) -> tuple[Clone, list[dict[str, float]]]:
    request = _request(session, options)
    job.report("read", 0)
    length = survey(_source(session)).seconds
    configured = pipeline.copy_with(config=options.config(pipeline.config))
    watched = WatchedPipeline(configured, job, length, 1 + len(request.recordings) - bool(request.content))

    def say(text: str) -> None:
        job.notes.append(session.shown(text))

    made = clone_file(
        watched,
        _source(session),
        target,
        replace(request, add_track=add_track),
        say,
        _adaptation(job, options.adapt),
        adapter and _inside(session, adapter),
    )
    return made, watched.places


def _request(session: Session, options: Options) -> Request:
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
    )


def _adaptation(job: Job, minutes: float) -> Progress:
    """The Progress of speaker adaptation: its training ends after so many minutes, not after a number of steps."""

    def shown(items: Iterable, total: int, label: str) -> Iterator:
        started = time.monotonic()
        for item in items:
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


def _make_playable(session: Session, source: Path) -> None:
    if "source" in session.files:
        return
    if source.suffix in PLAYED:
        session.files["source"] = source
        return
    target = session.folder / "played" / f"{source.stem}.flac"
    with writing(target, header(source)[0]) as write:
        for block in read_blocks(source):
            write(block)
    session.files["source"] = target
