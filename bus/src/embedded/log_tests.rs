//! What a partition's file promises.

use super::*;

/// A batch of `records` empty records: enough for a log, which does not look inside.
fn batch(records: i32, producer: i64, epoch: i16, sequence: i32, filler: usize) -> Vec<u8> {
    let mut data = vec![0_u8; HEADER + filler];
    let length = i32::try_from(data.len() - 12).unwrap();
    data[8..12].copy_from_slice(&length.to_be_bytes());
    data[16] = 2;
    data[23..27].copy_from_slice(&(records - 1).to_be_bytes());
    data[35..43].copy_from_slice(&i64::from(sequence).to_be_bytes());
    data[43..51].copy_from_slice(&producer.to_be_bytes());
    data[51..53].copy_from_slice(&epoch.to_be_bytes());
    data[53..57].copy_from_slice(&sequence.to_be_bytes());
    data[57..61].copy_from_slice(&records.to_be_bytes());
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &data[21..]);
    data[17..21].copy_from_slice(&u32::try_from(crc).unwrap().to_be_bytes());
    data
}

fn plain(records: i32, filler: usize) -> Vec<u8> {
    batch(records, -1, -1, -1, filler)
}

fn bases(log: &Log, offset: i64, max: usize) -> Vec<i64> {
    let batches = log.view().from(offset).read(max).unwrap();
    batches.iter().map(|b| Header::read(b).unwrap().base).collect()
}

#[test]
fn reading_begins_with_the_batch_that_holds_the_offset() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = Log::open(&dir.path().join("log")).unwrap();
    for _ in 0..100 {
        log.append(plain(10, 3_000)).unwrap();
    }
    for offset in [0, 9, 10, 555, 998, 999] {
        let bases = bases(&log, offset, 1);
        assert_eq!(bases, [offset / 10 * 10], "one batch at least, the one with {offset}");
    }
    assert!(bases(&log, 1000, 1 << 20).is_empty());
    assert_eq!(bases(&log, 5, 1 << 20), (0..100).map(|i| i * 10).collect::<Vec<_>>());
}

#[test]
fn a_torn_batch_is_cut_off_wherever_it_was_torn() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let mut log = Log::open(&path).unwrap();
    log.append(plain(3, 40)).unwrap();
    let whole = log.bytes;
    log.append(plain(4, 40)).unwrap();
    let both = std::fs::read(&path).unwrap();
    drop(log);
    for cut in usize::try_from(whole).unwrap()..both.len() {
        let mut torn = both[..cut].to_vec();
        std::fs::write(&path, &torn).unwrap();
        assert_eq!(Log::open(&path).unwrap().end(), 3, "cut at {cut}");
        // The file's length can be on disk before its bytes are.
        torn.resize(both.len(), 0);
        std::fs::write(&path, &torn).unwrap();
        let mut log = Log::open(&path).unwrap();
        if log.end() == 3 {
            assert_eq!(log.append(plain(1, 0)).unwrap(), 3);
            assert_eq!(Log::open(&path).unwrap().end(), 4, "writing goes on after the cut");
        } else {
            assert_eq!(torn, both, "only zeros were missing");
        }
    }
}

#[test]
fn sequence_numbers_refuse_repeats_and_holes_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let mut log = Log::open(&path).unwrap();
    let refusal = |log: &mut Log, batch| match log.append(batch) {
        Err(AppendError::Misfit(misfit)) => misfit,
        other => panic!("{other:?}"),
    };
    log.append(batch(5, 7, 0, 0, 0)).unwrap();
    log.append(batch(5, 7, 0, 5, 0)).unwrap();
    for _ in 0..2 {
        assert_eq!(refusal(&mut log, batch(5, 7, 0, 5, 0)), Misfit::Duplicate);
        assert_eq!(refusal(&mut log, batch(5, 7, 0, 0, 0)), Misfit::Duplicate);
        assert_eq!(refusal(&mut log, batch(5, 7, 0, 11, 0)), Misfit::OutOfOrder);
        assert_eq!(refusal(&mut log, batch(5, 8, 0, 3, 0)), Misfit::OutOfOrder);
        log = Log::open(&path).unwrap();
    }
    log.append(batch(5, 7, 1, 0, 0)).unwrap();
    assert_eq!(refusal(&mut log, batch(5, 7, 0, 10, 0)), Misfit::OldEpoch);
    assert_eq!(log.end(), 15);
}

#[test]
fn damaged_batches_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = Log::open(&dir.path().join("log")).unwrap();
    let mut damaged = plain(1, 10);
    *damaged.last_mut().unwrap() ^= 1;
    assert!(matches!(log.append(damaged), Err(AppendError::Malformed)));
    assert!(matches!(log.append(vec![0; 200]), Err(AppendError::Malformed)));
    assert_eq!((log.end(), log.bytes), (0, 0));
}

#[test]
fn a_timestamp_finds_its_batch() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = Log::open(&dir.path().join("log")).unwrap();
    for sequence in [0, 10, 20] {
        log.append(batch(10, 1, 0, sequence, 0)).unwrap();
    }
    let since = |timestamp| log.view().from(0).since(timestamp).unwrap();
    assert_eq!(since(0), Some((0, 0)));
    assert_eq!(since(11), Some((20, 20)));
    assert_eq!(since(21), None);
}
