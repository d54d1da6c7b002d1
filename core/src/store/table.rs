//! Values under keyed hashes, at places that stay where they are.
//!
//! In: hashes that nobody can aim, and small values. Out: places, by which others link to a value. Knows nothing of
//! what the values are. It grows by one bucket and a short block of slots at a time: nothing is ever copied into
//! something twice as large, so that no single call takes long and no growth holds everything twice.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::ops::{Index, IndexMut};

/// Where a value stands, until it is removed.
pub(super) type Place = u32;
/// No place.
pub(super) const NOWHERE: Place = Place::MAX;

/// What stands for a name, or for several: 128 bits that are compared in its stead.
///
/// With a million of them the chance that any two are the same by accident is below 2^-88, which is neglected here.
pub(super) type Key = [u64; 2];

/// Makes keys, with secrets of its own: nobody can look for names whose keys are the same or share a bucket.
#[derive(Debug, Default)]
pub(super) struct Keys([RandomState; 2]);

/// A hash table of at most `u32::MAX` values. Of those under one key it finds the newest.
#[derive(Debug)]
pub(super) struct Table<T> {
    /// The first place of each bucket's chain. There are at least as many as values, one more at a time: bucket n is
    /// split off from the one whose number is n without its highest bit.
    heads: Vec<Place>,
    /// Every block but the last is full.
    blocks: Vec<Vec<Slot<T>>>,
    /// The first of the slots that are free, chained like those of a bucket.
    free: Place,
    count: usize,
}

#[derive(Debug)]
struct Slot<T> {
    key: Key,
    chain: Place,
    value: T,
}

impl Keys {
    /// The key of some names. Each one's length is hashed too: `ab`, `c` is not `a`, `bc`.
    pub(super) fn key(&self, names: &[&str]) -> Key {
        self.0.each_ref().map(|state| {
            let mut hasher = state.build_hasher();
            for name in names {
                hasher.write_usize(name.len());
                hasher.write(name.as_bytes());
            }
            hasher.finish()
        })
    }
}

impl<T> Default for Table<T> {
    fn default() -> Table<T> {
        Table { heads: Vec::new(), blocks: Vec::new(), free: NOWHERE, count: 0 }
    }
}

impl<T: Copy> Table<T> {
    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn find(&self, key: Key) -> Option<Place> {
        let mut at = *self.heads.get(self.bucket(key))?;
        while at != NOWHERE {
            let slot = self.slot(at);
            if slot.key == key {
                return Some(at);
            }
            at = slot.chain;
        }
        None
    }

    /// Puts a value under a key, before those that stand there already.
    pub(super) fn insert(&mut self, key: Key, value: T) -> Place {
        if self.count >= self.heads.len() {
            self.split();
        }
        let bucket = self.bucket(key);
        let slot = Slot { key, chain: self.heads[bucket], value };
        let place = match self.free {
            // Every slot is taken: as many are there as values.
            NOWHERE => {
                if self.count.is_multiple_of(BLOCK) {
                    self.blocks.push(Vec::with_capacity(BLOCK));
                }
                self.blocks[self.count / BLOCK].push(slot);
                self.count as Place
            }
            free => {
                self.free = std::mem::replace(self.slot_mut(free), slot).chain;
                free
            }
        };
        self.heads[bucket] = place;
        self.count += 1;
        place
    }

    /// Takes out what stands at a place. Memory is given back when nothing is left.
    pub(super) fn remove(&mut self, place: Place) -> T {
        let Slot { key, chain, value } = *self.slot(place);
        let bucket = self.bucket(key);
        if self.heads[bucket] == place {
            self.heads[bucket] = chain;
        } else {
            let mut at = self.heads[bucket];
            while self.slot(at).chain != place {
                at = self.slot(at).chain;
            }
            self.slot_mut(at).chain = chain;
        }
        self.slot_mut(place).chain = std::mem::replace(&mut self.free, place);
        self.count -= 1;
        if self.count == 0 {
            *self = Table::default();
        }
        value
    }

    fn bucket(&self, key: Key) -> usize {
        let count = self.heads.len();
        let mask = count.next_power_of_two() - 1;
        let bucket = key[0] as usize & mask;
        // It is not split off yet.
        if bucket >= count { bucket & (mask >> 1) } else { bucket }
    }

