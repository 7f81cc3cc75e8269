//! Reads typed fields out of a JSON object, and knows the path of each for the error.

use serde_json::{Map, Value};
use solana_pubkey::Pubkey;

use crate::{MessageError, VERSION, error::shown};

/// One JSON object of a message and its path in it.
pub(crate) struct Object<'a> {
    path: &'static str,
    fields: &'a Map<String, Value>,
}

impl<'a> Object<'a> {
    /// The whole body.
    pub(crate) fn root(body: &'a Value) -> Result<Self, MessageError> {
        match body {
            Value::Object(fields) => Ok(Self { path: "", fields }),
            other => Err(invalid("the body".to_owned(), other, "an object")),
        }
    }

    /// The version, which decides whether anything else can be read.
    pub(crate) fn version(&self) -> Result<u8, MessageError> {
        match self.u64("version")? {
            found if found == u64::from(VERSION) => Ok(VERSION),
            found => Err(MessageError::UnknownVersion { found }),
        }
    }

    pub(crate) fn object(&self, name: &'static str) -> Result<Object<'a>, MessageError> {
        match self.required(name)? {
            Value::Object(fields) => Ok(Object { path: name, fields }),
            other => Err(self.invalid(name, other, "an object")),
        }
    }

    pub(crate) fn u64(&self, name: &str) -> Result<u64, MessageError> {
        let value = self.required(name)?;
        value
            .as_u64()
            .ok_or_else(|| self.invalid(name, value, "an unsigned 64-bit integer"))
    }

    pub(crate) fn u32(&self, name: &str) -> Result<u32, MessageError> {
        let value = self.required(name)?;
        value
            .as_u64()
            .and_then(|number| u32::try_from(number).ok())
            .ok_or_else(|| self.invalid(name, value, "an unsigned 32-bit integer"))
    }

    pub(crate) fn text(&self, name: &str) -> Result<&'a str, MessageError> {
        let value = self.required(name)?;
        value.as_str().ok_or_else(|| self.invalid(name, value, "a string"))
    }

    /// A string, or `None` if it is null or not there.
    pub(crate) fn optional_text(&self, name: &str) -> Result<Option<&'a str>, MessageError> {
        match self.fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value
                .as_str()
                .map(Some)
                .ok_or_else(|| self.invalid(name, value, "a string or null")),
        }
    }

    pub(crate) fn texts(&self, name: &str) -> Result<Vec<String>, MessageError> {
        let value = self.required(name)?;
        let strings = value.as_array().and_then(|elements| {
            elements
                .iter()
                .map(|element| element.as_str().map(str::to_owned))
                .collect()
        });
        strings.ok_or_else(|| self.invalid(name, value, "a list of strings"))
    }

    pub(crate) fn address(&self, name: &str) -> Result<Pubkey, MessageError> {
        self.parsed(name, "an address in base58", |text| text.parse().ok())
    }

    /// An address, or `None` if it is null or not there.
    pub(crate) fn optional_address(&self, name: &str) -> Result<Option<Pubkey>, MessageError> {
        match self.optional_text(name)? {
            None => Ok(None),
            Some(_) => self.address(name).map(Some),
        }
    }

    /// A string that `parse` understands.
    pub(crate) fn parsed<T>(
        &self,
        name: &str,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, MessageError> {
        let value = self.required(name)?;
        value
            .as_str()
            .and_then(parse)
            .ok_or_else(|| self.invalid(name, value, expected))
    }

    fn required(&self, name: &str) -> Result<&'a Value, MessageError> {
        self.fields.get(name).ok_or_else(|| MessageError::Missing {
            field: self.path_of(name),
        })
    }

    fn invalid(&self, name: &str, value: &Value, expected: &'static str) -> MessageError {
        invalid(self.path_of(name), value, expected)
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }
}

fn invalid(field: String, value: &Value, expected: &'static str) -> MessageError {
    MessageError::Invalid {
        field,
        value: shown(value),
        expected,
    }
}
