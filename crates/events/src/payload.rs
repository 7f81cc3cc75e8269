//! From the text of a `Program data: ` line to bytes: base64 pieces, one per slice that the program logged.

use base64_simd::STANDARD;

use crate::discriminator::Discriminator;

/// Characters of base64 that hold nothing but bits of the discriminator and that one comparison can take.
const PREFIX_CHARS: usize = 8;

/// Characters of base64 that hold all eight bytes of a discriminator.
const DISCRIMINATOR_CHARS: usize = 11;

/// The first eight characters of every payload that starts with a discriminator: six of its bytes.
pub(crate) type Prefix = [u8; PREFIX_CHARS];

/// How a payload with this discriminator starts.
pub(crate) fn prefix(discriminator: Discriminator) -> Prefix {
    let text = STANDARD.encode_to_string(discriminator);
    let mut prefix = Prefix::default();
    prefix.copy_from_slice(&text.as_bytes()[..PREFIX_CHARS]);
    prefix
}

/// Whether a payload may start with one of these discriminators: false is certain, true wants a look.
///
/// This is what keeps the cost of other programs' data lines at one comparison each.
#[inline]
pub(crate) fn may_start_with(text: &str, prefixes: &[Prefix]) -> bool {
    let bytes = text.as_bytes();
    match bytes.first_chunk() {
        Some(start) if prefixes.contains(start) => true,
        // A discriminator that is spread over several slices has to be decoded to be known.
        _ => bytes.iter().take(DISCRIMINATOR_CHARS).any(|&byte| byte == b' '),
    }
}

/// The logged slices, one after the other, in `payload`; whether all of it was base64.
pub(crate) fn decode(text: &str, payload: &mut Vec<u8>) -> bool {
    payload.clear();
    // Anchor logs an event as one slice: try that before looking for others.
    if STANDARD.decode_append(text, payload).is_ok() {
        return true;
    }
    payload.clear();
    text.contains(' ')
        && text
            .split(' ')
            .all(|piece| STANDARD.decode_append(piece, payload).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_joined_and_anything_else_is_refused() {
        let mut payload = Vec::new();
        assert!(decode("aGVs bG8=", &mut payload));
        assert_eq!(payload, b"hello");
        assert!(decode("", &mut payload));
        assert_eq!(payload, b"");
        for wrong in ["aGVsbG8", "aGVs-G8=", "aGVs\nbG8=", "aGVsbG8=x"] {
            assert!(!decode(wrong, &mut payload), "{wrong}");
        }
    }

    #[test]
    fn the_prefix_finds_its_discriminator_however_it_was_sliced() {
        let discriminator = [200, 217, 99, 148, 196, 218, 164, 57];
        let prefixes = [prefix(discriminator)];
        for cut in 0..=8 {
            let (head, tail) = discriminator.split_at(cut);
            let text = format!(
                "{} {}",
                STANDARD.encode_to_string(head),
                STANDARD.encode_to_string(tail)
            );
            assert!(may_start_with(&text, &prefixes), "cut at {cut}");
        }
        assert!(may_start_with(&STANDARD.encode_to_string(discriminator), &prefixes));
        assert!(!may_start_with(&STANDARD.encode_to_string([7; 64]), &prefixes));
        assert!(!may_start_with("YQ==", &prefixes));
    }
}
