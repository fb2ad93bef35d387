//! Rows of the feeds, as JSON has them, and what of them is taken.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDateTime};
use ipnet::IpNet;
use serde::Deserialize;
use url::Url;

use crate::fleet::{Position, Report};

/// Bytes of an id, at most.
const ID_BYTES: usize = 256;

/// Why a row cannot be taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RowError {
    #[error("not the JSON that was agreed: {0}")]
    Json(#[from] serde_json::Error),
    #[error("an id is empty, longer than {ID_BYTES} bytes, or holds control characters")]
    Id,
    #[error("`{0}` is no prefix")]
    Prefix(String),
}

/// The key of each feed; columns that a feed has not are not there.
#[derive(Debug, Deserialize)]
pub(super) struct Key<'a> {
    #[serde(borrow)]
    oca_id: Cow<'a, str>,
    #[serde(borrow, default)]
    prefix: Cow<'a, str>,
    #[serde(borrow, default)]
    file_id: Cow<'a, str>,
}

impl<'a> Key<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, RowError> {
        let key: Self = serde_json::from_slice(bytes)?;
        checked(&key.oca_id)?;
        Ok(key)
    }

    pub(super) fn appliance(&self) -> &str {
        &self.oca_id
    }

    pub(super) fn prefix(&self) -> Result<IpNet, RowError> {
        self.prefix.parse().map_err(|_| RowError::Prefix(self.prefix.chars().take(64).collect()))
    }

    pub(super) fn file(&self) -> Result<&str, RowError> {
        checked(&self.file_id)
    }
}

/// `id`, if it can be one. Dots alone would make a path that climbs.
pub(crate) fn checked(id: &str) -> Result<&str, RowError> {
    let bad = id.is_empty()
        || id.len() > ID_BYTES
        || id.chars().any(char::is_control)
        || matches!(id, "." | "..");
    if bad { Err(RowError::Id) } else { Ok(id) }
}

/// A row of `appliances`.
#[derive(Debug, Deserialize)]
struct ApplianceRow<'a> {
    #[serde(default)]
    healthy: bool,
    score: Option<f64>,
    headroom_mbps: Option<f64>,
    capacity_mbps: Option<f64>,
    site: Option<Box<str>>,
    asn: Option<u32>,
    country: Option<Box<str>>,
    latitude: Option<f64>,
    longitude: Option<f64>,
    base_url: Option<Box<str>>,
    #[serde(borrow)]
    last_report: Option<Cow<'a, str>>,
}

/// What a row of `appliances` says. Of columns that make no sense, what depends on them is not
/// known: an appliance without an address or headroom serves nobody, one without a position is
/// nowhere.
pub(super) fn report(bytes: &[u8]) -> Result<Report, RowError> {
    let row: ApplianceRow<'_> = serde_json::from_slice(bytes)?;
    let position = row.latitude.zip(row.longitude);
    Ok(Report {
        healthy: row.healthy,
        score: row.score,
        headroom_mbps: row.headroom_mbps.unwrap_or(0.0),
        capacity_mbps: row.capacity_mbps.filter(|mbps| *mbps > 0.0),
        site: row.site,
        asn: row.asn,
        country: row.country,
        position: position.and_then(|(lat, lon)| Position::new(lat, lon)),
        base_url: row.base_url.and_then(|url| base_url(&url)),
        last_report_ms: row.last_report.and_then(|time| millis(&time)),
    })
}

/// An `http` or `https` address that a path can be added to, without a slash at the end.
fn base_url(text: &str) -> Option<Box<str>> {
    let url = Url::parse(text).ok()?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    plain.then(|| url.as_str().trim_end_matches('/').into())
}

/// Milliseconds since the epoch of an RFC 3339 time; one without an offset is UTC.
fn millis(time: &str) -> Option<i64> {
    let with_offset = DateTime::parse_from_rfc3339(time).map(|time| time.timestamp_millis());
    let without = || {
        ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"].iter().find_map(|format| {
            let time = NaiveDateTime::parse_from_str(time, format).ok()?;
            Some(time.and_utc().timestamp_millis())
        })
    };
    with_offset.ok().or_else(without)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the job writes is what is read: its golden rows are rows of the feed.
    #[test]
    fn each_column_of_the_job_is_taken() {
        let rows = include_str!("../../../../jobs/oca-health/golden/appliances.jsonl");
        let mut whole = 0;
        for line in rows.lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            let number = |name: &str| row[name].as_f64();
            let position = number("latitude").zip(number("longitude"));
            let expected = Report {
                healthy: row["healthy"].as_bool().unwrap(),
                score: number("score"),
                headroom_mbps: number("headroom_mbps").unwrap(),
                // One that can carry nothing has no weight of its own.
                capacity_mbps: number("capacity_mbps").filter(|mbps| *mbps > 0.0),
                site: row["site"].as_str().map(Into::into),
                asn: row["asn"].as_u64().map(|asn| u32::try_from(asn).unwrap()),
                country: row["country"].as_str().map(Into::into),
                position: position.and_then(|(lat, lon)| Position::new(lat, lon)),
                base_url: row["base_url"].as_str().map(Into::into),
                last_report_ms: row["last_report"].as_str().and_then(millis),
            };
            assert_eq!(report(line.as_bytes()).unwrap(), expected, "{line}");
            let Report { capacity_mbps, position, last_report_ms, .. } = expected;
            let all = capacity_mbps.is_some() && position.is_some() && last_report_ms.is_some();
            whole += usize::from(all);
        }
        assert!(whole > 3, "rows that lack nothing are part of the test");
    }

    #[test]
    fn times_are_read_in_the_forms_that_engines_write() {
        for time in
            ["1970-01-01T00:00:01.5Z", "1970-01-01T01:00:01.500+01:00", "1970-01-01T00:00:01.500"]
        {
            assert_eq!(millis(time), Some(1500), "{time}");
        }
        assert_eq!(millis("1970-01-01 00:00:02"), Some(2000));
        assert_eq!(millis("yesterday"), None);
    }

    #[test]
    fn only_addresses_that_a_path_can_follow_are_taken() {
        assert_eq!(base_url("https://a.example/").as_deref(), Some("https://a.example"));
        assert_eq!(
            base_url("http://10.0.0.1:8080/oca/").as_deref(),
            Some("http://10.0.0.1:8080/oca")
        );
        for bad in [
            "",
            "a.example",
            "ftp://a.example",
            "https://a.example/?x=1",
            "https://u:p@a.example",
            "javascript:1",
        ] {
            assert_eq!(base_url(bad), None, "{bad}");
        }
    }
}
