"""The statements that read a portion of the log, one for each database.

A statement has one row. Its first value has for every commit the other events, in JSON with commas
between them, the end of a line, and the lines of its postings, a list in JSON, where they look
alike (``storno.domain.postings`` says when they do). Where they do not, the states of what is
posted and of what is taken back are in the next two values, lists in JSON with commas between them.
The last value is in JSON: the commits in this order, with opening, length of the first part,
whether they look alike, number of postings unless they do, and lengths of the lists of states.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from ...domain.events import RecordAttempted, RecordReversed, RecordSucceeded
from ...domain.postings import END, FIRST_ENTRY, LINES, MARK, NO_TEXT, SECOND_ENTRY, TEXT

OTHERS_END: Final = b"\n"
"""Behind the other events of a commit; no JSON that a database writes has it."""

_BYTES: Final = {
    "others_end": OTHERS_END,
    "first_entry": FIRST_ENTRY,
    "second_entry": SECOND_ENTRY,
    "lines": LINES,
    "text": TEXT,
    "no_text": NO_TEXT,
    "end": END,
    "mark": MARK,
}
"""What the statements call the bytes at which they cut, and at which theirs is cut."""


@lru_cache(maxsize=16)
def select_portion(dialect: str, commits: str, events: str, *, others: bool) -> str:
    """The statement; composed anew for each portion, it took as long as 300 events.

    Its parameters: the numbers of the ``first`` and of the ``last`` commit, and whether to ``cut``
    out lines.

    Args:
        dialect: the database.
        commits: the log's table of commits.
        events: the log's table of events.
        others: whether the other events are wanted.
    """
    literal, postings, singly = _STATEMENTS[dialect]
    names = {
        "commits": commits,
        "events": events,
        "posted": f"'{RecordSucceeded.TOPIC}'",
        "taken_back": f"'{RecordReversed.TOPIC}'",
        "attempted": f"'{RecordAttempted.TOPIC}'",
        **{name: literal.format(bytes_.hex()) for name, bytes_ in _BYTES.items()},
    }
    read_singly = singly.format(**names) if others else "NULL"
    return postings.format(**names, others=read_singly)


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
        ), placed AS MATERIALIZED (
            SELECT number, begin, end, place * 3 / 4 AS passed, CASE
                WHEN substr(first, -length({end})) = {end}
                    AND instr(substr(first, place), {second_entry}) = 0
                THEN substr(first, place,
                    nullif(instr(substr(first, place), {lines}), 0) - 1 + length({lines}))
                END AS opening
            FROM (
                SELECT *, nullif(instr(first, {first_entry}), 0) AS place FROM firsts LIMIT -1
            )
        ), opened AS MATERIALIZED (
            SELECT number, begin, end, opening, passed + 1 AS looked_from,
                passed + length(opening) AS from_there, length(opening) AS from_start
            FROM placed
        ), read AS MATERIALIZED (
            SELECT number, begin, end, opening, (
                SELECT CAST(coalesce(group_concat({others}, ','), '') || {others_end} || coalesce(
                    '[' || rtrim(replace(replace(replace(
                        group_concat(CASE topic
                            WHEN {posted} THEN substr(state, coalesce(
                                nullif(instr(substr(state, looked_from), opening), 0) + from_there,
                                nullif(instr(state, opening), 0) + from_start,
                                length(state) + 1
                            ))
                            WHEN {taken_back} THEN x''
                        END, {mark}) || {mark},
                    {no_text} || {mark}, '],'), {end} || {mark}, '],'), {text}, ','), ',') || ']',
                '') AS BLOB)
                FROM {events} WHERE position BETWEEN begin AND end
            ) AS found
            FROM opened
        ), told AS MATERIALIZED (
            SELECT number, begin, end, opening, length(found) AS length,
                opening IS NOT NULL AND NOT instr(found, {mark}) AS alike
            FROM read
        ), parts AS MATERIALIZED (
            SELECT number, opening, length, alike, CASE WHEN NOT alike THEN (
                SELECT count(*) FROM {events}
                WHERE position BETWEEN begin AND end AND topic IN ({posted}, {taken_back})
            ) ELSE 0 END AS count, CASE WHEN NOT alike THEN (
                SELECT CAST('[' || group_concat(state, ',') || ']' AS BLOB) FROM {events}
                WHERE position BETWEEN begin AND end AND topic = {posted}
            ) END AS posted, CASE WHEN NOT alike THEN (
                SELECT CAST('[' || group_concat(state, ',') || ']' AS BLOB) FROM {events}
                WHERE position BETWEEN begin AND end AND topic = {taken_back}
            ) END AS taken_back
            FROM told
        )
        SELECT (SELECT CAST(group_concat(found, '') AS BLOB) FROM read),
            CAST(group_concat(posted, ',') AS BLOB), CAST(group_concat(taken_back, ',') AS BLOB),
            json_group_array(json_array(
                number, hex(opening), length, alike, count, length(posted), length(taken_back)))
        FROM parts
        """,
        """
        CASE topic WHEN {posted} THEN NULL WHEN {taken_back} THEN NULL WHEN {attempted} THEN NULL
            ELSE json_array(position, stream, version, topic, typeof(state), hex(state)) END
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
            SELECT number, begin, "end", place * 3 / 4 AS passed, CASE
                WHEN substring(first from length(first) - length({end}) + 1) = {end}
                    AND position({second_entry} IN substring(first from place)) = 0
                THEN substring(first from place for
                    nullif(position({lines} IN substring(first from place)), 0) - 1
                        + length({lines}))
                END AS opening
            FROM (
                SELECT *, nullif(position({first_entry} IN first), 0) AS place
                FROM firsts OFFSET 0
            ) AS placed
        ), read AS MATERIALIZED (
            SELECT opened.*, (
                SELECT string_agg(rest, {mark}) || {mark}
                FROM (
                    SELECT CASE topic WHEN {posted} THEN substring(state from coalesce(
                        nullif(position(opening IN substring(state from passed + 1)), 0) + passed,
                        nullif(position(opening IN state), 0)
                    ) + length(opening)) END AS rest
                    FROM {events}
                    WHERE opening IS NOT NULL AND position BETWEEN begin AND "end"
                        AND topic IN ({posted}, {taken_back})
                    OFFSET 0
                ) AS each
                HAVING count(*) = count(rest)
            ) AS rests
            FROM opened
        ), cut AS MATERIALIZED (
            SELECT number, begin, "end", opening, convert_to(rtrim(replace(replace(replace(
                    convert_from(rests, 'LATIN1'),
                convert_from({no_text} || {mark}, 'LATIN1'), '],'),
                convert_from({end} || {mark}, 'LATIN1'), '],'),
                convert_from({text}, 'LATIN1'), ','), ','), 'LATIN1') AS lines
            FROM (
                SELECT number, begin, "end", opening,
                    CASE WHEN position('\\x00'::bytea IN rests) = 0 THEN rests END AS rests
                FROM read OFFSET 0
            ) AS checked
        ), parts AS MATERIALIZED (
            SELECT cut.number, opening, alike, whole.*,
                convert_to(coalesce({others}, ''), 'UTF8') || {others_end}
                || CASE WHEN alike THEN '['::bytea || lines || ']'::bytea ELSE '' END AS found
            FROM (
                SELECT *, lines IS NOT NULL AND position({mark} IN lines) = 0 AS alike
                FROM cut OFFSET 0
            ) AS cut LEFT JOIN LATERAL (
                SELECT count(*) AS count,
                    '['::bytea || string_agg(state, ',') FILTER (WHERE topic = {posted})
                        || ']'::bytea AS posted,
                    '['::bytea || string_agg(state, ',') FILTER (WHERE topic = {taken_back})
                        || ']'::bytea AS taken_back
                FROM {events}
                WHERE NOT alike AND position BETWEEN begin AND "end"
                    AND topic IN ({posted}, {taken_back})
            ) AS whole ON true
        )
        SELECT string_agg(found, ''), string_agg(posted, ','), string_agg(taken_back, ','),
            json_agg(json_build_array(number, encode(opening, 'hex'), length(found), alike::int,
                count, length(posted), length(taken_back)))::text
        FROM parts
        """,
        """
        (
            SELECT string_agg(json_build_array(
                position, stream, version, topic, 'blob', encode(state, 'hex'))::text, ',')
            FROM {events} WHERE position BETWEEN begin AND "end"
                AND topic NOT IN ({posted}, {taken_back}, {attempted})
        )
        """,
    ),
}
"""Database to how it writes bytes, how postings are read, and the other events.

SQLite has bytes checked, which it lets anything else stand for; what is joined is cast, so that its
length is one in bytes. It reads all of a commit in one go. Nothing is looked for twice: to look for
bytes, and to copy them from one step to the next, is most of what a statement costs. So an opening
is looked for from three quarters of the way to where the first posting has it, and from the start
where it is missed there. ``LIMIT -1`` and ``OFFSET 0`` keep what is looked for once from being
looked for wherever it is used.
"""
