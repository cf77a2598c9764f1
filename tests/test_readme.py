"""The README: its Python runs, its licences are the registry's, and its citation agrees with the other two."""

import json
import re
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
import yaml

from thesis_lib.audio.files import read_audio
from thesis_lib.pretrained.registry import REGISTRY

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.weights("ecapa", "kokoro", "kokoro-voices", "whisper-base", "whisper-tiny.en")
def test_the_python_of_the_readme_translates_a_recording(tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    assert sum(bool(line) for line in code.splitlines()) == 4
    shutil.copytree(ROOT / "assets", tmp_path / "assets")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(code, "README.md", "exec"), names)
    wav, rate = read_audio("hello.wav")
    assert rate == names["result"].sample_rate
    assert np.abs(wav).max() > 0.01
    assert names["result"].translation


def test_the_first_page_has_the_sounds_of_the_readme():
    sounds = sorted((ROOT / "assets").glob("*.mp3"))
    index = (ROOT / "book" / "index.md").read_text(encoding="utf-8")
    assert re.findall(r"_static/(\w+\.mp3)", index) == re.findall(r"\(assets/(\w+\.mp3)\)", README)
    assert sorted(re.findall(r"_static/(\w+\.mp3)", index)) == [path.name for path in sounds]
    assert sum(path.stat().st_size for path in sounds) < 1_000_000
    for path in sounds:
        wav, rate = read_audio(path)
        assert 3 < len(wav) / rate < 10
        assert np.abs(wav).max() > 0.1


def test_the_human_sounds_are_of_the_first_target_of_the_speaker_test():
    reader = json.loads((ROOT / "benchmarks" / "results" / "speakers.json").read_text())["target names"][0]
    for page in ("index.md", "data_card.md"):
        assert reader in (ROOT / "book" / page).read_text(encoding="utf-8")


def test_the_licences_are_those_of_the_registry():
    section = README.split("## Licences")[1].split("\n## ")[0]
    found = set()
    for names, licence in re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", section, re.M):
        for name in names.lower().replace("-", "").split(", "):
            known = [weight for weight in REGISTRY if weight.replace("-", "").startswith(name)]
            assert all(REGISTRY[weight].licence == licence for weight in known), (name, licence)
            found.update(known)
    needed = {"ecapa", "kokoro", "whisper-base", "whisper-tiny.en", "hifigan-universal", "resemblyzer", "eres2net"}
    assert needed <= found


def test_the_three_citations_agree():
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    zenodo = json.loads((ROOT / ".zenodo.json").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (entry,) = re.findall(r"```bibtex\n(.*?)```", README, re.S)
    bibtex = dict(re.findall(r"(\w+) *= \{+([^}]*)\}+", entry))
    authors = [author["name"] for author in cff["authors"]]
    assert [creator["name"] for creator in zenodo["creators"]] == authors == bibtex["author"].split(" and ")
    assert zenodo["title"] == cff["title"] == bibtex["title"]
    assert zenodo["version"] == cff["version"] == bibtex["version"]
    assert zenodo["license"] == cff["license"].lower() == bibtex["license"].lower()
    assert zenodo["upload_type"] == cff["type"] == "software"
    assert zenodo["keywords"] == cff["keywords"]
    assert zenodo["description"] == project["description"]
    assert bibtex["year"] == yaml.safe_load((ROOT / "_config.yml").read_text())["copyright"]
