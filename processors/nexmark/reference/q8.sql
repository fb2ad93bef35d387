WITH came AS (
  SELECT DISTINCT id, name, CAST(dateTime AS BIGINT) / 10000000 AS window_start FROM person
),
sold AS (
  SELECT seller, CAST(dateTime AS BIGINT) / 10000000 AS window_start FROM auction
)
SELECT id, name, to_timestamp_micros(window_start * 10000000) AS starttime
FROM came
WHERE EXISTS (
  SELECT 1 FROM sold WHERE sold.seller = came.id AND sold.window_start = came.window_start
)
