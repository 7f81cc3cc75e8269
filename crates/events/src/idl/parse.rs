//! From an IDL's JSON to its events; whatever is wrong is named by its place and its value.

use std::sync::Arc;

use serde_json::Value;

use super::{
    EventLayout, Idl, IdlError,
    schema::{Fields, Primitive, Type, TypeDefinition, Types, Variant},
};
use crate::discriminator::Discriminator;

/// The only layout of IDL files that is read here; Anchor has written it since 0.30.
const SPEC: &str = "0.1.0";

/// Most characters of a faulty value that an error repeats.
const SHOWN_CHARS_MAX: usize = 120;

pub(super) fn idl(json: &str) -> Result<Idl, IdlError> {
    let root: Value = serde_json::from_str(json).map_err(|error| IdlError::NotJson {
        detail: error.to_string(),
    })?;
    let root = Node {
        path: "idl".to_owned(),
        value: &root,
    };

    let spec = root.field("metadata")?.field("spec")?;
    if spec.text()? != SPEC {
        return Err(spec.invalid("spec \"0.1.0\": convert the file with `anchor idl convert`"));
    }
    let mut types = Types::default();
    for declared in root
        .optional("types")
        .map_or(Ok(Vec::new()), |types| types.elements())?
    {
        let name = declared.field("name")?.text()?.to_owned();
        types.insert(name, type_definition(&declared));
    }
    let shared = Arc::new(types.clone());
    let mut events: Vec<EventLayout> = Vec::new();
    for declared in root.field("events")?.elements()? {
        let event = event(&declared, &shared)?;
        if let Some(first) = events.iter().find(|first| first.discriminator == event.discriminator) {
            return Err(IdlError::SameDiscriminator {
                first: first.name.clone(),
                second: event.name,
            });
        }
        events.push(event);
    }
    let address = root.field("address")?.text()?.to_owned();
    Ok(Idl { address, types, events })
}

fn event(declared: &Node<'_>, types: &Arc<Types>) -> Result<EventLayout, IdlError> {
    let name = declared.field("name")?.text()?.to_owned();
    Ok(EventLayout {
        gap: types.gap_of(&name),
        name,
        discriminator: discriminator(&declared.field("discriminator")?)?,
        types: Arc::clone(types),
    })
}

fn discriminator(node: &Node<'_>) -> Result<Discriminator, IdlError> {
    let bytes = node.value.as_array().and_then(|elements| {
        let bytes: Option<Vec<u8>> = elements
            .iter()
            .map(|byte| byte.as_u64().and_then(|byte| u8::try_from(byte).ok()))
            .collect();
        bytes?.try_into().ok()
    });
    bytes.ok_or_else(|| node.invalid("a list of eight bytes"))
}

fn type_definition(declared: &Node<'_>) -> Result<TypeDefinition, IdlError> {
    if let Some(generics) = declared.optional("generics") {
        return Err(generics.invalid("no generic types"));
    }
    if let Some(serialization) = declared.optional("serialization")
        && serialization.value != "borsh"
    {
        return Err(serialization.invalid("\"borsh\""));
    }
    let body = declared.field("type")?;
    let kind = body.field("kind")?;
    match kind.text()? {
        "struct" => Ok(TypeDefinition::Struct(fields(&body)?)),
        "enum" => {
            let variants = body.field("variants")?.elements()?;
            let variants = variants.iter().map(|variant| {
                Ok(Variant {
                    name: variant.field("name")?.text()?.to_owned(),
                    fields: fields(variant)?,
                })
            });
            Ok(TypeDefinition::Enum(variants.collect::<Result<_, IdlError>>()?))
        }
        "type" => Ok(TypeDefinition::Alias(type_of(&body.field("alias")?)?)),
        _ => Err(kind.invalid("struct, enum or type")),
    }
}

/// Named fields are objects with a name; the fields of a tuple are bare types.
fn fields(owner: &Node<'_>) -> Result<Fields, IdlError> {
    let Some(list) = owner.optional("fields") else {
        return Ok(Fields::Unit);
    };
    let elements = list.elements()?;
    if elements.is_empty() {
        return Ok(Fields::Unit);
    }
    if elements.iter().all(|element| element.value.get("name").is_some()) {
        let named = elements.iter().map(|element| {
            Ok((
                element.field("name")?.text()?.to_owned(),
                type_of(&element.field("type")?)?,
            ))
        });
        Ok(Fields::Named(named.collect::<Result<_, IdlError>>()?))
    } else {
        Ok(Fields::Tuple(elements.iter().map(type_of).collect::<Result<_, _>>()?))
    }
}

fn type_of(node: &Node<'_>) -> Result<Type, IdlError> {
    const EXPECTED: &str = "a type that Anchor events can have (bool, integers and floats up to 128 bits, bytes, \
                            string, pubkey, option, vec, array, defined)";
    if let Value::String(name) = node.value {
        return Primitive::from_name(name)
            .map(Type::Primitive)
            .ok_or_else(|| node.invalid(EXPECTED));
    }
    let boxed = |inner: &Node<'_>| type_of(inner).map(Box::new);
    if let Some(inner) = node.optional("option") {
        return boxed(&inner).map(Type::Option);
    }
    if let Some(inner) = node.optional("vec") {
        return boxed(&inner).map(Type::Vec);
    }
    if let Some(array) = node.optional("array") {
        let [element, length] = array
            .elements()?
            .try_into()
            .map_err(|_| array.invalid("a type and a length"))?;
        let elements = length.value.as_u64().and_then(|length| usize::try_from(length).ok());
        return Ok(Type::Array(
            boxed(&element)?,
            elements.ok_or_else(|| length.invalid("a number of elements"))?,
        ));
    }
    if let Some(defined) = node.optional("defined") {
        if let Some(generics) = defined.optional("generics") {
            return Err(generics.invalid("no generic types"));
        }
        return Ok(Type::Defined(defined.field("name")?.text()?.to_owned()));
    }
    Err(node.invalid(EXPECTED))
}

/// A place in the JSON.
struct Node<'a> {
    path: String,
    value: &'a Value,
}

impl<'a> Node<'a> {
    fn field(&self, name: &str) -> Result<Node<'a>, IdlError> {
        self.optional(name).ok_or_else(|| IdlError::Missing {
            path: format!("{}.{name}", self.path),
        })
    }

    fn optional(&self, name: &str) -> Option<Node<'a>> {
        let value = self.value.get(name)?;
        Some(Node {
            path: format!("{}.{name}", self.path),
            value,
        })
    }

    fn elements(&self) -> Result<Vec<Node<'a>>, IdlError> {
        let Value::Array(elements) = self.value else {
            return Err(self.invalid("a list"));
        };
        let nodes = elements.iter().enumerate().map(|(index, value)| Node {
            path: format!("{}[{index}]", self.path),
            value,
        });
        Ok(nodes.collect())
    }

    fn text(&self) -> Result<&'a str, IdlError> {
        self.value.as_str().ok_or_else(|| self.invalid("a string"))
    }

    fn invalid(&self, expected: &'static str) -> IdlError {
        let mut value = self.value.to_string();
        if let Some((cut, _)) = value.char_indices().nth(SHOWN_CHARS_MAX) {
            value.truncate(cut);
            value.push('…');
        }
        IdlError::Invalid {
            path: self.path.clone(),
            value,
            expected,
        }
    }
}
