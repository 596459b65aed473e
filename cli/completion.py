"""``storno completion``: what a shell needs to complete commands and options."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

from .errors import DONE
from .options import command, note

Shell = Literal["bash", "zsh", "fish"]


@command(
    "completion",
    "storno completion bash > ~/.local/share/bash-completion/completions/storno",
    "storno completion zsh > ~/.zsh/completions/_storno",
    "storno completion fish > ~/.config/fish/completions/storno.fish",
)
def completion(shell: Annotated[Shell, note("The shell")], /) -> int:
    """Print a shell's completion script.

    Write it to where the shell looks for completions, and start a new shell.
    """
    from .main import application

    sys.stdout.write(application().generate_completion(shell=shell))
    return DONE
