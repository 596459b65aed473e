"""The statements that read a portion of the log, one for each database.

A statement has one row. In it are, joined by commas, lists in JSON: the lines of every commit
whose postings are alike (``storno.domain.postings`` says what that is), or else the states of what
is posted and of what is taken back, each state whole. What follows is in JSON: the commits in the
order of the lists, with opening, length of the lines, number of postings, and lengths of the lists
of states; and the other events.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from ...domain.events import RecordAttempted, RecordReversed, RecordSucceeded
from ...domain.postings import FIRST_ENTRY, LINES, NO_TEXT, TEXT

_POSTINGS: Final = (RecordSucceeded.TOPIC, RecordReversed.TOPIC)

_APART: Final = (*_POSTINGS, RecordAttempted.TOPIC)
"""What is not read singly: no view has an attempt that has no outcome yet."""


@lru_cache(maxsize=16)
def select_portion(dialect: str, commits: str, events: str, *, others: bool) -> str:
    """The statement; composed anew for each portion, it took as long as 300 events.

    Its parameters: the numbers of the ``first`` and of the ``last`` commit, the positions of
    the first event (``begin``) and of the last one (``end``), and whether to ``cut`` out lines.

    Args:
        dialect: the database.
        commits: the log's table of commits.
        events: the log's table of events.
        others: whether the other events are wanted.
    """
    literal, postings, singly = _STATEMENTS[dialect]
    posted, taken_back = _POSTINGS
    names = {
        "commits": commits,
        "events": events,
        "posted": f"'{posted}'",
        "taken_back": f"'{taken_back}'",
        "apart": ", ".join(f"'{topic}'" for topic in _APART),
        "first_entry": literal.format(FIRST_ENTRY.hex()),
        "lines": literal.format(LINES.hex()),
        "text": literal.format(TEXT.hex()),
        "no_text": literal.format(NO_TEXT.hex()),
        "quote": literal.format(b'"'.hex()),
    }
    return postings.format(**names, others=singly.format(**names) if others else "NULL")


_STATEMENTS: Final = {
    "sqlite": (
        "x'{}'",
        """
        WITH firsts AS MATERIALIZED (
            SELECT number, first_position AS begin, first_position + count - 1 AS end,
                CASE WHEN :cut THEN (
                    SELECT state FROM {events}
                    WHERE position BETWEEN first_position AND first_position + count - 1
                        AND topic = {posted}
                    LIMIT 1
                ) END AS first
            FROM {commits} WHERE number BETWEEN :first AND :last
        ), opened AS MATERIALIZED (
            SELECT number, begin, end, place * 3 / 4 AS passed, substr(first, place,
                nullif(instr(substr(first, place), {lines}), 0) - 1 + length({lines})) AS opening
            FROM (
                SELECT *, nullif(instr(first, {first_entry}), 0) AS place FROM firsts LIMIT -1
            )
        ), cut AS MATERIALIZED (
            SELECT number, begin, end, opening, CASE WHEN opening IS NOT NULL THEN (
                SELECT CASE WHEN count(*) = count(lines)
                    THEN CAST('[' || group_concat(lines, ',') || ']' AS BLOB) END
                FROM (
                    SELECT CASE
                        WHEN closed AND instr(substr(rest, closed + length({text})), {quote})
                            = length(rest) - closed - length({text}) - 2
                        THEN substr(rest, 1, closed)
                        WHEN NOT closed AND substr(rest, -length({no_text})) = {no_text}
                        THEN substr(rest, 1, length(rest) - length({no_text}) + 1)
                    END AS lines
                    FROM (
                        SELECT rest, instr(rest, {text}) AS closed
                        FROM (
                            SELECT CASE topic WHEN {posted} THEN substr(state, coalesce(
                                nullif(instr(substr(state, passed + 1), opening), 0) + passed,
                                nullif(instr(state, opening), 0)
                            ) + length(opening)) END AS rest
                            FROM {events}
                            WHERE position BETWEEN begin AND end
                                AND topic IN ({posted}, {taken_back})
                            LIMIT -1
                        )
                        LIMIT -1
                    )
                )
            ) END AS lines
            FROM opened
        ), parts AS MATERIALIZED (
            SELECT number, opening, lines, CASE WHEN lines IS NULL THEN (
                SELECT count(*) FROM {events}
                WHERE position BETWEEN begin AND end AND topic IN ({posted}, {taken_back})
            ) ELSE 0 END AS count, CASE WHEN lines IS NULL THEN (
                SELECT CAST('[' || group_concat(state, ',') || ']' AS BLOB) FROM {events}
                WHERE position BETWEEN begin AND end AND topic = {posted}
            ) END AS posted, CASE WHEN lines IS NULL THEN (
                SELECT CAST('[' || group_concat(state, ',') || ']' AS BLOB) FROM {events}
                WHERE position BETWEEN begin AND end AND topic = {taken_back}
            ) END AS taken_back
            FROM cut
        )
        SELECT CAST(group_concat(lines, ',') AS BLOB), CAST(group_concat(posted, ',') AS BLOB),
            CAST(group_concat(taken_back, ',') AS BLOB),
            json_group_array(json_array(
                number, hex(opening), length(lines), count, length(posted), length(taken_back))),
            ({others})
        FROM parts
        """,
        """
        SELECT json_group_array(
            json_array(position, stream, version, topic, typeof(state), hex(state)))
        FROM {events} WHERE position BETWEEN :begin AND :end AND topic NOT IN ({apart})
        """,
    ),
    "postgresql": (
        "'\\x{}'::bytea",
        """
        WITH firsts AS MATERIALIZED (
            SELECT number, first_position AS begin, first_position + count - 1 AS "end",
                CASE WHEN %(cut)s THEN (
                    SELECT state FROM {events}
                    WHERE position BETWEEN first_position AND first_position + count - 1
                        AND topic = {posted}
                    ORDER BY position LIMIT 1
                ) END AS first
            FROM {commits} WHERE number BETWEEN %(first)s AND %(last)s
        ), opened AS MATERIALIZED (
            SELECT number, begin, "end", place * 3 / 4 AS passed, substring(first from place for
                nullif(position({lines} IN substring(first from place)), 0) - 1 + length({lines}))
                AS opening
            FROM (
                SELECT *, nullif(position({first_entry} IN first), 0) AS place
                FROM firsts OFFSET 0
            ) AS placed
        ), cut AS MATERIALIZED (
            SELECT number, begin, "end", opening, CASE WHEN opening IS NOT NULL THEN (
                SELECT CASE WHEN count(*) = count(lines)
                    THEN '['::bytea || string_agg(lines, ',') || ']'::bytea END
                FROM (
                    SELECT CASE
                        WHEN closed > 0
                            AND position({quote} IN substring(rest from closed + length({text})))
                            = length(rest) - closed - length({text}) - 2
                        THEN substring(rest from 1 for closed)
                        WHEN closed = 0 AND length(rest) >= length({no_text})
                            AND substring(rest from length(rest) - length({no_text}) + 1)
                            = {no_text}
                        THEN substring(rest from 1 for length(rest) - length({no_text}) + 1)
                    END AS lines
                    FROM (
                        SELECT rest, position({text} IN rest) AS closed
                        FROM (
                            SELECT CASE topic WHEN {posted} THEN substring(state from coalesce(
                                nullif(position(opening IN substring(state from passed + 1)), 0)
                                    + passed,
                                nullif(position(opening IN state), 0)
                            ) + length(opening)) END AS rest
                            FROM {events}
                            WHERE position BETWEEN begin AND "end"
                                AND topic IN ({posted}, {taken_back})
                            OFFSET 0
                        ) AS opened_so
                        OFFSET 0
                    ) AS closed_so
                ) AS each
            ) END AS lines
            FROM opened
        ), parts AS MATERIALIZED (
            SELECT cut.number, opening, lines, whole.*
            FROM cut LEFT JOIN LATERAL (
                SELECT count(*) AS count,
                    '['::bytea || string_agg(state, ',') FILTER (WHERE topic = {posted})
                        || ']'::bytea AS posted,
                    '['::bytea || string_agg(state, ',') FILTER (WHERE topic = {taken_back})
                        || ']'::bytea AS taken_back
                FROM {events}
                WHERE lines IS NULL AND position BETWEEN begin AND "end"
                    AND topic IN ({posted}, {taken_back})
            ) AS whole ON true
        )
        SELECT string_agg(lines, ','), string_agg(posted, ','), string_agg(taken_back, ','),
            json_agg(json_build_array(number, encode(opening, 'hex'), length(lines), count,
                length(posted), length(taken_back)))::text,
            ({others})
        FROM parts
        """,
        """
        SELECT json_agg(
            json_build_array(position, stream, version, topic, 'blob', encode(state, 'hex')))::text
        FROM {events} WHERE position BETWEEN %(begin)s AND %(end)s AND topic NOT IN ({apart})
        """,
    ),
}
"""Database to how it writes bytes, how postings are read, and the other events.

SQLite has bytes checked, which it lets anything else stand for; what is joined is cast, so that its
length is one in bytes. ``LIMIT -1`` and ``OFFSET 0`` keep what is looked for once from being looked
for wherever it is used. To look for an opening, byte for byte, is most of the cutting: that begins
at three quarters of the way to where the first posting has it, and at the start where it is missed.
"""
