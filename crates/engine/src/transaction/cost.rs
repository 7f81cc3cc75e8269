//! What a creation costs beside its rent: fees, compute units and room in the runtime's instruction trace. Pure.

/// Lamports of fee for each signature (the cluster's fixed base fee).
pub(crate) const SIGNATURE_FEE_LAMPORTS: u64 = 5_000;

/// The runtime's instruction trace: every instruction and every CPI takes an entry.
pub(crate) const TRACE_ENTRIES: usize = 64;

/// Compute units that one transaction may ask for.
pub(crate) const MAX_COMPUTE_UNITS: u32 = 1_400_000;

/// Program entry, decoding, checks and one CPI, where no simulation has said what they take. The program `session` was
/// measured at 2,155 units; owner programs that are written with a framework take several times that.
pub(crate) const USUAL_UNITS: u32 = 12_000;

/// `find_program_address` pays this for every bump that it tries.
const UNITS_PER_BUMP: u32 = 1_500;

/// Each of the two further CPIs that an account with lamports in it needs; both together were measured at 2,350 units.
const UNITS_PER_FURTHER_CPI: u32 = 3_000;

/// Looking at all the bytes of an account that is to be grown: 10,239 of them were measured at 6,500 units.
const UNITS_PER_ZERO_CHECK: u32 = 10_000;

/// The runtime charges one unit for every 250 bytes that a CPI carries over.
const BYTES_PER_UNIT: u64 = 250;

/// Compute units that a creation needs at most, where its program takes `base` beside what follows from the rest.
pub(crate) fn compute_units(base: u32, size: u64, bump: u8, start: Start) -> u32 {
    let bumps_tried = 256 - u32::from(bump);
    let carried = u32::try_from(size / BYTES_PER_UNIT).unwrap_or(u32::MAX);
    let further = match start {
        Start::Nothing => 0,
        Start::Lamports => 2 * UNITS_PER_FURTHER_CPI,
        Start::Short => UNITS_PER_ZERO_CHECK,
    };
    base.saturating_add(bumps_tried * UNITS_PER_BUMP)
        .saturating_add(carried)
        .saturating_add(further)
}

/// Calls of the system program that a creation needs, each an entry of the trace. `create_account` is one; where lamports
/// were sent beforehand it is top up, allocate and assign. An account that is only grown is topped up.
pub(crate) fn calls(start: Start) -> usize {
    match start {
        Start::Nothing | Start::Short => 1,
        Start::Lamports => 3,
    }
}

/// What a creation finds at its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Start {
    /// Nothing at all.
    #[default]
    Nothing,
    /// Lamports that somebody has sent.
    Lamports,
    /// An account of the owner program that nobody has used and that is too short.
    Short,
}

/// Priority fee of a transaction: the market's price for its compute units, never above `cap_lamports`.
pub(crate) fn priority_fee(micro_lamports_per_unit: u64, compute_units: u32, cap_lamports: u64) -> u64 {
    let wanted = u128::from(micro_lamports_per_unit) * u128::from(compute_units);
    u64::try_from(wanted.div_ceil(1_000_000))
        .unwrap_or(u64::MAX)
        .min(cap_lamports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_priority_fee_has_a_hard_cap_and_is_zero_where_recent_fees_are() {
        assert_eq!(priority_fee(0, 1_400_000, 100_000), 0);
        assert_eq!(priority_fee(1_000, 200_000, 100_000), 200);
        assert_eq!(priority_fee(1, 1, 100_000), 1);
        assert_eq!(priority_fee(u64::MAX, 1_400_000, 100_000), 100_000);
    }

    #[test]
    fn an_unlucky_bump_and_lamports_sent_beforehand_cost_more() {
        assert!(
            compute_units(USUAL_UNITS, 512, 250, Start::Nothing) > compute_units(USUAL_UNITS, 512, 255, Start::Nothing)
        );
        assert!(
            compute_units(USUAL_UNITS, 512, 255, Start::Lamports)
                > compute_units(USUAL_UNITS, 512, 255, Start::Nothing)
        );
        assert!(
            compute_units(USUAL_UNITS, 512, 255, Start::Short) > compute_units(USUAL_UNITS, 512, 255, Start::Nothing)
        );
        assert!(compute_units(u32::MAX, u64::MAX, 0, Start::Lamports) > 0);
    }
}
