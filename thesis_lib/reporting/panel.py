"""Panel for JupyterLab: upload or record Spanish speech, choose voice and style, compare source and output."""

import html
import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import anywidget
import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import traitlets

from thesis_lib.audio.decoding import READ_SUFFIXES
from thesis_lib.audio.files import read_audio, resample
from thesis_lib.audio.mel import LogMel
from thesis_lib.audio.voice_activity import speech_segments
from thesis_lib.cloning import Speaker, Translation, VoiceCloningPipeline, target_speaker
from thesis_lib.reporting import player, spectrograms
from thesis_lib.utils.errors import ThesisError

FORMATS = ",".join(READ_SUFFIXES)


class Recorder(anywidget.AnyWidget):
    """Button that records the browser's microphone; ``wav`` holds the bytes of a 16-bit WAV file."""

    _esm = Path(__file__).parents[1] / "data" / "recorder.js"
    wav = traitlets.Bytes(b"").tag(sync=True)


class ClonePanel(widgets.VBox):
    """Widgets that set the options of a pipeline and run it; ``result`` holds its last translation."""

    def __init__(self, pipeline: VoiceCloningPipeline) -> None:
        self._pipeline = pipeline
        self.result: Translation | None = None
        wide = widgets.Layout(width="28rem")
        self.spanish = widgets.FileUpload(description="Spanish", accept=FORMATS)
        self.recorder = Recorder()
        self.voices = widgets.FileUpload(description="voice of …", accept=FORMATS, multiple=True)
        self.speaking_style = widgets.FileUpload(description="style of …", accept=FORMATS)
        self.text = widgets.Text(description="English", placeholder="left empty: the translation", layout=wide)
        self.guidance = widgets.FloatSlider(1.0, min=0, max=3, step=0.25, description="guidance", layout=wide)
        self.mix = widgets.FloatSlider(1.0, min=0, max=1, step=0.1, description="style mix", layout=wide)
        self.go = widgets.Button(description="Translate", button_style="primary")
        self.gauge = widgets.FloatProgress(0, min=0, max=1, description="similarity", layout=wide)
        self.words, self.sounds, self.picture = widgets.HTML(), widgets.HTML(), widgets.Image(format="png")
        self.go.on_click(lambda button: self.translate())
        super().__init__(
            [
                widgets.HBox([self.spanish, self.recorder, self.voices, self.speaking_style]),
                self.text,
                self.guidance,
                self.mix,
                self.go,
                self.words,
                self.sounds,
                self.gauge,
                self.picture,
            ]
        )

    def translate(self) -> Translation | None:
        """Translate with the current options and show the result; on an error show its message and return None."""
        self.go.disabled = True
        self.words.value = "…"
        try:
            result = self.result = self._translate()
            self._show(result)
        except ThesisError as error:
            self.words.value = f"<b>{html.escape(str(error))}</b>"
            return None
        finally:
            self.go.disabled = False
        return result

    def _translate(self) -> Translation:
        wav, rate, name = self._spanish()
        pipeline = self._pipeline
        pipeline = pipeline.copy_with(config=pipeline.config.model_copy(update={"guidance": self.guidance.value}))
        speaker = pipeline.analyse_speaker(speech_segments([wav], rate), name, is_translated=not self.text.value)
        others = [self._speaker_of(file) for file in self.voices.value]
        style = self._speaker_of(self.speaking_style.value[0]) if self.speaking_style.value else None
        target = target_speaker(speaker, others, style, self.mix.value)
        return pipeline(wav, rate, self.text.value or None, name, target)

    def _spanish(self) -> tuple[np.ndarray, int, str]:
        if self.spanish.value:
            file = self.spanish.value[0]
            return *_samples(file["name"], bytes(file["content"])), file["name"]
        if self.recorder.wav:
            return *_samples("recording.wav", self.recorder.wav), "the recording"
        raise ThesisError("no recording: upload a Spanish recording first, or record one")

    def _speaker_of(self, file: dict) -> Speaker:
        wav, rate = _samples(file["name"], bytes(file["content"]))
        return self._pipeline.analyse_speaker(speech_segments([wav], rate), file["name"])

    def _show(self, result: Translation) -> None:
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in result.notes)
        texts = f"<i>{html.escape(result.transcript)}</i><br>{html.escape(result.translation)}"
        self.words.value = f"{texts}<ul>{notes}</ul>"
        rate = result.sample_rate
        source, source_rate, _ = self._spanish()
        three = {
            "source": resample(source, source_rate, rate),
            "in the synthesizer's voice, as the vocoder gets it": result.content,
            "in the speaker's voice": result.wav,
        }
        cells = "".join(f"<td>{name}<br>{player(wav, rate)}</td>" for name, wav in three.items())
        self.sounds.value = f"<table><tr>{cells}</tr></table>"
        self.gauge.value = max(0.0, result.similarity_after)
        self.gauge.description = f"{result.encoder} {result.similarity_after:.2f}"
        self.gauge.tooltip = f"cosine to the speaker, by {result.encoder}, which conditions the output"
        self.picture.value = _png(lambda: spectrograms(three, LogMel(self._pipeline.vocoder.audio)))


def _samples(name: str, data: bytes) -> tuple[np.ndarray, int]:
    """Read the samples (N,) and the sample rate (Hz) of an uploaded file. Raises AudioError as ``read_audio`` does."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(name).name
        path.write_bytes(data)
        return read_audio(path)


def _png(draw: Callable[[], plt.Figure]) -> bytes:
    figure, buffer = draw(), io.BytesIO()
    figure.savefig(buffer, format="png", dpi=80)
    plt.close(figure)
    return buffer.getvalue()
