-- q7, highest bid: the bids at the highest price of each 10 seconds.
-- A window join of the bids with the highest price of their window.
INSERT INTO nexmark_q7
SELECT B.auction, B.bidder, B.price, B.dateTime, B.extra
FROM (
  SELECT auction, bidder, price, dateTime, extra, window_start, window_end
  FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '10' SECOND))
) AS B
JOIN (
  SELECT MAX(price) AS maxprice, window_start, window_end
  FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '10' SECOND))
  GROUP BY window_start, window_end
) AS B1
ON B.window_start = B1.window_start
  AND B.window_end = B1.window_end
  AND B.price = B1.maxprice;
