//! The Open Bandit Dataset as events: impressions, and the clicks that followed (see
//! `jobs/data/open-bandit/README.md` for source, licence and columns).

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use chrono::{DateTime, SecondsFormat, Utc};
use csv::StringRecord;
use flate2::read::GzDecoder;
use serde::Serialize;
use uuid::Uuid;

use super::{ReplayError, ReplayEvent};

const TIME_FORMAT: &str = "%Y-%m-%d %H:%M:%S%.f%:z";

/// Policy and campaign of each file, with the file and its items as they are in the repository.
macro_rules! bundled {
    ($(($policy:literal, $campaign:literal)),+) => {
        [$((
            $policy,
            $campaign,
            include_bytes!(concat!(
                "../../../jobs/data/open-bandit/", $policy, "/", $campaign, "/", $campaign,
                ".csv.gz"
            )),
            include_bytes!(concat!(
                "../../../jobs/data/open-bandit/", $policy, "/", $campaign, "/item_context.csv"
            )),
        )),+]
    };
}

type Bundled = (&'static str, &'static str, &'static [u8], &'static [u8]);

const BUNDLED: [Bundled; 4] =
    bundled![("random", "all"), ("bts", "all"), ("random", "men"), ("bts", "men")];

/// Iterates over the events of all files, in order of time; a click comes right after its
/// impression.
///
/// Streams are `impressions` (40,000 events) and `clicks`. Everything is derived from the rows: a
/// second replay gives the same bytes.
pub struct OpenBandit {
    logs: Vec<Log>,
    click: Option<ReplayEvent>,
}

impl std::fmt::Debug for OpenBandit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenBandit").field("logs", &self.logs.len()).finish_non_exhaustive()
    }
}

impl OpenBandit {
    /// The data that comes with Millrace.
    pub fn bundled() -> Result<Self, ReplayError> {
        let log = |(policy, campaign, rows, items): Bundled| {
            Log::open(policy, campaign, Box::new(rows), Box::new(items))
        };
        Ok(Self { logs: BUNDLED.into_iter().map(log).collect::<Result<_, _>>()?, click: None })
    }

    /// The data in a folder of the same layout: `<policy>/<campaign>/<campaign>.csv.gz` and
    /// `item_context.csv`, for instance the full 26 million rows.
    pub fn open(dir: &Path) -> Result<Self, ReplayError> {
        let file = |name: String| {
            let opened = File::open(dir.join(&name));
            opened.map_err(|source| ReplayError::Io { file: name, source })
        };
        let log = |(policy, campaign, ..): Bundled| {
            let rows = file(format!("{policy}/{campaign}/{campaign}.csv.gz"))?;
            let items = file(format!("{policy}/{campaign}/item_context.csv"))?;
            Log::open(policy, campaign, Box::new(rows), Box::new(items))
        };
        Ok(Self { logs: BUNDLED.into_iter().map(log).collect::<Result<_, _>>()?, click: None })
    }
}

impl Iterator for OpenBandit {
    type Item = Result<ReplayEvent, ReplayError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(click) = self.click.take() {
            return Some(Ok(click));
        }
        let ahead = self.logs.iter_mut().filter(|log| log.ahead.is_some());
        let log = ahead.min_by_key(|log| log.ahead.as_ref().map(|row| row.time))?;
        let row = log.ahead.take()?;
        let events = log.events(&row).and_then(|events| log.read().map(|()| events));
        Some(events.map(|(impression, click)| {
            self.click = click;
            impression
        }))
    }
}

/// One file of impressions with the features of its items.
struct Log {
    policy: &'static str,
    campaign: &'static str,
    file: String,
    reader: csv::Reader<GzDecoder<Box<dyn Read + Send>>>,
    columns: HashMap<String, usize>,
    /// Row `i` describes item `i`.
    items: Vec<StringRecord>,
    item_columns: HashMap<String, usize>,
    /// The next row to be given out; `None` at the end.
    ahead: Option<Row>,
    rows: u64,
}

struct Row {
    number: u64,
    time: DateTime<Utc>,
    cells: StringRecord,
}

#[derive(Serialize)]
struct Impression<'a> {
    event_id: &'a str,
    event_time: &'a str,
    campaign: &'a str,
    policy: &'a str,
    member_id: u64,
    item_id: u32,
    position: u32,
    propensity: f64,
    user_feature_0: &'a str,
    user_feature_1: &'a str,
    user_feature_2: &'a str,
    user_feature_3: &'a str,
    affinity: f64,
    item_feature_0: f64,
    item_feature_1: &'a str,
    item_feature_2: &'a str,
    item_feature_3: &'a str,
}

#[derive(Serialize)]
struct Click<'a> {
    event_id: &'a str,
    event_time: &'a str,
    impression_id: &'a str,
    campaign: &'a str,
    policy: &'a str,
    member_id: u64,
    item_id: u32,
    position: u32,
}

