-- Gaps and islands: a bid opens a session when the one before it is more than ten seconds back. At
-- ten seconds sharp the two windows touch, and Flink merges windows that touch.
WITH bids AS (
  SELECT bidder, CAST(dateTime AS BIGINT) AS at FROM bid
),
opened AS (
  SELECT
    bidder,
    at,
    CASE
      WHEN at - lag(at) OVER (PARTITION BY bidder ORDER BY at) <= 10000000 THEN 0
      ELSE 1
    END AS opens
  FROM bids
),
numbered AS (
  SELECT bidder, at, sum(opens) OVER (
    PARTITION BY bidder ORDER BY at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  ) AS session
  FROM opened
)
SELECT
  bidder,
  count(*) AS bid_count,
  to_timestamp_micros(min(at)) AS starttime,
  to_timestamp_micros(max(at) + 10000000) AS endtime
FROM numbered
GROUP BY bidder, session
