//! A deployed program's IDL held against the one that this crate was written from.

use std::fmt;

use super::{
    EventLayout, Idl, IdlError,
    schema::{Fields, Type, TypeDefinition, Types, Variant},
};
use crate::event::EventKind;

/// Types inside types that are still compared; what lies deeper counts as equal, because only recursive types reach it.
const DEPTH_MAX: usize = 32;

/// Why an IDL cannot be used to listen with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutConflict {
    /// The IDL has no `PDAComputedEvent`: it is another program's.
    #[error("the IDL declares no PDAComputedEvent, so it is not session_factory's")]
    NoPdaComputedEvent,
    /// `PDAComputedEvent` is not the event that this release creates accounts from.
    #[error(
        "the IDL's PDAComputedEvent is not the one that this release creates accounts from: {}",
        listed(differences)
    )]
    PdaComputedEvent {
        /// Everything that differs.
        differences: Vec<Difference>,
    },
    /// `PDAComputedEvent` is declared in a way that cannot be read.
    #[error("the IDL's PDAComputedEvent cannot be read: {0}")]
    Unreadable(IdlError),
    /// The IDL inside this crate does not parse; a test keeps that from shipping.
    #[error("the built-in IDL is broken: {0}")]
    BuiltIn(#[from] IdlError),
}

/// One difference between two layouts of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Path of the field, e.g. `namespaces`; `discriminator` for the event's first eight bytes.
    pub field: String,
    /// What this crate has there.
    pub built_in: String,
    /// What the given IDL has there.
    pub given: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {} here and {} there", self.field, self.built_in, self.given)
    }
}

fn listed(differences: &[Difference]) -> String {
    let lines: Vec<String> = differences.iter().map(ToString::to_string).collect();
    lines.join("; ")
}

/// Refuses an IDL whose `PDAComputedEvent` is not this crate's.
pub(crate) fn layout_conflict(given: &Idl, built_in: &Idl) -> Result<(), LayoutConflict> {
    let name = EventKind::PdaComputed.name();
    let (Some(built_in), Some(given)) = (built_in.event(name), given.event(name)) else {
        return Err(LayoutConflict::NoPdaComputedEvent);
    };
    if let Some(gap) = &given.gap {
        return Err(LayoutConflict::Unreadable(gap.clone()));
    }
    match differences(built_in, given) {
        none if none.is_empty() => Ok(()),
        differences => Err(LayoutConflict::PdaComputedEvent { differences }),
    }
}

/// The events of an IDL that this crate doesn't know, or knows otherwise than by one of the layouts in `built_in`.
pub(crate) fn newer_layouts<'i>(given: &'i Idl, built_in: &'i [Idl]) -> impl Iterator<Item = &'i EventLayout> {
    given.events.iter().filter(|event| {
        let mut known = built_in.iter().filter_map(|idl| idl.event(&event.name));
        !known.any(|known| differences(known, event).is_empty())
    })
}

/// Everything by which two layouts of one event differ.
fn differences(built_in: &EventLayout, given: &EventLayout) -> Vec<Difference> {
    let mut comparison = Comparison {
        built_in: &built_in.types,
        given: &given.types,
        depth: 0,
        found: Vec::new(),
    };
    if built_in.discriminator != given.discriminator {
        let bytes = |event: &EventLayout| format!("{:?}", event.discriminator);
        comparison.differ("discriminator", bytes(built_in), bytes(given));
    }
    comparison.definitions(&built_in.name, &built_in.name, &given.name);
    comparison.found
}

struct Comparison<'a> {
    built_in: &'a Types,
    given: &'a Types,
    depth: usize,
    found: Vec<Difference>,
}

impl Comparison<'_> {
    fn differ(&mut self, field: &str, built_in: impl Into<String>, given: impl Into<String>) {
        self.found.push(Difference {
            field: field.to_owned(),
            built_in: built_in.into(),
            given: given.into(),
        });
    }

    fn definitions(&mut self, path: &str, built_in: &str, given: &str) {
        if self.depth == DEPTH_MAX {
            return;
        }
        self.depth += 1;
        match (self.built_in.get(built_in), self.given.get(given)) {
            (Some(TypeDefinition::Struct(here)), Some(TypeDefinition::Struct(there))) => self.fields(path, here, there),
            (Some(TypeDefinition::Enum(here)), Some(TypeDefinition::Enum(there))) => self.variants(path, here, there),
            (Some(TypeDefinition::Alias(here)), Some(TypeDefinition::Alias(there))) => self.types(path, here, there),
            _ => self.differ(path, built_in, given),
        }
        self.depth -= 1;
    }

    fn variants(&mut self, path: &str, here: &[Variant], there: &[Variant]) {
        let names =
            |variants: &[Variant]| -> Vec<String> { variants.iter().map(|variant| variant.name.clone()).collect() };
        if names(here) != names(there) {
            return self.differ(path, names(here).join("|"), names(there).join("|"));
        }
        for (here, there) in here.iter().zip(there) {
            self.fields(&format!("{path}.{}", here.name), &here.fields, &there.fields);
        }
    }

    fn fields(&mut self, path: &str, here: &Fields, there: &Fields) {
        match (here, there) {
            (Fields::Unit, Fields::Unit) => {}
            (Fields::Named(here), Fields::Named(there)) => self.named(path, here, there),
            (Fields::Tuple(here), Fields::Tuple(there)) if here.len() == there.len() => {
                for (position, (here, there)) in here.iter().zip(there).enumerate() {
                    self.types(&format!("{path}.{position}"), here, there);
                }
            }
            _ => self.differ(path, format!("{here:?}"), format!("{there:?}")),
        }
    }

    /// Names count too: two fields of one type that change places look the same in bytes.
    fn named(&mut self, path: &str, here: &[(String, Type)], there: &[(String, Type)]) {
        let shown = |field: Option<&(String, Type)>| {
            field.map_or_else(|| "nothing".to_owned(), |(name, of)| format!("{name}: {of}"))
        };
        for position in 0..here.len().max(there.len()) {
            match (here.get(position), there.get(position)) {
                (Some((name, here)), Some((other, there))) if name == other => {
                    self.types(&format!("{path}.{name}"), here, there);
                }
                (here, there) => self.differ(&format!("{path} field {position}"), shown(here), shown(there)),
            }
        }
    }

    fn types(&mut self, path: &str, here: &Type, there: &Type) {
        match (here, there) {
            (Type::Defined(here), Type::Defined(there)) => self.definitions(path, here, there),
            (Type::Option(here), Type::Option(there)) | (Type::Vec(here), Type::Vec(there)) => {
                self.types(path, here, there);
            }
            (Type::Array(here, length), Type::Array(there, other)) if length == other => self.types(path, here, there),
            _ if here == there => {}
            _ => self.differ(path, here.to_string(), there.to_string()),
        }
    }
}
