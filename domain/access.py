"""Who may do what: roles, where ``storno.toml`` declares them.

Identity is asserted, not authenticated, on a command line; the operating system's user and host
are recorded beside the actor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from .errors import NotAllowedError
from .events import Actor, Event
from .ids import escape, shorten


class AccessRefused(Event, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody tried what their roles do not allow. ``act`` is the command, ``needs`` the role."""

    TOPIC: ClassVar[str] = "storno.AccessRefused.v1"
    actor: Actor
    act: str
    needs: str
    about: str = ""


EVENTS: tuple[type[Event], ...] = (AccessRefused,)


class Role(StrEnum):
    """What somebody may be."""

    OPERATOR = "operator"
    """Runs, stops, repairs dead letters, plans, requests and executes reversals."""
    APPROVER = "approver"
    """Approves and rejects reversals, closes and reopens periods."""
    AUDITOR = "auditor"
    """Reads everything and changes nothing."""


class RoleMissingError(NotAllowedError):
    """The actor's roles do not allow the act; it was recorded that it was tried."""


@dataclass(frozen=True, slots=True)
class Roles:
    """Who has which roles; where none is declared, everybody may do everything.

    Attributes:
        members: declared role to the names of the actors who have it.
    """

    members: Mapping[Role, frozenset[str]] = field(default_factory=dict)

    def allow(self, actor: Actor, role: Role) -> bool:
        """Whether the actor may do what needs this role."""
        return not self.members or actor.name in self.members.get(role, frozenset())


def stream_of(actor: str) -> str:
    """The stream of what an actor was refused."""
    return f"access/{shorten(escape(actor))}"
