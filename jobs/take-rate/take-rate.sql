-- Take-rate: of the impressions of a title, the share that was taken. What each column means and why
-- it is computed like this is in README.md.

CREATE TEMPORARY VIEW shown AS
SELECT event_id AS impression_id, event_time AS shown_at, member_id, item_id AS title_id,
       COALESCE(country, 'ZZ') AS country, COALESCE(`row`, 'none') AS `row`,
       COALESCE(artwork_id, item_id) AS artwork_id,
       COALESCE(campaign, 'none') AS campaign, COALESCE(policy, 'none') AS policy
FROM impressions
WHERE item_id IS NOT NULL;

-- A click of a replayed log is a play, too.
CREATE TEMPORARY VIEW play AS
SELECT event_id AS play_id, event_time AS played_at, member_id, title_id, impression_id
FROM playback WHERE event_type = 'start'
UNION ALL
SELECT event_id AS play_id, event_time AS played_at, member_id, item_id AS title_id, impression_id
FROM clicks;

-- Every impression that a play may be due to.
CREATE TEMPORARY VIEW candidate AS
SELECT p.play_id, p.played_at, COALESCE(p.impression_id = s.impression_id, FALSE) AS named,
       s.impression_id, s.shown_at, s.title_id, s.country, s.`row`, s.artwork_id, s.campaign, s.policy
FROM play AS p JOIN shown AS s
  ON p.member_id = s.member_id AND p.title_id = s.title_id
 AND p.played_at BETWEEN s.shown_at AND s.shown_at + INTERVAL '6' HOUR;

CREATE TEMPORARY VIEW event AS
SELECT FALSE AS is_play, impression_id AS event_id, FALSE AS named, impression_id, shown_at,
       title_id, country, `row`, artwork_id, campaign, policy
FROM shown
UNION ALL
SELECT TRUE AS is_play, play_id AS event_id, named, impression_id, shown_at,
       title_id, country, `row`, artwork_id, campaign, policy
FROM candidate;

-- Impressions once, plays once with the impression that they are due to; in windows of three lengths.
CREATE TEMPORARY VIEW attributed AS
SELECT is_play, impression_id, title_id, country, `row`, artwork_id, campaign, policy, hours,
       TO_TIMESTAMP_LTZ(
         EXTRACT(EPOCH FROM shown_at) - MOD(EXTRACT(EPOCH FROM shown_at), hours * 3600), 0
       ) AS window_start
FROM (
  SELECT e.*, w.hours, ROW_NUMBER() OVER (
           PARTITION BY is_play, event_id, hours
           ORDER BY named DESC, shown_at DESC, impression_id DESC) AS rn
  FROM event AS e CROSS JOIN UNNEST(ARRAY[1, 24, 168]) AS w (hours)
)
WHERE rn = 1;

-- An impression is in one group only, so that coarser groups are sums of these.
CREATE TEMPORARY VIEW finest AS
SELECT title_id, artwork_id, `row`, country, campaign, policy, hours, window_start,
       COUNT(*) FILTER (WHERE NOT is_play) AS shown,
       COUNT(DISTINCT impression_id) FILTER (WHERE is_play) AS taken
FROM attributed
GROUP BY title_id, artwork_id, `row`, country, campaign, policy, hours, window_start;

CREATE TEMPORARY VIEW of_title AS
SELECT title_id, country, hours, window_start, SUM(shown) AS impressions, SUM(taken) AS plays
FROM finest GROUP BY title_id, country, hours, window_start;

INSERT INTO take_rate
SELECT title_id, country, hours, window_start, impressions, plays, plays / n AS take_rate,
       (plays + 1.9207294103470627E0 - 1.959963984540054E0 * SQRT(GREATEST(
         plays * (n - plays) / n + 0.9603647051735313E0, 0E0))) / (n + 3.8414588206941254E0) AS low,
       (plays + 1.9207294103470627E0 + 1.959963984540054E0 * SQRT(GREATEST(
         plays * (n - plays) / n + 0.9603647051735313E0, 0E0))) / (n + 3.8414588206941254E0) AS high
FROM (SELECT *, CAST(NULLIF(impressions, 0) AS DOUBLE) AS n FROM of_title);

CREATE TEMPORARY VIEW of_artwork AS
SELECT title_id, artwork_id, `row`, country, hours, window_start, SUM(shown) AS impressions, SUM(taken) AS plays
FROM finest GROUP BY title_id, artwork_id, `row`, country, hours, window_start;

INSERT INTO take_rate_detail
SELECT title_id, artwork_id, `row`, country, hours, window_start, impressions, plays, plays / n AS take_rate,
       (plays + 1.9207294103470627E0 - 1.959963984540054E0 * SQRT(GREATEST(
         plays * (n - plays) / n + 0.9603647051735313E0, 0E0))) / (n + 3.8414588206941254E0) AS low,
       (plays + 1.9207294103470627E0 + 1.959963984540054E0 * SQRT(GREATEST(
         plays * (n - plays) / n + 0.9603647051735313E0, 0E0))) / (n + 3.8414588206941254E0) AS high
FROM (SELECT *, CAST(NULLIF(impressions, 0) AS DOUBLE) AS n FROM of_artwork);

