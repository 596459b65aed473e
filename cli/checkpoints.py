"""``storno audit keygen`` and ``checkpoint``: what is kept elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from .errors import DONE
from .options import COMMON, Common, command, note

PUBLIC_SUFFIX = ".pub"


@command("keygen", "storno audit keygen", "storno audit keygen --out keys/storno.key")
def keygen(
    *,
    out: Annotated[
        Path, note("Write the private key to this file (storno.key)", metavar="FILE")
    ] = Path("storno.key"),
    common: Common = COMMON,
) -> int:
    """Make the key that signs this store's checkpoints, and the public key that checks them.

    The private key is a file that this user alone can read; the store never sees it. The public
    key stands beside it, ending in .pub, and is printed: give it to whoever verifies. Nothing is
    overwritten.
    """
    import secrets

    from ..domain.checkpoint import origin_of
    from ..domain.errors import UsageError
    from ..domain.note import SEED_BYTES, PrivateKey
    from .render import say, write_json, write_line
    from .session import open_project, opened

    with opened(open_project(common)) as store:
        key = PrivateKey(origin_of(store.store_id), secrets.token_bytes(SEED_BYTES))
    public = out.with_suffix(PUBLIC_SUFFIX)
    if public == out:
        raise UsageError(f"--out {out} ends as the public key does: name the private key's file.")
    _refuse_existing(out, public)
    _write_new(out, f"{key.text}\n", mode=0o600)
    _write_new(public, f"{key.public.text}\n", mode=0o644)
    if common.json:
        write_json({"private": str(out), "public": str(public), "key": key.public.text})
        return DONE
    write_line(key.public.text)
    say(f"The private key is in {out}: keep it where the store's keepers cannot read it.")
    say(f"The public key is in {public}: whoever verifies needs it, and may know it.")
    return DONE


@command(
    "checkpoint",
    "storno audit checkpoint --sign storno.key --out 2026-01-31.checkpoint",
    "storno audit checkpoint > 2026-01-31.checkpoint",
)
def checkpoint(
    *,
    sign: Annotated[Path | None, note("Sign it with this private key", metavar="KEY")] = None,
    out: Annotated[
        Path | None, note("Write it to this new file, not to stdout", metavar="FILE")
    ] = None,
    common: Common = COMMON,
) -> int:
    """Write down where the log stands: how many commits it has, and their one hash.

    Keep it where nobody who can write to the store can write. From then on 'storno audit verify
    --checkpoint FILE' finds whatever was changed, cut off or put back before it. It is a signed
    note as C2SP's tlog-checkpoint describes it.
    """
    from ..domain.note import PrivateKey
    from ..storage.tree import current_checkpoint
    from .proof_pages import given
    from .render import counted, say, typed, write_json
    from .session import open_project, opened

    key = None if sign is None else PrivateKey.parse(given(sign).decode(errors="replace"))
    with opened(open_project(common)) as store:
        made = current_checkpoint(store)
    if key is not None:
        made = made.signed(key)
    if out is not None:
        _write_new(out, made.text, mode=0o644)
    if common.json:
        write_json(
            {
                "origin": made.origin,
                "size": made.size,
                "root": made.root.hex(),
                "signed": key is not None,
                "file": None if out is None else str(out),
                "text": made.text,
            }
        )
    elif out is None:
        sys.stdout.write(made.text)
    if out is not None and not common.json:
        say(f"Wrote the checkpoint of {counted(made.size, 'commit')} to {out}.")
    if key is None:
        say(
            "It is not signed: it is worth what the place is worth where it is kept. "
            f"{typed('audit', 'keygen')} makes a key to sign with."
        )
    return DONE


def _refuse_existing(*files: Path) -> None:
    """Before the first of them is written.

    Raises:
        ConflictError: one is there.
    """
    for file in files:
        if file.exists():
            raise _exists(file)


def _write_new(file: Path, text: str, *, mode: int) -> None:
    """Write a file that is not there yet.

    Raises:
        ConflictError: it is.
        UsageError: it cannot be written.
    """
    import os

    from ..domain.errors import UsageError

    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        raise _exists(file) from None
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}.") from None
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as opened_file:
        opened_file.write(text)
        opened_file.flush()
        os.fsync(descriptor)


def _exists(file: Path) -> Exception:
    from ..domain.errors import ConflictError

    return ConflictError(f"{file} exists, and is not overwritten. Name another file with --out.")
