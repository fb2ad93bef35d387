-- Clicks per impression of each position and day, from the raw log of a policy:
--
--   millrace job run --local jobs/open-bandit/take-rate.sql \
--     --input log=jobs/data/open-bandit/random/all/all.csv.gz --event-time log=timestamp
INSERT INTO take_rate
SELECT window_start, `position`, COUNT(*) AS impressions, SUM(click) AS clicks,
       CAST(SUM(click) AS DOUBLE) / COUNT(*) AS take_rate
FROM TABLE(TUMBLE(TABLE log, DESCRIPTOR(`timestamp`), INTERVAL '1' DAY))
GROUP BY window_start, window_end, `position`;
