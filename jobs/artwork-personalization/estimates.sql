WITH
-- What a policy would have been worth, from ope.policy_value alone: a question for `millrace sql`.
-- Estimators and intervals are those of `millrace ope`, computed from sums; see README.md.
-- The policy in question: its probability of each image of a title, here all alike. It must be over what
-- the log's propensities are over: of the bundled rows (campaigns all, men) that is titles, not images.
target AS (
  SELECT title_id, artwork_id, 1e0 / COUNT(*) OVER (PARTITION BY title_id) AS pi
  FROM (SELECT DISTINCT title_id, artwork_id FROM ope.policy_value) AS image
),
by_day AS (
  SELECT campaign, policy, "day", title_id, artwork_id,
         SUM(impressions) AS n, SUM(plays) AS k, SUM(inverse) AS s1, SUM(inverse_squares) AS s2,
         SUM(inverse_plays) AS r1, SUM(inverse_plays_squares) AS r2
  FROM ope.policy_value GROUP BY campaign, policy, "day", title_id, artwork_id
),
-- The reward model of a day: the image's plays on all other days, drawn towards the rate of all
-- images there, so that no row predicts itself.
days AS (
  SELECT "day", COALESCE((SUM(SUM(k)) OVER () - SUM(k)) / NULLIF(CAST(SUM(SUM(n)) OVER () - SUM(n) AS DOUBLE), 0e0), 0e0)
           AS rate
  FROM by_day GROUP BY "day"
),
image_day AS (
  SELECT t.title_id, t.artwork_id, t.pi, d."day", d.rate,
         COALESCE(SUM(b.n) FILTER (WHERE b."day" <> d."day"), 0) AS n,
         COALESCE(SUM(b.k) FILTER (WHERE b."day" <> d."day"), 0) AS k
  FROM target AS t CROSS JOIN days AS d
  LEFT JOIN by_day AS b ON b.title_id = t.title_id AND b.artwork_id = t.artwork_id
  GROUP BY t.title_id, t.artwork_id, t.pi, d."day", d.rate
),
model AS (
  SELECT *, SUM(pi * q) OVER (PARTITION BY title_id, "day") AS m
  FROM (SELECT title_id, artwork_id, "day", pi, (k + 100e0 * rate) / (n + 100e0) AS q FROM image_day) AS image
),
-- Σ, and Σ of squares, of what the estimators add up.
sums AS (
  SELECT b.campaign, b.policy, CAST(SUM(n) AS DOUBLE) AS n, CAST(SUM(k) AS DOUBLE) AS k,
         SUM(pi * r1) AS wr, SUM(pi * pi * r2) AS wr2, SUM(pi * s1) AS w, SUM(pi * pi * s2) AS w2,
         SUM(m * n + pi * (r1 - q * s1)) AS dr,
         SUM(m * m * n + 2e0 * m * pi * (r1 - q * s1) + pi * pi * (r2 * (1e0 - 2e0 * q) + q * q * s2)) AS dr2,
         SUM(pi * n) AS matched, SUM(pi * k) AS matched_k
  FROM by_day AS b
  JOIN model AS q ON q.title_id = b.title_id AND q.artwork_id = b.artwork_id AND q."day" = b."day"
  GROUP BY b.campaign, b.policy
),
-- Each is a ratio of sums. Replay is of a policy that does not draw, over a log that is uniform.
ratio AS (
  SELECT campaign, policy, estimator, n,
         CASE estimator WHEN 'on-policy' THEN k WHEN 'dr' THEN dr WHEN 'replay' THEN matched_k ELSE wr END AS above,
         CASE estimator WHEN 'snips' THEN w WHEN 'replay' THEN matched ELSE n END AS below,
         CASE estimator WHEN 'on-policy' THEN k WHEN 'dr' THEN dr2 WHEN 'replay' THEN matched_k ELSE wr2 END AS above2,
         CASE estimator WHEN 'snips' THEN w2 WHEN 'replay' THEN matched ELSE n END AS below2,
         CASE estimator WHEN 'snips' THEN wr2 WHEN 'on-policy' THEN k WHEN 'dr' THEN dr WHEN 'replay' THEN matched_k
           ELSE wr END AS product
  FROM sums CROSS JOIN (VALUES ('on-policy'), ('ips'), ('snips'), ('dr'), ('replay')) AS e (estimator)
),
-- Σ (above − value · below)², of which the delta method makes the interval.
estimate AS (
  SELECT campaign, policy, estimator, n, above / below AS value, below / n AS mean_below,
         above2 - 2e0 * (above / below) * product + (above / below) * (above / below) * below2 AS squares
  FROM ratio WHERE below > 0
)
SELECT campaign, policy, estimator, CAST(n AS BIGINT) AS impressions, value,
       value - 1.959963984540054e0 * SQRT(GREATEST(squares, 0e0) / GREATEST(n - 1, 1) / n) / mean_below AS low,
       value + 1.959963984540054e0 * SQRT(GREATEST(squares, 0e0) / GREATEST(n - 1, 1) / n) / mean_below AS high
FROM estimate ORDER BY campaign, policy, estimator
