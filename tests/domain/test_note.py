"""Signed notes: the reference implementation's own vectors, and notes that Go's sumdb signed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storno.domain.errors import UsageError
from storno.domain.note import (
    MOST_SIGNATURES,
    NoteError,
    PrivateKey,
    PublicKey,
    read_note,
    write_note,
)

# From golang.org/x/mod/sumdb/note, note_test.go.
PUBLIC = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PRIVATE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
PETER = (
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdng"
    "otpRZb6KE6RyyBwJnAM=\n"
)
ENOCH = (
    "\u2014 EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWL"
    "ox33WWd1RvMc+QQ=\n"
)
ENOCH_KEY = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"

# The key of Go's checksum database, and what it signed.
SUMDB = PublicKey.parse("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")
SUMDB_NOTES = [
    (
        "go.sum database tree\n6476701\nmb8QLQIs0Z0yP5Cstq6guj87oXWeC9gEM8oVikmm9Wk=\n\n"
        "\u2014 sum.golang.org Az3grsLX85Gz+s1SiTbgkuqxgItqFq7gsMUEyVnrsa9LM7Us9S+1xbFIGu95949rj4"
        "nPRYfvimWEPWL+o3GeoWwOoAw=\n"
    ),
    (
        "go.sum database tree\n3935567\nSapHtgdNCeF00Cx8kqztePV24kgzNg++Xovae42HAMw=\n\n"
        "\u2014 sum.golang.org Az3grsm7Wm4CVNR1RHq9BFnu9jzcRlU2uw7lr0gfUWgO6+rqPNjT+fUTl9gH0NRTgdw"
        "W9nItuQSMbhSaLCsk8YeYSAs=\n"
    ),
]


def test_a_note_is_signed_byte_for_byte_as_the_reference_signs_it():
    signature = PrivateKey.parse(PRIVATE).sign(TEXT)
    assert write_note(TEXT, (signature,)) == f"{TEXT}\n{PETER}"


def test_keys_are_written_as_they_were_read():
    assert PublicKey.parse(f"{PUBLIC}\n").text == PUBLIC
    assert PrivateKey.parse(f"{PRIVATE}\n").text == PRIVATE
    assert PrivateKey.parse(PRIVATE).public == PublicKey.parse(PUBLIC)


@pytest.mark.parametrize("note", SUMDB_NOTES)
def test_what_another_log_signed_is_verified(note: str):
    text, (signature,) = read_note(note)
    assert SUMDB.verify(text, signature)
    assert not SUMDB.verify(text.replace("tree", "trees"), signature)
    assert write_note(text, (signature,)) == note


def test_every_key_knows_its_own_signature_and_no_other():
    text, signatures = read_note(f"{TEXT}\n{PETER}{ENOCH}")
    keys = [PublicKey.parse(PUBLIC), PublicKey.parse(ENOCH_KEY)]
    verified = [[key.verify(text, signature) for signature in signatures] for key in keys]
    assert verified == [[True, False], [False, True]]


def test_a_signature_of_another_length_is_false():
    text, (signature,) = read_note(f"{TEXT}\n{PETER[:60]}ABCD{PETER[60:]}")
    assert not PublicKey.parse(PUBLIC).verify(text, signature)


def test_a_text_alone_has_no_signatures():
    assert read_note(TEXT) == (TEXT, ())
    assert write_note(TEXT, ()) == TEXT


@pytest.mark.parametrize(
    "note",
    [
        "",
        TEXT.removesuffix("\n"),
        f"{TEXT}\n",
        f"{TEXT}\n{PETER.removesuffix(chr(10))}",
        f"\x01{TEXT}\n{PETER}",
        f"{TEXT}\n{PETER}".replace("\n", "\r\n"),
        f"{TEXT}\n{PETER.replace('PeterNeumann', 'Bad Name')}",
        f"{TEXT}\n{PETER.replace('PeterNeumann', 'Bad+Name')}",
        f"{TEXT}\n{PETER.replace(chr(0x2014), '-')}",
        f"{TEXT}\n{PETER}Unexpected line.\n",
        f"{TEXT}\n{PETER}\n",
        f"{TEXT}\n{PETER.replace('nAM=', 'nAN=')}",
        f"{TEXT}\n{PETER * (MOST_SIGNATURES + 1)}",
    ],
)
def test_what_is_written_otherwise_is_no_note(note: str):
    with pytest.raises(NoteError):
        read_note(note)


@pytest.mark.parametrize(
    ("key", "text"), [(PublicKey, PUBLIC), (PrivateKey, PRIVATE)], ids=["public", "private"]
)
def test_no_mangled_key_is_taken(key: type[PublicKey | PrivateKey], text: str):
    cut = {text[start:end] for start in range(len(text)) for end in range(start + 1, len(text) + 1)}
    raised = {text[:at] + chr(ord(letter) + 1) + text[at + 1 :] for at, letter in enumerate(text)}
    for mangled in (cut | raised) - {text}:
        with pytest.raises(UsageError):
            key.parse(mangled)


def test_a_key_of_another_length_or_algorithm_is_refused_though_its_id_fits():
    for text in (
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ):
        with pytest.raises(UsageError):
            PublicKey.parse(text)


def test_a_private_key_does_not_show_itself():
    key = PrivateKey.parse(PRIVATE)
    assert repr(key) == "PrivateKey(name='PeterNeumann')"
    with pytest.raises(UsageError) as refused:
        PrivateKey.parse(PRIVATE[:-1])
    assert PRIVATE[40:60] not in str(refused.value)


@given(
    st.lists(st.text(st.characters(min_codepoint=32, codec="utf-8"), max_size=20), min_size=1),
    st.binary(min_size=32, max_size=32),
)
def test_what_is_signed_is_read_back(lines: list[str], seed: bytes):
    text = "".join(f"{line}\n" for line in ("first", *lines))
    key = PrivateKey("storno/test", seed)
    found, (signature,) = read_note(write_note(text, (key.sign(text),)))
    assert found == text
    assert PublicKey.parse(key.public.text).verify(found, signature)
    assert PrivateKey.parse(key.text) == key
