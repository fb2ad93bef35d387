-- Titles that the same members play on the same days. What each column means is in README.md.

-- A member's titles of a day, each once; of a member who plays very many, the 50 played last.
CREATE TEMPORARY VIEW daily AS
SELECT member_id, title_id, window_start, window_end, window_time
FROM (
  SELECT *, ROW_NUMBER() OVER (
           PARTITION BY window_start, window_end, member_id ORDER BY played_at DESC, title_id) AS rn
  FROM (
    SELECT member_id, title_id, window_start, window_end, window_time, MAX(event_time) AS played_at
    FROM TABLE(TUMBLE(TABLE playback, DESCRIPTOR(event_time), INTERVAL '1' DAY))
    WHERE event_type = 'start'
    GROUP BY member_id, title_id, window_start, window_end, window_time
  )
)
WHERE rn <= 50;

-- Two titles of a member and day, both ways round; also each title with itself, to count it.
CREATE TEMPORARY VIEW pair AS
SELECT a.member_id, a.title_id, b.title_id AS other_id, a.window_time AS `at`
FROM daily AS a JOIN daily AS b
  ON a.member_id = b.member_id AND a.window_start = b.window_start AND a.window_end = b.window_end;

CREATE TEMPORARY VIEW together AS
SELECT title_id, other_id, window_start, window_end,
       COUNT(DISTINCT member_id) AS members, MAX(`at`) AS last_at
FROM TABLE(HOP(TABLE pair, DESCRIPTOR(`at`), INTERVAL '1' DAY, INTERVAL '28' DAY))
GROUP BY title_id, other_id, window_start, window_end;

CREATE TEMPORARY VIEW alone AS
SELECT title_id, window_start, window_end, members, last_at FROM together WHERE title_id = other_id;

-- The list of a title is made anew at the end of each day on which it was played.
CREATE TEMPORARY VIEW similar AS
SELECT t.title_id, t.other_id, t.window_start, t.window_end, t.members,
       t.members / SQRT(CAST(a.members AS DOUBLE) * CAST(b.members AS DOUBLE)) AS cosine
FROM together AS t
JOIN alone AS a
  ON t.title_id = a.title_id AND t.window_start = a.window_start AND t.window_end = a.window_end
JOIN alone AS b
  ON t.other_id = b.title_id AND t.window_start = b.window_start AND t.window_end = b.window_end
WHERE t.title_id <> t.other_id AND a.last_at >= a.window_end - INTERVAL '1' DAY;

CREATE TEMPORARY VIEW ranked AS
SELECT * FROM (
  SELECT *, ROW_NUMBER() OVER (
           PARTITION BY window_start, window_end, title_id ORDER BY score DESC, other_id) AS `rank`
  FROM (SELECT *, cosine * members / (members + 5E0) AS score FROM similar)
)
WHERE `rank` <= 20;

INSERT INTO similar_titles
SELECT title_id, `rank`, other_id, score, cosine, members, window_end AS as_of
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY title_id, `rank` ORDER BY window_end DESC) AS newest FROM ranked
)
WHERE newest = 1;
