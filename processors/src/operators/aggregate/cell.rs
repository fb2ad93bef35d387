//! Numbers in the bytes of a state, little-endian.

/// A number that a state holds.
pub(crate) trait Cell: Copy + Send + Sync + 'static {
    /// Bytes it takes.
    const SIZE: usize;

    /// The number at the beginning of `bytes`.
    fn read(bytes: &[u8]) -> Self;

    /// Puts it at the beginning of `bytes`.
    fn write(self, bytes: &mut [u8]);
}

macro_rules! cells {
    ($($native:ty),*) => {$(
        impl Cell for $native {
            const SIZE: usize = size_of::<$native>();

            #[inline]
            fn read(bytes: &[u8]) -> Self {
                let bytes = bytes[..Self::SIZE].try_into().expect("as long as the number");
                <$native>::from_le_bytes(bytes)
            }

            #[inline]
            fn write(self, bytes: &mut [u8]) {
                bytes[..Self::SIZE].copy_from_slice(&self.to_le_bytes());
            }
        }
    )*};
}

cells!(i8, i16, i32, i64, i128, u8, u16, u32, u64, f32, f64);

/// Adds to the 64-bit number at the beginning of `bytes`.
#[inline]
pub(crate) fn add(bytes: &mut [u8], by: i64) {
    i64::read(bytes).wrapping_add(by).write(bytes);
}
