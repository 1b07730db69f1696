"""Certificates of a stack's hosts: the stack's own authority, and certificates that are given.

All of them lie with the secrets on the controller. Times are aware datetimes in UTC.
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS = 3650
# A host whose clock is slow takes a new certificate, too.
_SLOW_CLOCK = timedelta(hours=24)
_LONGEST_COMMON_NAME = 64


@dataclass(frozen=True)
class Pair:
    """A certificate with its key.

    Attributes:
        certificate: PEM; the certificates that it is signed with may follow.
        key: PEM.
    """

    certificate: str
    key: str


def make_authority(stack: str, now: datetime) -> Pair:
    """Return a new authority, which signs certificates of hosts only.

    Args:
        stack: the stack's name, for its subject.
        now: when it begins.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"influx-anomaly {stack} {now:%Y-%m-%d %H:%M:%S}")
    public = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = _builder(name, name, key.public_key(), now, AUTHORITY_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs=True), critical=True).add_extension(public, critical=False)
    return Pair(_pem(builder.sign(key, hashes.SHA256())), _key_pem(key))


def issue(authority: Pair, names: Sequence[str], days: int, now: datetime) -> Pair:
    """Return a new certificate of a host, with a new key.

    Args:
        authority: signs it.
        names: names and IP addresses of the host; the first one is its subject.
        days: how long it is valid; not longer than the authority.
        now: when it begins.
    """
    signer = _first(authority.certificate)
    signing_key = serialization.load_pem_private_key(authority.key.encode(), None)
    if not isinstance(signing_key, ec.EllipticCurvePrivateKey):
        raise ValueError("the authority's key is not one of ours")
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(_name(names[0]), signer.subject, key.public_key(), now, days, signer.not_valid_after_utc)
    for extension, critical in (
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(signs=False), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectAlternativeName([_general_name(name) for name in dict.fromkeys(names)]), False),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), False),
    ):
        builder = builder.add_extension(extension, critical=critical)
    return Pair(_pem(builder.sign(signing_key, hashes.SHA256())), _key_pem(key))


def days_left(certificates: str, now: datetime) -> float:
    """Return for how many days the first certificate of a PEM text is valid; negative if it has ended."""
    return (_first(certificates).not_valid_after_utc - now) / timedelta(days=1)


def still_valid(certificates: str, now: datetime) -> str:
    """Return the certificates of a PEM text that have not ended."""
    loaded = x509.load_pem_x509_certificates(certificates.encode())
    return "".join(_pem(certificate) for certificate in loaded if certificate.not_valid_after_utc > now)


def flaw(pair: Pair, authorities: str, names: Iterable[str]) -> str:
    """Return what keeps clients from trusting a certificate, as the end of a sentence; empty if nothing does.

    Args:
        pair: the certificate and its key.
        authorities: PEM of what clients trust.
        names: names and IP addresses that clients use.
    """
    try:
        chain = x509.load_pem_x509_certificates(pair.certificate.encode())
        key = serialization.load_pem_private_key(pair.key.encode(), None)
        trusted = x509.load_pem_x509_certificates(authorities.encode())
    except (ValueError, TypeError) as error:
        return f"cannot be read as PEM with an open key ({error})"
    if _public(chain[0].public_key()) != _public(key.public_key()):
        return "does not belong to its key"
    if not any(_is_issued_by(certificate, authority) for certificate in chain for authority in trusted):
        return "is not signed by its authority"
    missing = [name for name in dict.fromkeys(names) if not _covers(chain[0], name)]
    return f"lacks the names {', '.join(missing)}" if missing else ""


def _is_issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    if certificate == authority:
        return True
    with contextlib.suppress(ValueError, TypeError, InvalidSignature):
        certificate.verify_directly_issued_by(authority)
        return True
    return False


def _covers(certificate: x509.Certificate, name: str) -> bool:
    """Return whether a certificate is one of a name or an IP address, as RFC 6125 has it."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    general_name = _general_name(name)
    if isinstance(general_name, x509.IPAddress):
        return general_name.value in names.get_values_for_type(x509.IPAddress)
    wild = f"*.{name.lower().partition('.')[2]}"
    return any(covered.lower() in (name.lower(), wild) for covered in names.get_values_for_type(x509.DNSName))


def _first(certificates: str) -> x509.Certificate:
    return x509.load_pem_x509_certificates(certificates.encode())[0]


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime,
    days: int,
    latest: datetime | None = None,
) -> x509.CertificateBuilder:
    end = now + timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SLOW_CLOCK)
        .not_valid_after(end if latest is None else min(end, latest))
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:_LONGEST_COMMON_NAME])])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def _public(key: object) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return bytes(key.public_bytes(serialization.Encoding.DER, form))  # type: ignore[attr-defined]
