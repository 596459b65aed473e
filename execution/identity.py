"""Who works and who acts: this process, and whether another one is still alive."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import msgspec

from ..domain.access import actor_name
from ..domain.errors import UsageError
from ..domain.events import Actor, Worker

ACTOR_VARIABLE = "STORNO_ACTOR"


@cache
def _boot_id() -> str:
    """Tells this boot of this machine, and this container on it, from every other."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = Path("/proc/self/ns/pid").stat().st_ino  # containers share a boot id, not pids
    except OSError:
        return f"{socket.gethostname()}"
    return f"{boot}:{namespace}"


def _process_started(pid: int) -> str | None:
    """When a process started, in a form that only equals itself; None where there is none."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return None
        return _process_started_elsewhere(pid)
    except (OSError, ProcessLookupError):
        return None
    # The command's name may hold spaces and brackets: fields count from after the last bracket.
    fields = status.rpartition(")")[2].split()
    state, started = fields[0], fields[19]
    return None if state in "ZX" else started


def _process_started_elsewhere(pid: int) -> str | None:
    """The same where there is no /proc, such as macOS."""
    listed = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return listed.stdout.strip() or None


def this_worker() -> Worker:
    """The process that is running."""
    pid = os.getpid()
    return Worker(
        host=socket.gethostname(),
        boot_id=_boot_id(),
        pid=pid,
        process_started=_process_started(pid) or "",
    )


def is_alive(worker: Worker) -> bool | None:
    """Whether a worker's process lives; None where that cannot be told from here."""
    if worker.boot_id != _boot_id():
        return False if worker.host == socket.gethostname() and _same_namespace(worker) else None
    return _process_started(worker.pid) == worker.process_started


def _same_namespace(worker: Worker) -> bool:
    """Whether only the boot differs: then every process of the earlier boot is gone."""
    return worker.boot_id.partition(":")[2] == _boot_id().partition(":")[2] != ""


def resolve_actor(
    given: Actor | str | None = None, environment: Mapping[str, str] | None = None
) -> Actor:
    """The person or system that acts: as given, else ``STORNO_ACTOR``, else the system's user.

    Args:
        environment: the process's where not given.

    Raises:
        UsageError: the name is blank, unprintable or too long.
    """
    if isinstance(given, Actor):
        return msgspec.structs.replace(given, name=actor_name(given.name))
    variables = os.environ if environment is None else environment
    user = _os_user()
    chosen = given if given is not None else variables.get(ACTOR_VARIABLE) or user
    try:
        name = actor_name(chosen)
    except UsageError as error:
        raise UsageError(f"{error} Give it with --actor NAME or by {ACTOR_VARIABLE}.") from None
    return Actor(name=name, os_user=user, host=socket.gethostname())


def _os_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"uid-{os.getuid()}"
