"""What people and scripts ask a store: reads only, each of one state of the store."""

from .dead_letters import DeadLetterGroup, DeadLetterRow, dead_letter_groups, dead_letters
from .events import RecordedEvent, run_events, stream_events
from .ledger import Balance, Movement, account_movements, balances
from .reversals import ReversalRow, reversal, reversals
from .runs import AttemptRow, ChunkRow, RunRow, attempts, chunks, run, runs
from .statement import AccountLine, account_lines
from .views import view_rows

__all__ = [
    "AccountLine",
    "AttemptRow",
    "Balance",
    "ChunkRow",
    "DeadLetterGroup",
    "DeadLetterRow",
    "Movement",
    "RecordedEvent",
    "ReversalRow",
    "RunRow",
    "account_lines",
    "account_movements",
    "attempts",
    "balances",
    "chunks",
    "dead_letter_groups",
    "dead_letters",
    "reversal",
    "reversals",
    "run",
    "run_events",
    "runs",
    "stream_events",
    "view_rows",
]
