"""Run the Python blocks of a page in one namespace, as somebody who types them would.

Started once per page that has such blocks. Reads a line of JSON for each (its code, its name,
whether it is a session with prompts) and answers with one: what went wrong, if anything did.
"""

from __future__ import annotations

import doctest
import io
import json
import linecache
import os
import sys
import traceback
from contextlib import redirect_stdout
from types import ModuleType
from typing import IO, Any


def run_code(code: str, name: str, namespace: dict[str, Any]) -> str | None:
    """Execute a program; the traceback if it raises."""
    linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
    try:
        exec(compile(code, name, "exec"), namespace)
    except BaseException:  # noqa: BLE001 - also SystemExit: the page is told, and goes on
        return traceback.format_exc()
    return None


def run_session(text: str, name: str, namespace: dict[str, Any]) -> str | None:
    """Execute a session with prompts; what differs from the outputs shown."""
    test = doctest.DocTestParser().get_doctest(text, namespace, name, name, 0)
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    differences = io.StringIO()
    runner = doctest.DocTestRunner(verbose=False, optionflags=options)
    runner.run(test, out=differences.write, clear_globs=False)
    namespace.update(test.globs)
    return differences.getvalue() or None


def main() -> None:
    """Serve blocks until the input ends."""
    blocks, answers = _taken(0, "r"), _taken(1, "w")
    sys.path.insert(0, "")
    module = sys.modules["__main__"] = ModuleType("__main__")
    for line in blocks:
        block = json.loads(line)
        run = run_session if block["session"] else run_code
        with redirect_stdout(io.StringIO()):
            error = run(block["code"], block["name"], module.__dict__)
        answers.write(json.dumps({"error": error}) + "\n")
        answers.flush()


def _taken(descriptor: int, mode: str) -> IO[str]:
    """The stream, out of the reach of what the blocks start, which gets an empty one."""
    stream = os.fdopen(os.dup(descriptor), mode)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, descriptor)
    os.close(null)
    return stream


if __name__ == "__main__":
    main()
