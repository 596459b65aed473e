"""What people and scripts ask a store: reads only, each of one state of the store."""

from .book_entries import (
    DateName,
    EntryFilter,
    RecordedEntry,
    UsedAccount,
    recorded_entries,
    used_accounts,
)
from .committed import (
    CommitRange,
    LogHead,
    commit_at,
    commits_recorded,
    committed_events,
    log_head,
)
from .dead_letters import (
    WAITING,
    DeadLetterGroup,
    DeadLetterPlace,
    DeadLetterRow,
    dead_letter_groups,
    dead_letter_places,
    dead_letters,
    dead_letters_once_of,
    first_dead_letters,
    place_of,
)
from .events import RecordedEvent, stream_events
from .history import run_events
from .ledger import Balance, Movement, account_movements, balances
from .past import Past, moment_of, past
from .periods import PeriodRow, PostedInto, earlier_open_months, periods, posted_into
from .postings import PostingCommit, posting_commits
from .reversals import ReversalRow, reversal, reversals
from .run_totals import RunBalance, run_balances
from .runs import AttemptRow, ChunkRow, RunRow, attempts, chunks, run, runs
from .statement import MOVING, AccountLine, account_lines
from .views import view_rows

__all__ = [
    "MOVING",
    "WAITING",
    "AccountLine",
    "AttemptRow",
    "Balance",
    "ChunkRow",
    "CommitRange",
    "DateName",
    "DeadLetterGroup",
    "DeadLetterPlace",
    "DeadLetterRow",
    "EntryFilter",
    "LogHead",
    "Movement",
    "Past",
    "PeriodRow",
    "PostedInto",
    "PostingCommit",
    "RecordedEntry",
    "RecordedEvent",
    "ReversalRow",
    "RunBalance",
    "RunRow",
    "UsedAccount",
    "account_lines",
    "account_movements",
    "attempts",
    "balances",
    "chunks",
    "commit_at",
    "commits_recorded",
    "committed_events",
    "dead_letter_groups",
    "dead_letter_places",
    "dead_letters",
    "dead_letters_once_of",
    "earlier_open_months",
    "first_dead_letters",
    "log_head",
    "moment_of",
    "past",
    "periods",
    "place_of",
    "posted_into",
    "posting_commits",
    "recorded_entries",
    "reversal",
    "reversals",
    "run",
    "run_balances",
    "run_events",
    "runs",
    "stream_events",
    "used_accounts",
    "view_rows",
]
