//! How the factory's entries are divided by the first bytes of their sessions' addresses, which are hashes and therefore
//! spread evenly. Pure.
//!
//! Optimistic sessions have an address of zeroes, so all of them are in the last shard, which is divided further where
//! there may be many: nobody has to read them, because they ask for no account.

use std::fmt::Write as _;

use session_events::SessionEntry;

/// So many entries are one shard: a few megabytes of an answer.
const ONE_MAX: u64 = 5_000;
/// So many are divided by one byte, which makes some 20,000 a shard at most; more are divided by two.
const BY_ONE_BYTE_MAX: u64 = 5_000_000;
/// So many zeroes lead a derived address once in sixteen million; with so many, only optimistic sessions are left out.
const ZEROES_MAX: usize = 3;
/// Sessions that were counted and not seen, closed ones or optimistic ones: so many crowd no answer.
const UNSEEN_MAX: u64 = 20_000;
/// Where there are very many, one in so many may be closed.
const UNSEEN_SHARE: u64 = 100;

/// The entries whose session's address begins with these bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shard(Vec<u8>);

impl Shard {
    /// The beginning of the data of its entries.
    pub(crate) fn data(&self) -> Vec<u8> {
        [&SessionEntry::DISCRIMINATOR[..], &self.0].concat()
    }

    /// Its name among the others.
    pub(crate) fn name(&self) -> String {
        if self.0.is_empty() {
            return "all".to_owned();
        }
        self.0.iter().fold(String::new(), |mut name, byte| {
            // Writing to a string does not fail.
            let _ = write!(name, "{byte:02x}");
            name
        })
    }

    fn is_zeroes(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|byte| *byte == 0)
    }
}

/// The shards that are still to be compared, the one with the optimistic sessions last.
#[derive(Debug)]
pub(crate) struct Shards {
    waiting: Vec<Shard>,
    /// Sessions that were ever requested, where that is known.
    requested: Option<u64>,
    /// Entries of sessions with an address that were seen.
    seen: u64,
    skipped: bool,
    is_only_one: bool,
}

impl Shards {
    /// All entries of a factory at which so many sessions were ever requested, or that had so many entries last, as far as
    /// either is known.
    pub(crate) fn of(requested: Option<u64>, entries: Option<u64>) -> Self {
        let mut shards = Self {
            waiting: vec![Shard(Vec::new())],
            requested,
            seen: 0,
            skipped: false,
            is_only_one: true,
        };
        // Where nobody knows, there may be a million.
        let bytes = match requested.or(entries) {
            Some(..=ONE_MAX) => 0,
            Some(BY_ONE_BYTE_MAX..) => 2,
            _ => 1,
        };
        shards.is_only_one = bytes == 0;
        for _ in 0..bytes {
            shards.waiting = shards.waiting.iter().flat_map(parts).collect();
        }
        shards
    }

    /// So many entries of sessions with an address were in the last one.
    pub(crate) fn saw(&mut self, entries: u64) {
        self.seen += entries;
    }

    /// The next one.
    pub(crate) fn next(&mut self) -> Option<Shard> {
        let shard = self.waiting.pop()?;
        if !shard.is_zeroes() || !self.may_be_crowded() {
            return Some(shard);
        }
        if shard.0.len() < ZEROES_MAX {
            self.waiting.extend(parts(&shard));
            return self.next();
        }
        self.skipped = true;
        None
    }

    /// Whether all entries are in one.
    pub(crate) fn is_only_one(&self) -> bool {
        self.is_only_one
    }

    /// Whether optimistic sessions were left out because they may be many.
    pub(crate) fn skipped_optimistic(&self) -> bool {
        self.skipped
    }

    fn may_be_crowded(&self) -> bool {
        let requested = self.requested.unwrap_or_default();
        let unseen = requested.saturating_sub(self.seen);
        unseen > UNSEEN_MAX.max(requested / UNSEEN_SHARE)
    }
}

/// A shard divided by one byte more; zero first, so that it is taken last.
fn parts(shard: &Shard) -> impl Iterator<Item = Shard> + use<> {
    let prefix = shard.0.clone();
    (0..=u8::MAX).map(move |byte| Shard([&prefix[..], &[byte]].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All shards of a factory with so many sessions that have an address.
    fn all(mut shards: Shards, with_address: u64) -> (Vec<Shard>, Shards) {
        let mut found = Vec::new();
        while let Some(shard) = shards.next() {
            let among = 256_u64.pow(u32::try_from(shard.0.len()).unwrap());
            found.push(shard);
            shards.saw(with_address / among);
        }
        (found, shards)
    }

    #[test]
    fn a_small_factory_is_one_shard_and_a_large_one_many_that_cover_everything_once() {
        assert_eq!(all(Shards::of(Some(100), None), 100).0, [Shard(Vec::new())]);
        let (shards, _) = all(Shards::of(Some(1_000_000), None), 1_000_000);
        let bytes: Vec<u8> = shards.iter().map(|shard| shard.0[0]).collect();
        assert_eq!(bytes, (0..=255).rev().collect::<Vec<u8>>(), "each byte once, zero last");
        assert_eq!(all(Shards::of(None, None), 0).0.len(), 256);
        assert_eq!(
            all(Shards::of(None, Some(40)), 0).0.len(),
            1,
            "what was there last is a good guess"
        );
        assert_eq!(all(Shards::of(Some(100_000_000), None), 100_000_000).0.len(), 65_536);
    }

    #[test]
    fn optimistic_sessions_crowd_nobody() {
        // A million with an address, and a million without.
        let (shards, left) = all(Shards::of(Some(2_000_000), None), 1_000_000);
        assert!(left.skipped_optimistic());
        let zeroes = [vec![0], vec![0, 0], vec![0, 0, 0]];
        assert!(zeroes.into_iter().all(|zeroes| !shards.contains(&Shard(zeroes))));
        assert!(shards.contains(&Shard(vec![0, 1])) && shards.contains(&Shard(vec![0, 0, 1])));
        assert_eq!(shards.len(), 255 * 3);
    }

    #[test]
    fn a_shard_s_data_begins_as_its_entries_do() {
        assert_eq!(Shard(vec![7]).data(), [&SessionEntry::DISCRIMINATOR[..], &[7]].concat());
        assert_eq!(Shard(vec![7, 0xab]).name(), "07ab");
    }
}
