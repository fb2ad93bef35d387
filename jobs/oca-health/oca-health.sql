-- Appliances: health, headroom, routes and files as feeds; silences and errors of players as tables.
-- Definitions and their reasons: README.md.

-- Each report with its parts, 1 at best and 0 at worst. What a report leaves out counts as worst.
CREATE TEMPORARY VIEW part AS
SELECT
  *,
  COALESCE(LEAST(1e0, GREATEST(0e0, (1e0 - load_mbps / NULLIF(capacity_mbps, 0e0)) / 0.3e0)), 0e0) AS link_part,
  COALESCE(LEAST(1e0, GREATEST(0e0, 1e0 - disk_errors / 8e0)), 0e0) AS disk_part,
  COALESCE(LEAST(1e0, GREATEST(0e0, (1e0 - cpu) / 0.3e0)), 0e0) AS cpu_part
FROM oca_reports;

CREATE TEMPORARY VIEW scored AS
SELECT *, 0.5e0 * link_part + 0.3e0 * disk_part + 0.2e0 * cpu_part AS score
FROM part;

CREATE TEMPORARY VIEW judged AS
SELECT
  *,
  CASE
    WHEN score < 0.25e0 OR disk_part = 0e0 THEN 'failing'
    WHEN score < 0.6e0 THEN 'bad'
    ELSE 'good'
  END AS verdict
FROM scored;

-- When an appliance had not been heard for 5.2 s: closed by the reports of the others.
CREATE TEMPORARY VIEW silence AS
SELECT
  oca_id,
  window_start AS heard_from,
  window_end AS silent_from,
  MAX(event_time) AS last_report,
  COUNT(*) AS reports
FROM TABLE(SESSION(TABLE oca_reports PARTITION BY oca_id, DESCRIPTOR(event_time), INTERVAL '5.2' SECOND))
GROUP BY oca_id, window_start, window_end;

CREATE TEMPORARY VIEW news AS
SELECT
  oca_id, event_time, event_id, verdict, score, capacity_mbps, load_mbps,
  site, asn, country, latitude, longitude, version, base_url
FROM judged
UNION ALL
SELECT
  oca_id, silent_from, CAST(NULL AS STRING), 'silent',
  CAST(NULL AS DOUBLE), CAST(NULL AS DOUBLE), CAST(NULL AS DOUBLE),
  CAST(NULL AS STRING), CAST(NULL AS BIGINT), CAST(NULL AS STRING),
  CAST(NULL AS DOUBLE), CAST(NULL AS DOUBLE), CAST(NULL AS STRING), CAST(NULL AS STRING)
FROM silence;

-- Three good reports in a row within the last minute make an appliance up; three bad ones, a
-- failing one or silence make it down.
CREATE TEMPORARY VIEW state AS
SELECT
  oca_id,
  APPLIANCE_HEALTH(event_time, event_id, verdict, 3, 3, 60000) AS health,
  LATEST_DOUBLE(score, event_time, event_id) AS score,
  LATEST_DOUBLE(GREATEST(0e0, 0.9e0 * capacity_mbps - load_mbps), event_time, event_id) AS headroom_mbps,
  LATEST_DOUBLE(capacity_mbps, event_time, event_id) AS capacity_mbps,
  LATEST_STRING(site, event_time, event_id) AS site,
  LATEST_BIGINT(asn, event_time, event_id) AS asn,
  LATEST_STRING(country, event_time, event_id) AS country,
  LATEST_DOUBLE(latitude, event_time, event_id) AS latitude,
  LATEST_DOUBLE(longitude, event_time, event_id) AS longitude,
  LATEST_STRING(version, event_time, event_id) AS version,
  LATEST_STRING(base_url, event_time, event_id) AS base_url,
  MAX(CASE WHEN event_id IS NOT NULL THEN event_time END) AS last_report
FROM news
GROUP BY oca_id;

INSERT INTO appliances
SELECT
  oca_id,
  state.health.healthy AS healthy,
  state.health.reported_healthy AS reported_healthy,
  state.health.silent AS silent,
  state.health.good_in_row AS good_in_row,
  state.health.bad_in_row AS bad_in_row,
  score,
  COALESCE(headroom_mbps, 0e0) AS headroom_mbps,
  capacity_mbps,
  site, asn, country, latitude, longitude, version, base_url, last_report
FROM state;

INSERT INTO `oca.silences`
SELECT oca_id, heard_from, last_report, silent_from, reports
FROM silence;

INSERT INTO appliance_routes
SELECT oca_id, prefix, event_time AS announced
FROM (
  SELECT
    *,
    ROW_NUMBER() OVER (PARTITION BY oca_id, prefix ORDER BY event_time DESC, event_id DESC) AS place
  FROM oca_routes
)
WHERE place = 1 AND action = 'announce';

INSERT INTO appliance_files
SELECT oca_id, file_id, event_time AS added
FROM (
  SELECT
    *,
    ROW_NUMBER() OVER (PARTITION BY oca_id, file_id ORDER BY event_time DESC, event_id DESC) AS place
  FROM oca_files
)
WHERE place = 1 AND action = 'add';

INSERT INTO `oca.client_errors`
SELECT
  window_start, window_end, device, client_version, oca_id,
  COUNT(DISTINCT event_id) AS errors,
  COUNT(DISTINCT member_id) AS members
FROM TABLE(TUMBLE(TABLE client_errors, DESCRIPTOR(event_time), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, device, client_version, oca_id;
