-- A running count in place of ROW_NUMBER.
WITH placed AS (
  SELECT *, count(*) OVER (
    PARTITION BY auction ORDER BY price DESC, dateTime
    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  ) AS rank_number
  FROM bid
)
SELECT auction, bidder, price, channel, url, dateTime, extra, rank_number
FROM placed
WHERE rank_number <= 10
