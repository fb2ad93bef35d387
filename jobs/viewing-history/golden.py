"""Writes golden/ from fixtures/, each row computed by DuckDB from all events at once.

    $(deploy/readers/setup.sh) jobs/viewing-history/golden.py
"""

import json
from datetime import datetime
from pathlib import Path

import duckdb

HERE = Path(__file__).parent
KEEP = 20
KEY = "member_id, profile_id, title_id"

db = duckdb.connect()
db.execute(f"""
CREATE TABLE played AS
SELECT DISTINCT ON (event_id) * REPLACE (event_time::TIMESTAMP AS event_time)
FROM read_json('{HERE}/fixtures/playback.jsonl', columns = {{
  event_id: 'VARCHAR', event_time: 'VARCHAR', session_id: 'VARCHAR', member_id: 'BIGINT',
  profile_id: 'INT', title_id: 'BIGINT', event_type: 'VARCHAR', played_from_s: 'INT',
  played_to_s: 'INT', position_s: 'INT', duration_s: 'INT', device: 'VARCHAR'}});
CREATE TABLE deleted AS
SELECT DISTINCT event_id, event_time::TIMESTAMP AS event_time, {KEY}
FROM read_json('{HERE}/fixtures/history_deletions.jsonl', columns = {{
  event_id: 'VARCHAR', event_time: 'VARCHAR', member_id: 'BIGINT', profile_id: 'INT',
  title_id: 'BIGINT'}});
""")


def sessions_of(events: str) -> str:
    """The events, each with the number of its session: a silence of more than 30 minutes ends one."""
    return f"""
    SELECT *, SUM(opens) OVER (PARTITION BY {KEY} ORDER BY event_time, event_id) AS session
    FROM (SELECT *, CAST(event_time - LAG(event_time) OVER
                           (PARTITION BY {KEY} ORDER BY event_time, event_id)
                         > INTERVAL 30 MINUTES AS INT) AS later,
                 COALESCE(later, 1) AS opens
          FROM {events})"""


def seconds_of(events: str, key: str) -> str:
    """How many different seconds of the title were played, counted one by one."""
    return f"""
    SELECT {key}, COUNT(DISTINCT second) AS watched_s
    FROM (SELECT {key}, UNNEST(range(played_from_s, played_to_s)) AS second FROM {events})
    GROUP BY {key}"""


def rows(sql: str) -> list[dict]:
    result = db.execute(sql)
    names = [column[0] for column in result.description]
    return [dict(zip(names, row)) for row in result.fetchall()]


def written(value):
    """A time as feeds write it."""
    if not isinstance(value, datetime):
        return value
    form = "milliseconds" if value.microsecond else "seconds"
    return value.isoformat(timespec=form) + "Z"


def as_json(row: dict) -> dict:
    return {name: written(value) for name, value in row.items() if value is not None}


def write(sink: str, results: list[dict]) -> None:
    lines = [json.dumps(as_json(row)) + "\n" for row in results]
    (HERE / "golden" / f"{sink}.jsonl").write_text("".join(lines))


db.execute(f"CREATE TABLE in_sessions AS {sessions_of('played')}")
write("viewing_sessions", rows(f"""
SELECT {KEY}, MIN(event_time) AS started_at, MAX(event_time) AS ended_at,
       COALESCE(ANY_VALUE(watched_s), 0) AS watched_s, MAX(position_s) AS furthest_s,
       MAX(duration_s) AS duration_s,
       CASE WHEN MAX(duration_s) > 0 THEN LEAST(1, COALESCE(ANY_VALUE(watched_s), 0) / MAX(duration_s)) END
         AS completion,
       COUNT(DISTINCT session_id) FILTER (event_type = 'start') AS plays,
       COUNT(DISTINCT session_id) FILTER (event_type = 'stop') AS stops,
       STRING_AGG(DISTINCT device, ',' ORDER BY device) AS devices
FROM in_sessions
LEFT JOIN ({seconds_of("in_sessions", KEY + ", session")}) USING ({KEY}, session)
GROUP BY {KEY}, session ORDER BY {KEY}, session"""))
write("viewing_deletions", rows("SELECT * FROM deleted ORDER BY event_id"))

db.execute(f"""
CREATE TABLE stayed AS
SELECT played.* FROM played
LEFT JOIN (SELECT {KEY}, MAX(event_time) AS last_deleted FROM deleted GROUP BY {KEY}) USING ({KEY})
WHERE last_deleted IS NULL OR event_time > last_deleted""")
watched = rows(f"""
SELECT {KEY}, MAX(event_time) AS last_watched,
       ARG_MAX(position_s, (event_time, event_id)) AS position_s,
       ARG_MAX(duration_s, (event_time, event_id)) AS duration_s,
       CASE WHEN ARG_MAX(duration_s, (event_time, event_id)) > 0 THEN
         LEAST(1, COALESCE(ANY_VALUE(watched_s), 0) / ARG_MAX(duration_s, (event_time, event_id))) END
         AS completion,
       COALESCE(ANY_VALUE(watched_s), 0) AS watched_s, COUNT(DISTINCT session) AS sessions,
       ARG_MAX(device, (event_time, event_id)) AS device
FROM ({sessions_of("stayed")}) LEFT JOIN ({seconds_of("stayed", KEY)}) USING ({KEY})
GROUP BY {KEY} ORDER BY {KEY}""")

recent, packed = [], []
for profile in sorted({(row["member_id"], row["profile_id"]) for row in watched}):
    own = [row for row in watched if (row["member_id"], row["profile_id"]) == profile]
    own.sort(key=lambda row: (row["last_watched"], -row["title_id"]), reverse=True)
    recent += own[:KEEP]
    older = [as_json(row) for row in reversed(own[KEEP:])]
    if older:
        # The fixtures are small: one chunk.
        assert len("\n".join(map(json.dumps, older))) < 60_000
        key = {"member_id": profile[0], "profile_id": profile[1]}
        packed.append(key | {"chunk": 0, "chunks": 1, "packed": older})
write("history", recent)
write("history_packed", packed)
