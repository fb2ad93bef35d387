-- Sums of a day's impressions from which the value of any policy follows: see README.md. Rows are
-- final: a day is written once no play that counts can come any more.

CREATE TEMPORARY VIEW shown AS
SELECT event_id AS impression_id, event_time AS shown_at, member_id, item_id AS title_id,
       COALESCE(artwork_id, item_id) AS artwork_id, COALESCE(campaign, 'none') AS campaign,
       COALESCE(policy, 'none') AS policy, COALESCE(`position`, 0) AS `position`,
       CASE WHEN propensity BETWEEN 1E-9 AND 1E0 THEN propensity END AS propensity
FROM impressions
WHERE item_id IS NOT NULL;

CREATE TEMPORARY VIEW play AS
SELECT event_id AS play_id, event_time AS played_at, member_id, title_id, impression_id
FROM playback WHERE event_type = 'start'
UNION ALL
SELECT event_id AS play_id, event_time AS played_at, member_id, item_id AS title_id, impression_id
FROM clicks;

CREATE TEMPORARY VIEW candidate AS
SELECT p.play_id, p.played_at, COALESCE(p.impression_id = s.impression_id, FALSE) AS named,
       s.impression_id, s.shown_at, s.title_id, s.artwork_id, s.campaign, s.policy, s.`position`,
       s.propensity
FROM play AS p JOIN shown AS s
  ON p.member_id = s.member_id AND p.title_id = s.title_id
 AND p.played_at BETWEEN s.shown_at AND s.shown_at + INTERVAL '6' HOUR;

-- An impression once, a play once with the impression that it is due to.
CREATE TEMPORARY VIEW hourly AS
SELECT FALSE AS is_play, window_time AS `at`, EXTRACT(EPOCH FROM shown_at) AS shown_s,
       impression_id, title_id, artwork_id, campaign, policy, `position`, propensity
FROM (
  SELECT *, ROW_NUMBER() OVER (
           PARTITION BY window_start, window_end, impression_id ORDER BY shown_at) AS rn
  FROM TABLE(TUMBLE(TABLE shown, DESCRIPTOR(shown_at), INTERVAL '1' HOUR))
)
WHERE rn = 1
UNION ALL
SELECT TRUE AS is_play, window_time AS `at`, EXTRACT(EPOCH FROM shown_at) AS shown_s,
       impression_id, title_id, artwork_id, campaign, policy, `position`, propensity
FROM (
  SELECT *, ROW_NUMBER() OVER (
           PARTITION BY window_start, window_end, play_id
           ORDER BY named DESC, shown_at DESC, impression_id DESC) AS rn
  FROM TABLE(TUMBLE(TABLE candidate, DESCRIPTOR(played_at), INTERVAL '1' HOUR))
)
WHERE rn = 1;

-- Only here are impressions without a propensity left out: plays may be due to them.
--
-- The plays of a day's impressions come on that day or in the six hours after it; an impression that
-- was played twice was played.
CREATE TEMPORARY VIEW daily AS
SELECT window_start, window_end, is_play, title_id, artwork_id, campaign, policy, `position`,
       1E0 / propensity AS inverse
FROM (
  SELECT *, ROW_NUMBER() OVER (
           PARTITION BY window_start, window_end, is_play, impression_id ORDER BY `at`) AS rn
  FROM TABLE(HOP(TABLE hourly, DESCRIPTOR(`at`), INTERVAL '6' HOUR, INTERVAL '30' HOUR))
  WHERE shown_s - MOD(shown_s, 86400) = EXTRACT(EPOCH FROM window_start) AND propensity IS NOT NULL
)
WHERE rn = 1;

INSERT INTO policy_value
SELECT window_start AS `day`, campaign, policy, `position`, title_id, artwork_id,
       COUNT(*) FILTER (WHERE NOT is_play) AS impressions,
       COUNT(*) FILTER (WHERE is_play) AS plays,
       SUM(CASE WHEN is_play THEN 0E0 ELSE inverse END) AS inverse,
       SUM(CASE WHEN is_play THEN 0E0 ELSE inverse * inverse END) AS inverse_squares,
       SUM(CASE WHEN is_play THEN inverse ELSE 0E0 END) AS inverse_plays,
       SUM(CASE WHEN is_play THEN inverse * inverse ELSE 0E0 END) AS inverse_plays_squares
FROM daily
GROUP BY window_start, window_end, campaign, policy, `position`, title_id, artwork_id;
