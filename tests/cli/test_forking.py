"""A forked process is as a fresh one: in what it finds around it, and in how it ends."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from .. import forking
from .command import Storno
from .terminal import on_terminal

AROUND = """
import json, os, signal, sys, time
import beside

json.dump(
    {
        "arguments": sys.argv,
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "handlers": {int(each): repr(signal.getsignal(each)) for each in signal.valid_signals()},
        "input": sys.stdin.read(),
        "main": [__name__, bool(__spec__), sys.modules["__main__"].__dict__ is globals()],
        "open": [number for number in range(100) if os.path.exists(f"/dev/fd/{number}")],
        "path": sys.path,
        "session": [os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid()],
        "streams": [
            (each.fileno(), each.mode, each.encoding, each.errors, each.line_buffering)
            for each in (sys.stdin, sys.stdout, sys.stderr)
        ],
        "zone": time.tzname,
    },
    sys.stdout,
)
"""

ENDS = {
    "the last line": "print('done')",
    "a code": "print('done'); raise SystemExit(300)",
    "no code": "raise SystemExit",
    "words": "print('done'); raise SystemExit('words')",
    "an error": "print('done'); raise ValueError('no')",
    "Ctrl-C": "print('done'); raise KeyboardInterrupt",
    "a signal": "import os; print('done', flush=True); os.kill(os.getpid(), 9)",
    "at once": "import os; os._exit(7)",
    "a thread": "import threading, time\n"
    "threading.Timer(0.1, print, ['later']).start(); print('done')",
    "what is registered": "import atexit; atexit.register(print, 'later'); print('done')",
    "a closed output": "import os, sys; print('done'); os.close(1)",
}


def ran(
    folder: Path, program: str, *, fresh: bool, way: str = "module", **options: Any
) -> subprocess.CompletedProcess[str]:
    write(folder, program)
    command = {
        "module": [sys.executable, "-m", "program"],
        "script": [sys.executable, f"{folder}/program.py"],
        "command": [f"{folder}/program.py"],
    }[way]
    if way == "command" and not fresh:
        command, options["pass_fds"] = on_path(folder, options.get("env"))
    return forking.run(
        [*command, "a word"],
        fresh=fresh,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **{"stdin": subprocess.DEVNULL, **options},
    )


def write(folder: Path, program: str) -> None:
    """As a module, as a script and as an installed command."""
    file = folder / "program.py"
    file.write_text(f"#!{sys.executable}\n{program}")
    file.chmod(0o755)
    (folder / "beside.py").touch()


def on_path(
    folder: Path, environment: dict[str, str] | None = None
) -> tuple[list[str], tuple[int, ...]]:
    """The command that is forked, and what it has to be given."""
    passed = forking.on_path(folder / "program.py", folder / "bin", environment or os.environ)
    return [f"{folder}/bin/program.py"], passed


@pytest.mark.parametrize(
    ("way", "options"),
    [
        ("module", {}),
        ("module", {"start_new_session": True}),
        ("module", {"process_group": 0}),
        ("script", {}),
        ("command", {}),
    ],
)
def test_what_it_finds_around_it(tmp_path: Path, way: str, options: dict[str, object]) -> None:
    environment = {"PYTHONPATH": f"{tmp_path}/else", "TZ": "Asia/Tokyo", "A": "\udcff"}
    environment["PWD"] = f"{tmp_path}"  # a shell, which starts commands, sets it
    kept = {name: value for name, value in forking.how_to_start().items() if name != "PYTHONPATH"}
    found = []
    for fresh in (True, False):
        (tmp_path / "given").write_text("said")
        with (tmp_path / "given").open() as given:
            around = {"env": kept | environment, "stdin": given}
            done = ran(tmp_path, AROUND, fresh=fresh, way=way, **around, **options)
        assert done.stderr == ""
        found.append(json.loads(done.stdout))

    assert found[0] == found[1]
    assert found[1]["input"] == "said"
    assert found[1]["zone"][0] == "JST"


@pytest.mark.parametrize("end", ENDS)
def test_how_it_ends(tmp_path: Path, end: str) -> None:
    fresh = ran(tmp_path, ENDS[end], fresh=True)

    for way in ("module", "script", "command"):
        forked = ran(tmp_path, ENDS[end], fresh=False, way=way)
        assert (forked.returncode, forked.stdout) == (fresh.returncode, fresh.stdout)
        assert forked.stderr.splitlines()[-1:] == fresh.stderr.splitlines()[-1:]


TELLS_OF_SIGTERM = """
import os, signal, sys

