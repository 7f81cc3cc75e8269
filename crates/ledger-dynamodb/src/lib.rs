//! The ledger in DynamoDB: conditional writes, shared by every function environment.
