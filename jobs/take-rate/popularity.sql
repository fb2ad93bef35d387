-- How popular titles are, in each country and everywhere ('*'). What each column means is in README.md.

CREATE TEMPORARY VIEW start AS
SELECT event_id, event_time, title_id, ARRAY[COALESCE(country, 'ZZ'), '*'] AS countries
FROM playback WHERE event_type = 'start';

-- Each play once, in its country and everywhere.
CREATE TEMPORARY VIEW play AS
SELECT title_id, country, event_time
FROM (
  SELECT s.title_id, c.country, s.event_time,
         ROW_NUMBER() OVER (PARTITION BY event_id, c.country ORDER BY event_time, title_id) AS rn
  FROM start AS s CROSS JOIN UNNEST(s.countries) AS c (country)
)
WHERE rn = 1;

CREATE TEMPORARY VIEW popular AS
SELECT country, title_id, plays, score, as_of, (a_day + 1E0) / (score / 7E0 + 1E0) - 1E0 AS trend,
       LN(score) + EXTRACT(EPOCH FROM as_of) / 604800E0 AS weight
FROM (
  SELECT country, title_id, COUNT(*) AS plays,
         DECAYED_COUNT(event_time, 604800) AS score, DECAYED_COUNT(event_time, 86400) AS a_day,
         LATEST_TIME(event_time) AS as_of
  FROM play GROUP BY country, title_id
);

INSERT INTO popularity
SELECT country, title_id, plays, score, trend, as_of, weight FROM popular;

INSERT INTO top_titles
SELECT country, rn AS `rank`, title_id, score, as_of, weight
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY country ORDER BY weight DESC, title_id) AS rn FROM popular
)
WHERE rn <= 50;
