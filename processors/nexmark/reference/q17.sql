WITH levels AS (
  SELECT
    *,
    CAST(CAST(dateTime AS DATE) AS VARCHAR) AS day,
    CASE WHEN price < 10000 THEN 1 WHEN price < 1000000 THEN 2 ELSE 3 END AS level
  FROM bid
)
SELECT
  auction,
  day,
  count(*) AS total_bids,
  sum(CASE level WHEN 1 THEN 1 ELSE 0 END) AS rank1_bids,
  sum(CASE level WHEN 2 THEN 1 ELSE 0 END) AS rank2_bids,
  sum(CASE level WHEN 3 THEN 1 ELSE 0 END) AS rank3_bids,
  min(price) AS min_price,
  max(price) AS max_price,
  sum(price) / count(*) AS avg_price,
  sum(price) AS sum_price
FROM levels
GROUP BY auction, day
