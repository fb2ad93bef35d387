WITH latest AS (
  SELECT bidder, auction, max(dateTime) AS at FROM bid GROUP BY bidder, auction
)
SELECT bid.auction, bid.bidder, price, channel, url, dateTime, extra
FROM bid
JOIN latest ON bid.bidder = latest.bidder AND bid.auction = latest.auction AND dateTime = at
