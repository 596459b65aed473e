"""``storno init``: a project that runs at once."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

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

        write_json(
            {"project": str(folder), "template": template, "files": [*files], "store": store}
        )
    else:
        _tell(folder, chosen, store)
    return DONE


def _write(folder: Path, files: dict[str, str]) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConflictError(
            f"{folder} exists and is not empty: name a new folder, nothing is overwritten."
        )
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def _make_store(folder: Path) -> str:
    """Make the project's store; one that STORNO_STORE names may be there already."""
    from ..execution.project import STORE_VARIABLE, Project, without_password
    from ..storage import migrate

    store = Project.find(folder).store
    try:
        migrate.init(store.value)
    except ConflictError:
        if store.origin != STORE_VARIABLE:
            raise
    return without_password(store.value)


def _tell(folder: Path, template: Template, store: str) -> None:
    from .render import say

    say(f"Made {folder}: {template.summary.lower()}, and the store {store}.")
    say("")
    say("Next:")
    say(f"  cd {folder}")
    say(f"  storno {template.run}")
