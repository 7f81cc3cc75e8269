//! Tables that have all the memory that they will ever need from the start: those of which the oldest entry goes whenever a
//! new one comes. Of a hash table what was taken out stays as a mark until it is made anew, and one that is more than half
//! full is made anew twice as large: it would grow for the last time hours after it was full for the first time.

use std::collections::{HashMap, HashSet};

/// A map for `max` entries at a time.
pub(crate) fn map<K, V>(max: usize) -> HashMap<K, V> {
    HashMap::with_capacity(2 * max)
}

/// A set of `max` values at a time.
pub(crate) fn set<T>(max: usize) -> HashSet<T> {
    HashSet::with_capacity(2 * max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_and_goes_takes_no_more_room() {
        for max in [100, 1_000, 2_048, 4_096] {
            let (mut map, mut set) = (map(max), set(max));
            let begun_with = (map.capacity(), set.capacity());
            for number in 0..50 * max {
                map.insert(number, ());
                set.insert(number);
                if let Some(oldest) = number.checked_sub(max) {
                    map.remove(&oldest);
                    set.remove(&oldest);
                }
                assert!(
                    map.capacity() <= begun_with.0 && set.capacity() <= begun_with.1,
                    "{max}: {number}"
                );
            }
        }
    }
}
