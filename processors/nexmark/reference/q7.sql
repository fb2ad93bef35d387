WITH ranked AS (
  SELECT
    *,
    rank() OVER (PARTITION BY CAST(dateTime AS BIGINT) / 10000000 ORDER BY price DESC) AS place
  FROM bid
)
SELECT auction, bidder, price, dateTime, extra FROM ranked WHERE place = 1
