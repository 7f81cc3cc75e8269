//! What a source states, and why it may be believed. Statements alone move the watermark.

use std::fmt;

use session_chain::EndpointLabel;

/// Why everything up to a slot counts as delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Because {
    /// The node that listed it had finalized the slot before it was asked.
    Finality,
    /// Two endpoints list the same up to the slot, and both have gone beyond it.
    Agreement(EndpointLabel, EndpointLabel),
    /// It is before everything that can be had of the chain, and listening begins with all that can be had.
    Beginning,
}

impl Because {
    /// Its name in metrics.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Finality => "finality",
            Self::Agreement(..) => "agreement",
            Self::Beginning => "beginning",
        }
    }
}

impl fmt::Display for Because {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finality => formatter.write_str("it was listed by a node that had finalized it"),
            Self::Agreement(one, other) => write!(formatter, "{one} and {other} list the same and are beyond it"),
            Self::Beginning => formatter.write_str("there is nothing before it"),
        }
    }
}

/// "Everything up to this slot was delivered."
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) up_to: u64,
    pub(crate) because: Because,
}

impl Statement {
    /// What a listing proves whose node had finalized `finalized` and which was asked at `tip`: nodes write their index of
    /// addresses a moment after they confirm a slot, so the newest `margin_slots` prove nothing even where finality is
    /// immediate.
    pub(crate) fn of_listing(finalized: u64, tip: u64, margin_slots: u64) -> Self {
        Self {
            up_to: finalized.min(tip.saturating_sub(margin_slots)),
            because: Because::Finality,
        }
    }

    /// The one of two that says more.
    pub(crate) fn or(self, other: Self) -> Self {
        if other.up_to > self.up_to { other } else { self }
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { up_to, because } = self;
        write!(
            formatter,
            "everything up to slot {up_to} was delivered, because {because}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finality_is_evidence_and_the_tip_is_none() {
        assert_eq!(Statement::of_listing(68, 100, 8).up_to, 68);
        assert_eq!(
            Statement::of_listing(100, 100, 8).up_to,
            92,
            "finality may be immediate, an index is not"
        );
    }
}
