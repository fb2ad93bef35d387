-- q19, top 10: the ten highest bids of each auction.
-- A changelog with the key (auction, rank_number). Of two bids at one price the earlier is ahead;
-- without that the order of arrival would decide, and the result differ from run to run.
INSERT INTO nexmark_q19
SELECT *
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price DESC, dateTime ASC) AS rank_number
  FROM bid
)
WHERE rank_number <= 10;
