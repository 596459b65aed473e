"""``storno init``: a project that runs at once."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from ..domain.errors import ConflictError
from .errors import DONE
from .options import OUTPUT, Output, command, note

if TYPE_CHECKING:
    from .templates.base import Template

Name = Literal["payments", "invoices", "payroll", "interest"]


@command("init", "storno init payments-jobs", "storno init payroll-jobs --template payroll")
def init(
    folder: Annotated[Path, note("The folder to make", name="DIR")],
    /,
    *,
    template: Annotated[
        Name, note("What its job does; payments where not given", metavar="NAME")
    ] = "payments",
    output: Output = OUTPUT,
) -> int:
    """Make a project that runs at once.

    It holds storno.toml, jobs.py, a made-up input with a few faults, a README that says what to
    type, and an empty store.
    """
    from .templates.base import project_files

    chosen: Template = import_module(f".templates.{template}", __package__).TEMPLATE
    files = project_files(chosen)
    place = folder.resolve()  # "new/.." is no new folder
    _write(place, files)
    store = _make_store(place)
    if output.json:
        from .render import write_json

        document = {"project": str(folder), "template": template, "files": [*files]}
        write_json(document | {"store": store.url})
    else:
        _tell(folder, chosen, store)
    return DONE


class _Store(NamedTuple):
    url: str
    from_environment: bool
    """Whether STORNO_STORE names it, and not the project."""
    made: bool


def _write(folder: Path, files: dict[str, str]) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConflictError(
            f"{folder} exists and is not empty: name a new folder, nothing is overwritten."
        )
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def _make_store(folder: Path) -> _Store:
    """Make the project's store; one that STORNO_STORE names may be there already."""
    from ..execution.project import STORE_VARIABLE, Project, without_password
    from ..storage import migrate

    setting = Project.find(folder).store
    store = _Store(without_password(setting.value), setting.origin == STORE_VARIABLE, made=True)
    try:
        migrate.init(setting.value)
    except ConflictError:
        if not store.from_environment:
            raise
        return store._replace(made=False)
    return store


def _tell(folder: Path, template: Template, store: _Store) -> None:
    from .render import say

    also = f", and the store {store.url}" if store.made else ""
    say(f"Made {folder}: {template.summary.lower()}{also}.")
    if store.from_environment:
        say(f"STORNO_STORE is set: what is run here is posted to {store.url}.")
    say("")
    say("Next:")
    say(f"  cd {folder}")
    say(f"  storno {template.run}")
