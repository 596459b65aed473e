"""``storno doctor``: is everything that a run needs in order?"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from .errors import DONE, FAILED
from .options import COMMON, Common, command

if TYPE_CHECKING:
    from .checkup import Finding


@command("doctor", "storno doctor", "storno doctor --json")
def doctor(*, common: Common = COMMON) -> int:
    """Check versions, settings, the store and the machine.

    Says for every setting where it comes from. Exits 1 if something is wrong.
    """
    from .checkup import examine
    from .render import write_json

    findings = examine(common)
    sound = not any(finding.problem for finding in findings)
    if common.json:
        write_json({"sound": sound, "findings": [asdict(finding) for finding in findings]})
    else:
        _write(findings)
    return DONE if sound else FAILED


def _write(findings: list[Finding]) -> None:
    from .render import counted, say, write_line

    width = max(len(finding.name) for finding in findings) + 2
    for section in dict.fromkeys(finding.section for finding in findings):
        write_line(section, style="bold")
        for finding in findings:
            if finding.section == section:
                origin = f"  ({finding.origin})" if finding.origin else ""
                mark = "x" if finding.problem else " "
                style = "red" if finding.problem else ""
                write_line(f"{mark} {finding.name:<{width}}{finding.value}{origin}", style=style)
                if finding.problem:
                    write_line(f"  {'':<{width}}{finding.problem}", style="red")
        write_line()
    problems = sum(finding.problem is not None for finding in findings)
    say(f"{counted(problems, 'problem')}." if problems else "Everything is in order.")
