//! A value as it was given: its text, its items, where it comes from, and how much of it may be shown.

use config::{Value, ValueKind};

use crate::rpc_url::RpcUrl;

/// Keys whose text may hold a secret, or be one that was put in the wrong place.
const WITHHELD: &[&str] = &["url", "environment_variable", "secret"];

/// A value's text, how a fault shows it, and where it comes from.
pub(crate) struct Given {
    pub(crate) text: String,
    /// The items of a list. A list in a file has its own; where text stands for one, commas separate them.
    pub(crate) items: Vec<String>,
    pub(crate) shown: String,
    pub(crate) origin: String,
}

impl Given {
    pub(crate) fn of(value: &Value) -> Self {
        Self {
            text: text(value),
            items: items(value),
            shown: shown(value),
            origin: origin(value),
        }
    }
}

/// Reads each item of a list. A fault tells the item's position: its text may hold a secret.
pub(crate) fn each<T>(given: &Given, read: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    let items = given.items.iter().enumerate();
    items
        .map(|(i, item)| read(item).map_err(|reason| format!("item {}: {reason}", i + 1)))
        .collect()
}

pub(crate) fn is_withheld(key: &str) -> bool {
    WITHHELD.iter().any(|part| key.contains(part))
}

/// What can be shown of a value that may hold a secret: of an address its host, of anything else that there is something.
pub(crate) fn host_alone(value: &Value) -> String {
    let texts: Vec<String> = match &value.kind {
        ValueKind::Array(items) => items.iter().map(text).collect(),
        _ => vec![text(value)],
    };
    let of_one = |text: &String| match text.parse::<RpcUrl>() {
        Ok(url) => url.to_string(),
        Err(_) if text.is_empty() => String::from("\"\""),
        Err(_) => String::from("(withheld)"),
    };
    texts.iter().map(of_one).collect::<Vec<_>>().join(", ")
}

pub(crate) fn shown(value: &Value) -> String {
    if let ValueKind::String(text) = &value.kind {
        format!("{text:?}")
    } else {
        value.to_string()
    }
}

/// How a fault shows what an unknown or mistyped key holds: what it was meant to hold is not known, so text may be a secret.
pub(crate) fn unintended(value: &Value) -> String {
    match &value.kind {
        ValueKind::Boolean(_) | ValueKind::I64(_) | ValueKind::Float(_) => value.to_string(),
        _ => String::from("(withheld)"),
    }
}

pub(crate) fn origin(value: &Value) -> String {
    value.origin().unwrap_or("the built-in defaults").to_owned()
}

/// The items of a list, as a file has them or as text separates them.
fn items(value: &Value) -> Vec<String> {
    let given = match &value.kind {
        ValueKind::Array(items) => items.iter().map(|item| text(item).trim().to_owned()).collect(),
        _ => text(value)
            .split(',')
            .map(|item| item.trim().to_owned())
            .collect::<Vec<_>>(),
    };
    given.into_iter().filter(|item| !item.is_empty()).collect()
}

/// A value as text: what the environment gives as text anyway.
fn text(value: &Value) -> String {
    match &value.kind {
        ValueKind::String(text) => text.clone(),
        other => other.to_string(),
    }
}
