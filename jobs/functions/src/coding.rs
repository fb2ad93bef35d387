//! Numbers and texts as the bytes of states: variable-length numbers (LEB128, signed ones zigzag).

use datafusion::common::{Result, internal_datafusion_err};

/// Appends a number below 2⁶⁴ in one to ten bytes, small ones in few.
pub(crate) fn put_u64(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(low_bits(number) | 0x80);
        number >>= 7;
    }
    out.push(low_bits(number));
}

fn low_bits(number: u64) -> u8 {
    u8::try_from(number & 0x7f).expect("seven bits")
}

/// Appends a number of either sign, those near zero in few bytes.
pub(crate) fn put_i64(out: &mut Vec<u8>, number: i64) {
    put_u64(out, (number << 1 ^ number >> 63).cast_unsigned());
}

/// Appends bytes after their number.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u64(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Reads what the functions of this file wrote, in the same order.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn u64(&mut self) -> Result<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or_else(cut)?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                return Ok(number);
            }
        }
        Err(cut())
    }

    pub(crate) fn usize(&mut self) -> Result<usize> {
        usize::try_from(self.u64()?).map_err(|_| cut())
    }

    pub(crate) fn i64(&mut self) -> Result<i64> {
        let number = self.u64()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = self.usize()?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or_else(cut)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| cut())
    }
}

fn cut() -> datafusion::common::DataFusionError {
    internal_datafusion_err!("the state of an aggregate is not one that it wrote")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(a: u64, b: i64, text: String) {
            let mut bytes = Vec::new();
            put_u64(&mut bytes, a);
            put_i64(&mut bytes, b);
            put_bytes(&mut bytes, text.as_bytes());
            let mut reader = Reader(&bytes);
            prop_assert_eq!(reader.u64().unwrap(), a);
            prop_assert_eq!(reader.i64().unwrap(), b);
            prop_assert_eq!(reader.text().unwrap(), text);
            prop_assert!(reader.0.is_empty());
            prop_assert!(reader.u64().is_err());
        }
    }
}
