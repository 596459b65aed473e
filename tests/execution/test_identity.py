"""Who works, who acts, and who is still alive."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from storno.domain.errors import UsageError
from storno.domain.events import Actor, Worker
from storno.execution.identity import ACTOR_VARIABLE, is_alive, resolve_actor, this_worker

PRINTS_ITSELF = """
import sys, msgspec
from storno.execution.identity import this_worker
sys.stdout.buffer.write(msgspec.json.encode(this_worker()))
"""


def test_this_process_is_alive() -> None:
    worker = this_worker()

    assert worker.pid == os.getpid()
    assert is_alive(worker)


def test_a_process_that_ended_is_dead() -> None:
    ended = subprocess.run([sys.executable, "-c", PRINTS_ITSELF], capture_output=True, check=True)
    worker = msgspec.json.decode(ended.stdout, type=Worker)

    assert worker.boot_id == this_worker().boot_id
    assert is_alive(worker) is False


def test_a_process_that_nobody_has_waited_for_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, and left for us to collect
    started = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19]
    worker = msgspec.structs.replace(this_worker(), pid=child.pid, process_started=started)

    assert is_alive(worker) is False
    child.wait()


@pytest.mark.parametrize(
    ("changes", "alive"),
    [
        ({"process_started": "1"}, False),  # the pid was given to another process
        ({"pid": 2**22 + 1}, False),
        ({"boot_id": "another:1", "host": "elsewhere"}, None),
        ({"boot_id": "another:1"}, None),  # another container that has our name
    ],
)
def test_what_can_be_told_of_another_worker(changes: dict, alive: bool | None) -> None:
    assert is_alive(msgspec.structs.replace(this_worker(), **changes)) is alive


def test_a_process_of_an_earlier_boot_is_dead() -> None:
    worker = this_worker()
    _, _, namespace = worker.boot_id.partition(":")

    assert is_alive(msgspec.structs.replace(worker, boot_id=f"earlier:{namespace}")) is False


def test_the_actor_is_who_was_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ACTOR_VARIABLE, "Bert")

    assert resolve_actor("Anna").name == "Anna"
    assert resolve_actor(None).name == "Bert"
    monkeypatch.delenv(ACTOR_VARIABLE)
    actor = resolve_actor(None)
    assert actor.name == actor.os_user
    assert actor.host


def test_an_empty_variable_names_nobody() -> None:
    actor = resolve_actor(None, {ACTOR_VARIABLE: ""})

    assert actor.name == actor.os_user


def test_an_actor_of_a_program_keeps_its_user_and_host() -> None:
    given = Actor(name=" Zoe\u0308 ", os_user="www", host="front")

    assert resolve_actor(given) == Actor(name="Zo\u00eb", os_user="www", host="front")


@pytest.mark.parametrize(
    ("given", "environment"),
    [
        ("", {}),
        ("  ", {}),
        ("a\nb", {}),
        (None, {ACTOR_VARIABLE: " "}),
        (None, {ACTOR_VARIABLE: "a\tb"}),
        (Actor(name="", os_user="www", host="front"), {}),
    ],
)
def test_an_actor_of_nothing_is_refused(
    given: Actor | str | None, environment: dict[str, str]
) -> None:
    with pytest.raises(UsageError, match="is no name of an actor"):
        resolve_actor(given, environment)


def test_the_refusal_says_where_a_name_can_come_from() -> None:
    with pytest.raises(UsageError, match="--actor NAME or by STORNO_ACTOR"):
        resolve_actor(None, {ACTOR_VARIABLE: " "})