impl Log {
    fn open(
        policy: &'static str,
        campaign: &'static str,
        rows: Box<dyn Read + Send>,
        items: Box<dyn Read + Send>,
    ) -> Result<Self, ReplayError> {
        let file = format!("{policy}/{campaign}/{campaign}.csv.gz");
        let csv = |source| ReplayError::Csv { file: file.clone(), source };
        let mut reader = csv::Reader::from_reader(GzDecoder::new(rows));
        let columns = positions(reader.headers().map_err(csv)?);

        let items_csv = |source| ReplayError::Csv {
            file: format!("{policy}/{campaign}/item_context.csv"),
            source,
        };
        let mut items = csv::Reader::from_reader(items);
        let item_columns = positions(items.headers().map_err(items_csv)?);
        let items = items.into_records().collect::<Result<_, _>>().map_err(items_csv)?;
        let mut log = Self {
            policy,
            campaign,
            file,
            reader,
            columns,
            items,
            item_columns,
            ahead: None,
            rows: 0,
        };
        log.read()?;
        Ok(log)
    }

    fn read(&mut self) -> Result<(), ReplayError> {
        let mut cells = StringRecord::new();
        let more = self.reader.read_record(&mut cells);
        if !more.map_err(|source| ReplayError::Csv { file: self.file.clone(), source })? {
            return Ok(());
        }
        let number = self.rows;
        self.rows += 1;
        let text = self.cell(&cells, number, "timestamp")?;
        let time = DateTime::parse_from_str(text, TIME_FORMAT)
            .map_err(|_| self.wrong(number, "timestamp", text))?
            .to_utc();
        self.ahead = Some(Row { number, time, cells });
        Ok(())
    }

    /// The impression of a row, and the click if there was one.
    fn events(&self, row: &Row) -> Result<(ReplayEvent, Option<ReplayEvent>), ReplayError> {
        let text = |column: &str| self.cell(&row.cells, row.number, column);
        let user = [
            text("user_feature_0")?,
            text("user_feature_1")?,
            text("user_feature_2")?,
            text("user_feature_3")?,
        ];
        let item_id = self.number::<u32>(row, "item_id")?;
        let item = |column: &str| {
            let cells = self.items.get(item_id as usize);
            let at = self.item_columns.get(column);
            let cell = cells.zip(at).and_then(|(cells, at)| cells.get(*at));
            cell.ok_or_else(|| self.wrong(row.number, "item_id", &item_id.to_string()))
        };
        let feature = item("item_feature_0")?;
        let member = member_id(user);
        let (policy, campaign) = (self.policy, self.campaign);
        let id = self.id("impression", row.number);
        let time = row.time.to_rfc3339_opts(SecondsFormat::Micros, true);
        let impression = Impression {
            event_id: &id,
            event_time: &time,
            campaign,
            policy,
            member_id: member,
            item_id,
            position: self.number(row, "position")?,
            propensity: self.number(row, "propensity_score")?,
            user_feature_0: user[0],
            user_feature_1: user[1],
            user_feature_2: user[2],
            user_feature_3: user[3],
            affinity: self.number(row, &format!("user-item_affinity_{item_id}"))?,
            item_feature_0: feature
                .parse()
                .map_err(|_| self.wrong(row.number, "item_feature_0", feature))?,
            item_feature_1: item("item_feature_1")?,
            item_feature_2: item("item_feature_2")?,
            item_feature_3: item("item_feature_3")?,
        };
        let event = |stream, id: &str, json| ReplayEvent {
            stream,
            json,
            id: id.to_owned(),
            event_time_ms: row.time.timestamp_millis(),
            key: member.to_string(),
        };
        let click = (self.number::<u8>(row, "click")? == 1).then(|| {
            let click_id = self.id("click", row.number);
            let click = Click {
                event_id: &click_id,
                event_time: &time,
                impression_id: &id,
                campaign,
                policy,
                member_id: member,
                item_id,
                position: impression.position,
            };
            event("clicks", &click_id, json(&click))
        });
        Ok((event("impressions", &id, json(&impression)), click))
    }

    /// Derived from file and row, so that a second replay is recognised as the same events.
    fn id(&self, what: &str, row: u64) -> String {
        let name = format!("open-bandit/{}/{}/{what}/{row}", self.policy, self.campaign);
        Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string()
    }

    fn cell<'a>(
        &self,
        cells: &'a StringRecord,
        row: u64,
        column: &str,
    ) -> Result<&'a str, ReplayError> {
        let at = self.columns.get(column);
        at.and_then(|at| cells.get(*at)).ok_or_else(|| self.wrong(row, column, ""))
    }

    fn number<T: std::str::FromStr>(&self, row: &Row, column: &str) -> Result<T, ReplayError> {
        let text = self.cell(&row.cells, row.number, column)?;
        text.parse().map_err(|_| self.wrong(row.number, column, text))
    }

    fn wrong(&self, row: u64, column: &str, value: &str) -> ReplayError {
        let (file, column, value) = (self.file.clone(), column.to_owned(), value.to_owned());
        ReplayError::Value { file, row, column, value }
    }
}

