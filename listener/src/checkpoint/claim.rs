//! Who has taken a transaction on: a claim is settled, or gives the transaction back when it is dropped. The same goes for
//! each of its messages, so that nothing that is given up on the way stays unsettled for ever.

use std::sync::Arc;

use solana_sdk::signature::Signature;

use crate::checkpoint::shared::SharedWatermark;

/// One transaction that is being read by whoever holds this.
#[derive(Debug)]
#[must_use = "a claim that is dropped gives its transaction back"]
pub(crate) struct Claim {
    watermark: Arc<SharedWatermark>,
    signature: Signature,
    read: bool,
}

impl Claim {
    pub(super) fn new(watermark: Arc<SharedWatermark>, signature: Signature) -> Self {
        Self {
            watermark,
            signature,
            read: false,
        }
    }

    /// The transaction.
    pub(crate) fn signature(&self) -> Signature {
        self.signature
    }

    /// One more message of it, without which it is not settled.
    pub(crate) fn message(&self) -> Share {
        self.watermark.with(|watermark| watermark.add_message(&self.signature));
        Share {
            watermark: Arc::clone(&self.watermark),
            signature: self.signature,
            settled: false,
        }
    }

    /// All its messages are made.
    pub(crate) fn settle(mut self) {
        self.read = true;
        self.watermark.with(|watermark| watermark.read(&self.signature));
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.read {
            self.watermark.with(|watermark| watermark.give_back(&self.signature));
        }
    }
}

/// One message of a transaction, which is not settled before this is. Dropped before, it makes the transaction be read again.
#[derive(Debug)]
#[must_use = "a share that is dropped makes its transaction be read again"]
pub(crate) struct Share {
    watermark: Arc<SharedWatermark>,
    signature: Signature,
    settled: bool,
}

impl Share {
    /// The queue is done with the message.
    pub(crate) fn settle(mut self) {
        self.settled = true;
        self.watermark.with(|watermark| watermark.settle(&self.signature));
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if !self.settled {
            self.watermark.with(|watermark| watermark.lose_message(&self.signature));
        }
    }
}
