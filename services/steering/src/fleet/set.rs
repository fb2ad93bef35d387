//! A set of appliances: sorted numbers while it is small, a bitmap where that is shorter.

/// What an appliance is called inside a snapshot; numbers are given in order of first mention.
pub type ApplianceNo = u16;

/// A set of [`ApplianceNo`], as compact as the containers of Roaring bitmaps (Chambi, Lemire,
/// Kaser, Godin 2016): a list or a bitmap, whichever is shorter.
#[derive(Debug, Clone, Default)]
pub struct ApplianceSet(Repr);

#[derive(Debug, Clone)]
enum Repr {
    One(ApplianceNo),
    List(Box<[ApplianceNo]>),
    Bits(Box<[u64]>),
}

impl Default for Repr {
    fn default() -> Self {
        Self::List(Box::default())
    }
}

/// Below this many a list stays a list: bitmaps of a few words would flap.
const LIST_AT_LEAST: usize = 16;

impl ApplianceSet {
    /// Adds `no`; whether it was not there.
    pub fn insert(&mut self, no: ApplianceNo) -> bool {
        match &mut self.0 {
            Repr::One(one) if *one == no => return false,
            Repr::One(one) => {
                let pair = [no.min(*one), no.max(*one)];
                self.0 = Repr::List(pair.into());
            }
            Repr::List(list) if list.is_empty() => self.0 = Repr::One(no),
            Repr::List(list) => {
                let Err(at) = list.binary_search(&no) else { return false };
                let mut longer = Vec::with_capacity(list.len() + 1);
                longer.extend_from_slice(&list[..at]);
                longer.push(no);
                longer.extend_from_slice(&list[at..]);
                self.0 = shortest(longer);
            }
            Repr::Bits(words) => {
                let (word, bit) = place(no);
                if word >= words.len() {
                    let mut longer = std::mem::take(words).into_vec();
                    longer.resize(word + 1, 0);
                    *words = longer.into();
                }
                if words[word] & bit != 0 {
                    return false;
                }
                words[word] |= bit;
            }
        }
        true
    }

    /// Removes `no`; whether it was there.
    pub fn remove(&mut self, no: ApplianceNo) -> bool {
        if !self.contains(no) {
            return false;
        }
        match &mut self.0 {
            Repr::One(_) => self.0 = Repr::default(),
            Repr::List(list) => {
                let rest: Vec<_> = list.iter().copied().filter(|n| *n != no).collect();
                self.0 =
                    if let [one] = rest[..] { Repr::One(one) } else { Repr::List(rest.into()) };
            }
            Repr::Bits(words) => {
                let (word, bit) = place(no);
                words[word] &= !bit;
                let left: usize = words.iter().map(|w| w.count_ones() as usize).sum();
                // Half of what made it a bitmap, so that a set at the border does not flap.
                if left < LIST_AT_LEAST || left * 2 * size_of::<ApplianceNo>() < words.len() * 8 {
                    let rest: Vec<_> = self.iter().collect();
                    self.0 = Repr::List(rest.into());
                }
            }
        }
        true
    }

    /// Whether `no` is in it.
    pub fn contains(&self, no: ApplianceNo) -> bool {
        match &self.0 {
            Repr::One(one) => *one == no,
            Repr::List(list) => list.binary_search(&no).is_ok(),
            Repr::Bits(words) => {
                let (word, bit) = place(no);
                words.get(word).is_some_and(|w| w & bit != 0)
            }
        }
    }

    /// How many it has.
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::One(_) => 1,
            Repr::List(list) => list.len(),
            Repr::Bits(words) => words.iter().map(|w| w.count_ones() as usize).sum(),
        }
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = ApplianceNo> + '_ {
        let (list, words): (&[ApplianceNo], &[u64]) = match &self.0 {
            Repr::One(one) => (std::slice::from_ref(one), &[]),
            Repr::List(list) => (list, &[]),
            Repr::Bits(words) => (&[], words),
        };
        let bits = (0_u16..).zip(words).flat_map(|(index, word)| Ones(*word, index * 64));
        list.iter().copied().chain(bits)
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Repr::One(_) => 0,
            Repr::List(list) => size_of_val::<[ApplianceNo]>(list),
            Repr::Bits(words) => size_of_val::<[u64]>(words),
        }
    }
}

struct Ones(u64, ApplianceNo);

impl Iterator for Ones {
    type Item = ApplianceNo;

    fn next(&mut self) -> Option<ApplianceNo> {
        if self.0 == 0 {
            return None;
        }
        let bit = u16::try_from(self.0.trailing_zeros()).expect("less than 64");
        self.0 &= self.0 - 1;
        Some(self.1 + bit)
    }
}

fn place(no: ApplianceNo) -> (usize, u64) {
    (usize::from(no / 64), 1 << (no % 64))
}

/// `list`, sorted, in its shorter form.
fn shortest(list: Vec<ApplianceNo>) -> Repr {
    let words = list.last().map_or(0, |last| usize::from(last / 64) + 1);
    if list.len() < LIST_AT_LEAST || size_of_val(&list[..]) <= words * 8 {
        return Repr::List(list.into());
    }
    let mut bits = vec![0; words];
    for no in list {
        let (word, bit) = place(no);
        bits[word] |= bit;
    }
    Repr::Bits(bits.into())
}
