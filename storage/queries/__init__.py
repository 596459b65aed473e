"""What people and scripts ask a store: reads only, each of one state of the store."""

from .dead_letters import (
    WAITING,
    DeadLetterGroup,
    DeadLetterPlace,
    DeadLetterRow,
    dead_letter_groups,
    dead_letter_places,
    dead_letters,
    dead_letters_once_of,
    place_of,
)
from .events import RecordedEvent, run_events, stream_events
from .ledger import Balance, Movement, account_movements, balances
from .past import Past, moment_of, past
from .periods import PeriodRow, PostedInto, earlier_open_months, periods, posted_into
from .postings import PostingCommit, posting_commits
from .reversals import ReversalRow, reversal, reversals
from .runs import AttemptRow, ChunkRow, RunRow, attempts, chunks, run, runs
from .statement import AccountLine, account_lines
from .views import view_rows

__all__ = [
    "WAITING",
    "AccountLine",
    "AttemptRow",
    "Balance",
    "ChunkRow",
    "DeadLetterGroup",
    "DeadLetterPlace",
    "DeadLetterRow",
    "Movement",
    "Past",
    "PeriodRow",
    "PostedInto",
    "PostingCommit",
    "RecordedEvent",
    "ReversalRow",
    "RunRow",
    "account_lines",
    "account_movements",
    "attempts",
    "balances",
    "chunks",
    "dead_letter_groups",
    "dead_letter_places",
    "dead_letters",
    "dead_letters_once_of",
    "earlier_open_months",
    "moment_of",
    "past",
    "periods",
    "place_of",
    "posted_into",
    "posting_commits",
    "reversal",
    "reversals",
    "run",
    "run_events",
    "runs",
    "stream_events",
    "view_rows",
]
