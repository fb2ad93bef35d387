-- The five windows of a bid are written out; window starts are counted in steps of two seconds.
WITH step AS (
  SELECT auction, CAST(dateTime AS BIGINT) / 2000000 AS step FROM bid
),
pane AS (
  SELECT auction, step AS window_start FROM step
  UNION ALL SELECT auction, step - 1 FROM step
  UNION ALL SELECT auction, step - 2 FROM step
  UNION ALL SELECT auction, step - 3 FROM step
  UNION ALL SELECT auction, step - 4 FROM step
),
counted AS (
  SELECT auction, window_start, count(*) AS num FROM pane GROUP BY auction, window_start
),
ranked AS (
  SELECT auction, num, rank() OVER (PARTITION BY window_start ORDER BY num DESC) AS place
  FROM counted
)
SELECT auction, num FROM ranked WHERE place = 1
