"""A forked process is as a fresh one: in what it finds around it, and in how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

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
        "main": [__name__, __spec__.name, sys.modules["__main__"].__dict__ is globals()],
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
    folder: Path, program: str, *, fresh: bool, **options: object
) -> subprocess.CompletedProcess[str]:
    (folder / "program.py").write_text(program)
    (folder / "beside.py").touch()
    return forking.run(
        [sys.executable, "-m", "program", "a word"],
        fresh=fresh,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **{"stdin": subprocess.DEVNULL, **options},
    )


@pytest.mark.parametrize("options", [{}, {"start_new_session": True}, {"process_group": 0}])
def test_what_it_finds_around_it(tmp_path: Path, options: dict[str, object]) -> None:
    environment = {"PYTHONPATH": f"{tmp_path}/else", "TZ": "Asia/Tokyo", "A": "\udcff"}
    kept = {name: value for name, value in forking.how_to_start().items() if name != "PYTHONPATH"}
    found = []
    for fresh in (True, False):
        (tmp_path / "given").write_text("said")
        with (tmp_path / "given").open() as given:
            done = ran(
                tmp_path, AROUND, fresh=fresh, env=kept | environment, stdin=given, **options
            )
        assert done.stderr == ""
        found.append(json.loads(done.stdout))

    assert found[0] == found[1]
    assert found[1]["input"] == "said"
    assert found[1]["zone"][0] == "JST"


@pytest.mark.parametrize("end", ENDS)
def test_how_it_ends(tmp_path: Path, end: str) -> None:
    fresh, forked = (ran(tmp_path, ENDS[end], fresh=fresh) for fresh in (True, False))

    assert (forked.returncode, forked.stdout) == (fresh.returncode, fresh.stdout)
    assert forked.stderr.splitlines()[-1:] == fresh.stderr.splitlines()[-1:]


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
