"""The corpus "combined": several corpora in one manifest, for one training.

Each member is prepared as on its own, below members/LABEL of the folder, with a data card, rejects and manifest of its
own; the combined manifest has the rows of all. Ids and speakers of corpora of one language begin with their name
already; those of pairs get it here. A member's label is one more prefix, for two members of the same name.
"""

from pathlib import Path

from thesis_lib.config import Config, CorpusConfig, MemberConfig
from thesis_lib.config.registries import CORPORA
from thesis_lib.corpus.card import save_with_card
from thesis_lib.corpus.conversion import already_prepared, exclusive, made_with, member_folder
from thesis_lib.corpus.cvss_t import release_of
from thesis_lib.corpus.errors import CorpusError
from thesis_lib.corpus.manifest import Manifest, Reject, Utterance, is_plain_name
from thesis_lib.corpus.one_language import root_of
from thesis_lib.corpus.pairs import read_pairs, table_path
from thesis_lib.corpus.readers import READERS, registered_id
from thesis_lib.corpus.rows import read_list
from thesis_lib.utils.progress import Progress, silent


def prepare_combined(
    config: Config, folder: Path, progress: Progress = silent, scheduler: str | None = None
) -> Manifest:
    """Prepare every member of ``corpus.members``, and write a manifest of all their utterances below ``folder``.

    Raises CorpusError for an unusable label, root, layout or list of any member before the first one is converted, what
    a member's preparation raises, and CorpusError with both members' names where an utterance is in two of them, or a
    speaker in two splits.
    """
    if (found := already_prepared(folder, config.corpus)) is not None:
        return found
    members = [(member, settings_of(config, member)) for member in config.corpus.members]
    for _, own in members:
        _check_source(own.corpus)
    made = made_with(config.audio, config.corpus)
    with exclusive(folder, made):
        utterances: list[Utterance] = []
        rejects: list[Reject] = []
        seen = _Seen()
        for member, own in members:
            place = member_folder(folder, member.title)
            prepared = CORPORA[member.name](own, place, progress, scheduler)
            found = relocated(prepared, member, folder)
            for utterance, before in zip(found.utterances, prepared.utterances, strict=True):
                seen.add(utterance, _identity(member, before.speaker), member.title)
            utterances += found.utterances
            rejects += found.rejects
        manifest = Manifest(folder, utterances, rejects)
        save_with_card(manifest, made)
    return manifest


def settings_of(config: Config, member: MemberConfig) -> Config:
    """The configuration of a member as a corpus of its own. CorpusError for a label that cannot name a folder."""
    if not is_plain_name(member.title):
        raise CorpusError(f"the label {member.title!r} of a corpus cannot name a folder: use letters, digits and -")
    settings = {name: getattr(member, name) for name in ("name", "root", "utterances", "speed")} | {"members": ()}
    return config.override({f"corpus.{key}": value for key, value in settings.items()})


def _check_source(corpus: CorpusConfig) -> None:
    """Raise CorpusError where a member's root, layout or list cannot be used, without reading a recording."""
    if corpus.utterances is not None:
        read_list(corpus.utterances)
    if corpus.name in READERS:
        reader = READERS[corpus.name]
        next(iter(reader.read(root_of(corpus.root, reader))), None)
    elif corpus.name == "manifest":
        read_pairs(table_path(corpus.root), corpus)
    elif corpus.name == "cvss-t":
        release_of(corpus.root).check()


def relocated(prepared: Manifest, member: MemberConfig, folder: Path) -> Manifest:
    """A member's manifest with ids, speakers and paths as the combined one in ``folder`` has them."""
    prefix = f"{member.title}-" if member.label or CORPORA.details(member.name)["pairs"] else ""
    inside = prepared.folder.relative_to(folder).as_posix()
    utterances = [
        utterance.model_copy(
            update={
                "id": prefix + utterance.id,
                "speaker": prefix + utterance.speaker,
                "source_audio": f"{inside}/{utterance.source_audio}",
                "target_audio": f"{inside}/{utterance.target_audio}",
            }
        )
        for utterance in prepared
    ]
    rejects = [reject.model_copy(update={"id": prefix + reject.id}) for reject in prepared.rejects]
    return Manifest(folder, utterances, rejects)


def _identity(member: MemberConfig, speaker: str) -> str:
    """Key by which speakers of two members count as one person: the registry id, else the label."""
    identity = speaker if member.name == "cvss-t" else registered_id(speaker)
    if identity is not None:
        return identity
    labelled = member.label or CORPORA.details(member.name)["pairs"]
    return f"{member.title}-{speaker}" if labelled else speaker


class _Seen:
    """The utterances and speakers so far, each with its member."""

    def __init__(self) -> None:
        self.member_of: dict[str, str] = {}
        self.split_of: dict[str, tuple[str, str]] = {}

    def add(self, utterance: Utterance, identity: str, label: str) -> None:
        """Note the utterance; CorpusError where another member has it, or has its speaker in another split."""
        if (other := self.member_of.setdefault(utterance.id, label)) != label:
            raise CorpusError(
                f"utterance {utterance.id} is in the members {other} and {label}: give one a label, or leave one out"
            )
        split, other = self.split_of.setdefault(identity, (utterance.split, label))
        if split != utterance.split:
            remedy = (
                "if they are two people, give one member a label; if not, leave one member out"
                if identity == utterance.speaker
                else "both corpora have the ids of one register, so it is one person: leave one member out, or list "
                "the utterances of other speakers at one (utterances)"
            )
            raise CorpusError(
                f"speaker {utterance.speaker} is in the {split} split of the member {other} and in the "
                f"{utterance.split} split of {label}: {remedy}"
            )
