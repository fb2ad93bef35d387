#!/usr/bin/env python3
"""Writes golden/ from fixtures/, with DuckDB: what the jobs here must give, computed as one batch.

    $(deploy/readers/setup.sh) jobs/take-rate/golden.py
"""
import pathlib

import duckdb

HERE = pathlib.Path(__file__).parent
Z = 1.959963984540054

db = duckdb.connect()
db.execute("SET TimeZone = 'UTC'")
COLUMNS = {
    "impressions": "event_id VARCHAR, event_time TIMESTAMPTZ, member_id BIGINT, item_id BIGINT, country VARCHAR,"
    ' "row" VARCHAR, artwork_id BIGINT, campaign VARCHAR, policy VARCHAR',
    "clicks": "event_id VARCHAR, event_time TIMESTAMPTZ, member_id BIGINT, item_id BIGINT, impression_id VARCHAR",
    "playback": "event_id VARCHAR, event_time TIMESTAMPTZ, member_id BIGINT, title_id BIGINT, event_type VARCHAR,"
    " country VARCHAR, impression_id VARCHAR",
}
for stream, columns in COLUMNS.items():
    typed = ", ".join(f"{name}: '{kind}'" for name, kind in (column.split() for column in columns.split(", ")))
    path = HERE / "fixtures" / f"{stream}.jsonl"
    # An event that comes twice is the same row twice.
    db.execute(f"CREATE TABLE {stream} AS SELECT DISTINCT * FROM read_json('{path}', columns = {{{typed}}})")


def save(sink, query):
    """Writes the rows of a query as JSON lines, in order of their text."""
    path = HERE / "golden" / f"{sink}.jsonl"
    db.execute(f"COPY (SELECT * FROM ({query}) ORDER BY ALL) TO '{path}' (FORMAT json)")


def take_rate():
    db.execute("""
        CREATE TABLE shown AS
        SELECT event_id AS impression_id, event_time AS shown_at, member_id, item_id AS title_id,
               coalesce(country, 'ZZ') AS country, coalesce("row", 'none') AS "row",
               coalesce(artwork_id, item_id) AS artwork_id, coalesce(campaign, 'none') AS campaign,
               coalesce(policy, 'none') AS policy
        FROM impressions WHERE item_id IS NOT NULL;
        CREATE TABLE play AS
        SELECT event_id AS play_id, event_time AS played_at, member_id, title_id, impression_id AS said
        FROM playback WHERE event_type = 'start'
        UNION ALL SELECT event_id, event_time, member_id, item_id, impression_id FROM clicks;
        -- The impression of each play: the one it names if it can be, else the latest before it.
        CREATE TABLE due AS
        SELECT play_id, (
            SELECT arg_max(impression_id, (coalesce(impression_id = said, false), shown_at, impression_id))
            FROM shown s WHERE s.member_id = p.member_id AND s.title_id = p.title_id
              AND shown_at <= played_at AND played_at <= shown_at + INTERVAL 6 HOUR) AS impression_id
        FROM play p;
        CREATE TABLE result AS
        SELECT *, impression_id IN (SELECT impression_id FROM due WHERE impression_id IS NOT NULL) AS taken FROM shown;
        CREATE TABLE windowed AS
        SELECT *, hours, strftime(to_timestamp(epoch(shown_at)::BIGINT // (hours * 3600) * (hours * 3600)), '%Y-%m-%dT%H:%M:%SZ') AS window_start
        FROM (SELECT * REPLACE (to_timestamp(floor(epoch(shown_at))) AS shown_at) FROM result),
             (SELECT unnest([1, 24, 168]) AS hours)""")

    def rates(keys, table):
        share = f"(plays / n + {Z}*{Z}/(2*n))"
        spread = f"{Z} * sqrt((plays / n) * (1 - plays / n) / n + {Z}*{Z}/(4*n*n))"
        return f"""SELECT {keys}, impressions, plays, plays / n AS take_rate,
            greatest(({share} - {spread}) / (1 + {Z}*{Z}/n), 0) AS low, ({share} + {spread}) / (1 + {Z}*{Z}/n) AS high
            FROM (SELECT {keys}, count(*) AS impressions, count(*)::DOUBLE AS n, sum(taken::INT)::BIGINT AS plays
                  FROM {table} GROUP BY {keys})"""

    window = "hours, window_start"
    save("take_rate", rates(f"title_id, country, {window}", "windowed"))
    save("take_rate_detail", rates(f'title_id, artwork_id, "row", country, {window}', "windowed"))
    save("campaign_take_rate", rates("campaign, policy", "result"))
    save("final_take_rate", rates(f'title_id, artwork_id, "row", country, campaign, policy, {window}', "windowed"))


def popularity():
    week, day = 7 * 86400, 86400
    db.execute(f"""
        CREATE TABLE start AS
        SELECT unnest([coalesce(country, 'ZZ'), '*']) AS country, title_id, event_time AS started
        FROM playback WHERE event_type = 'start';
        CREATE TABLE popular AS
        SELECT *, (a_day + 1) / (score / 7 + 1) - 1 AS trend, ln(score) + floor(epoch(as_of)) / {week} AS weight
        FROM (
            SELECT country, title_id, count(*) AS plays, max(started) AS as_of,
                   fsum(exp((epoch(started) - epoch(last)) / {week}) ORDER BY started) AS score,
                   fsum(exp((epoch(started) - epoch(last)) / {day}) ORDER BY started) AS a_day
            FROM (SELECT *, max(started) OVER (PARTITION BY country, title_id) AS last FROM start)
            GROUP BY country, title_id)""")
    as_of = "strftime(as_of, '%Y-%m-%dT%H:%M:%S.%gZ') AS as_of"
    save("popularity", f"SELECT country, title_id, plays, score, trend, {as_of}, weight FROM popular")
    save("top_titles", f"""
        SELECT country, row_number() OVER (PARTITION BY country ORDER BY weight DESC, title_id) AS rank,
               title_id, score, {as_of}, weight
        FROM popular QUALIFY rank <= 50""")


(HERE / "golden").mkdir(exist_ok=True)
take_rate()
popularity()
