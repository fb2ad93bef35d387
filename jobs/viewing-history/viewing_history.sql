-- What members watched: each session, and what their history shows. See README.md.

INSERT INTO viewing_sessions
SELECT member_id, profile_id, title_id,
       window_start AS started_at,
       MAX(event_time) AS ended_at,
       covered_seconds(played_from_s, played_to_s) AS watched_s,
       MAX(position_s) AS furthest_s,
       MAX(duration_s) AS duration_s,
       LEAST(1E0, covered_seconds(played_from_s, played_to_s)
                  / CAST(NULLIF(GREATEST(MAX(duration_s), 0), 0) AS DOUBLE)) AS completion,
       COUNT(DISTINCT CASE WHEN event_type = 'start' THEN session_id END) AS plays,
       COUNT(DISTINCT CASE WHEN event_type = 'stop' THEN session_id END) AS stops,
       sorted_list(device) AS devices
FROM TABLE(SESSION(TABLE playback PARTITION BY (member_id, profile_id, title_id),
                   DESCRIPTOR(event_time), INTERVAL '30' MINUTE))
GROUP BY member_id, profile_id, title_id, window_start, window_end;

-- The table of sessions is appended to and nothing else: who reads it leaves out what was deleted.
INSERT INTO viewing_deletions
SELECT event_id, event_time, member_id, profile_id, title_id FROM history_deletions;

-- A row for each title that a profile watched since it last deleted it.
CREATE TEMPORARY VIEW watched AS
SELECT member_id, profile_id, title_id,
       shown.last_watched AS last_watched, shown.position_s AS position_s,
       shown.duration_s AS duration_s, shown.completion AS completion,
       shown.watched_s AS watched_s, shown.sessions AS sessions, shown.device AS device
FROM (
  SELECT member_id, profile_id, title_id,
         watch_history(30, deletion, event_time, event_id, played_from_s, played_to_s, position_s,
                       duration_s, device) AS shown
  FROM (
    SELECT member_id, profile_id, title_id, FALSE AS deletion, event_time, event_id,
           played_from_s, played_to_s, position_s, duration_s, device
    FROM playback
    UNION ALL
    SELECT member_id, profile_id, title_id, TRUE, event_time, event_id,
           CAST(NULL AS INT), CAST(NULL AS INT), CAST(NULL AS INT), CAST(NULL AS INT),
           CAST(NULL AS STRING)
    FROM history_deletions
  ) AS events
  GROUP BY member_id, profile_id, title_id
) AS titles
WHERE shown IS NOT NULL;

-- Live: the latest 20 of each profile, a record for each.
INSERT INTO history
SELECT member_id, profile_id, title_id, last_watched, position_s, duration_s, completion, watched_s,
       sessions, device
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY member_id, profile_id
                               ORDER BY last_watched DESC, title_id) AS place
  FROM watched
) AS ranked
WHERE place <= 20;

-- Packed: all others of a profile, compressed, 64 KiB of rows to a record.
INSERT INTO history_packed
SELECT member_id, profile_id, chunk,
       CAST(only_value(CAST(chunks AS STRING)) AS BIGINT) AS chunks,
       only_value(packed) AS packed
FROM (
  SELECT member_id, profile_id,
         pack_older(20, 65536, last_watched, title_id,
                    'member_id', member_id, 'profile_id', profile_id, 'title_id', title_id,
                    'last_watched', last_watched, 'position_s', position_s,
                    'duration_s', duration_s, 'completion', completion, 'watched_s', watched_s,
                    'sessions', sessions, 'device', device) AS older
  FROM watched
  GROUP BY member_id, profile_id
) AS profiles
CROSS JOIN UNNEST(older) AS c (chunk, chunks, packed)
GROUP BY member_id, profile_id, chunk;
