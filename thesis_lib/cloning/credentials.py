"""Read and validate the content credentials (C2PA) of a file.

Content credentials are a signed manifest inside the file. It says how the file was made and holds a hash of its bytes.
The library is c2pa-python (Content Authenticity Initiative, MIT or Apache-2.0); no network is used.

References: C2PA technical specification 2.4, sec. 15 (validation); digital source types of IPTC,
https://cv.iptc.org/newscodes/digitalsourcetype.
"""

import json
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thesis_lib.utils.errors import ThesisError

if TYPE_CHECKING:
    import c2pa

TRUSTED = "trusted"  # unchanged since it was signed, by a certificate that the caller trusts
VALID = "valid"  # unchanged since it was signed; anybody can make a certificate with the signer's name
INVALID = "invalid"
UNREADABLE = "unreadable"

SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
SYNTHETIC, COMPOSITE = "trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"
# Extended key usages of a signer's certificate: emailProtection, documentSigning, C2PA's claim signing. c2pa-python
# alone refuses the last two. The others are of time stamps and revocation lists.
KEY_USAGES = ("1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.36", "1.3.6.1.4.1.62558.2.1")
OTHER_KEY_USAGES = ("1.3.6.1.5.5.7.3.8", "1.3.6.1.5.5.7.3.9")
UNTRUSTED = "signingCredential.untrusted"
MEANINGS = {  # of a validation status
    "assertion.dataHash.mismatch": "the file was changed after it was signed",
    "assertion.bmffHash.mismatch": "the file was changed after it was signed",
    "signingCredential.expired": "the certificate has expired, and the signature has no time stamp",
}


class CredentialsError(ThesisError):
    """A certificate, key or file that cannot be used for content credentials; the message names the remedy."""


@dataclass(frozen=True)
class ContentCredentials:
    """What the content credentials of a file say, and whether they hold."""

    state: str  # TRUSTED, VALID, INVALID or UNREADABLE
    signer: str = ""  # the name in the certificate
    generator: str = ""  # program that wrote the manifest, with its version
    synthetic: bool = False  # the manifest declares media made by a trained model, as a whole or in part
    problems: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.state == UNREADABLE:
            return f"content credentials unreadable ({'; '.join(self.problems)})"
        by = f"signed by {self.signer!r}" if self.signer else "signed by a certificate without a name"
        by += "" if self.state == TRUSTED else ", identity not verified"
        made = f"made by {self.generator}" if self.generator else ""
        parts = [by, made, "declared synthetic" if self.synthetic else "", *self.problems]
        return f"content credentials {self.state} ({'; '.join(filter(None, parts))})"


def is_installed() -> bool:
    """Whether the extra ``credentials`` is installed."""
    return find_spec("c2pa") is not None


def read_credentials(path: Path, trusted: Path | None = None) -> ContentCredentials | None:
    """Read and validate the content credentials of a file; None where it has none or its format cannot have any.

    ``trusted``: PEM file with certificates that the caller trusts, of signers or of authorities that certify signers.
    Raises CredentialsError for such a file that cannot be used, and ImportError without the extra ``credentials``.
    """
    import c2pa

    setup = context(read_pem(trusted).decode() if trusted else "")
    try:
        with open(path, "rb") as stream, c2pa.Reader(None, stream, None, setup) as reader:
            return _summary(json.loads(reader.json()))
    except (c2pa.C2paError.ManifestNotFound, c2pa.C2paError.NotSupported):
        return None
    except c2pa.C2paError as error:
        return ContentCredentials(UNREADABLE, problems=(reason_of(error),))


def context(trusted: str = "") -> "c2pa.Context":
    """The settings of c2pa-python: no network, ``KEY_USAGES``, and the trusted certificates (PEM)."""
    import c2pa

    trust = {"trust_config": "\n".join(KEY_USAGES + OTHER_KEY_USAGES)} | ({"user_anchors": trusted} if trusted else {})
    verify = {"remote_manifest_fetch": False, "ocsp_fetch": False}
    return c2pa.Context(c2pa.Settings.from_dict({"trust": trust, "verify": verify}))


def reason_of(error: Exception) -> str:
    """The message of a C2paError on one line, without its type."""
    lines = [line.strip() for line in str(error).splitlines()]
    return lines[-1].partition(": ")[2].partition(" (self#")[0] or lines[-1]


def read_pem(path: Path) -> bytes:
    """Read a PEM file of certificates. Raises CredentialsError for a file without certificates."""
    from cryptography import x509

    try:
        data = Path(path).read_bytes()
        x509.load_pem_x509_certificates(data)
    except OSError as error:
        raise CredentialsError(f"{path}: cannot be read ({error.strerror}): name a PEM file of certificates") from None
    except ValueError:
        raise CredentialsError(f"{path} holds no certificate in PEM format: name a PEM file of certificates") from None
    return data


def _summary(store: dict[str, Any]) -> ContentCredentials:
    """Summarise the active manifest and its validation."""
    manifest = store["manifests"][store["active_manifest"]]
    signature, made = manifest.get("signature_info", {}), (manifest.get("claim_generator_info") or [{}])[0]
    actions = [
        action
        for assertion in manifest.get("assertions", [])
        if assertion["label"].startswith("c2pa.actions")
        for action in assertion["data"].get("actions", [])
    ]
    types = {str(action.get("digitalSourceType", "")).rpartition("/")[2] for action in actions}
    codes = [status["code"] for status in store.get("validation_status", []) if status["code"] != UNTRUSTED]
    return ContentCredentials(
        store.get("validation_state", INVALID).lower(),
        signature.get("common_name") or signature.get("issuer") or "",
        # The first version of manifests has one string.
        f"{made.get('name', '')} {made.get('version', '')}".strip() or manifest.get("claim_generator", ""),
        bool(types & {SYNTHETIC, COMPOSITE}),
        tuple(dict.fromkeys(MEANINGS.get(code, code) for code in codes)),
    )
