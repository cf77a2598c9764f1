"""Sign a finished file with content credentials (C2PA): its speech is synthetic, and from which recordings it was made.

The manifest is written into the file after everything else, because it holds a hash of the file. Samples, pictures and
metadata stay as they are. The signature has no time stamp, because a time-stamping authority is a network service.

References: C2PA technical specification 2.4, sec. 18 (actions, ingredients) and sec. 14.5 (certificates).
"""

import io
import mimetypes
import tempfile
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from thesis_lib import __version__
from thesis_lib.cloning.credentials import (
    COMPOSITE,
    SOURCE_TYPES,
    SYNTHETIC,
    UNREADABLE,
    CredentialsError,
    context,
    read_credentials,
    read_pem,
    reason_of,
)
from thesis_lib.utils.errors import ThesisError, one_line
from thesis_lib.utils.files import replacing, sha256
from thesis_lib.utils.process import printable

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

# FLAC is left out: c2pa-python puts an ID3 header before it, so that it does not begin as a FLAC stream does.
FORMATS = {
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".m4v": "video/x-m4v",
    ".mov": "video/quicktime",
}
ALGORITHMS = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
PARENT, INPUT = "parentOf", "inputTo"  # relationship of an ingredient
TOOL = {"name": "thesis-lib", "version": __version__}


@dataclass(frozen=True)
class SigningKey:
    """Files of the signer."""

    certificate: Path  # PEM; the signer's certificate first, then those that certify it
    key: Path  # PEM, without a passphrase


@dataclass(frozen=True)
class CredentialsManifest:
    """What the content credentials say of a file."""

    recordings: tuple[Path, ...]  # that it was made from; only their names and hashes are written
    description: str
    composite: bool = False  # picture or sounds of the first recording are kept
    translated: bool = True


def check_signing(signing: SigningKey | None, target: Path) -> None:
    """Sign a few samples, so that a key, certificate or target that cannot be used is found before all computation.

    Raises CredentialsError for a file that cannot be read, a key that is not the certificate's, a certificate that is
    not valid now or not made for signing, and a target that is not one of ``FORMATS``; ImportError without the extra
    ``credentials``.
    """
    if signing is None:
        return
    if Path(target).suffix.lower() not in FORMATS:
        raise CredentialsError(f"{target}: content credentials can be in {', '.join(FORMATS)} files: name one of these")
    import c2pa

    samples = io.BytesIO()
    with wave.open(samples, "wb") as stream:
        stream.setparams((1, 2, 8000, 0, "NONE", ""))
        stream.writeframes(bytes(2))
    samples.seek(0)
    try:
        _sign(signing, CredentialsManifest((), ""), Path("check.wav"), samples, io.BytesIO())
    except c2pa.C2paError as error:
        raise CredentialsError(
            f"{signing.certificate} cannot sign content credentials ({reason_of(error)}): it needs the extended key "
            "usage emailProtection and must not be an authority's; the book (Consent and misuse) shows how to make one"
        ) from error


@contextmanager
def signed(target: Path, sign: Callable[[Path, Path], object] | None) -> Iterator[Path]:
    """Yield the file to write; at the end of the block ``sign`` signs it to ``target``. None: yield ``target``.

    Raises CredentialsError where it cannot be signed; the unsigned file is then kept beside the target and named.
    """
    if sign is None:
        yield target
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".partial-") as folder:
        unsigned = Path(folder) / target.name
        yield unsigned
        try:
            sign(unsigned, target)
        except (ThesisError, OSError, MemoryError) as error:
            kept = target.with_stem(f"{target.stem}.unsigned")
            unsigned.replace(kept)
            raise CredentialsError(
                f"{target} is not signed: {one_line(error)}; the finished file without content credentials is {kept}"
            ) from error


def sign_file(unsigned: Path, target: Path, signing: SigningKey, manifest: CredentialsManifest) -> None:
    """Write ``unsigned`` with content credentials to ``target``, atomically.

    Raises CredentialsError as ``check_signing``, and for a file that c2pa-python cannot sign.
    """
    import c2pa

    with replacing(target) as partial, open(unsigned, "rb") as source, open(partial, "w+b") as sink:
        try:
            _sign(signing, manifest, target, source, sink)
        except c2pa.C2paError as error:
            raise CredentialsError(f"{target}: content credentials cannot be written ({reason_of(error)})") from error


