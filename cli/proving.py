"""``storno audit prove`` and ``check-proof``: showing that an event stands in the log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from .errors import CHECK_FAILED, DONE
from .options import COMMON, OUTPUT, Common, Output, command, note

if TYPE_CHECKING:
    from ..domain.checkpoint import Checkpoint
    from ..storage.log import Row
    from ..storage.store import Store

Which = Literal["posting", "reversal", "all"]
TOPICS = {"posting": "RecordSucceeded", "reversal": "RecordReversed"}


@command(
    "prove",
    "storno audit prove payments P00057 --out P00057.proof.json",
    "storno audit prove payments P00057 --checkpoint friday.checkpoint",
    "storno audit prove payments P00057 --event reversal --sign storno.key > taken-back.proof.json",
)
def prove(
    job: Annotated[str, note("The job's name")],
    key: Annotated[str, note("The record's key")],
    /,
    *,
    event: Annotated[
        Which, note("The record's last posting, its last reversal, or all of its events")
    ] = "posting",
    out: Annotated[Path | None, note("Write the proof to this file", metavar="FILE")] = None,
    checkpoint: Annotated[
        Path | None, note("Under this checkpoint, else one made now", metavar="FILE")
    ] = None,
    sign: Annotated[
        Path | None, note("Sign the checkpoint that is made with this private key", metavar="KEY")
    ] = None,
    common: Common = COMMON,
) -> int:
    """Write a file that shows that a record's event stands in the log, to be checked by anybody.

    It holds the event as it is stored, its way to a checkpoint, and the checkpoint: whoever has
    the file needs neither the store nor this program.
    """
    from ..domain.proof import write_proof
    from ..storage import proofs
    from .render import counted, say, typed, write_json
    from .session import open_project, opened

    with opened(open_project(common)) as store:
        rows = _chosen(store, job, key, event)
        under = _checkpoint(store, checkpoint, sign)
        proof = proofs.prove(store.log, rows, under)
    written = write_proof(proof)
    if out is None:
        _to_stdout(written)
        return DONE
    _to_file(out, written)
    if common.json:
        write_json({"proof": str(out), "events": len(rows), "size": under.size})
    else:
        say(f"Wrote the proof of {counted(len(rows), 'event')} to {out}.")
        say(f"Anybody can check it: {typed('audit', 'check-proof', str(out))}")
    return DONE


@command(
    "check-proof",
    "storno audit check-proof P00057.proof.json --key storno.pub",
    "storno audit check-proof P00057.proof.json --checkpoint friday.checkpoint",
    "storno audit check-proof proof.json --timestamp f.tsr --trust authority.pem",
)
def check_proof(
    file: Annotated[Path, note("What 'storno audit prove' wrote", name="FILE")],
    /,
    *,
    key: Annotated[
        Path | None, note("The public key that must have signed it", metavar="PUBLIC")
    ] = None,
    checkpoint: Annotated[
        Path | None, note("The checkpoint that it must be under", metavar="FILE")
    ] = None,
    timestamp: Annotated[
        Path | None, note("The time stamp of its checkpoint, a .tsr", metavar="FILE")
    ] = None,
    trust: Annotated[
        Path | None, note("Certificates that a time stamp must lead to, in PEM", metavar="FILE")
    ] = None,
    output: Output = OUTPUT,
) -> int:
    """Check a proof; no store, no project and no network is needed. Exits with 5 if it fails.

    What it shows is worth as much as its checkpoint: give the public key of who signed it, or the
    checkpoint as you were given it, or a time stamp of it.
    """
    from ..domain.errors import CheckFailedError
    from .proof_pages import checked, proof_document, write_checked
    from .render import write_json

    try:
        found = checked(file, key=key, checkpoint=checkpoint, timestamp=timestamp, trust=trust)
    except CheckFailedError as error:
        if not output.json:
            raise
        write_json({"proved": False, "problems": [str(error)]})
        return CHECK_FAILED
    if output.json:
        write_json(proof_document(found))
    else:
        write_checked(found)
    return DONE


@command(
    "check-timestamp",
    "storno audit check-timestamp friday.checkpoint --trust authority.pem",
)
def check_timestamp(
    checkpoint: Annotated[Path, note("A checkpoint's file", name="CHECKPOINT")],
    /,
    *,
    trust: Annotated[
        Path, note("Certificates that the time stamp must lead to, in PEM", metavar="FILE")
    ],
    timestamp: Annotated[
        Path | None, note("Its time stamp, else the .tsr beside it", metavar="FILE")
    ] = None,
    output: Output = OUTPUT,
) -> int:
    """Say when a time stamp service has seen a checkpoint. Exits with 5 if the stamp is none of it.

    The stamp is an answer by RFC 3161 over the whole file; other programs check it as well.
    """
    from ..domain.errors import CheckFailedError
    from ..execution.timestamps import verify_timestamp
    from .proof_pages import given, stamp_document, stamp_text
    from .render import write_fields, write_json

    stamp = timestamp or checkpoint.with_suffix(".tsr")
    try:
        found = verify_timestamp(given(checkpoint), given(stamp), given(trust))
    except CheckFailedError as error:
        if not output.json:
            raise
        write_json({"stamped": False, "problems": [str(error)]})
        return CHECK_FAILED
    if output.json:
        write_json({"stamped": True, **stamp_document(found), "problems": []})
    else:
        write_fields({"checkpoint": str(checkpoint), "seen": stamp_text(found)})
    return DONE


def _chosen(store: Store, job: str, key: str, which: Which) -> list[Row]:
    """The record's events that are to be proved, as they are stored.

    Raises:
        NotFoundError: the store knows no such record, or it has no such event.
    """
    from ..domain.errors import NotFoundError
    from ..domain.events import RecordReversed, RecordSucceeded
    from .life import events_of

    events = events_of(store, job, key)
    rows = store.log.read_stream(events[0].stream)
    if which == "all":
        return rows
    kind = RecordSucceeded if which == "posting" else RecordReversed
    versions = [each.version for each in events if isinstance(each.event, kind)]
    if not versions:
        raise NotFoundError(
            f"record {key!r} of job {job} has no {which}: storno audit trail shows what it has, "
            "and --event all proves all of it."
        )
    return [row for row in rows if row.version == versions[-1]]


def _checkpoint(store: Store, file: Path | None, key: Path | None) -> Checkpoint:
    """The checkpoint that was given, else one of the log as it stands.

    Raises:
        UsageError: the file or the key cannot be read, or is of another store.
        CheckpointError: the file is no checkpoint.
    """
    from ..domain.checkpoint import origin_of, parse
    from ..domain.errors import UsageError
    from ..domain.note import PrivateKey
    from ..storage.tree import current_checkpoint
    from .proof_pages import given

    if file is None:
        now = current_checkpoint(store)
        return now if key is None else now.signed(PrivateKey.parse(given(key).decode()))
    if key is not None:
        raise UsageError(
            "--sign signs the checkpoint that is made now: leave it or --checkpoint out."
        )
    checkpoint = parse(given(file))
    if checkpoint.origin != origin_of(store.store_id):
        raise UsageError(
            f"{file} is a checkpoint of {checkpoint.origin}, and this store is "
            f"{origin_of(store.store_id)}."
        )
    return checkpoint


def _to_stdout(content: bytes) -> None:
    import sys

    sys.stdout.flush()
    sys.stdout.buffer.write(content)


def _to_file(path: Path, content: bytes) -> None:
    from ..domain.errors import UsageError

    try:
        path.write_bytes(content)
    except OSError as error:
        raise UsageError(f"--out {path}: {error.strerror}.") from None
