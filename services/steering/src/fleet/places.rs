//! Where appliances are, and how far places are from each other, in bands.

use std::collections::HashMap;

/// A position on the globe, rounded to a tenth of a degree (11 km), which is what "near" means
/// here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    tenths: (i16, i16),
}

/// Upper ends of the bands of distance in kilometres; the last band has none. Doubling bands keep
/// the order of far appliances from depending on a few kilometres.
pub const BANDS_KM: [f64; 7] = [100.0, 200.0, 400.0, 800.0, 1600.0, 3200.0, 6400.0];

/// Mean radius of the Earth (IUGG).
const EARTH_KM: f64 = 6371.0088;

/// Places more than this get no distances; they would take the square of it in bytes.
const MOST: usize = 8192;

impl Position {
    /// A position from degrees, unless they are none.
    pub fn new(latitude: f64, longitude: f64) -> Option<Self> {
        let valid = latitude.abs() <= 90.0 && longitude.abs() <= 180.0;
        #[expect(clippy::cast_possible_truncation, reason = "at most 1,800 either way")]
        let tenths = |degrees: f64| (degrees * 10.0).round() as i16;
        valid.then(|| Self { tenths: (tenths(latitude), tenths(longitude)) })
    }

    /// Latitude and longitude in degrees.
    pub fn degrees(self) -> (f64, f64) {
        (f64::from(self.tenths.0) / 10.0, f64::from(self.tenths.1) / 10.0)
    }
}

/// The great-circle distance in kilometres (haversine).
pub fn km(a: Position, b: Position) -> f64 {
    let ((lat_a, lon_a), (lat_b, lon_b)) = (a.degrees(), b.degrees());
    let half_sine = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
    let cosines = lat_a.to_radians().cos() * lat_b.to_radians().cos();
    let h = half_sine(lat_b - lat_a) + cosines * half_sine(lon_b - lon_a);
    2.0 * EARTH_KM * h.sqrt().min(1.0).asin()
}

/// The band of a distance: 0 below 100 km, then up to [`BANDS_KM`]'s length.
pub fn band(km: f64) -> u8 {
    let bands = BANDS_KM.iter().take_while(|end| km >= **end).count();
    u8::try_from(bands).expect("there are eight bands")
}

/// Every place that an appliance is at, with the band of each distance between two.
#[derive(Debug, Clone, Default)]
pub struct Places {
    numbers: HashMap<Position, u16>,
    positions: Vec<Position>,
    bands: Vec<Vec<u8>>,
}

impl Places {
    /// The number of `position`, which is added if it is new and there is room.
    pub fn number(&mut self, position: Position) -> Option<u16> {
        if let Some(no) = self.numbers.get(&position) {
            return Some(*no);
        }
        if self.positions.len() >= MOST {
            return None;
        }
        let no = u16::try_from(self.positions.len()).ok()?;
        self.numbers.insert(position, no);
        self.positions.push(position);
        let row: Vec<u8> = self.positions.iter().map(|p| band(km(position, *p))).collect();
        for (bands, band) in self.bands.iter_mut().zip(&row) {
            bands.push(*band);
        }
        self.bands.push(row);
        Some(no)
    }

    /// The number of `position`, if it is known.
    pub fn find(&self, position: Position) -> Option<u16> {
        self.numbers.get(&position).copied()
    }

    /// Bands of the distances from place `no` to each place.
    pub fn bands(&self, no: u16) -> &[u8] {
        &self.bands[usize::from(no)]
    }

    /// Where place `no` is.
    pub fn position(&self, no: u16) -> Position {
        self.positions[usize::from(no)]
    }

    /// How many places.
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }
}
