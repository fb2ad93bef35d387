//! The rows of one partition that the next request will carry.

use bytes::Bytes;

use super::settings::HttpFormat;

/// Consecutive rows of one partition, numbered as the ledger numbers them.
#[derive(Debug)]
pub(crate) struct Body {
    format: HttpFormat,
    first: u64,
    rows: u64,
    bytes: Vec<u8>,
}

/// When a request is cut. It depends on row numbers and row bytes only: rows that are fed again
/// from the same place are cut in the same places.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    pub(crate) rows: u64,
    pub(crate) bytes: usize,
}

impl Body {
    pub(crate) fn starting_at(first: u64, format: HttpFormat) -> Self {
        Self { format, first, rows: 0, bytes: Vec::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// Number of the row that would follow.
    pub(crate) fn next(&self) -> u64 {
        self.first + self.rows
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the request ends before a row of `len` bytes.
    pub(crate) fn ends_before(&self, len: usize, cut: Cut) -> bool {
        let full = self.bytes.len() + len + 1 > cut.bytes;
        self.rows > 0 && (full || self.next().is_multiple_of(cut.rows))
    }

    pub(crate) fn push(&mut self, row: &[u8]) {
        if self.format == HttpFormat::JsonArray {
            self.bytes.push(if self.rows == 0 { b'[' } else { b',' });
        }
        self.bytes.extend_from_slice(row);
        if self.format == HttpFormat::Ndjson {
            self.bytes.push(b'\n');
        }
        self.rows += 1;
    }

    pub(crate) fn finish(mut self) -> Bytes {
        if self.format == HttpFormat::JsonArray {
            self.bytes.push(b']');
        }
        self.bytes.into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Row numbers at which requests start when rows `from..to` are fed.
    fn cuts(from: u64, to: u64, sizes: &[usize], cut: Cut) -> Vec<u64> {
        let mut body = Body::starting_at(from, HttpFormat::Ndjson);
        let mut starts = vec![from];
        for number in from..to {
            let row = vec![b'x'; sizes[usize::try_from(number).expect("small")]];
            if body.ends_before(row.len(), cut) {
                body = Body::starting_at(number, HttpFormat::Ndjson);
                starts.push(number);
            }
            body.push(&row);
        }
        starts
    }

    proptest! {
        #[test]
        fn rows_fed_again_are_cut_in_the_same_places(
            sizes in prop::collection::vec(0usize..50, 60),
            from in 0u64..30,
            first_run in 1u64..30,
        ) {
            let cut = Cut { rows: 7, bytes: 100 };
            let crashed = cuts(from, from + first_run, &sizes, cut);
            let again = cuts(from, 60, &sizes, cut);
            prop_assert!(again.starts_with(&crashed), "{:?} then {:?}", crashed, again);
        }
    }

    #[test]
    fn both_forms_are_what_their_media_type_says() {
        let body = |format| {
            let mut body = Body::starting_at(3, format);
            body.push(b"{}");
            body.push(b"1");
            assert_eq!((body.first(), body.next()), (3, 5));
            body.finish()
        };
        assert_eq!(body(HttpFormat::Ndjson), "{}\n1\n".as_bytes());
        assert_eq!(body(HttpFormat::JsonArray), "[{},1]".as_bytes());
    }
}
