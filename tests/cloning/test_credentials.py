"""Content credentials: signed, read back, and invalid after any change; what cannot sign is refused."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import av
import pytest
from containers import RATE, muxed
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier
from helpers import voiced
from signers import actions_of, in_pem, manifest_of, signer

from thesis_lib.audio.files import write_audio
from thesis_lib.cloning import SigningKey, check_signing
from thesis_lib.cloning.credentials import (
    KEY_USAGES,
    VALID,
    ContentCredentials,
    CredentialsError,
    _summary,
    read_credentials,
)
from thesis_lib.cloning.signing import FORMATS, CredentialsManifest, sign_file, signed
from thesis_lib.utils.files import sha256

ROOT = Path(__file__).parents[2]


@pytest.fixture
def ana(tmp_path) -> SigningKey:
    return signer(tmp_path)


@pytest.fixture
def source(tmp_path) -> Path:
    """A recording of a format that cannot have credentials."""
    write_audio(tmp_path / "hola.ogg", voiced(1.0), 22_050)
    return tmp_path / "hola.ogg"


def unsigned(folder: Path, suffix: str) -> Path:
    path = folder / f"plain{suffix}"
    if suffix in (".wav", ".mp3"):
        write_audio(path, voiced(0.3), 22_050)
        return path
    return muxed(path, voiced(0.3, RATE), "aac", picture=True)


def packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux() if packet.size]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_signed_file_says_by_whom_and_a_changed_one_is_invalid(tmp_path, ana, source, suffix):
    plain, made = unsigned(tmp_path, suffix), tmp_path / f"made{suffix}"
    sign_file(plain, made, ana, CredentialsManifest((source,), "Consent: Ana"))
    found = read_credentials(made)
    assert (found.state, found.signer, found.synthetic, found.problems) == ("valid", "Ana", True, ())
    assert found.generator.startswith("thesis-lib ")
    assert "signed by 'Ana', identity not verified" in str(found)
    assert packets(made) == packets(plain)  # samples and picture are untouched
    data, packet = bytearray(made.read_bytes()), max(packets(plain), key=len)
    data[data.index(packet) + len(packet) // 2] ^= 1
    made.write_bytes(data)
    changed = read_credentials(made)
    assert (changed.state, changed.problems) == ("invalid", ("the file was changed after it was signed",))


def test_the_signer_is_trusted_only_by_a_certificate_that_is_given(tmp_path, ana, source):
    made = tmp_path / "made.wav"
    sign_file(unsigned(tmp_path, ".wav"), made, ana, CredentialsManifest((source,), ""))
    assert read_credentials(made, ana.certificate).state == "trusted"
    (tmp_path / "other").mkdir()
    namesake = signer(tmp_path / "other")  # of the same name
    assert read_credentials(made, namesake.certificate).state == "valid"
    with pytest.raises(CredentialsError, match=r"Ana.key.pem holds no certificate"):
        read_credentials(made, ana.key)


def test_the_manifest_names_the_recordings_by_hash_without_their_audio(tmp_path, ana, source):
    plain, first = unsigned(tmp_path, ".wav"), tmp_path / "first.wav"
    sign_file(plain, first, ana, CredentialsManifest((source,), "Consent: Ana"))
    (action,) = actions_of(first)
    assert (action["action"], action["description"]) == ("c2pa.created", "Consent: Ana")
    (ingredient,) = manifest_of(first)["ingredients"]
    assert (ingredient["title"], ingredient["relationship"]) == ("hola.ogg", "inputTo")
    assert ingredient["description"] == f"SHA-256 {sha256(source)}"
    assert first.stat().st_size - plain.stat().st_size < 5_000 < source.stat().st_size


@pytest.mark.parametrize("suffix", [".wav", ".mp3", ".mp4"])
def test_the_credentials_of_a_recording_are_kept_under_any_name(tmp_path, ana, source, suffix):
    plain, first, second = unsigned(tmp_path, suffix), tmp_path / f"first{suffix}", tmp_path / "second.wav"
    sign_file(plain, first, ana, CredentialsManifest((source,), ""))
    renamed = first.rename(tmp_path / "first.flac")
    sign_file(unsigned(tmp_path, ".wav"), second, ana, CredentialsManifest((renamed, source), "", composite=True))
    opened, translated = actions_of(second)
    assert (opened["action"], translated["action"]) == ("c2pa.opened", "c2pa.translated")
    assert translated["digitalSourceType"].endswith("/compositeWithTrainedAlgorithmicMedia")
    assert translated["parameters"]["targetLanguage"] == "en"
    ingredients = manifest_of(second)["ingredients"]
    kinds = {one["title"]: (one["relationship"], "active_manifest" in one) for one in ingredients}
    assert kinds == {"first.flac": ("parentOf", True), "hola.ogg": ("inputTo", False)}
    assert read_credentials(second).state == "valid"


def test_files_without_credentials_and_with_damaged_ones(tmp_path, ana, source):
    assert read_credentials(source) is None
    plain, made = unsigned(tmp_path, ".wav"), tmp_path / "made.wav"
    assert read_credentials(plain) is None
    sign_file(plain, made, ana, CredentialsManifest((source,), ""))
    made.write_bytes(made.read_bytes()[:-100])
    assert read_credentials(made).state == "unreadable"
    # A damaged recording is an ingredient by its hash only.
    sign_file(plain, tmp_path / "again.wav", ana, CredentialsManifest((made,), ""))
    assert read_credentials(tmp_path / "again.wav").state == "valid"


def test_a_key_as_openssl_ecparam_writes_it_signs_for_a_suffix_in_capitals(tmp_path, ana):
    key = serialization.load_pem_private_key(ana.key.read_bytes(), None)
    ana.key.write_bytes(in_pem(key, serialization.PrivateFormat.TraditionalOpenSSL))
    check_signing(ana, Path("out.MP3"))
    check_signing(None, Path("out.ogg"))


@pytest.mark.parametrize("usage", KEY_USAGES)
def test_certificates_of_each_key_usage_for_signing_are_valid(tmp_path, usage):
    made = tmp_path / "made.wav"
    signing = signer(tmp_path, usage=ObjectIdentifier(usage))
    sign_file(unsigned(tmp_path, ".wav"), made, signing, CredentialsManifest((), ""))
    assert read_credentials(made, signing.certificate).state == "trusted"


def refused(tmp_path: Path, ana: SigningKey) -> dict[str, tuple[SigningKey, str]]:
    """Name -> signer and what the error says."""
    (tmp_path / "junk.pem").write_text("junk")
    (tmp_path / "locked.pem").write_bytes(in_pem(ec.generate_private_key(ec.SECP256R1()), passphrase=b"secret"))
    other, junk = signer(tmp_path, "Luis"), tmp_path / "junk.pem"
    (tmp_path / "ed.pem").write_bytes(in_pem(ed25519.Ed25519PrivateKey.generate()))
    server = signer(tmp_path, "Server", usage=ExtendedKeyUsageOID.SERVER_AUTH)
    return {
        "mismatch": (SigningKey(ana.certificate, other.key), r"Luis.key.pem is not the key of .*Ana.cert.pem"),
        "other type": (SigningKey(ana.certificate, tmp_path / "ed.pem"), r"ed.pem is not the key of"),
        "expired": (signer(tmp_path, "Old", (-2, -1)), r"Old.cert.pem is valid from .* not now: sign with a valid"),
        "future": (signer(tmp_path, "New", (1, 2)), r"New.cert.pem is valid from .* not now"),
        "usage": (server, r"Server.cert.pem cannot sign .*\(the certificate is invalid\): it needs .* emailProtection"),
        "no certificate": (SigningKey(tmp_path / "no.pem", ana.key), r"no.pem: cannot be read \(No such file"),
        "junk certificate": (SigningKey(junk, ana.key), r"junk.pem holds no certificate in PEM format"),
        "no key": (SigningKey(ana.certificate, tmp_path / "no.pem"), r"no.pem: cannot be read \(No such file"),
        "junk key": (SigningKey(ana.certificate, junk), r"junk.pem holds no private key in PEM format"),
        "passphrase": (SigningKey(ana.certificate, tmp_path / "locked.pem"), r"locked.pem has a passphrase: remove"),
    }


def test_what_cannot_sign_is_refused_on_one_line(tmp_path, ana):
    for name, (signing, says) in refused(tmp_path, ana).items():
        with pytest.raises(CredentialsError, match=says) as raised:
            check_signing(signing, Path("out.wav"))
        assert "\n" not in str(raised.value), name
    for suffix in (".flac", ".ogg", ".opus", ".mkv", ".webm"):
        with pytest.raises(CredentialsError, match=rf"out{suffix}: .* can be in .wav, .mp3, .mp4, .m4v, .mov files"):
            check_signing(ana, Path(f"out{suffix}"))


def test_a_target_is_replaced_by_a_signed_file_only(tmp_path, ana, source):
    target = tmp_path / "made.wav"
    target.write_text("earlier")

    def sign(unsigned: Path, place: Path) -> None:
        sign_file(unsigned, place, ana, CredentialsManifest((source,), ""))

    before = set(tmp_path.iterdir())
    with (
        pytest.raises(CredentialsError, match=r"made.wav: content credentials cannot be written"),
        signed(target, sign) as place,
    ):
        place.write_text("no audio")
    assert target.read_text() == "earlier"
    with signed(target, sign) as place:
        shutil.copy(unsigned(tmp_path, ".wav"), place)
        assert target.read_text() == "earlier"
    assert read_credentials(target).state == "valid"
    assert set(tmp_path.iterdir()) - before == {tmp_path / "plain.wav", tmp_path / "made.unsigned.wav"}


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")
def test_the_books_command_makes_a_certificate_that_signs(tmp_path):
    text = (ROOT / "book" / "misuse.md").read_text().replace("\\\n", " ")
    command = re.search(r"^openssl req .+$", text, re.M).group()
    subprocess.run(shlex.split(command), cwd=tmp_path, check=True, capture_output=True)
    made = SigningKey(tmp_path / "cert.pem", tmp_path / "key.pem")
    sign_file(unsigned(tmp_path, ".wav"), tmp_path / "made.wav", made, CredentialsManifest((), ""))
    assert read_credentials(tmp_path / "made.wav").signer == "Ana Peña"


def test_a_finished_file_that_cannot_be_signed_is_kept_and_named(tmp_path):
    def full(unsigned, target):
        raise OSError(28, "No space left on device")

    target = tmp_path / "out.wav"
    with (
        pytest.raises(CredentialsError, match=r"out\.wav is not signed: .*No space left.*out\.unsigned\.wav"),
        signed(target, full) as place,
    ):
        place.write_bytes(b"speech")
    assert (tmp_path / "out.unsigned.wav").read_bytes() == b"speech"
    assert [path.name for path in tmp_path.iterdir()] == ["out.unsigned.wav"]


def test_a_manifest_of_the_first_version_names_its_program_and_an_empty_name_is_left_out():
    store = {"active_manifest": "a", "manifests": {"a": {"claim_generator": "other/1.0"}}, "validation_state": "Valid"}
    assert _summary(store) == ContentCredentials(VALID, "", "other/1.0")
    assert str(ContentCredentials(VALID)) == (
        "content credentials valid (signed by a certificate without a name, identity not verified)"
    )
