//! The types that an IDL declares.

use std::{collections::BTreeMap, fmt};

use super::IdlError;

/// The declared types by name. A declaration that cannot be read is kept as what is wrong with it, and matters to those
/// events alone that need the type.
#[derive(Clone, Debug, Default)]
pub(super) struct Types(BTreeMap<String, Result<TypeDefinition, IdlError>>);

impl Types {
    pub(super) fn insert(&mut self, name: String, definition: Result<TypeDefinition, IdlError>) {
        self.0.insert(name, definition);
    }

    pub(super) fn get(&self, name: &str) -> Option<&TypeDefinition> {
        self.0.get(name)?.as_ref().ok()
    }

    /// These types, and of `others` those that are not declared here.
    pub(super) fn filled_by(&self, others: &Self) -> Self {
        let mut types = others.0.clone();
        types.extend(self.0.clone());
        Self(types)
    }

    /// Follows everything that an event is made of: a type that cannot be had is found at start, and not by the first event.
    pub(super) fn gap_of(&self, event: &str) -> Option<IdlError> {
        let mut seen = vec![event];
        let mut next = 0;
        while let Some(&name) = seen.get(next) {
            next += 1;
            let mut used = Vec::new();
            match self.0.get(name) {
                None => {
                    return Some(IdlError::UnknownType {
                        path: format!("type of {event}"),
                        name: name.to_owned(),
                    });
                }
                Some(Err(unreadable)) => return Some(unreadable.clone()),
                Some(Ok(TypeDefinition::Struct(fields))) => fields.names(&mut used),
                Some(Ok(TypeDefinition::Enum(variants))) => {
                    for variant in variants {
                        variant.fields.names(&mut used);
                    }
                }
                Some(Ok(TypeDefinition::Alias(alias))) => alias.names(&mut used),
            }
            used.retain(|name| !seen.contains(name));
            seen.extend(used);
        }
        None
    }
}

/// A declared type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TypeDefinition {
    Struct(Fields),
    Enum(Vec<Variant>),
    Alias(Type),
}

/// One variant of an enum; on the wire, its position as one byte, then its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variant {
    pub(super) name: String,
    pub(super) fields: Fields,
}

/// The fields of a struct or of a variant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fields {
    Unit,
    Named(Vec<(String, Type)>),
    Tuple(Vec<Type>),
}

impl Fields {
    fn names<'t>(&'t self, used: &mut Vec<&'t str>) {
        match self {
            Self::Unit => {}
            Self::Named(list) => list.iter().for_each(|(_, field)| field.names(used)),
            Self::Tuple(list) => list.iter().for_each(|field| field.names(used)),
        }
    }
}

/// The type of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Primitive(Primitive),
    Option(Box<Type>),
    Vec(Box<Type>),
    Array(Box<Type>, usize),
    Defined(String),
}

impl Type {
    fn names<'t>(&'t self, used: &mut Vec<&'t str>) {
        match self {
            Self::Primitive(_) => {}
            Self::Option(inner) | Self::Vec(inner) | Self::Array(inner, _) => inner.names(used),
            Self::Defined(name) => used.push(name),
        }
    }
}

/// A type that is written by one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Primitive {
    Bool,
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    U64,
    I64,
    F64,
    U128,
    I128,
    Bytes,
    String,
    Pubkey,
}

impl Primitive {
    const NAMES: [(&'static str, Self); 16] = [
        ("bool", Self::Bool),
        ("u8", Self::U8),
        ("i8", Self::I8),
        ("u16", Self::U16),
        ("i16", Self::I16),
        ("u32", Self::U32),
        ("i32", Self::I32),
        ("f32", Self::F32),
        ("u64", Self::U64),
        ("i64", Self::I64),
        ("f64", Self::F64),
        ("u128", Self::U128),
        ("i128", Self::I128),
        ("bytes", Self::Bytes),
        ("string", Self::String),
        ("pubkey", Self::Pubkey),
    ];

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::NAMES
            .into_iter()
            .find_map(|(known, primitive)| (known == name).then_some(primitive))
    }

    fn name(self) -> &'static str {
        Self::NAMES
            .into_iter()
            .find_map(|(name, primitive)| (primitive == self).then_some(name))
            .unwrap_or_default()
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Primitive(primitive) => f.write_str(primitive.name()),
            Self::Option(inner) => write!(f, "option<{inner}>"),
            Self::Vec(element) => write!(f, "vec<{element}>"),
            Self::Array(element, length) => write!(f, "[{element}; {length}]"),
            Self::Defined(name) => f.write_str(name),
        }
    }
}
