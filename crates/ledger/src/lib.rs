//! The ledger: what may be spent, what is spent, and which transactions are out.
//!
//! It owns three kinds of record. An **account** counts lamports: one in total, one for every requester, one for every
//! wallet. A **hold** is the money of one signed transaction, from before it is signed until its fate is known. A
//! **creation** says that an address had its account once, by which transaction, and whether it still has it.
//!
//! The words, each for one thing:
//! - *hold*: set lamports aside, before anything is signed; refused where a limit stands against it.
//! - *attach*: write down the signature, before anything is sent. A hold without one has certainly sent nothing.
//! - *settle*: put a hold's fate in the books. Whoever learns the fate does it; it counts once.
//! - *close*: an account that a landed transaction had created is gone, and its rent with it.
//!
//! The rules are pure ([`Step`] on a [`Sheet`]): records in, records out, with the time passed in. A ledger only loads a
//! sheet, has the rules applied and stores it, all or nothing; so the ledger in memory, the one in a file and the one in
//! a database differ in nothing but where they keep it. It knows of no chain, no queue and no transaction's contents.

mod account;
mod error;
mod fate;
mod hold;
mod ledger;
mod memory;
mod refusal;
mod sheet;
mod step;
mod summary;
mod text;
mod wallet;
mod window;

pub use account::{Account, AccountKey, Limits};
pub use error::LedgerError;
pub use fate::{Fate, Rent, Settlement, Spending};
pub use hold::{BadHoldId, Hold, HoldId, HoldRequest, MEMBERS_MAX, Member, SentTransaction, WalletReading, fee_shares};
pub use ledger::{Books, Ledger};
pub use memory::InMemoryLedger;
pub use refusal::{HoldAnswer, Refusal};
pub use sheet::{AddressRecord, Creation, HoldState, SettledHold, Sheet, SheetKeys};
pub use step::{Step, StepAnswer};
pub use summary::{Summary, Sums};
pub use wallet::WalletAccount;
pub use window::Window;
