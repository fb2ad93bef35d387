-- q18, last bid: the last bid of each bidder for each auction.
-- De-duplication that keeps the last row; a changelog with the key (bidder, auction).
INSERT INTO nexmark_q18
SELECT auction, bidder, price, channel, url, dateTime, extra
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY bidder, auction ORDER BY dateTime DESC) AS rank_number
  FROM bid
)
WHERE rank_number <= 1;