def _sign(signing: SigningKey, manifest: CredentialsManifest, target: Path, source: BinaryIO, sink: BinaryIO) -> None:
    """Copy a file from ``source`` to ``sink`` with the manifest; the name and format are those of ``target``."""
    import c2pa

    chain, key, algorithm = _checked(signing)
    plain: list[dict[str, str]] = []
    with_credentials: list[tuple[Path, dict[str, str]]] = []
    for number, path in enumerate(manifest.recordings):
        ingredient = _ingredient(path, number, PARENT if manifest.composite and not number else INPUT)
        found = read_credentials(path)
        # c2pa-python parses a recording only for its credentials, and not every recording that FFmpeg reads.
        if found and found.state != UNREADABLE:
            with_credentials.append((path, ingredient))
        else:
            plain.append(ingredient)
    definition = _definition(manifest, printable(target.name)) | {"ingredients": plain}
    with (
        c2pa.Signer.from_info(c2pa.C2paSignerInfo(algorithm, chain, key, None)) as signer,
        c2pa.Builder(definition, context()) as builder,
    ):
        for path, ingredient in with_credentials:
            with open(path, "rb") as stream:
                builder.add_ingredient(ingredient, _container(stream), stream)
        builder.sign(signer, FORMATS[target.suffix.lower()], source, sink)


def _container(stream: BinaryIO) -> str:
    """The format of a file with content credentials by its first bytes, because a suffix may be wrong."""
    head = stream.read(8)
    stream.seek(0)
    if head.startswith(b"RIFF"):
        return FORMATS[".wav"]
    return FORMATS[".mp3"] if head.startswith(b"ID3") else FORMATS[".mp4"]


def _ingredient(path: Path, number: int, relationship: str) -> dict[str, str]:
    """A recording by its name and hash, without its audio."""
    return {
        "title": printable(path.name),
        "format": mimetypes.guess_type(path.name)[0] or "application/octet-stream",
        "relationship": relationship,
        "label": str(number),
        "description": f"SHA-256 {sha256(path)}",
    }


def _definition(manifest: CredentialsManifest, title: str) -> dict[str, Any]:
    """The manifest as c2pa-python takes it, without its ingredients."""
    names = [str(number) for number in range(len(manifest.recordings))]
    made = {
        "softwareAgent": TOOL,
        "digitalSourceType": SOURCE_TYPES + (COMPOSITE if manifest.composite else SYNTHETIC),
        "description": printable(manifest.description),
    }
    if manifest.composite:
        languages = {"sourceLanguage": "es", "targetLanguage": "en"} if manifest.translated else {}
        action = "c2pa.translated" if manifest.translated else "c2pa.edited"
        actions = [_action("c2pa.opened", names[:1]), _action(action, names[1:], **languages) | made]
    else:
        actions = [_action("c2pa.created", names) | made]
    assertion = {"label": "c2pa.actions.v2", "data": {"actions": actions}}
    return {"claim_generator_info": [TOOL], "title": title, "assertions": [assertion]}


def _action(name: str, ingredients: list[str], **parameters: str) -> dict[str, Any]:
    return {"action": name, "parameters": parameters | ({"ingredientIds": ingredients} if ingredients else {})}


def _checked(signing: SigningKey) -> tuple[bytes, bytes, str]:
    """The chain (PEM), the key (PEM, PKCS 8) and the algorithm. Raises CredentialsError as ``check_signing``."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    chain = read_pem(signing.certificate)
    certificate = x509.load_pem_x509_certificates(chain)[0]
    try:
        key = serialization.load_pem_private_key(signing.key.read_bytes(), None)
    except OSError as error:
        raise CredentialsError(f"{signing.key}: cannot be read ({error.strerror}): name the signer's key") from None
    except TypeError:
        raise CredentialsError(
            f"{signing.key} has a passphrase: remove it with openssl pkey -in {signing.key} -out NEW.pem"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise CredentialsError(f"{signing.key} holds no private key in PEM format: name the signer's key") from None
    if key.public_key() != certificate.public_key():
        raise CredentialsError(
            f"{signing.key} is not the key of {signing.certificate}: name the two files that were made together"
        )
    _check_dates(certificate, signing.certificate)
    pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return chain, key.private_bytes(*pkcs8), _algorithm(key, signing.key)


def _check_dates(certificate: "Certificate", path: Path) -> None:
    starts, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not starts <= datetime.now(UTC) <= ends:
        raise CredentialsError(
            f"{path} is valid from {starts:%Y-%m-%d} to {ends:%Y-%m-%d}, and not now: sign with a valid certificate"
        )


def _algorithm(key: Any, path: Path) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in ALGORITHMS:
        return ALGORITHMS[key.curve.name]
    if isinstance(key, rsa.RSAPrivateKey):
        return "ps256"
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    raise CredentialsError(f"{path}: this type of key cannot sign: use the curve P-256, RSA or Ed25519")
