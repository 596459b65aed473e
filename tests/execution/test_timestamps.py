"""Time stamps of a service on loopback: what they prove, and that nothing else passes for one."""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess
from pathlib import Path

import pytest

from storno.domain.errors import CheckFailedError, UsageError
from storno.execution.timestamps import TimestampError, request_timestamp, verify_timestamp

from ..timestamping import TIME, Authority, refusal, service

CONTENT = b"storno/1\n12\nAAAA\n"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def stamped(authority: Authority) -> bytes:
    with service(authority.stamp) as url:
        return request_timestamp(url, CONTENT)


def test_a_time_stamp_says_when_who_and_which(authority: Authority, stamped: bytes) -> None:
    found = verify_timestamp(CONTENT, stamped, authority.roots)
    assert (found.time, found.authority, found.serial) == (TIME, "CN=Test Time Authority", 4711)


@pytest.mark.skipif(not shutil.which("openssl"), reason="a second opinion, where there is one")
def test_openssl_finds_the_same(authority: Authority, stamped: bytes, tmp_path: Path) -> None:
    for name, data in (("c", CONTENT), ("tsr", stamped), ("ca", authority.roots)):
        (tmp_path / name).write_bytes(data)
    words = ["openssl", "ts", "-verify", "-data", "c", "-in", "tsr", "-CAfile", "ca"]
    words += ["-attime", str(int(TIME.timestamp()))]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Verification: OK" in done.stdout + done.stderr


def test_a_time_stamp_of_something_else_is_refused(authority: Authority, stamped: bytes) -> None:
    with pytest.raises(CheckFailedError, match="something else than this checkpoint"):
        verify_timestamp(CONTENT + b"\n", stamped, authority.roots)


def test_the_signer_must_be_trusted(stamped: bytes) -> None:
    """By its certificate, not by its name."""
    with pytest.raises(CheckFailedError, match="does not hold"):
        verify_timestamp(CONTENT, stamped, Authority().roots)


def test_no_byte_of_the_signed_time_can_be_changed(authority: Authority, stamped: bytes) -> None:
    text = TIME.strftime("%Y%m%d%H%M%SZ").encode()
    earlier = (TIME - dt.timedelta(days=1)).strftime("%Y%m%d%H%M%SZ").encode()
    assert stamped.count(text) == 1
    with pytest.raises(CheckFailedError, match="does not hold"):
        verify_timestamp(CONTENT, stamped.replace(text, earlier), authority.roots)


def test_a_certificate_that_is_not_valid_at_the_time_proves_nothing(authority: Authority) -> None:
    late = TIME + dt.timedelta(days=400)
    with service(lambda request: authority.stamp(request, late)) as url:
        stamped = request_timestamp(url, CONTENT)
    with pytest.raises(CheckFailedError, match="does not hold"):
        verify_timestamp(CONTENT, stamped, authority.roots)


@pytest.mark.parametrize("data", [b"", b"no DER", b"\x30\x03\x02\x01\x00"])
def test_what_is_no_time_stamp_is_said_to_be_none(authority: Authority, data: bytes) -> None:
    with pytest.raises(CheckFailedError, match="does not hold"):
        verify_timestamp(CONTENT, data, authority.roots)
    with service(lambda _: data) as url, pytest.raises(TimestampError, match="no time stamp"):
        request_timestamp(url, CONTENT)


def test_roots_that_are_no_certificates_are_said_to_be_none(stamped: bytes) -> None:
    with pytest.raises(UsageError, match="PEM"):
        verify_timestamp(CONTENT, stamped, b"no certificate")


def test_an_answer_to_another_request_is_refused(authority: Authority) -> None:
    """A service, or who sits between, that gives the same old stamp again."""
    with service(authority.stamp) as url:
        other = request_timestamp(url, CONTENT)
    with service(lambda _: other) as url, pytest.raises(TimestampError, match="something else"):
        request_timestamp(url, CONTENT)


def test_a_service_that_refuses_is_quoted() -> None:
    with service(refusal) as url, pytest.raises(TimestampError, match="come back on Monday"):
        request_timestamp(url, CONTENT)


def test_a_service_that_is_not_there_is_said() -> None:
    with service(refusal) as url:
        gone = url
    with pytest.raises(TimestampError, match="did not give a time stamp"):
        request_timestamp(gone, CONTENT)


@pytest.mark.parametrize("url", ["file:///etc/hostname", "tsa.example.org"])
def test_only_web_addresses_are_asked(url: str) -> None:
    with pytest.raises(UsageError, match="no address of a time stamp service"):
        request_timestamp(url, CONTENT)
