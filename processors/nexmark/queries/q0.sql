-- q0, pass through: every bid without its channel and url.
INSERT INTO nexmark_q0
SELECT auction, bidder, price, dateTime, extra
FROM bid;