signal.signal(signal.SIGTERM, lambda *_: sys.exit("asked to end"))
print(os.getpid(), flush=True)
while True:
    signal.pause()
"""


@pytest.mark.skipif(not forking.FORKS, reason="there is nobody to ask")
@pytest.mark.parametrize(
    ("number", "told"), [(signal.SIGTERM, "asked to end\n"), (signal.SIGKILL, "")]
)
def test_signals_to_a_command_reach_what_is_forked(
    tmp_path: Path, number: signal.Signals, told: str
) -> None:
    write(tmp_path, TELLS_OF_SIGTERM)
    command, passed = on_path(tmp_path)
    pipe = subprocess.PIPE

    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, pass_fds=passed) as process:
        assert process.stdout
        forked = os.pidfd_open(int(process.stdout.readline()))
        process.send_signal(number)
        ended, _, _ = select.select([forked], [], [], 60)
        os.close(forked)

        assert ended
        assert process.communicate()[1] == told
    assert process.returncode == (1 if told else -number)


def test_it_is_a_process_to_those_who_start_it(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("print(input(), flush=True); input()")
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "program"]

    with forking.start(command, cwd=tmp_path, stdin=pipe, stdout=pipe, text=True) as process:
        process.stdin.write("said\n")
        process.stdin.flush()
        assert process.stdout.readline() == "said\n"
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0)
        process.send_signal(signal.SIGTERM)

    assert process.poll() == process.wait() == -signal.SIGTERM


def test_it_is_fresh_where_an_interpreter_would_start_differently(tmp_path: Path) -> None:
    program = "import sys; print(sys.stdout.encoding, 'sqlalchemy' in sys.modules)"
    kept = forking.how_to_start()

    def told(**variables: str) -> str:
        return ran(tmp_path, program, fresh=False, env=kept | variables).stdout

    assert told(PYTHONIOENCODING="latin-1") == "iso8859-1 False\n"
    assert told().endswith(f" {forking.FORKS}\n")


@pytest.mark.skipif(not forking.FORKS, reason="there is nobody to ask")
def test_a_command_is_the_installed_one_where_nobody_can_be_asked(tmp_path: Path) -> None:
    write(tmp_path, "import sys; print(sys.argv, 'sqlalchemy' in sys.modules)")
    command, passed = on_path(tmp_path)

    def told(*descriptors: int) -> str:
        words = [*command, "a word"]
        return subprocess.run(words, pass_fds=descriptors, capture_output=True, text=True).stdout

    arguments = [f"{tmp_path}/program.py", "a word"]
    assert told(*passed) == f"{arguments} True\n"
    assert told() == f"{arguments} False\n"


@pytest.mark.parametrize("fresh", [True, False])
def test_each_way_in(ran: Storno, fresh: bool) -> None:
    storno = replace(ran, fresh=fresh)
    beside = storno.start("run", "payments", "--param", "month=2026-01", "--json")
    screen = on_terminal(storno, "runs")

    assert storno.json("runs")[0]["run"] == "payments/2026-01"
    assert storno("runs", "--store", "sqlite:///none.db", code=6).stderr.startswith("error:")
    assert json.loads(beside.communicate(timeout=60)[0])["failed"] == 3
    assert (beside.returncode, screen.code) == (0, 0)
    assert "\x1b[" in screen.text
