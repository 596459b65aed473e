"""The harness finds a page that does not tell the truth, and leaves a true one alone."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from .matching import matches
from .running import POSTGRES_URL, BlockError, Page

TRUE_PAGES = {
    "a command": "```console\n$ true\n```",
    "output in the middle of prose": "Before.\n\n```console\n$ echo one\none\n```\nAfter.",
    "two commands": "```console\n$ echo one\none\n$ echo two\ntwo\n```",
    "errors are shown too": "```console\n$ echo oops >&2\noops\n```",
    "an exit code": "<!-- exit: 3 -->\n\n```console\n$ true\n$ exit 3\n```",
    "several lines": "```console\n$ cat <<'END'\n> one\n>\n> two\n> END\none\n\ntwo\n```",
    "a directory is kept": "```console\n$ mkdir d && cd d\n$ touch f; ls\nf\n$ pwd\n~/d\n```",
    "a variable is kept": "```console\n$ export A='b c'\n```\n```console\n$ echo \"$A\"\nb c\n```",
    "a file by comment": "```toml\n# file: a/b\nx = 1\n```\n```console\n$ tail -1 a/b\nx = 1\n```",
    "a file by title": '```csv title="a.csv"\nx\n1\n```\n```console\n$ cat a.csv\nx\n1\n```',
    "code": "```python\nimport storno\nassert storno\n```",
    "code goes on": "```python\nx = 1\n```\n```python\nassert x == 1\n```",
    "code writes a file": "```python\nopen('f', 'w').write('x')\n```\n```console\n$ cat f\nx\n```",
    "code with annotations": "```python\nfrom __future__ import annotations\nx: 'int' = 1\n```",
    "code starts a program": "```python\nimport os\nassert os.system('echo noise') == 0\n```",
    "one of ours": "```console\n$ storno --version > told & wait; grep -c storno told\n1\n```",
    "a session": "```pycon\n>>> 1 + 1\n2\n>>> y = 5\n```\n```python\nassert y == 5\n```",
    "in a list": "1. First\n\n    ```console\n    $ echo one\n    one\n    ```\n",
    "text": "```text\nanything\n```",
    "a fence within": "````text\n```console\n$ false\n```\n````",
    "not run": "<!-- not-run: there is no network -->\n```console\n$ git clone there\n```",
    "a copy": "<!-- copy: docs/decisions -->\n```console\n$ ls docs/decisions/template.md\n```",
    "the environment": "```console\n$ echo $HOME $COLUMNS $STORNO_STORE\n~ 100\n```",
    "what is left running": "```console\n$ sleep 600 &\n$ echo on\non\n```",
}
FALSE_PAGES = {
    "a failing command": ("```console\n$ false\n```", "page:2: exit code 1, not 0"),
    "a failing first command": ("<!-- exit: 1 -->\n```console\n$ false\n$ false\n```", "page:3"),
    "ours fails": (
        "```console\n$ storno runs --store sqlite:///none.db\n```",
        "page:2: exit code 6, not 0",
    ),
    "another exit code": ("<!-- exit: 3 -->\n```console\n$ exit 4\n```", "exit code 4, not 3"),
    "nothing beside": ("<!-- beside: a/b -->\n```console\n$ true\n```", "no a/b beside"),
    "no failure": ("<!-- exit: 3 -->\n```console\n$ true\n```", "exit code 0, not 3"),
    "other output": ("```console\n$ echo one\ntwo\n```", "the page shows\ntwo\n--- it is\none"),
    "less output": ("```console\n$ echo one; echo two\none\n```", "the page shows"),
    "more output": ("```console\n$ echo one\none\ntwo\n```", "the page shows"),
    "code that raises": ("```python\n\n1 / 0\n```", 'File "<page, line 1>", line 2'),
    "code that ends": ("```python\nimport os; os._exit(0)\n```", "the interpreter ended"),
    "code that exits": ("```python\nraise SystemExit\n```", "SystemExit"),
    "a session": ("```pycon\n>>> 1 + 1\n3\n```", "Expected:"),
    "no such name": ("```python\nfrom storno import no_such_name\n```", "no_such_name"),
    "no TOML": ("```toml\nx = \n```", "this is no toml"),
    "no JSON": ("```json\n{\n```", "this is no json"),
    "a shell script": ("```bash\necho\n```", "`bash` is not run here"),
    "no language": ("```\nx\n```", "name the block's language"),
    "an open block": ("```text\nx\n", "not closed"),
    "no prompt": ("```console\necho one\n```", "begins with `$ ` and a command"),
    "a typing error": ("<!-- exti: 3 -->\n```console\n$ exit 3\n```", "no annotation 'exti'"),
    "a lost annotation": ("<!-- exit: 3 -->\nProse.\n```console\n$ true\n```", "before no block"),
    "a last annotation": ("<!-- exit: 3 -->\n", "before no block"),
    "ours, not run": (
        "<!-- not-run: slow -->\n```console\n$ storno demo\n```",
        "can always be run",
    ),
    "code, not run": (
        "<!-- not-run: slow -->\n```python\nx\n```",
        "not-run is for a console block",
    ),
    "a file elsewhere": ("```toml\n# file: ../x.toml\n```", "outside the page's directory"),
    "nothing to copy": ("<!-- copy: nowhere -->\n```console\n$ true\n```", "no nowhere to copy"),
}
MATCHING = {
    "a duration": ("done in 0.31 s", "done in 12 s"),
    "minutes": ("took 1m 3s.", "took 59 s."),
    "a clock": ("elapsed 0:00:03", "elapsed 0:01:10"),
    "a rate": ("10,235 read, 52,300 records/s", "10,235 read, 7,011.5 records/s"),
    "a time": ("at 2020-01-31T10:00:00Z", "at 2026-11-23 21:19:06.123 UTC"),
    "an id": ("id 6f1c0a52-9e0b-4a51-8f0e-7a2f1c3d4e5f", "id 00000000-1111-2222-3333-444444444444"),
    "a hash": ("head 3f2a9c81", f"head {'0123456789abcdef' * 4}"),
    "columns": ("key  amount\n---- ------", "key      amount\n-------- ----------"),
    "seconds in JSON": ('{"read": 7, "seconds": 0.31}', '{"read": 7, "seconds": 1e-05}'),
    "any text": ("store ... is sound", "store sqlite:///x.db is sound"),
    "any lines": ("one\n...\nfour", "one\ntwo\nthree\nfour"),
    "no lines": ("one\n...\nfour", "one\nfour"),
    "any lines, and again": ("...\nb\n...\nb", "a\nb\nc\nb"),
    "blank ends": ("one", "\n\none\n\n"),
}
DIFFERING = {
    "an amount": ("1,250.00 GBP", "1,250.01 GBP"),
    "a count": ("10,233 succeeded", "10,234 succeeded"),
    "a date": ("posted 2020-01-31", "posted 2020-02-01"),
    "a run": ("payments/2020-01", "payments/2020-02"),
    "a line too few": ("one\n...\nfour", "one\ntwo"),
    "the wrong end": ("...\ntwo", "one\ntwo\nthree"),
    "nothing": ("one", ""),
    "a full stop is no wildcard": ("a.c", "abc"),
}


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    directory = tmp_path / "page"
    directory.mkdir()
    with Page("page", directory, lambda: "postgresql://x@/y?host=z&port=1") as running:
        yield running


@pytest.mark.parametrize("text", TRUE_PAGES.values(), ids=TRUE_PAGES)
def test_a_true_page_passes(page: Page, text: str) -> None:
    page.run(text)


@pytest.mark.parametrize(("text", "message"), FALSE_PAGES.values(), ids=FALSE_PAGES)
def test_a_false_page_is_found(page: Page, text: str, message: str) -> None:
    with pytest.raises(BlockError) as caught:
        page.run(text)

    assert message in str(caught.value)


@pytest.mark.parametrize(("shown", "came"), MATCHING.values(), ids=MATCHING)
def test_what_may_differ_matches(shown: str, came: str) -> None:
    assert matches(shown.splitlines(), came.splitlines())


@pytest.mark.parametrize(("shown", "came"), DIFFERING.values(), ids=DIFFERING)
def test_what_may_not_differ_does_not_match(shown: str, came: str) -> None:
    assert not matches(shown.splitlines(), came.splitlines())


def test_blocks_that_are_only_shown_do_not_count_as_run(page: Page) -> None:
    assert page.run("```text\nx\n```\n```console\n$ true\n```\n```json\n{}\n```") == 1


def test_a_real_database_takes_the_place_of_the_shown_one(page: Page) -> None:
    shown = f"```console\n$ echo {POSTGRES_URL}\n{POSTGRES_URL}\n```\n"
    written = f'```toml\n# file: x.toml\nurl = "{POSTGRES_URL}"\n```\n'

    page.run(shown + written)

    assert "host=z&port=1" in (page.directory / "x.toml").read_text()


def test_what_a_page_started_ends_with_it(tmp_path: Path) -> None:
    with Page("page", tmp_path, lambda: "") as running:
        running.run("```console\n$ sleep 600 & echo $! >pid\n```")
        process = os.pidfd_open(int((tmp_path / "pid").read_text()))

    ended, _, _ = select.select([process], [], [], 30)

    os.close(process)
    assert ended