/// A stand-in for the user ids the data set does not have: equal features, equal member. Below
/// 2^53, so that readers which hold numbers as doubles see the same id.
fn member_id(features: [&str; 4]) -> u64 {
    let name = Uuid::new_v5(&Uuid::NAMESPACE_OID, features.join("/").as_bytes());
    name.as_u64_pair().0 >> 11
}

fn positions(heading: &StringRecord) -> HashMap<String, usize> {
    heading.iter().enumerate().map(|(at, name)| (name.to_owned(), at)).collect()
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("texts and finite numbers are JSON")
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};
    use std::sync::LazyLock;
    use std::time::Duration;

    use super::*;
    use crate::{Column, ColumnType, Decoder, EventTime, Offset, RawBatchBuilder, RawRecord};
    use crate::{StreamSchema, TopicPartition};

    static ALL: LazyLock<Vec<ReplayEvent>> = LazyLock::new(|| {
        OpenBandit::bundled().expect("opens").map(|e| e.expect("sound")).collect()
    });

    fn schema(stream: &str) -> StreamSchema {
        let impressions = [
            ("event_id", ColumnType::String),
            ("event_time", ColumnType::TimestampUs),
            ("campaign", ColumnType::String),
            ("policy", ColumnType::String),
            ("member_id", ColumnType::Int64),
            ("item_id", ColumnType::Int64),
            ("position", ColumnType::Int32),
            ("propensity", ColumnType::Float64),
            ("user_feature_0", ColumnType::String),
            ("user_feature_1", ColumnType::String),
            ("user_feature_2", ColumnType::String),
            ("user_feature_3", ColumnType::String),
            ("affinity", ColumnType::Float64),
            ("item_feature_0", ColumnType::Float64),
            ("item_feature_1", ColumnType::String),
            ("item_feature_2", ColumnType::String),
            ("item_feature_3", ColumnType::String),
        ];
        let clicks = [("impression_id", ColumnType::String)].into_iter();
        let columns: Vec<_> = match stream {
            "clicks" => impressions[..7].iter().copied().chain(clicks).collect(),
            _ => impressions.to_vec(),
        };
        let column = |(name, data_type): (&str, _)| Column {
            name: name.to_owned(),
            data_type,
            required: true,
        };
        StreamSchema {
            name: stream.parse().expect("valid"),
            topic: stream.to_owned(),
            partitions: 1,
            key: None,
            id: Some("event_id".to_owned()),
            event_time: Some(EventTime {
                column: "event_time".to_owned(),
                delay: Duration::ZERO,
                idle: Duration::ZERO,
            }),
            columns: columns.into_iter().map(column).collect(),
        }
    }

    #[test]
    fn clicks_per_ten_thousand_are_those_of_the_data_set() {
        let mut counts = BTreeMap::new();
        for event in ALL.iter() {
            let json: serde_json::Value = serde_json::from_slice(&event.json).expect("JSON");
            let text = |name: &str| json[name].as_str().expect("text").to_owned();
            *counts.entry((text("campaign"), text("policy"), event.stream)).or_insert(0) += 1;
            assert_eq!(text("event_id"), event.id);
        }
        let expected =
            [("all", "bts", 42), ("all", "random", 38), ("men", "bts", 69), ("men", "random", 46)];
        let expected = expected.into_iter().flat_map(|(campaign, policy, clicks)| {
            let of = |stream| (campaign.to_owned(), policy.to_owned(), stream);
            [(of("clicks"), clicks), (of("impressions"), 10_000)]
        });
        assert_eq!(counts, expected.collect());
    }

    #[test]
    fn a_second_replay_is_the_same_and_ids_are_unique() {
        assert_eq!(ALL.iter().map(|e| &e.id).collect::<HashSet<_>>().len(), ALL.len());
        assert!(ALL.is_sorted_by_key(|e| e.event_time_ms));
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../jobs/data/open-bandit");
        let opened = OpenBandit::open(&dir).expect("opens").map(|e| e.expect("sound"));
        assert!(opened.eq(ALL.iter().cloned()), "the folder holds what is bundled");
    }

    #[test]
    fn every_event_decodes_with_every_column() {
        for stream in ["impressions", "clicks"] {
            let mut builder = RawBatchBuilder::new(TopicPartition::new(stream, 0), Offset(0));
            let of_stream = ALL.iter().filter(|e| e.stream == stream);
            for (offset, event) in (0..).map(Offset).zip(of_stream) {
                let value = Some(&event.json[..]);
                builder.push(RawRecord { offset, timestamp_ms: 0, key: None, value, headers: &[] });
            }
            let raw = builder.finish();
            let decoded = Decoder::new(&schema(stream)).decode(&raw);
            assert_eq!((decoded.dead.first(), decoded.unknown), (None, 0));
            assert_eq!(decoded.rows.len(), raw.len());
        }
    }

    #[test]
    fn a_missing_folder_is_named() {
        let missing = OpenBandit::open(Path::new("/nonexistent")).expect_err("not there");
        assert!(missing.to_string().starts_with("cannot read random/all/all.csv.gz"), "{missing}");
    }
}
