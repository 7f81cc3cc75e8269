//! An error with what it came from, for a person.

use std::{error::Error, fmt::Write, iter};

/// The error and its causes, from the outside in. Some errors tell their cause themselves; it is not told twice.
#[must_use]
pub fn in_full(error: &(dyn Error + 'static)) -> String {
    let mut told = String::new();
    let causes = iter::successors(Some(error), |error| (*error).source());
    for cause in causes.map(ToString::to_string) {
        if told.is_empty() {
            told = cause;
        } else if !told.contains(&cause) {
            // Writing to a text cannot fail.
            let _ = write!(told, ": {cause}");
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use std::{fmt, io};

    use super::*;

    #[derive(Debug)]
    struct Outer {
        tells_its_cause: bool,
        cause: io::Error,
    }

    impl fmt::Display for Outer {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("cannot start")?;
            if self.tells_its_cause {
                write!(formatter, ": {}", self.cause)?;
            }
            Ok(())
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.cause)
        }
    }

    #[test]
    fn every_cause_is_told_once() {
        for tells_its_cause in [false, true] {
            let cause = io::Error::other("the disk is full");
            let outer = Outer { tells_its_cause, cause };
            assert_eq!(in_full(&outer), "cannot start: the disk is full");
        }
    }
}
