"""The corpus "combined": several corpora in one manifest, for one training.

Each member is prepared as on its own, below members/LABEL of the folder, with a data card, rejects and manifest of its
own; the combined manifest has the rows of all. Ids and speakers of corpora of one language begin with their name
already; those of pairs get it here. A member's label is one more prefix, for two members of the same name.
"""

from pathlib import Path

from thesis_lib.config import Config, MemberConfig
from thesis_lib.config.registries import CORPORA
from thesis_lib.corpus.card import data_card
from thesis_lib.corpus.conversion import exclusive, made_with
from thesis_lib.corpus.cvss_t import CorpusError
from thesis_lib.corpus.manifest import Manifest, Reject, Utterance, index_of, is_plain_name
from thesis_lib.utils.files import write_text
from thesis_lib.utils.progress import Progress, silent

FOLDER = "members"


def prepare_combined(
    config: Config, folder: Path, progress: Progress = silent, scheduler: str | None = None
) -> Manifest:
    """Prepare every member of ``corpus.members``, and write a manifest of all their utterances below ``folder``.

    Raises CorpusError for an unusable label, what a member's preparation raises, and CorpusError with both members'
    names where an utterance is in two of them, or a speaker in two splits.
    """
    if index_of(folder).exists():
        return Manifest.load(folder)
    made = made_with(config.audio, config.corpus)
    with exclusive(folder, made):
        utterances: list[Utterance] = []
        rejects: list[Reject] = []
        member_of: dict[str, str] = {}
        split_of: dict[str, tuple[str, str]] = {}
        for member in config.corpus.members:
            label, found = prepared_member(config, member, folder, progress, scheduler)
            for utterance in found.utterances:
                _demand_new(utterance, label, member_of, split_of)
            utterances += found.utterances
            rejects += found.rejects
        manifest = Manifest(folder, utterances, rejects)
        write_text(folder / "DATA_CARD.md", data_card(manifest, made))
        manifest.save()
    return manifest


def prepared_member(
    config: Config, member: MemberConfig, folder: Path, progress: Progress, scheduler: str | None
) -> tuple[str, Manifest]:
    """A member's label, and its manifest with ids, speakers and paths as the combined one has them."""
    label = member.label or member.name
    if not is_plain_name(label):
        raise CorpusError(f"the label {label!r} of a corpus cannot name a folder: use letters, digits and -")
    place = folder / FOLDER / label / "corpus"
    settings = {"name": member.name, "root": member.root, "utterances": member.utterances, "members": ()}
    own = config.override({f"corpus.{key}": value for key, value in settings.items()})
    found = CORPORA[member.name](own, place, progress, scheduler)
    prefix = f"{label}-" if member.label or CORPORA.details(member.name)["pairs"] else ""
    inside = place.relative_to(folder).as_posix()
    utterances = [
        utterance.model_copy(
            update={
                "id": prefix + utterance.id,
                "speaker": prefix + utterance.speaker,
                "source_audio": f"{inside}/{utterance.source_audio}",
                "target_audio": f"{inside}/{utterance.target_audio}",
            }
        )
        for utterance in found
    ]
    rejects = [reject.model_copy(update={"id": prefix + reject.id}) for reject in found.rejects]
    return label, Manifest(folder, utterances, rejects)


def _demand_new(
    utterance: Utterance, label: str, member_of: dict[str, str], split_of: dict[str, tuple[str, str]]
) -> None:
    """Note the utterance; CorpusError where another member has it, or has its speaker in another split."""
    if (other := member_of.setdefault(utterance.id, label)) != label:
        raise CorpusError(
            f"utterance {utterance.id} is in the members {other} and {label}: give one a label, or leave one out"
        )
    split, other = split_of.setdefault(utterance.speaker, (utterance.split, label))
    if split != utterance.split:
        raise CorpusError(
            f"speaker {utterance.speaker} is in the {split} split of the member {other} and in the {utterance.split} "
            f"split of {label}: if they are two people, give one member a label; if not, leave one member out"
        )