    /// Adds a bucket. What goes there and what stays keeps its order.
    fn split(&mut self) {
        let added = self.heads.len();
        self.heads.push(NOWHERE);
        let Some(highest) = added.checked_ilog2() else { return };
        let from = added ^ (1 << highest);
        let mut at = std::mem::replace(&mut self.heads[from], NOWHERE);
        let mut ends = [NOWHERE; 2];
        while at != NOWHERE {
            let Slot { key, chain, .. } = *self.slot(at);
            self.slot_mut(at).chain = NOWHERE;
            let bucket = self.bucket(key);
            let end = &mut ends[usize::from(bucket == added)];
            match std::mem::replace(end, at) {
                NOWHERE => self.heads[bucket] = at,
                end => self.slot_mut(end).chain = at,
            }
            at = chain;
        }
    }

    fn slot(&self, place: Place) -> &Slot<T> {
        &self.blocks[place as usize / BLOCK][place as usize % BLOCK]
    }

    fn slot_mut(&mut self, place: Place) -> &mut Slot<T> {
        &mut self.blocks[place as usize / BLOCK][place as usize % BLOCK]
    }
}

impl<T: Copy> Index<Place> for Table<T> {
    type Output = T;

    fn index(&self, place: Place) -> &T {
        &self.slot(place).value
    }
}

impl<T: Copy> IndexMut<Place> for Table<T> {
    fn index_mut(&mut self, place: Place) -> &mut T {
        &mut self.slot_mut(place).value
    }
}

/// Slots that are allocated together.
const BLOCK: usize = 128;

#[cfg(test)]
impl<T> Table<T> {
    /// What it has allocated.
    pub(super) fn held_bytes(&self) -> usize {
        let slots: usize = self.blocks.iter().map(Vec::capacity).sum();
        self.heads.capacity() * size_of::<Place>()
            + self.blocks.capacity() * size_of::<Vec<Slot<T>>>()
            + slots * size_of::<Slot<T>>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_run_into_one_another_and_no_two_tables_have_the_same_keys() {
        let (keys, others) = (Keys::default(), Keys::default());
        let key = keys.key(&["ab", "c", ""]);
        assert_eq!(key, keys.key(&["ab", "c", ""]));
        assert_ne!(key[0], key[1]);
        for names in [&["a", "bc", ""], &["ab", "", "c"], &["", "ab", "c"]] {
            assert_ne!(key, keys.key(names));
        }
        assert_ne!(key, others.key(&["ab", "c", ""]));
    }

    #[test]
    fn keys_of_one_bucket_are_told_apart_and_of_one_key_the_newest_is_found() {
        let mut table = Table::default();
        // The first half of the key, by which the bucket is found, is the same for all.
        let places: Vec<Place> = (0..300).map(|n| table.insert([7, n % 100], n)).collect();
        for n in 0..100 {
            assert_eq!(table.find([7, n]).map(|place| table[place]), Some(200 + n));
        }
        for (n, place) in places.iter().enumerate().skip(200) {
            assert_eq!(table.remove(*place), n as u64);
        }
        for n in 0..100 {
            assert_eq!(table.find([7, n]), Some(places[100 + n as usize]));
        }
        assert_eq!((table.find([7, 100]), table.count()), (None, 200));
    }

    #[test]
    fn places_stay_while_it_grows_and_are_used_again() {
        let (mut table, keys) = (Table::default(), Keys::default());
        let key = |n: u32| keys.key(&[&n.to_string()]);
        let places: Vec<Place> = (0..10_000).map(|n| table.insert(key(n), n)).collect();
        let full = table.held_bytes();
        for (n, place) in (0..).zip(&places) {
            assert_eq!((table.find(key(n)), table[*place]), (Some(*place), n));
        }
        for place in places.iter().step_by(2) {
            table.remove(*place);
        }
        for n in 0..5_000 {
            table.insert(key(10_000 + n), n);
        }
        assert_eq!((table.count(), table.held_bytes()), (10_000, full));
        for n in 0..10_000 {
            assert_eq!(table.find(key(n)).is_some(), n % 2 == 1);
        }
        // No way to a value is long: the buckets keep up with the values.
        let longest = table.heads.iter().map(|head| {
            std::iter::successors(Some(*head), |at| (*at != NOWHERE).then(|| table.slot(*at).chain)).count()
                - 1
        });
        assert!(longest.max().unwrap() < 16);
    }

    #[test]
    fn when_nothing_is_left_the_memory_is_given_back() {
        let mut table = Table::default();
        let places: Vec<Place> = (0..1_000).map(|n| table.insert([n, n], n)).collect();
        for place in places {
            table.remove(place);
        }
        assert_eq!((table.held_bytes(), table.find([1, 1])), (0, None));
        let place = table.insert([1, 2], 3);
        assert_eq!((table.find([1, 2]), table[place]), (Some(place), 3));
    }
}
