//! The chain of this test: a file of transactions that are in a block, one a line.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use solana_pubkey::Pubkey;

/// Slots that go by in a second of the test's time, as on mainnet.
const MS_PER_BLOCK: u64 = 400;

/// The file.
pub(crate) struct Chain(PathBuf);

/// A transaction in a block.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) signature: String,
    pub(crate) at_ms: u64,
    pub(crate) failed: bool,
    pub(crate) rent_lamports: u64,
    pub(crate) fee_lamports: u64,
    /// Each account, and who asked for it.
    pub(crate) members: Vec<(Pubkey, Pubkey)>,
}

impl Entry {
    /// What it took from the wallet.
    pub(crate) fn lamports(&self) -> u64 {
        let rents = if self.failed {
            0
        } else {
            self.rent_lamports * self.members.len() as u64
        };
        rents + self.fee_lamports
    }

    /// What it cost each requester: the rent of its accounts and an even part of the fee, the odd lamports on the first.
    pub(crate) fn shares(&self) -> BTreeMap<Pubkey, u64> {
        let count = self.members.len() as u64;
        let mut shares = BTreeMap::new();
        for (place, (_, requester)) in self.members.iter().enumerate() {
            let odd = if place == 0 { self.fee_lamports % count } else { 0 };
            let rent = if self.failed { 0 } else { self.rent_lamports };
            *shares.entry(*requester).or_default() += rent + self.fee_lamports / count + odd;
        }
        shares
    }

    fn line(&self) -> String {
        let members = self
            .members
            .iter()
            .map(|(pda, requester)| format!(" {pda} {requester}"));
        format!(
            "{} {} {} {} {}{}\n",
            self.signature,
            self.at_ms,
            self.failed,
            self.rent_lamports,
            self.fee_lamports,
            members.collect::<String>()
        )
    }

    fn read(line: &str) -> Self {
        let words: Vec<&str> = line.split(' ').collect();
        let members = words[5..].chunks(2);
        Self {
            signature: words[0].to_owned(),
            at_ms: words[1].parse().unwrap(),
            failed: words[2].parse().unwrap(),
            rent_lamports: words[3].parse().unwrap(),
            fee_lamports: words[4].parse().unwrap(),
            members: members
                .map(|pair| (pair[0].parse().unwrap(), pair[1].parse().unwrap()))
                .collect(),
        }
    }
}

/// The height of the chain.
pub(crate) fn height(now: SystemTime) -> u64 {
    ms(now) / MS_PER_BLOCK
}

fn ms(now: SystemTime) -> u64 {
    u64::try_from(now.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

impl Chain {
    pub(crate) fn in_folder(folder: &Path) -> Self {
        let path = folder.join("chain");
        File::options().create(true).append(true).open(&path).unwrap();
        Self(path)
    }

    /// All transactions. A line that its writer was killed over is no transaction.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        entries(&std::fs::read_to_string(&self.0).unwrap())
    }

    /// Puts a transaction into a block, unless it is too late for it. One for an account that exists fails.
    pub(crate) fn land(&self, mut entry: Entry, last_valid_block_height: u64, now: impl Fn() -> SystemTime) {
        let mut file = OpenOptions::new().read(true).write(true).open(&self.0).unwrap();
        // The system gives it back when the process is killed.
        file.lock().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let now = now();
        if height(now) > last_valid_block_height {
            return;
        }
        entry.at_ms = ms(now);
        let exists = |pda| {
            entries(&text)
                .iter()
                .any(|other| !other.failed && other.members.iter().any(|(at, _)| *at == pda))
        };
        entry.failed |= entry.members.iter().any(|(pda, _)| exists(*pda));
        // What a killed writer left unfinished never happened.
        file.set_len(whole as u64).unwrap();
        file.seek(SeekFrom::End(0)).unwrap();
        file.write_all(entry.line().as_bytes()).unwrap();
    }
}

fn entries(text: &str) -> Vec<Entry> {
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(Entry::read).collect()
}
