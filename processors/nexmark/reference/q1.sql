-- Decimal from the start, so that no rounding of binary fractions comes in.
SELECT auction, bidder, CAST('0.908' AS DECIMAL(4, 3)) * price AS price, dateTime, extra FROM bid
