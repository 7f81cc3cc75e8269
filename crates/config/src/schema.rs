//! What keys there are and of what type each is: as the built-in defaults have it.

use std::collections::BTreeMap;

use config::{Map, Value, ValueKind};
use strsim::levenshtein;

/// The origin that the `config` crate gives to variables; they are text whatever they mean.
const ENVIRONMENT: &str = "the environment";

/// `section.key` for every key. Whatever is no table stays by its own name.
pub(crate) fn flattened(sections: Map<String, Value>) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    for (section, value) in sections {
        if let ValueKind::Table(keys) = value.kind {
            values.extend(keys.into_iter().map(|(key, value)| (format!("{section}.{key}"), value)));
        } else {
            values.insert(section, value);
        }
    }
    values
}

/// The name that a key has now, if it is known by an older one.
pub(crate) fn renamed(key: &str) -> Option<&'static str> {
    (key == "listener.cursor_url").then_some("listener.watermark_url")
}

/// Why a value is not of its default's type, if it is not.
pub(crate) fn misfit(key: &str, default: &Value, value: &Value) -> Option<&'static str> {
    // A slot is as good a start as a word.
    let slot = key == "listener.start" && matches!(value.kind, ValueKind::I64(_));
    if slot || value.origin() == Some(ENVIRONMENT) {
        return None;
    }
    match (&default.kind, &value.kind) {
        (ValueKind::Boolean(_), ValueKind::Boolean(_))
        | (ValueKind::I64(_), ValueKind::I64(_))
        | (ValueKind::String(_), ValueKind::String(_)) => None,
        (ValueKind::Array(_), ValueKind::Array(items)) => {
            let texts = items.iter().all(|item| matches!(item.kind, ValueKind::String(_)));
            (!texts).then_some("it must be a list of texts in quotes")
        }
        (ValueKind::Boolean(_), _) => Some("it must be true or false, without quotes"),
        (ValueKind::Array(_), _) => Some("it must be a list of texts in quotes"),
        (ValueKind::String(_), _) => Some("it must be text in quotes"),
        _ => Some("it must be a whole number, without quotes"),
    }
}

/// Why a key is refused that is none of the known ones.
pub(crate) fn unknown<'known>(key: &str, known: impl Iterator<Item = &'known String> + Clone) -> String {
    if known
        .clone()
        .any(|known| known.split_once('.').is_some_and(|(section, _)| section == key))
    {
        return format!("it must be a section: [{key}]");
    }
    match nearest(key, known) {
        Some(near) => format!("there is no such key; did you mean {near}?"),
        None => String::from("there is no such key"),
    }
}

/// The known key that is spelled most alike, if one is.
fn nearest<'known>(key: &str, known: impl Iterator<Item = &'known String>) -> Option<&'known String> {
    const FURTHEST: usize = 3;
    let distances = known.map(|candidate| (levenshtein(key, candidate), candidate));
    distances
        .filter(|(distance, _)| *distance <= FURTHEST)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_counted() {
        assert_eq!(levenshtein("rpc.url", "rpc.url"), 0);
        assert_eq!(levenshtein("rpc.uri", "rpc.url"), 1);
        assert_eq!(levenshtein("rpc.urls", "rpc.url"), 1);
        assert_eq!(levenshtein("", "abc"), 3);
    }
}
