"""Time stamps by RFC 3161: a service that others trust says when it has seen a checkpoint.

A signed checkpoint says who vouches for the log; a time stamp says that it existed at a time which
neither the signer nor whoever holds the database can move.
"""

from __future__ import annotations

import datetime as dt
from hashlib import sha256
from http.client import HTTPException
from types import ModuleType
from typing import TYPE_CHECKING, Final, cast
from urllib.request import Request, urlopen

from msgspec import Struct

from ..domain.errors import CheckFailedError, StornoError, UsageError
from .project import without_password

if TYPE_CHECKING:
    from rfc3161_client import TimeStampResponse

SECONDS: Final = 30.0
"""How long the service may take to answer."""

MOST_BYTES: Final = 1 << 20
"""Of an answer; one with a chain of certificates has some ten thousand."""

_SHA256: Final = "2.16.840.1.101.3.4.2.1"


class TimestampError(StornoError):
    """A time stamp could not be had."""


class Timestamp(Struct, frozen=True):
    """What a verified time stamp says.

    Attributes:
        time: when the service has seen the content, in UTC.
        authority: the subject of the certificate that signed it.
        serial: the service's number for it.
    """

    time: dt.datetime
    authority: str
    serial: int


def check_installed() -> None:
    """See that time stamps can be asked for and verified here.

    Raises:
        UsageError: the extra is not installed.
    """
    _library()


def request_timestamp(url: str, content: bytes) -> bytes:
    """Have a service stamp content; gives its answer as it is stored, a DER TimeStampResp.

    Only the content's SHA-256 leaves the house. Whether the signer is to be trusted is not asked
    here but by ``verify_timestamp``.

    Raises:
        TimestampError: the service did not answer, refused, or answered something else.
        UsageError: the extra is not installed.
    """
    library, shown = _library(), without_password(url)
    hashed = library.HashAlgorithm.SHA256
    asked = library.TimestampRequestBuilder().data(content).hash_algorithm(hashed).build()
    answer = _post(url, asked.as_bytes())
    try:
        response = _decoded(answer)
        info = response.tst_info
        matches = info.nonce == asked.nonce and _is_of(response, content)
    except ValueError as error:
        raise TimestampError(f"{shown} answered what is no time stamp: {error}.") from None
    if not matches:
        raise TimestampError(f"{shown} answered with a time stamp of something else.")
    return answer


def verify_timestamp(content: bytes, answer: bytes, roots: bytes) -> Timestamp:
    """What a stored time stamp says of content, once its signature and its signer hold.

    Args:
        answer: as ``request_timestamp`` gave it.
        roots: the certificates that are trusted, in PEM: those of the service's roots.

    Raises:
        CheckFailedError: it is of other content, was changed, or its signer is not trusted.
        UsageError: the roots are no certificates, or the extra is not installed.
    """
    from cryptography.x509 import load_der_x509_certificate, load_pem_x509_certificates

    library = _library()
    try:
        trusted = load_pem_x509_certificates(roots)
    except ValueError:
        raise UsageError("the trusted certificates are to be given in PEM, one or more.") from None
    try:
        response = _decoded(answer)
        if not _is_of(response, content):
            raise CheckFailedError("the time stamp is of something else than this checkpoint.")
        library.VerifierBuilder(roots=trusted).build().verify_message(response, content)
    except (ValueError, library.VerificationError) as error:
        raise CheckFailedError(f"the time stamp does not hold: {error}") from None
    (signer,) = response.signed_data.signer_infos
    subjects = [
        certificate.subject.rfc4514_string()
        for certificate in map(load_der_x509_certificate, response.signed_data.certificates)
        if (certificate.issuer, certificate.serial_number) == (signer.issuer, signer.serial_number)
    ]
    return Timestamp(response.tst_info.gen_time, subjects[0], response.tst_info.serial_number)


def _library() -> ModuleType:
    try:
        import rfc3161_client
    except ImportError:
        raise UsageError(
            "time stamps need rfc3161-client: run `pip install 'storno[timestamp]'`."
        ) from None
    return rfc3161_client


def _decoded(answer: bytes) -> TimeStampResponse:
    """The response, if the service granted it.

    Raises:
        ValueError: it is none, or was refused.
    """
    response: TimeStampResponse = _library().decode_timestamp_response(answer)
    if response.status:
        said = " ".join(response.status_string)
        raise ValueError(f"the request was refused (status {response.status}) {said}".rstrip())
    return response


def _is_of(response: TimeStampResponse, content: bytes) -> bool:
    imprint = response.tst_info.message_imprint
    same = imprint.message == sha256(content).digest()
    return same and imprint.hash_algorithm.dotted_string == _SHA256


def _post(url: str, body: bytes) -> bytes:
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"{url!r} is no address of a time stamp service: write http(s)://...")
    request = Request(url, body, {"Content-Type": "application/timestamp-query"})  # noqa: S310
    try:
        with urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 - checked above
            return cast("bytes", answer.read(MOST_BYTES))
    except (OSError, HTTPException) as error:
        raise TimestampError(
            f"{without_password(url)} did not give a time stamp: {error}."
        ) from None
