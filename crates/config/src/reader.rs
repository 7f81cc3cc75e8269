//! Takes values out of the merged layers one by one, and keeps every fault instead of stopping at the first.

use std::{collections::BTreeMap, fmt::Display, ops::RangeInclusive, str::FromStr, time::Duration};

use config::{Map, Value};
use url::Url;

use crate::{
    fault::Fault,
    given::{Given, each, host_alone, is_withheld, origin, shown, unintended},
    rpc_url::RpcUrl,
    schema::{flattened, misfit, renamed, unknown},
    sections::Secret,
};

/// A key as it is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The key, such as `rpc.commitment`.
    pub key: String,
    /// Its value; withheld where it may hold a secret.
    pub value: String,
    /// Where it was given.
    pub origin: String,
}

/// The merged layers, and what was found wrong with them.
pub(crate) struct Reader {
    values: BTreeMap<String, Value>,
    faults: Vec<Fault>,
}

impl Reader {
    /// Lays the layers over the defaults, which say what keys there are and of what type each is.
    pub(crate) fn new(defaults: Map<String, Value>, layers: Map<String, Value>) -> Self {
        let mut values = flattened(defaults);
        let mut faults = Vec::new();
        let layers = flattened(layers);
        for (key, value) in &layers {
            if let Err(reason) = lay(key, value, &layers, &mut values) {
                faults.push(Fault {
                    key: key.clone(),
                    value: unintended(value),
                    origin: origin(value),
                    reason,
                });
            }
        }
        Self { values, faults }
    }

    /// Every key as it is in force.
    pub(crate) fn shown(&self) -> Vec<Shown> {
        let keys = self.values.iter().map(|(key, value)| Shown {
            key: key.clone(),
            value: if is_withheld(key) {
                host_alone(value)
            } else {
                shown(value)
            },
            origin: origin(value),
        });
        keys.collect()
    }

    /// All faults. A default that nobody has read by now belongs to no setting.
    pub(crate) fn finish(mut self) -> Vec<Fault> {
        for (key, value) in std::mem::take(&mut self.values) {
            let (value, origin) = (value.to_string(), origin(&value));
            self.faults.push(Fault {
                key,
                value,
                origin,
                reason: String::from("no setting reads this key"),
            });
        }
        self.faults
    }

    /// Any text.
    pub(crate) fn text(&mut self, key: &str) -> String {
        self.take(key).map(|given| given.text).unwrap_or_default()
    }

    /// Text that says nothing where it is empty.
    pub(crate) fn optional_text(&mut self, key: &str) -> Option<String> {
        Some(self.text(key)).filter(|text| !text.is_empty())
    }

    /// A list of texts.
    pub(crate) fn list(&mut self, key: &str) -> Vec<String> {
        self.take(key).map(|given| given.items).unwrap_or_default()
    }

    /// Text that a type reads. The fallback only stands in until the faults are reported.
    pub(crate) fn parsed<T>(&mut self, key: &str, fallback: T) -> T
    where
        T: FromStr<Err: Display>,
    {
        self.read(key, fallback, |text| {
            text.parse().map_err(|error: T::Err| error.to_string())
        })
    }

    /// The same, or nothing where the text is empty.
    pub(crate) fn optional<T>(&mut self, key: &str) -> Option<T>
    where
        T: FromStr<Err: Display>,
    {
        self.read(key, None, |text| {
            if text.is_empty() {
                Ok(None)
            } else {
                text.parse().map(Some).map_err(|error: T::Err| error.to_string())
            }
        })
    }

    /// A list whose items a type reads.
    pub(crate) fn parsed_list<T>(&mut self, key: &str) -> Vec<T>
    where
        T: FromStr<Err: Display>,
    {
        self.read_given(key, Vec::new(), |given| {
            each(given, |item| item.parse().map_err(|error: T::Err| error.to_string()))
        })
    }

    /// An RPC endpoint with one of some schemes.
    pub(crate) fn rpc_url(&mut self, key: &str, schemes: &[&str]) -> RpcUrl {
        self.read(key, RpcUrl::default(), |text| {
            RpcUrl::with_scheme(text, schemes).map_err(|error| error.to_string())
        })
    }

    /// The same, or nothing where the text is empty.
    pub(crate) fn optional_rpc_url(&mut self, key: &str, schemes: &[&str]) -> Option<RpcUrl> {
        self.read(key, None, |text| {
            let url = Some(text)
                .filter(|text| !text.is_empty())
                .map(|text| RpcUrl::with_scheme(text, schemes));
            url.transpose().map_err(|error| error.to_string())
        })
    }

    /// RPC endpoints with one of some schemes.
    pub(crate) fn rpc_urls(&mut self, key: &str, schemes: &[&str]) -> Vec<RpcUrl> {
        self.read_given(key, Vec::new(), |given| {
            each(given, |item| {
                RpcUrl::with_scheme(item, schemes).map_err(|error| error.to_string())
            })
        })
    }

    /// An address with one of some schemes and without a secret, or nothing where the text is empty.
    pub(crate) fn web_address(&mut self, key: &str, schemes: &[&str]) -> Option<String> {
        self.read(key, None, |text| {
            if text.is_empty() {
                return Ok(None);
            }
            let url = Url::parse(text).map_err(|error| format!("it is no URL: {error}"))?;
            if !schemes.contains(&url.scheme()) {
                return Err(format!("its scheme must be {}", schemes.join(" or ")));
            }
            if !url.username().is_empty() || url.password().is_some() {
                return Err(String::from("it must not carry a user or a password: it is logged"));
            }
            Ok(Some(text.to_owned()))
        })
    }