-- Over all time.
CREATE TEMPORARY VIEW of_campaign AS
SELECT campaign, policy, SUM(shown) FILTER (WHERE hours = 1) AS impressions,
       SUM(taken) FILTER (WHERE hours = 1) AS plays
FROM finest GROUP BY campaign, policy;

INSERT INTO campaign_take_rate
SELECT campaign, policy, impressions, plays, plays / n AS take_rate,
       (plays + 1.9207294103470627E0 - 1.959963984540054E0 * SQRT(GREATEST(
         plays * (n - plays) / n + 0.9603647051735313E0, 0E0))) / (n + 3.8414588206941254E0) AS low,
       (plays + 1.9207294103470627E0 + 1.959963984540054E0 * SQRT(GREATEST(
         plays * (n - plays) / n + 0.9603647051735313E0, 0E0))) / (n + 3.8414588206941254E0) AS high
FROM (SELECT *, CAST(NULLIF(impressions, 0) AS DOUBLE) AS n FROM of_campaign);

-- The same as rows that never change again. An hour of plays is closed once no impression that one of
-- them may be due to can come; the plays of an impression are in the hour it was shown in and the six
-- after it, so that a sliding window of so much more than the impressions' own has all of them.
CREATE TEMPORARY VIEW hourly AS
SELECT FALSE AS is_play, window_time AS `at`, EXTRACT(EPOCH FROM shown_at) AS shown_s,
       impression_id, title_id, artwork_id, `row`, country, campaign, policy
FROM (
  SELECT *, ROW_NUMBER() OVER (
           PARTITION BY window_start, window_end, impression_id
           ORDER BY shown_at) AS rn
  FROM TABLE(TUMBLE(TABLE shown, DESCRIPTOR(shown_at), INTERVAL '1' HOUR))
)
WHERE rn = 1
UNION ALL
SELECT TRUE AS is_play, window_time AS `at`, EXTRACT(EPOCH FROM shown_at) AS shown_s,
       impression_id, title_id, artwork_id, `row`, country, campaign, policy
FROM (
  SELECT *, ROW_NUMBER() OVER (
           PARTITION BY window_start, window_end, play_id
           ORDER BY named DESC, shown_at DESC, impression_id DESC) AS rn
  FROM TABLE(TUMBLE(TABLE candidate, DESCRIPTOR(played_at), INTERVAL '1' HOUR))
)
WHERE rn = 1;

CREATE TEMPORARY VIEW closed AS
SELECT title_id, artwork_id, `row`, country, campaign, policy, 1 AS hours, window_start,
       COUNT(*) FILTER (WHERE NOT is_play) AS impressions,
       COUNT(DISTINCT impression_id) FILTER (WHERE is_play) AS plays
FROM TABLE(HOP(TABLE hourly, DESCRIPTOR(`at`), INTERVAL '1' HOUR, INTERVAL '7' HOUR))
WHERE shown_s - MOD(shown_s, 3600) = EXTRACT(EPOCH FROM window_start)
GROUP BY title_id, artwork_id, `row`, country, campaign, policy, window_start, window_end
UNION ALL
SELECT title_id, artwork_id, `row`, country, campaign, policy, 24 AS hours, window_start,
       COUNT(*) FILTER (WHERE NOT is_play) AS impressions,
       COUNT(DISTINCT impression_id) FILTER (WHERE is_play) AS plays
FROM TABLE(HOP(TABLE hourly, DESCRIPTOR(`at`), INTERVAL '6' HOUR, INTERVAL '30' HOUR))
WHERE shown_s - MOD(shown_s, 86400) = EXTRACT(EPOCH FROM window_start)
GROUP BY title_id, artwork_id, `row`, country, campaign, policy, window_start, window_end
UNION ALL
SELECT title_id, artwork_id, `row`, country, campaign, policy, 168 AS hours, window_start,
       COUNT(*) FILTER (WHERE NOT is_play) AS impressions,
       COUNT(DISTINCT impression_id) FILTER (WHERE is_play) AS plays
FROM TABLE(HOP(TABLE hourly, DESCRIPTOR(`at`), INTERVAL '6' HOUR, INTERVAL '174' HOUR))
WHERE shown_s - MOD(shown_s, 604800) = EXTRACT(EPOCH FROM window_start)
GROUP BY title_id, artwork_id, `row`, country, campaign, policy, window_start, window_end;

INSERT INTO final_take_rate
SELECT title_id, artwork_id, `row`, country, campaign, policy, hours, window_start, impressions, plays, plays / n AS take_rate,
       (plays + 1.9207294103470627E0 - 1.959963984540054E0 * SQRT(GREATEST(
         plays * (n - plays) / n + 0.9603647051735313E0, 0E0))) / (n + 3.8414588206941254E0) AS low,
       (plays + 1.9207294103470627E0 + 1.959963984540054E0 * SQRT(GREATEST(
         plays * (n - plays) / n + 0.9603647051735313E0, 0E0))) / (n + 3.8414588206941254E0) AS high
FROM (SELECT *, CAST(NULLIF(impressions, 0) AS DOUBLE) AS n FROM closed);
