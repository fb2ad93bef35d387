-- What artwork policies choose by: for every image of a title, how often it was shown and played, and
-- the sums of a linear model of its plays. What each column means is in README.md.

CREATE TEMPORARY VIEW shown AS
SELECT event_id AS impression_id, event_time AS shown_at, member_id, item_id AS title_id,
       COALESCE(artwork_id, item_id) AS artwork_id, context,
       -- Sums that dividing by anything else has spoilt are never right again.
       CASE WHEN propensity BETWEEN 1E-9 AND 1E0 THEN propensity END AS propensity
FROM impressions
WHERE item_id IS NOT NULL;

-- A click of a replayed log is a play, too.
CREATE TEMPORARY VIEW play AS
SELECT event_id AS play_id, event_time AS played_at, member_id, title_id, impression_id
FROM playback WHERE event_type = 'start'
UNION ALL
SELECT event_id AS play_id, event_time AS played_at, member_id, item_id AS title_id, impression_id
FROM clicks;

-- Impressions, and every impression that a play may be due to.
CREATE TEMPORARY VIEW event AS
SELECT FALSE AS is_play, impression_id AS event_id, FALSE AS named, impression_id, shown_at,
       title_id, artwork_id, propensity, context
FROM shown
UNION ALL
SELECT TRUE AS is_play, p.play_id AS event_id,
       COALESCE(p.impression_id = s.impression_id, FALSE) AS named, s.impression_id, s.shown_at,
       s.title_id, s.artwork_id, s.propensity, s.context
FROM play AS p JOIN shown AS s
  ON p.member_id = s.member_id AND p.title_id = s.title_id
 AND p.played_at BETWEEN s.shown_at AND s.shown_at + INTERVAL '6' HOUR;

-- Impressions once, plays once with the impression that they are due to.
CREATE TEMPORARY VIEW attributed AS
SELECT is_play, impression_id, title_id, artwork_id, propensity, context
FROM (
  SELECT *, ROW_NUMBER() OVER (
           PARTITION BY is_play, event_id
           ORDER BY named DESC, shown_at DESC, impression_id DESC) AS rn
  FROM event
)
WHERE rn = 1;

-- A play that goes over to another impression changes two outcomes: all sums below take rows back.
CREATE TEMPORARY VIEW outcome AS
SELECT impression_id, title_id, artwork_id, propensity, context,
       CASE WHEN COUNT(*) FILTER (WHERE is_play) > 0 THEN 1 ELSE 0 END AS played
FROM attributed
GROUP BY impression_id, title_id, artwork_id, propensity, context;

CREATE TEMPORARY VIEW learnt AS
SELECT title_id, artwork_id, COUNT(*) AS impressions, SUM(played) AS plays,
       SUM(played / propensity) AS inverse_plays,
       SUM(played / propensity / propensity) AS inverse_squares,
       GRAM_MATRIX(context) AS a, WEIGHTED_SUM(context, played) AS b
FROM outcome
GROUP BY title_id, artwork_id;

INSERT INTO artwork_policy
SELECT title_id, artwork_id, impressions + plays AS version, impressions, plays,
       CAST(1 + plays AS DOUBLE) AS alpha, CAST(1 + impressions - plays AS DOUBLE) AS beta,
       COALESCE(inverse_plays, 0E0) AS inverse_plays,
       COALESCE(inverse_squares, 0E0) AS inverse_squares, a, b
FROM learnt;
