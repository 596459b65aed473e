"""Checkpoints in C2SP's form: read as strictly as they are written, and signed by their log."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from storno.domain.checkpoint import Checkpoint, CheckpointError, origin_of, parse
from storno.domain.errors import UsageError
from storno.domain.note import PrivateKey

from .test_note import SUMDB_NOTES

# The example of C2SP's tlog-checkpoint.
EXAMPLE = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "\u2014 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Z"
    "hcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
)
KEY = PrivateKey(origin_of("ab" * 16), bytes(range(32)))
OTHER = PrivateKey(KEY.name, bytes(32))
PLAIN = Checkpoint(KEY.name, 12, bytes(range(32)))


def test_the_specifications_example_is_read_and_written():
    checkpoint = parse(EXAMPLE.encode())
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.root.hex().startswith("0ac5186a9186")
    assert [each.name for each in checkpoint.signatures] == ["example.com/behind-the-sofa"]
    assert checkpoint.text == EXAMPLE


@pytest.mark.parametrize("note", SUMDB_NOTES)
def test_another_logs_checkpoint_is_read_and_written(note: str):
    assert parse(note).text == note


def test_unsigned_it_is_its_body_alone():
    assert PLAIN.text == f"{KEY.name}\n12\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
    assert parse(PLAIN.text) == PLAIN


def test_a_signed_one_is_verified_by_its_key_after_it_was_read_back():
    signed = PLAIN.signed(KEY)
    parse(signed.text).verify(KEY.public)
    assert parse(signed.text) == signed
    assert signed.body == PLAIN.body


def test_signatures_of_others_do_not_count():
    both = PLAIN.signed(OTHER).signed(KEY)
    both.verify(KEY.public)
    both.verify(OTHER.public)
    with pytest.raises(CheckpointError, match=r"is not signed by the key.*it is signed by"):
        PLAIN.signed(OTHER).verify(KEY.public)


def test_an_unsigned_one_is_not_verified():
    with pytest.raises(CheckpointError, match="nobody signed it"):
        PLAIN.verify(KEY.public)


@pytest.mark.parametrize(
    "change", [{"size": 13}, {"root": bytes(32)}, {"extensions": ("more",)}], ids=str
)
def test_a_changed_body_is_not_verified(change: dict[str, object]):
    changed = replace(PLAIN.signed(KEY), **change)
    with pytest.raises(CheckpointError, match="is false"):
        parse(changed.text).verify(KEY.public)


def test_one_false_signature_of_the_key_refuses_all():
    false = replace(PLAIN, size=13).signed(KEY).signatures
    with pytest.raises(CheckpointError, match="is false"):
        replace(PLAIN.signed(KEY), signatures=(*PLAIN.signed(KEY).signatures, *false)).verify(
            KEY.public
        )


def test_the_key_of_another_store_neither_signs_nor_verifies():
    key = PrivateKey(origin_of("cd" * 16), bytes(range(32)))
    with pytest.raises(UsageError, match=origin_of("cd" * 16)):
        PLAIN.signed(key)
    with pytest.raises(CheckpointError, match="name the public key of that store"):
        PLAIN.signed(KEY).verify(key.public)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "storno/x\n12\n",
        PLAIN.text.replace("12", "012"),
        PLAIN.text.replace("12", "+12"),
        PLAIN.text.replace("12", "1_2"),
        PLAIN.text.replace("12", "\u0661"),
        PLAIN.text.replace("12", "12 "),
        PLAIN.text.replace("12", "1" * 20),
        PLAIN.text.replace("\n", "\r\n"),
        PLAIN.text.replace("Hh8=", "Hh9="),
        PLAIN.text.replace("Hh8=", "Hh8"),
        PLAIN.text.replace("AAEC", ""),
        PLAIN.text.replace("AAEC", "AAECAAEC"),
        PLAIN.text.removesuffix("\n"),
        f"\n{PLAIN.text}",
        PLAIN.text.replace("12\n", "12\n\n"),
        f"{PLAIN.text}\n",
    ],
)
def test_what_is_written_otherwise_is_no_checkpoint(text: str):
    with pytest.raises(CheckpointError, match="this is no checkpoint"):
        parse(text)


def test_what_is_not_utf8_is_no_checkpoint():
    with pytest.raises(CheckpointError, match="this is no checkpoint"):
        parse(b"\xff" + PLAIN.text.encode())


@given(st.integers(0, 10**19 - 1), st.binary(min_size=32, max_size=32), st.booleans())
def test_every_checkpoint_is_read_as_it_was_written(size: int, root: bytes, signed: bool):
    checkpoint = Checkpoint(KEY.name, size, root, ("an extension",) if size % 2 else ())
    checkpoint = checkpoint.signed(KEY) if signed else checkpoint
    assert parse(checkpoint.text) == parse(checkpoint.text.encode()) == checkpoint


@given(st.data())
def test_no_byte_of_a_signed_one_can_be_changed(data: st.DataObject):
    text = PLAIN.signed(KEY).text.encode()
    at = data.draw(st.integers(0, len(text) - 1))
    flipped = bytearray(text)
    flipped[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CheckpointError):
        parse(bytes(flipped)).verify(KEY.public)
