//! Texts of strangers, such as session ids, on their way to a person's eyes: no line that they did not write can be forged,
//! no cursor moved and no reading direction turned by them.

use std::fmt::{self, Display, Formatter, Write};

/// Shows what it holds with all characters escaped that do anything else than to appear.
#[derive(Debug, Clone, Copy)]
pub struct Escaped<T>(pub T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(EscapingWriter(formatter), "{}", self.0)
    }
}

/// Shows a text as the value of `key=value`: as it is where it is a plain word, else in quotes and escaped, so that it ends
/// where it ends.
#[derive(Debug, Clone, Copy)]
pub struct Quoted<'a>(pub &'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let plain = |character: char| character.is_alphanumeric() || "-_.:/+@#".contains(character);
        if self.0.chars().all(plain) {
            formatter.write_str(self.0)
        } else {
            write!(EscapingWriter(formatter), "{:?}", self.0)
        }
    }
}

/// Escapes what is written through it.
pub(crate) struct EscapingWriter<W>(pub(crate) W);

impl<W: Write> Write for EscapingWriter<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if acts(character) {
                write!(self.0, "{}", character.escape_default())?;
            } else {
                self.0.write_char(character)?;
            }
        }
        Ok(())
    }
}

/// Whether a character does something to what is around it: control characters, line ends, and those invisible ones that
/// join, hide or turn text.
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORGED: &str = "a\nverified session=b\r\u{1b}[2K\u{9b}1A\u{2028}\u{202e}";

    #[test]
    fn a_text_stays_on_its_line_and_where_it_was_put() {
        let shown = Escaped(FORGED).to_string();
        assert_eq!(shown, "a\\nverified session=b\\r\\u{1b}[2K\\u{9b}1A\\u{2028}\\u{202e}");
        assert_eq!(Escaped("wörter, with spaces").to_string(), "wörter, with spaces");
    }

    #[test]
    fn a_value_cannot_pose_as_the_next_field() {
        assert_eq!(Quoted("match-1").to_string(), "match-1");
        assert_eq!(Quoted("größe").to_string(), "größe");
        assert_eq!(Quoted("a pda=b").to_string(), "\"a pda=b\"");
        assert_eq!(Quoted("a\" pda=b").to_string(), "\"a\\\" pda=b\"");
        assert!(!Quoted(FORGED).to_string().chars().any(acts));
    }
}
