//! A record as bytes in a spool: length, CRC-32, payload. Integers are little-endian.

use std::io::{self, Read};

use bytes::{Buf, BufMut, Bytes};
use flate2::Crc;

use crate::{Header, Outgoing, PartitionId};

/// Bytes before the payload.
pub(super) const PREFIX: usize = 8;

/// What the next bytes of a segment are.
#[derive(Debug)]
pub(super) enum Frame {
    /// A record and the bytes it takes.
    Whole(Outgoing, u64),
    /// All there, but its checksum or content is wrong; the bytes to pass over.
    Damaged(u64),
    /// The file ends within it: the write was cut short by a crash.
    Torn,
    End,
}

/// Appends the frame of `record` to `out`.
pub(super) fn write(record: &Outgoing, out: &mut Vec<u8>) {
    let start = out.len();
    out.put_bytes(0, PREFIX);
    put(out, Some(record.topic.as_bytes()));
    out.put_i32_le(record.partition.map_or(-1, |p| p.0));
    put(out, record.key.as_deref());
    put(out, record.value.as_deref());
    out.put_u8(u8::from(record.timestamp_ms.is_some()));
    out.put_i64_le(record.timestamp_ms.unwrap_or_default());
    out.put_u32_le(length(record.headers.len()));
    for header in &record.headers {
        put(out, Some(header.name.as_bytes()));
        put(out, header.value.as_deref());
    }
    let payload = start + PREFIX;
    let (len, crc) = (length(out.len() - payload), checksum(&out[payload..]));
    out[start..start + 4].copy_from_slice(&len.to_le_bytes());
    out[start + 4..payload].copy_from_slice(&crc.to_le_bytes());
}

/// Reads the next frame of a file that has `left` bytes left.
pub(super) fn read(file: &mut impl Read, left: u64) -> io::Result<Frame> {
    if left == 0 {
        return Ok(Frame::End);
    }
    if left < PREFIX as u64 {
        return Ok(Frame::Torn);
    }
    let mut prefix = [0; PREFIX];
    file.read_exact(&mut prefix)?;
    let mut prefix = &prefix[..];
    let (len, crc) = (prefix.get_u32_le(), prefix.get_u32_le());
    // Checked before anything is allocated: a damaged length may say 4 GiB.
    let frame = u64::from(len) + PREFIX as u64;
    if frame > left {
        return Ok(Frame::Torn);
    }
    let mut payload = vec![0; len as usize];
    file.read_exact(&mut payload)?;
    if checksum(&payload) != crc {
        return Ok(Frame::Damaged(frame));
    }
    let record = parse(&mut Bytes::from(payload));
    Ok(record.map_or(Frame::Damaged(frame), |record| Frame::Whole(record, frame)))
}

fn parse(from: &mut Bytes) -> Option<Outgoing> {
    let topic = text(from)?.into();
    let partition = from.try_get_i32_le().ok()?;
    let (key, value) = (take(from).ok()?, take(from).ok()?);
    let stamped = from.try_get_u8().ok()? == 1;
    let timestamp = from.try_get_i64_le().ok()?;
    let count = from.try_get_u32_le().ok()?;
    let header = |_| Some(Header { name: text(from)?, value: take(from).ok()? });
    Some(Outgoing {
        topic,
        partition: (partition >= 0).then_some(PartitionId(partition)),
        key,
        value,
        headers: (0..count).map(header).collect::<Option<_>>()?,
        timestamp_ms: stamped.then_some(timestamp),
    })
}

/// Length and bytes; -1 for none.
fn put(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => out.put_i32_le(-1),
        Some(bytes) => {
            out.put_u32_le(length(bytes.len()));
            out.put_slice(bytes);
        }
    }
}

/// The frame ends before it should, which its checksum rules out unless it was written wrongly.
struct Short;

fn take(from: &mut Bytes) -> Result<Option<Bytes>, Short> {
    match usize::try_from(from.try_get_i32_le().map_err(|_| Short)?) {
        Err(_) => Ok(None),
        Ok(len) if len <= from.len() => Ok(Some(from.split_to(len))),
        Ok(_) => Err(Short),
    }
}

fn text(from: &mut Bytes) -> Option<String> {
    String::from_utf8(take(from).ok()??.into()).ok()
}

fn length(n: usize) -> u32 {
    u32::try_from(n).expect("a record is far smaller than 2 GiB: brokers take megabytes")
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn outgoing() -> impl Strategy<Value = Outgoing> {
        let bytes =
            || prop::option::of(prop::collection::vec(any::<u8>(), 0..20).prop_map(Bytes::from));
        let header = ("[a-z]{0,5}", bytes()).prop_map(|(name, value)| Header { name, value });
        let headers = prop::collection::vec(header, 0..3);
        let times = prop::option::of(any::<i64>());
        ("[a-z]{1,9}", prop::option::of(0..9), bytes(), bytes(), headers, times).prop_map(
            |(topic, partition, key, value, headers, timestamp_ms)| Outgoing {
                topic: topic.into(),
                partition: partition.map(PartitionId),
                key,
                value,
                headers,
                timestamp_ms,
            },
        )
    }

    proptest! {
        #[test]
        fn frames_round_trip_and_any_cut_or_flip_shows(
            record in outgoing(), at in any::<prop::sample::Index>(), bit in 0..8
        ) {
            let mut bytes = Vec::new();
            write(&record, &mut bytes);
            let whole = bytes.len() as u64;
            let got = read(&mut &bytes[..], whole).expect("readable");
            prop_assert!(matches!(got, Frame::Whole(r, n) if r == record && n == whole));

            let cut = at.index(bytes.len());
            let got = read(&mut &bytes[..cut], cut as u64).expect("readable");
            prop_assert!(matches!(got, Frame::Torn | Frame::End));

            bytes[cut] ^= 1_u8 << bit;
            let got = read(&mut &bytes[..], whole).expect("readable");
            prop_assert!(matches!(got, Frame::Torn | Frame::Damaged(_)), "{got:?}");
        }
    }
}
