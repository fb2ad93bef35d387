-- Titles that are played by the same members on the same days. What each column means is in README.md.

-- A basket: a member's titles of a day, each once; of a member who plays very many, the 50 played last.
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

-- Two titles of a basket, both ways round.
CREATE TEMPORARY VIEW pair AS
SELECT a.title_id, b.title_id AS other_id, a.window_start, a.window_end, a.window_time
FROM daily AS a JOIN daily AS b
  ON a.member_id = b.member_id AND a.window_start = b.window_start AND a.window_end = b.window_end
WHERE a.title_id <> b.title_id;

CREATE TEMPORARY VIEW together AS
SELECT title_id, other_id, window_start, window_end, window_time, COUNT(*) AS baskets
FROM pair
GROUP BY title_id, other_id, window_start, window_end, window_time;

CREATE TEMPORARY VIEW play AS SELECT title_id, window_time AS `at` FROM daily;

-- In how many baskets each title was in the four weeks that end with a day, as a row of that day.
CREATE TEMPORARY VIEW four_weeks AS
SELECT title_id, window_time AS `at`, COUNT(*) AS baskets
FROM TABLE(HOP(TABLE play, DESCRIPTOR(`at`), INTERVAL '1' DAY, INTERVAL '28' DAY))
GROUP BY title_id, window_start, window_end, window_time;

CREATE TEMPORARY VIEW lately AS
SELECT title_id, baskets, window_start, window_end
FROM TABLE(TUMBLE(TABLE four_weeks, DESCRIPTOR(`at`), INTERVAL '1' DAY));

-- What a day adds to the similarity of two titles. Whole billionths: their sum is the same in any order.
CREATE TEMPORARY VIEW of_day AS
SELECT t.title_id, t.other_id, t.window_end AS `at`, t.baskets,
       CAST(ROUND(1E9 * t.baskets / SQRT(CAST(a.baskets AS DOUBLE) * CAST(b.baskets AS DOUBLE))) AS BIGINT)
         AS billionths
FROM together AS t
JOIN lately AS a
  ON t.title_id = a.title_id AND t.window_start = a.window_start AND t.window_end = a.window_end
JOIN lately AS b
  ON t.other_id = b.title_id AND t.window_start = b.window_start AND t.window_end = b.window_end;

CREATE TEMPORARY VIEW similar AS
SELECT title_id, other_id, baskets, cosines, cosines * baskets / (baskets + 5E0) AS score, as_of
FROM (
  SELECT title_id, other_id, SUM(baskets) AS baskets, SUM(billionths) / 1E9 AS cosines,
         LATEST_TIME(`at`) AS as_of
  FROM of_day
  GROUP BY title_id, other_id
);

INSERT INTO similar_titles
SELECT title_id, `rank`, other_id, score, cosines, baskets, as_of
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY title_id ORDER BY score DESC, other_id) AS `rank`
  FROM similar
)
WHERE `rank` <= 50;
