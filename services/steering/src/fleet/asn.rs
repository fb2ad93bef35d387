//! Which autonomous system an address belongs to: ranges of addresses, searched by halves.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::IpAddr;
use std::ops::Sub;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

/// Why a file of ranges cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("ranges of autonomous systems: {path}{}: {what}", line.map(|n| format!(":{n}")).unwrap_or_default())]
pub struct AsnError {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1, where it is known.
    pub line: Option<u64>,
    /// What is wrong.
    pub what: String,
}

/// Ranges that do not overlap, sorted: address → AS number.
#[derive(Debug, Clone, Default)]
pub struct AsnTable {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
}

/// Starts apart from the rest, so that the search touches less memory.
#[derive(Debug, Clone, Default)]
struct Ranges<A> {
    starts: Vec<A>,
    rest: Vec<(A, u32)>,
}

impl<A: Ord + Copy + Sub<Output = A> + From<u8>> Ranges<A> {
    fn lookup(&self, address: A) -> Option<u32> {
        let index = self.starts.partition_point(|start| *start <= address).checked_sub(1)?;
        let (end, asn) = self.rest[index];
        (address <= end).then_some(asn)
    }

    /// Sorts, and ends a range where the next begins. The error is the start of a range that is
    /// inside another.
    fn of(mut rows: Vec<(A, A, u32)>) -> Result<Self, A> {
        rows.sort_unstable();
        for next in 1..rows.len() {
            let (start, end, _) = rows[next];
            let before = &mut rows[next - 1];
            if before.1 >= start {
                if before.1 >= end || before.0 == start {
                    return Err(start);
                }
                before.1 = start - A::from(1);
            }
        }
        Ok(Self {
            starts: rows.iter().map(|row| row.0).collect(),
            rest: rows.iter().map(|row| (row.1, row.2)).collect(),
        })
    }

    fn bytes(&self) -> usize {
        size_of_val(&self.starts[..]) + size_of_val(&self.rest[..])
    }
}

impl AsnTable {
    /// Reads CSV files `start address, end address, AS number, …`, plain or gzip; families may mix.
    /// Where two ranges overlap, the one that begins later counts; one inside another is refused.
    pub fn load(paths: &[PathBuf]) -> Result<Self, AsnError> {
        Self::of(paths.iter().map(|path| {
            let wrong = |error: std::io::Error| fail(path, None, error.to_string());
            Ok((path.as_path(), BufReader::new(File::open(path).map_err(wrong)?)))
        }))
    }

    /// The same from what such files hold, with a name each.
    pub fn parse(files: &[(&str, &[u8])]) -> Result<Self, AsnError> {
        Self::of(files.iter().map(|(name, bytes)| Ok((Path::new(name), *bytes))))
    }

    fn of<'a, F: BufRead + 'a>(
        files: impl Iterator<Item = Result<(&'a Path, F), AsnError>>,
    ) -> Result<Self, AsnError> {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        let mut first = None;
        for file in files {
            let (path, text) = file?;
            read(path, text, &mut v4, &mut v6)?;
            first = first.or(Some(path));
        }
        let path = first.unwrap_or(Path::new(""));
        let inside = |start: IpAddr| {
            fail(path, None, format!("the range that begins at {start} is inside another"))
        };
        Ok(Self {
            v4: Ranges::of(v4).map_err(|start| inside(IpAddr::V4(start.into())))?,
            v6: Ranges::of(v6).map_err(|start| inside(IpAddr::V6(start.into())))?,
        })
    }

    /// The AS that `address` belongs to. IPv4 inside IPv6 must have been unwrapped.
    pub fn lookup(&self, address: IpAddr) -> Option<u32> {
        match address {
            IpAddr::V4(v4) => self.v4.lookup(v4.into()),
            IpAddr::V6(v6) => self.v6.lookup(v6.into()),
        }
    }

    /// How many ranges.
    pub fn len(&self) -> usize {
        self.v4.starts.len() + self.v6.starts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the ranges take.
    pub fn bytes(&self) -> usize {
        self.v4.bytes() + self.v6.bytes()
    }

    /// Every range: first address, last address, AS number; IPv4 first.
    pub fn ranges(&self) -> impl Iterator<Item = (IpAddr, IpAddr, u32)> + '_ {
        let v4 = self.v4.starts.iter().zip(&self.v4.rest);
        let v6 = self.v6.starts.iter().zip(&self.v6.rest);
        v4.map(|(start, (end, asn))| (IpAddr::V4((*start).into()), IpAddr::V4((*end).into()), *asn))
            .chain(v6.map(|(start, (end, asn))| {
                (IpAddr::V6((*start).into()), IpAddr::V6((*end).into()), *asn)
            }))
    }
}

type Rows<A> = Vec<(A, A, u32)>;

fn fail(path: &Path, line: Option<u64>, what: String) -> AsnError {
    AsnError { path: path.to_owned(), line, what }
}

fn read<'a>(
    path: &Path,
    mut text: impl BufRead + 'a,
    v4: &mut Rows<u32>,
    v6: &mut Rows<u128>,
) -> Result<(), AsnError> {
    let fail = |line, what| fail(path, line, what);
    let gzip = text.fill_buf().is_ok_and(|start| start.starts_with(&[0x1f, 0x8b]));
    let input: Box<dyn Read + 'a> =
        if gzip { Box::new(MultiGzDecoder::new(text)) } else { Box::new(text) };
    let mut csv = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(input);
    let mut record = csv::StringRecord::new();
    loop {
        let more = csv.read_record(&mut record);
        let line = record.position().map(csv::Position::line);
        match more {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) => return Err(fail(line, error.to_string())),
        }
        match row(&record) {
            Some((IpAddr::V4(start), IpAddr::V4(end), asn)) if start <= end => {
                v4.push((start.into(), end.into(), asn));
            }
            Some((IpAddr::V6(start), IpAddr::V6(end), asn)) if start <= end => {
                v6.push((start.into(), end.into(), asn));
            }
            _ => {
                let what = "wants a first address, a last address of its family, an AS number";
                return Err(fail(line, what.to_owned()));
            }
        }
    }
}

fn row(record: &csv::StringRecord) -> Option<(IpAddr, IpAddr, u32)> {
    Some((record.get(0)?.parse().ok()?, record.get(1)?.parse().ok()?, record.get(2)?.parse().ok()?))
}
