WITH levels AS (
  SELECT
    *,
    CAST(CAST(dateTime AS DATE) AS VARCHAR) AS day,
    CASE WHEN price < 10000 THEN 1 WHEN price < 1000000 THEN 2 ELSE 3 END AS level
  FROM bid
)
SELECT
  day,
  count(*) AS total_bids,
  sum(CASE level WHEN 1 THEN 1 ELSE 0 END) AS rank1_bids,
  sum(CASE level WHEN 2 THEN 1 ELSE 0 END) AS rank2_bids,
  sum(CASE level WHEN 3 THEN 1 ELSE 0 END) AS rank3_bids,
  count(DISTINCT bidder) AS total_bidders,
  count(DISTINCT CASE level WHEN 1 THEN bidder END) AS rank1_bidders,
  count(DISTINCT CASE level WHEN 2 THEN bidder END) AS rank2_bidders,
  count(DISTINCT CASE level WHEN 3 THEN bidder END) AS rank3_bidders,
  count(DISTINCT auction) AS total_auctions,
  count(DISTINCT CASE level WHEN 1 THEN auction END) AS rank1_auctions,
  count(DISTINCT CASE level WHEN 2 THEN auction END) AS rank2_auctions,
  count(DISTINCT CASE level WHEN 3 THEN auction END) AS rank3_auctions
FROM levels
GROUP BY day
