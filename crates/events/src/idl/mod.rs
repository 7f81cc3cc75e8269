//! An Anchor IDL (spec 0.1.0) read at run time: what a deployed program's events look like today.

mod compare;
mod error;
mod parse;
mod schema;
mod value;

use std::sync::Arc;

pub use compare::{Difference, LayoutConflict};
pub use error::{IdlError, ValueError};

pub(crate) use compare::{layout_conflict, newer_layouts};

use serde_json::Value;

use crate::discriminator::Discriminator;
use schema::Types;

/// The IDL that this crate's types were written from.
const BUILT_IN: &str = include_str!("../../idl/session_factory.json");

/// The IDL that Anchor generates for the program: `SessionQueuedEvent` has another layout in it, and `CreationParameters` is
/// named without being declared, because IDLs know no lists of pairs.
const BY_ANCHOR: &str = include_str!("../../idl/session_factory.anchor.json");

/// A program's IDL, as far as its events go.
#[derive(Clone, Debug)]
pub struct Idl {
    address: String,
    types: Types,
    events: Vec<EventLayout>,
}

impl Idl {
    /// Reads an IDL from its JSON.
    ///
    /// # Errors
    /// [`IdlError`], naming the place in the JSON and the value there.
    pub fn parse(json: &str) -> Result<Self, IdlError> {
        parse::idl(json)
    }

    /// The IDL that this crate's types were written from.
    ///
    /// # Errors
    /// None as the crate is shipped: a test reads it.
    pub fn built_in() -> Result<Self, IdlError> {
        Self::parse(BUILT_IN)
    }

    /// The IDL that Anchor generates for the program.
    ///
    /// # Errors
    /// None as the crate is shipped: a test reads it.
    pub(crate) fn by_anchor() -> Result<Self, IdlError> {
        Self::parse(BY_ANCHOR)
    }

    /// The same, where types that an event of `known` needs and nobody declares are `known`'s.
    pub(crate) fn filled_by(&self, known: &Self) -> Self {
        let types = Arc::new(self.types.filled_by(&known.types));
        let events = self.events.iter().map(|event| {
            if event.gap.is_none() || known.event(&event.name).is_none() {
                return event.clone();
            }
            EventLayout {
                gap: types.gap_of(&event.name),
                types: Arc::clone(&types),
                ..event.clone()
            }
        });
        Self {
            events: events.collect(),
            ..self.clone()
        }
    }

    /// The program id that the IDL names.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The events that it declares.
    #[must_use]
    pub fn events(&self) -> &[EventLayout] {
        &self.events
    }

    /// The event of this name.
    #[must_use]
    pub fn event(&self, name: &str) -> Option<&EventLayout> {
        self.events.iter().find(|event| event.name() == name)
    }
}

/// One event of an IDL: its discriminator and the layout of its fields.
#[derive(Clone, Debug)]
pub struct EventLayout {
    name: String,
    discriminator: Discriminator,
    types: Arc<Types>,
    gap: Option<IdlError>,
}

impl EventLayout {
    /// The event's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The event's first eight bytes.
    #[must_use]
    pub fn discriminator(&self) -> Discriminator {
        self.discriminator
    }

    /// Why its fields cannot be read, if they cannot: a type that it needs is not declared, or declared in a way that is not
    /// read here.
    #[must_use]
    pub fn gap(&self) -> Option<&IdlError> {
        self.gap.as_ref()
    }

    /// Reads the event's fields, which follow the discriminator, and leaves the rest of the bytes.
    ///
    /// Addresses become base58 text, `bytes` base64 text, integers of 128 bits and floats that JSON lacks decimal text;
    /// an enum's variant becomes its name, or `{name: fields}` if it has fields.
    ///
    /// # Errors
    /// [`ValueError`], naming the field.
    pub fn read(&self, bytes: &mut &[u8]) -> Result<Value, ValueError> {
        value::read_event(&self.types, &self.name, bytes)
    }
}
