"""Who may do what: roles, where ``storno.toml`` declares them.

Identity is asserted, not authenticated, on a command line; the operating system's user and host
are recorded beside the actor.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar, Final

from msgspec import Struct, field

from .errors import NotAllowedError, UsageError
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
    """Runs, stops, repairs dead letters, requests and executes reversals, keeps the store."""
    APPROVER = "approver"
    """Approves and rejects reversals, closes and reopens periods, has persons forgotten."""
    AUDITOR = "auditor"
    """Changes nothing; reading needs no role, so that this one only says who somebody is."""


NEEDS: Final[Mapping[str, Role]] = {
    "run": Role.OPERATOR,
    "resume": Role.OPERATOR,
    "stop": Role.OPERATOR,
    "abandon": Role.OPERATOR,
    "dead-letters edit": Role.OPERATOR,
    "dead-letters retry": Role.OPERATOR,
    "dead-letters discard": Role.OPERATOR,
    "reverse submit": Role.OPERATOR,
    "reverse approve": Role.APPROVER,
    "reverse reject": Role.APPROVER,
    "reverse execute": Role.OPERATOR,
    "periods close": Role.APPROVER,
    "periods reopen": Role.APPROVER,
    "db migrate": Role.OPERATOR,
    "db restore": Role.OPERATOR,
    "views rebuild": Role.OPERATOR,
    "forget": Role.APPROVER,
}
"""Every act, by the command that it is, and the role it needs."""

MAX_NAME_CHARACTERS = 200


class RoleMissingError(NotAllowedError):
    """The actor's roles do not allow the act."""


class Roles(Struct, frozen=True):
    """Who has which roles. Where none is declared, everybody may do everything.

    Attributes:
        members: declared role to the names of the actors who have it. Once one is declared,
            nobody has those that are not.
    """

    members: Mapping[Role, frozenset[str]] = field(default_factory=dict)

    def allow(self, actor: Actor, role: Role) -> bool:
        """Whether the actor may do what needs this role."""
        return not self.members or actor.name in self.members.get(role, frozenset())


def refuse(roles: Roles, actor: Actor, act: str, about: str = "") -> AccessRefused | None:
    """Refuse an act; None where the actor's roles allow it.

    Args:
        act: of ``NEEDS``.
        about: what it was to be done to.
    """
    role = NEEDS[act]
    if roles.allow(actor, role):
        return None
    return AccessRefused(actor=actor, act=act, needs=role.value, about=about)


def explain(roles: Roles, refused: AccessRefused) -> str:
    """Why somebody may not do it, and who may: a sentence for a person."""
    have = sorted(roles.members.get(Role(refused.needs), frozenset()))
    of = f" on {refused.about}" if refused.about else ""
    return (
        f"{refused.actor.name} may not do {refused.act!r}{of}: it needs the role {refused.needs}, "
        f"which storno.toml gives to {', '.join(have) or 'nobody'}."
    )


def actor_name(text: str) -> str:
    """A name as it is recorded and compared, the same however its accents are typed.

    Raises:
        UsageError: it is blank, too long, or holds something that cannot be seen.
    """
    name = unicodedata.normalize("NFC", text.strip())
    if not name or not name.isprintable() or len(name) > MAX_NAME_CHARACTERS:
        shown = repr(text if len(text) <= MAX_NAME_CHARACTERS else text[:50] + "...")
        raise UsageError(
            f"{shown} is no name of an actor: write 1 to {MAX_NAME_CHARACTERS} printable "
            "characters, not only blanks."
        )
    return name


def same_person(one: str, other: str) -> bool:
    """Whether two names of actors are one person's, so that who asks does not agree as well.

    Roles go by names as they are written; here neither capitals nor blanks nor another form of the
    same letter make another person.
    """
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def stream_of(actor: str) -> str:
    """The stream of what an actor was refused."""
    return f"access/{shorten(escape(actor))}"
