WITH converted AS (
  SELECT
    *,
    CAST('0.908' AS DECIMAL(4, 3)) * price AS euros,
    CAST(dateTime AS BIGINT) / 3600000000 % 24 AS hour
  FROM bid
)
SELECT
  auction,
  bidder,
  euros AS price,
  CASE
    WHEN hour BETWEEN 8 AND 18 THEN 'dayTime'
    WHEN hour IN (7, 19) THEN 'otherTime'
    ELSE 'nightTime'
  END AS bidTimeType,
  dateTime,
  extra,
  character_length(extra) - character_length(replace(extra, 'c', '')) AS c_counts
FROM converted
WHERE euros > 1000000 AND euros < 50000000