    /// A secret of some length at least, or nothing where the text is empty.
    pub(crate) fn secret(&mut self, key: &str, characters_min: usize) -> Option<Secret> {
        self.read(key, None, |text| {
            if text.is_empty() {
                Ok(None)
            } else if text.len() < characters_min {
                Err(format!("it must have at least {characters_min} characters"))
            } else {
                Ok(Some(Secret::new(text.to_owned())))
            }
        })
    }

    /// The name of an environment variable.
    pub(crate) fn variable_name(&mut self, key: &str) -> String {
        self.read(key, String::new(), |text| {
            let letters = text
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
            if letters && text.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_') {
                Ok(text.to_owned())
            } else {
                Err(String::from("it must be a variable's name, never the key itself"))
            }
        })
    }

    /// A whole number in a range.
    pub(crate) fn number(&mut self, key: &str, range: RangeInclusive<u64>) -> u64 {
        self.read(key, *range.start(), |text| match text.parse::<u64>() {
            Ok(number) if range.contains(&number) => Ok(number),
            _ => Err(format!(
                "it must be a whole number from {} to {}",
                range.start(),
                range.end()
            )),
        })
    }

    /// A duration given in milliseconds.
    pub(crate) fn milliseconds(&mut self, key: &str, range: RangeInclusive<u64>) -> Duration {
        Duration::from_millis(self.number(key, range))
    }

    /// A duration given in seconds.
    pub(crate) fn seconds(&mut self, key: &str, range: RangeInclusive<u64>) -> Duration {
        Duration::from_secs(self.number(key, range))
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, key: &str) -> bool {
        self.read(key, false, |text| {
            text.parse().map_err(|_| String::from("it must be true or false"))
        })
    }

    /// One of some words.
    pub(crate) fn word<T: Copy>(&mut self, key: &str, words: &[(&str, T)], fallback: T) -> T {
        self.read(key, fallback, |text| {
            let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
            found.ok_or_else(|| {
                let words: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
                format!("it must be {}", words.join(" or "))
            })
        })
    }

    /// Whether a key has no fault yet; a fallback stands in for one that has, and says nothing about other keys.
    pub(crate) fn is_sound(&self, key: &str) -> bool {
        self.faults.iter().all(|fault| fault.key != key)
    }

    /// Refuses a key for what another key says.
    pub(crate) fn refuse(&mut self, key: &str, value: impl Display, reason: String) {
        let origin = String::from("the keys together");
        self.faults.push(Fault {
            key: key.to_owned(),
            value: value.to_string(),
            origin,
            reason,
        });
    }

    fn read<T>(&mut self, key: &str, fallback: T, read: impl FnOnce(&str) -> Result<T, String>) -> T {
        self.read_given(key, fallback, |given| read(&given.text))
    }

    fn read_given<T>(&mut self, key: &str, fallback: T, read: impl FnOnce(&Given) -> Result<T, String>) -> T {
        let Some(given) = self.take(key) else {
            return fallback;
        };
        let read = read(&given);
        let Given { shown, origin, .. } = given;
        match read {
            Ok(value) => value,
            Err(reason) => {
                let value = if is_withheld(key) {
                    String::from("(withheld)")
                } else {
                    shown
                };
                self.faults.push(Fault {
                    key: key.to_owned(),
                    value,
                    origin,
                    reason,
                });
                fallback
            }
        }
    }

    /// A key that the defaults lack is a fault of this crate, which the test of the defaults finds.
    fn take(&mut self, key: &str) -> Option<Given> {
        let value = self.values.remove(key);
        if value.is_none() {
            self.refuse(key, "nothing", String::from("config.toml has no such key"));
        }
        value.as_ref().map(Given::of)
    }
}

/// Lays a value over its default, or says why not.
fn lay(
    given: &str,
    value: &Value,
    layers: &BTreeMap<String, Value>,
    values: &mut BTreeMap<String, Value>,
) -> Result<(), String> {
    let key = renamed(given).unwrap_or(given);
    if key != given && layers.contains_key(key) {
        return Err(format!(
            "it is called {key} now, and that is given too: leave this one out"
        ));
    }
    let Some(default) = values.get_mut(key) else {
        return Err(unknown(key, values.keys()));
    };
    match misfit(key, default, value) {
        None => *default = value.clone(),
        Some(reason) => return Err(reason.to_owned()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_default() -> Reader {
        let section = Map::from([(String::from("url"), Value::from("http://127.0.0.1"))]);
        Reader::new(Map::from([(String::from("rpc"), Value::from(section))]), Map::new())
    }

    #[test]
    fn a_default_that_no_setting_reads_is_a_fault() {
        let faults = one_default().finish();
        assert_eq!(
            (faults[0].key.as_str(), faults[0].reason.as_str()),
            ("rpc.url", "no setting reads this key")
        );
    }

    #[test]
    fn a_setting_without_a_default_is_a_fault() {
        let mut reader = one_default();
        reader.text("rpc.url");
        reader.text("rpc.uri");
        let faults = reader.finish();
        assert_eq!(
            (faults[0].key.as_str(), faults[0].reason.as_str()),
            ("rpc.uri", "config.toml has no such key")
        );
    }
}
