"""Certificates and keys that sign content credentials, made for a test."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from thesis_lib.cloning import SigningKey


def signer(
    folder: Path, name: str = "Ana", days: tuple[float, float] = (-1, 30), usage=ExtendedKeyUsageOID.EMAIL_PROTECTION
) -> SigningKey:
    """A self-signed certificate and its key in ``folder``. ``days``: from now, in which it is valid."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    uses = dict.fromkeys(
        (
            "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign",
            "encipher_only", "decipher_only",
        ), False
    )  # fmt: skip
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now + timedelta(days[0]))
        .not_valid_after(now + timedelta(days[1]))
        .add_extension(x509.BasicConstraints(False, None), True)
        .add_extension(x509.KeyUsage(digital_signature=True, **uses), True)
        .add_extension(x509.ExtendedKeyUsage([usage]), False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), False)
        .sign(key, hashes.SHA256())
    )
    made = SigningKey(folder / f"{name}.cert.pem", folder / f"{name}.key.pem")
    made.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(in_pem(key))
    return made


def in_pem(key, layout=serialization.PrivateFormat.PKCS8, passphrase: bytes = b"") -> bytes:
    """A key in PEM format, encrypted where there is a passphrase."""
    locked = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, layout, locked)


def manifest_of(path: Path) -> dict:
    """The active manifest of a file."""
    with c2pa.Reader(str(path)) as reader:
        return reader.get_active_manifest()


def actions_of(path: Path) -> list[dict]:
    """The actions that a file's manifest lists."""
    (found,) = (one for one in manifest_of(path)["assertions"] if one["label"].startswith("c2pa.actions"))
    return found["data"]["actions"]
