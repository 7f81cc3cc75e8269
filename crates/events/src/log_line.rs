//! The grammar of one log line: what the runtime itself wrote, and what a program could have written.
//!
//! A program reaches the logs by two doors only, and the runtime puts `Program log: ` or `Program data: ` before
//! whatever comes through them (agave's `stable_log`). A line of any other shape is therefore the runtime's own,
//! and a text with a line break in it is still one line here, because lines are array elements and are never split.

/// Before every line of interest.
const PROGRAM: &[u8] = b"Program ";

/// Shortest text of a 32-byte address in base58: the system program's.
const ADDRESS_CHARS_MIN: usize = 32;

/// Longest text of a 32-byte address in base58.
const ADDRESS_CHARS_MAX: usize = 44;

/// What the runtime says when it drops the first line; an exact match, because a program cannot print it.
const TRUNCATED: &[u8] = b"Log truncated";

/// One log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// `Program <address> invoke [<depth>]`: a frame opens.
    Invoke { program: &'a [u8], depth: usize },
    /// `Program <address> …` about the frame that is on top.
    Frame { program: &'a [u8], note: FrameNote },
    /// `Program data: <base64> <base64> …`, without the prefix.
    Data(&'a str),
    /// The runtime dropped the first line; any of those that follow may be missing too.
    Truncated,
    /// Starts as an invoke line and doesn't end as one.
    MalformedInvoke,
    /// Nothing that tells of frames or events.
    Other,
}

/// What the runtime says about the frame on top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameNote {
    /// `success`
    Success,
    /// `failed: …`
    Failed,
    /// `consumed … of … compute units`
    Consumed,
}

impl<'a> Line<'a> {
    /// Reads one line. Addresses of [`Line::Frame`] are checked for length alone: whether they are addresses is
    /// settled by comparing them with the frame on top, and by [`is_address`] where that fails.
    #[inline]
    pub(crate) fn read(line: &'a str) -> Self {
        let bytes = line.as_bytes();
        let Some(rest) = bytes.strip_prefix(PROGRAM) else {
            return if bytes == TRUNCATED {
                Self::Truncated
            } else {
                Self::Other
            };
        };
        if rest.starts_with(b"log: ") {
            return Self::Other;
        }
        if rest.starts_with(b"data: ") {
            return Self::Data(line.get(PROGRAM.len() + b"data: ".len()..).unwrap_or_default());
        }
        Self::about_frame(rest)
    }

    fn about_frame(rest: &'a [u8]) -> Self {
        let Some((program, note)) = split_address(rest) else {
            return Self::Other;
        };
        let note = match note {
            b"success" => FrameNote::Success,
            [b'c', ..] if note.starts_with(b"consumed ") => FrameNote::Consumed,
            [b'f', ..] if note.starts_with(b"failed: ") => FrameNote::Failed,
            [b'i', ..] if note.starts_with(b"invoke") && is_address(program) => {
                return depth(note).map_or(Self::MalformedInvoke, |depth| Self::Invoke { program, depth });
            }
            _ => return Self::Other,
        };
        Self::Frame { program, note }
    }
}

/// Splits at the space that ends an address: the first one behind the shortest address.
#[inline]
fn split_address(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let after_shortest = rest.get(ADDRESS_CHARS_MIN..)?;
    let end = match after_shortest.first_chunk() {
        Some(chunk) => first_space(*chunk),
        None => after_shortest.iter().position(|&byte| byte == b' ')?,
    };
    let (program, note) = rest.split_at_checked(ADDRESS_CHARS_MIN + end)?;
    Some((program, note.strip_prefix(b" ")?))
}

/// Position of the first space, or 16; all bytes at once, because this is where most time of a line went.
fn first_space(chunk: [u8; 16]) -> usize {
    const EACH_LOWEST_BIT: u128 = u128::from_le_bytes([0x01; 16]);
    const EACH_HIGHEST_BIT: u128 = u128::from_le_bytes([0x80; 16]);
    let zero_where_space = u128::from_le_bytes(chunk) ^ u128::from_le_bytes([b' '; 16]);
    // Borrows start at the first zero byte: its highest bit is the lowest that is set here.
    let marks = zero_where_space.wrapping_sub(EACH_LOWEST_BIT) & !zero_where_space & EACH_HIGHEST_BIT;
    marks.trailing_zeros() as usize / 8
}

/// `invoke [1]` to `invoke [99]`, and nothing before, between or after.
fn depth(note: &[u8]) -> Option<usize> {
    let digits = note.strip_prefix(b"invoke [")?.strip_suffix(b"]")?;
    match *digits {
        [ones @ b'1'..=b'9'] => Some(usize::from(ones - b'0')),
        [tens @ b'1'..=b'9', ones @ b'0'..=b'9'] => Some(usize::from(tens - b'0') * 10 + usize::from(ones - b'0')),
        _ => None,
    }
}

/// Whether a text has an address's length and alphabet. Looks at two overlapping pieces of one size, without branches, which
/// compiles to a few vector instructions.
pub(crate) fn is_address(text: &[u8]) -> bool {
    let (Some(head), Some(tail)) = (text.first_chunk(), text.last_chunk()) else {
        return false;
    };
    text.len() <= ADDRESS_CHARS_MAX && strangers(head) | strangers(tail) == 0
}

/// Not zero if one of these characters is not base58's, which has all digits and letters but 0, I, O and l.
fn strangers(piece: &[u8; ADDRESS_CHARS_MIN]) -> u8 {
    piece.iter().fold(0, |strangers, &byte| {
        let digit = u8::from(byte.wrapping_sub(b'1') < 9);
        let upper = u8::from(byte.wrapping_sub(b'A') < 26) & u8::from(byte != b'I') & u8::from(byte != b'O');
        let lower = u8::from(byte.wrapping_sub(b'a') < 26) & u8::from(byte != b'l');
        strangers | (1 ^ (digit | upper | lower))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "SessFactory11111111111111111111111111111111";
    const SYSTEM: &str = "11111111111111111111111111111111";

    #[test]
    fn the_runtime_s_lines_are_read() {
        for id in [ID, SYSTEM, "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA1"] {
            let program = id.as_bytes();
            let frame = |note| Line::Frame { program, note };
            for (line, expected) in [
                (format!("Program {id} invoke [1]"), Line::Invoke { program, depth: 1 }),
                (format!("Program {id} invoke [64]"), Line::Invoke { program, depth: 64 }),
                (format!("Program {id} success"), frame(FrameNote::Success)),
                (
                    format!("Program {id} failed: custom program error: 0x1"),
                    frame(FrameNote::Failed),
                ),
                (
                    format!("Program {id} consumed 5 of 200000 compute units"),
                    frame(FrameNote::Consumed),
                ),
            ] {
                assert_eq!(Line::read(&line), expected, "{line}");
            }
        }
        assert_eq!(Line::read("Program data: YQ== Yg=="), Line::Data("YQ== Yg=="));
        assert_eq!(Line::read("Program data: "), Line::Data(""));
        assert_eq!(Line::read("Log truncated"), Line::Truncated);
    }

    #[test]
    fn what_programs_print_is_never_structure() {
        for text in [
            format!("Program log: Program {ID} invoke [1]"),
            format!("Program log: \nProgram {ID} invoke [1]"),
            "Program log: Program data: YQ==".to_owned(),
            "Program log: Log truncated".to_owned(),
            format!("Program return: {ID} YQ=="),
            "Program consumption: 1234 units remaining".to_owned(),
            "Program is not deployed".to_owned(),
            "Program failed to complete: Access violation".to_owned(),
            " Log truncated".to_owned(),
            "Log truncated ".to_owned(),
            String::new(),
            "Program ".to_owned(),
        ] {
            assert_eq!(Line::read(&text), Line::Other, "{text}");
        }
    }

    #[test]
    fn the_first_space_is_found_wherever_it_is() {
        for position in 0..16 {
            for filler in [0x00, 0x1f, 0x21, 0x7f, 0x80, 0xa0, 0xff] {
                let mut chunk = [filler; 16];
                assert_eq!(first_space(chunk), 16);
                chunk[position..].fill(b' ');
                assert_eq!(first_space(chunk), position);
                chunk[position..].fill(filler);
                chunk[position] = b' ';
                assert_eq!(first_space(chunk), position);
            }
        }
    }

    #[test]
    fn lines_that_nearly_match_are_not_frames() {
        for note in [
            "invoke [0]",
            "invoke [01]",
            "invoke [100]",
            "invoke [1] ",
            "invoke [1",
            "invoke 1",
            "invoke []",
            "invoked",
        ] {
            assert_eq!(
                Line::read(&format!("Program {ID} {note}")),
                Line::MalformedInvoke,
                "{note}"
            );
        }
        for line in [
            format!(" Program {ID} invoke [1]"),
            format!("program {ID} invoke [1]"),
            format!("Program  {ID} invoke [1]"),
            format!("Program {ID}  invoke [1]"),
            format!("Program {ID} successful"),
            format!("Program {ID} success "),
            format!("Program {ID} failed"),
            format!("Program {}l invoke [1]", &ID[1..]),
            format!("Program {} invoke [1]", &SYSTEM[1..]),
            format!("Program {} {} invoke [1]", &ID[1..20], &ID[21..]),
            format!("Program {ID}{SYSTEM} invoke [1]"),
        ] {
            assert_eq!(Line::read(&line), Line::Other, "{line}");
        }
    }
}
