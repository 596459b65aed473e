"""``python -m bench``: the comparison, or one of the further trials.

Without a trial's name: every leg side by side. Exit code 1: a leg failed or a trial missed its
target.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from . import child, leaving, personal, profiling, rebuilding, report, resuming, trials, verifying
from .compare import Plan, compare
from .stores import DATABASES, SQLITE
from .task import BenchError


@dataclass(frozen=True, slots=True)
class Result:
    """What a command found.

    Attributes:
        text: for a person.
        data: for ``--out``.
        holds: whether its target was met.
    """

    text: str
    data: Any
    holds: bool = True


@dataclass(frozen=True, slots=True)
class Command:
    """One thing that the benchmark can do."""

    help: str
    options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, Path], Result]


def _comparison_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=5, help="runs of each leg (5)")
    parser.add_argument("--records", type=int, default=200_000, help="invoices (200000)")
    parser.add_argument("--dbos-records", type=int, default=1_000, help="invoices for DBOS (1000)")
    parser.add_argument("--quick", action="store_true", help="one round of a tenth: a smoke test")
    _databases_option(parser, DATABASES)


def _compare(options: argparse.Namespace, folder: Path) -> Result:
    share = 10 if options.quick else 1
    comparison = compare(
        Plan(
            rounds=1 if options.quick else options.rounds,
            records=options.records // share,
            dbos_records=options.dbos_records // share,
            databases=options.databases,
            folder=folder,
            keep=options.folder is not None,
        )
    )
    text = report.comparison_table(report.summarise(comparison))
    return Result(
        f"{text}\n\n{report.settings_lines(comparison.databases)}", report.document(comparison)
    )


def _memory_options(parser: argparse.ArgumentParser) -> None:
    sizes = [100_000, 500_000, 2_000_000]
    parser.add_argument("--records", type=_numbers, default=sizes, help="sizes of the runs")
    _databases_option(parser, (SQLITE,))


def _memory(options: argparse.Namespace, folder: Path) -> Result:
    uses = trials.memory(folder, options.databases, options.records)
    return Result(trials.memory_table(uses), uses, trials.memory_holds(uses))


def _scale_options(parser: argparse.ArgumentParser) -> None:
    marks = [100_000, 500_000, 1_000_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000]
    parser.add_argument("--records", type=_numbers, default=marks, help="sizes of the store")
    _databases_option(parser, (SQLITE,))


def _scale(options: argparse.Namespace, folder: Path) -> Result:
    costs = trials.scale(folder, options.databases, options.records)
    return Result(trials.scale_table(costs), costs, trials.scale_holds(costs))


def _resume_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--records", type=int, default=1_000_000, help="invoices (1000000)")
    parser.add_argument("--rounds", type=int, default=3, help="kills on each database (3)")
    _databases_option(parser, (SQLITE,))


def _resume(options: argparse.Namespace, folder: Path) -> Result:
    found = resuming.resume(folder, options.databases, options.records, options.rounds)
    return Result(resuming.resume_table(found), found, resuming.resume_holds(found))


def _verify_options(parser: argparse.ArgumentParser) -> None:
    sizes = [100_000, 400_000, 1_600_000]
    parser.add_argument("--records", type=_numbers, default=sizes, help="invoices of each store")
    parser.add_argument("--rounds", type=int, default=3, help="verifications of each store (3)")
    _databases_option(parser, DATABASES)


def _verify(options: argparse.Namespace, folder: Path) -> Result:
    found = verifying.verify_stores(folder, options.databases, options.records, options.rounds)
    return Result(verifying.verify_table(found), found, verifying.verify_holds(found))


def _personal_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--records", type=int, default=200_000, help="invoices (200000)")
    parser.add_argument("--rounds", type=int, default=5, help="runs with and without (5)")
    _databases_option(parser, DATABASES)


def _personal(options: argparse.Namespace, folder: Path) -> Result:
    costs = personal.measure(folder, options.databases, options.records, options.rounds)
    return Result(personal.cost_table(costs), costs)


def _rebuild_options(parser: argparse.ArgumentParser) -> None:
    sizes = [100_000, 400_000, 1_600_000]
    parser.add_argument("--records", type=_numbers, default=sizes, help="invoices of each store")
    parser.add_argument("--rounds", type=int, default=3, help="rebuilds of each store (3)")
    _databases_option(parser, (SQLITE,))


def _rebuild(options: argparse.Namespace, folder: Path) -> Result:
    found = rebuilding.rebuild(folder, options.databases, options.records, options.rounds)
    return Result(rebuilding.rebuild_table(found), found, rebuilding.rebuild_holds(found))


def _export_options(parser: argparse.ArgumentParser) -> None:
    sizes = [200_000, 800_000]
    parser.add_argument("--records", type=_numbers, default=sizes, help="invoices of each store")
    _databases_option(parser, (SQLITE,))


def _export(options: argparse.Namespace, folder: Path) -> Result:
    found = leaving.export(folder, options.databases, options.records)
    return Result(leaving.export_table(found), found, leaving.export_holds(found))


def _profile_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--records", type=int, default=200_000, help="invoices (200000)")
    _databases_option(parser, DATABASES)


def _profile(options: argparse.Namespace, folder: Path) -> Result:
    shares = profiling.profile(folder, options.databases, options.records)
    return Result(profiling.profile_table(shares), shares)


COMMANDS = {
    "compare": Command("every leg side by side (the default)", _comparison_options, _compare),
    "memory": Command("peak memory against the size of a run", _memory_options, _memory),
    "scale": Command("cost of a record while the store grows", _scale_options, _scale),
    "resume": Command("a killed run's way back to its next commit", _resume_options, _resume),
    "verify": Command("how fast the log of one run is verified", _verify_options, _verify),
    "personal": Command("what personal fields cost", _personal_options, _personal),
    "rebuild": Command("all views made anew from the events", _rebuild_options, _rebuild),
    "export": Command("memory of exports against a store's size", _export_options, _export),
    "profile": Command("where storno's time goes", _profile_options, _profile),
}


def main() -> int:
    """Parse the command line and run what it names."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["leg"]:
        child.main(arguments[1])
        return 0
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in {"-h", "--help"}):
        arguments = ["compare", *arguments]
    options = _parser().parse_args(arguments)
    try:
        with _folder(options.folder) as folder:
            result = COMMANDS[options.command].run(options, folder)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    print(result.text)
    if options.out:
        options.out.write_bytes(msgspec.json.format(msgspec.json.encode(result.data)) + b"\n")
    return 0 if result.holds else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, command in COMMANDS.items():
        one = commands.add_parser(name, help=command.help, description=command.help)
        one.add_argument("--out", type=Path, help="write the figures to this file as JSON")
        one.add_argument("--folder", type=Path, help="work here, and leave the stores standing")
        command.options(one)
    return parser


def _databases_option(parser: argparse.ArgumentParser, default: tuple[str, ...]) -> None:
    parser.add_argument(
        "--databases", type=_databases, default=default, help=f"of {','.join(DATABASES)}"
    )


def _databases(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - set(DATABASES):
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return names


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="storno-bench-", ignore_cleanup_errors=True) as name:
        yield Path(name)


if __name__ == "__main__":
    sys.exit(main())
