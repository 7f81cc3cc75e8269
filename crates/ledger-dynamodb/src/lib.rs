//! The ledger in DynamoDB: one for all processes that pay from the same wallets.
//!
//! One table with a partition key `pk` and a sort key `sk`, both strings, and a time to live on `expires_at`. Every
//! record is one item, as JSON in `record`, with a `version` that every write raises and every write conditions on. A
//! step reads what it needs, applies the ledger's rules, and writes all that changed in one transaction; where somebody
//! else was faster it begins anew.
//!
//! | pk | sk | item |
//! |---|---|---|
//! | `open` | a hold's name | a hold whose transaction is not decided |
//! | `settled` | a hold's name | one that is, for a week |
//! | `account` | `total`, or a requester | what was spent |
//! | `wallet` | an address | what all processes hold of a wallet |
//! | `address#…` | `address` | what was created at an address |

mod error;
mod item;
mod ledger;
mod table;

pub use error::DynamoDbLedgerError;
pub use ledger::{DynamoDbLedger, DynamoDbLedgerConfig};
