//! What each reason means and which command mends it: the catalogue of `docs/errors`, as the tool itself shows it.

/// The catalogue. One section a code: what it means, why it happens, and the command in a fenced block.
const CATALOGUE: &str = include_str!("../../docs/errors/README.md");

/// What is known of a reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// What it means, in a sentence or two.
    pub meaning: String,
    /// Why it happens.
    pub cause: String,
    /// The one command.
    pub command: String,
}

/// The entry of a reason code.
#[must_use]
pub fn advice(code: &str) -> Option<Advice> {
    let heading = format!("## `{code}`\n");
    let (_, section) = CATALOGUE.split_once(&heading)?;
    let section = section.split("\n## ").next()?;
    let (text, fenced) = section.split_once("```sh\n")?;
    let (command, _) = fenced.split_once("\n```")?;
    let mut paragraphs = text.trim().split("\n\n").map(|paragraph| paragraph.replace('\n', " "));
    Some(Advice {
        meaning: paragraphs.next()?,
        cause: paragraphs.next()?,
        command: command.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use session_telemetry::names;

    use super::*;

    /// The codes that the service can give: the values of the labels that carry them.
    fn codes() -> BTreeSet<&'static str> {
        let carriers = [
            names::DEAD_LETTERS_TOTAL,
            names::ATTEMPTS_FAILED_TOTAL,
            names::LISTENER_QUARANTINE,
        ];
        let metrics = names::ALL.iter().filter(|metric| carriers.contains(&metric.name));
        let values = metrics.flat_map(|metric| metric.labels.iter().flat_map(|(_, values)| values.iter().copied()));
        values.chain(["unknown"]).collect()
    }

    #[test]
    fn every_code_has_an_entry_and_every_entry_a_code() {
        for code in codes() {
            let Some(Advice {
                meaning,
                cause,
                command,
            }) = advice(code)
            else {
                panic!("docs/errors has no complete entry for {code}")
            };
            assert!(
                meaning.ends_with('.') && cause.ends_with('.'),
                "{code}: {meaning} / {cause}"
            );
            assert!(!command.trim().is_empty(), "{code}");
        }
        let headings = CATALOGUE
            .lines()
            .filter_map(|line| line.strip_prefix("## `")?.strip_suffix('`'));
        let stale: Vec<&str> = headings.filter(|code| !codes().contains(code)).collect();
        assert_eq!(stale, Vec::<&str>::new(), "nothing gives these codes");
    }
}
