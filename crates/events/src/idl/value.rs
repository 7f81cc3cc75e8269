//! Bytes to JSON by a declared layout. The input bounds what is read; two limits bound what an odd layout could do with it.

use base64_simd::STANDARD;
use serde_json::{Map, Number, Value};
use solana_pubkey::Pubkey;

use super::{
    ValueError,
    error::ValueFault,
    schema::{Fields, Primitive, Type, TypeDefinition, Types, Variant},
};

/// Types inside types; the events of `session_factory` reach 6.
const DEPTH_MAX: usize = 32;

/// Values in one event. Logs of 10,000 bytes hold fewer, unless types take no bytes at all.
const VALUES_MAX: usize = 16_384;

/// Reads the fields of the event `name`.
pub(super) fn read_event(types: &Types, name: &str, bytes: &mut &[u8]) -> Result<Value, ValueError> {
    let mut reader = Reader {
        types,
        bytes,
        values: 0,
        depth: 0,
        path: Vec::new(),
    };
    let value = reader.defined(name);
    let field = reader.path.join(".");
    value.map_err(|fault| ValueError { field, fault })
}

struct Reader<'t, 'r, 'b> {
    types: &'t Types,
    bytes: &'r mut &'b [u8],
    /// Values so far.
    values: usize,
    /// Values inside values, now.
    depth: usize,
    /// Names of the fields that are being read, outermost first; after a fault, those that led to it.
    path: Vec<String>,
}

impl<'t, 'b> Reader<'t, '_, 'b> {
    fn value(&mut self, of: &'t Type) -> Result<Value, ValueFault> {
        self.values += 1;
        if self.values > VALUES_MAX {
            return Err(ValueFault::TooMany { max: VALUES_MAX });
        }
        if self.depth == DEPTH_MAX {
            return Err(ValueFault::TooDeep { max: DEPTH_MAX });
        }
        self.depth += 1;
        let value = match of {
            Type::Primitive(primitive) => self.primitive(*primitive)?,
            Type::Option(inner) => self.option(inner)?,
            Type::Vec(element) => {
                let length = self.length()?;
                self.elements(element, length)?
            }
            Type::Array(element, length) => self.elements(element, *length)?,
            Type::Defined(name) => self.defined(name)?,
        };
        self.depth -= 1;
        Ok(value)
    }

    fn option(&mut self, inner: &'t Type) -> Result<Value, ValueFault> {
        match self.byte()? {
            0 => Ok(Value::Null),
            1 => self.value(inner),
            found => Err(ValueFault::BadTag {
                found,
                of: "option (0 or 1)",
            }),
        }
    }

    fn elements(&mut self, element: &'t Type, length: usize) -> Result<Value, ValueFault> {
        // An element takes a byte at least, or is not worth a list: so the input bounds every list.
        self.expect(length)?;
        let elements = (0..length).map(|index| self.field(&index.to_string(), element));
        elements.collect::<Result<_, _>>().map(Value::Array)
    }

    /// A field under its name, which stays in the path if the field is faulty.
    fn field(&mut self, name: &str, of: &'t Type) -> Result<Value, ValueFault> {
        self.path.push(name.to_owned());
        let value = self.value(of)?;
        self.path.pop();
        Ok(value)
    }

    fn defined(&mut self, name: &str) -> Result<Value, ValueFault> {
        match self.types.get(name) {
            Some(TypeDefinition::Struct(fields)) => self.fields(fields),
            Some(TypeDefinition::Enum(variants)) => self.variant(variants),
            Some(TypeDefinition::Alias(alias)) => self.value(alias),
            None => Err(ValueFault::Undeclared { name: name.to_owned() }),
        }
    }

    fn fields(&mut self, fields: &'t Fields) -> Result<Value, ValueFault> {
        match fields {
            Fields::Unit => Ok(Value::Object(Map::new())),
            Fields::Named(named) => {
                let named = named.iter().map(|(name, of)| Ok((name.clone(), self.field(name, of)?)));
                named.collect::<Result<_, _>>().map(Value::Object)
            }
            Fields::Tuple(tuple) => {
                let tuple = tuple
                    .iter()
                    .enumerate()
                    .map(|(index, of)| self.field(&index.to_string(), of));
                tuple.collect::<Result<_, _>>().map(Value::Array)
            }
        }
    }

    fn variant(&mut self, variants: &'t [Variant]) -> Result<Value, ValueFault> {
        let found = self.byte()?;
        let variant = variants.get(usize::from(found)).ok_or(ValueFault::BadTag {
            found,
            of: "variant of its enum",
        })?;
        if variant.fields == Fields::Unit {
            return Ok(Value::String(variant.name.clone()));
        }
        let fields = self.fields(&variant.fields)?;
        Ok(Value::Object(Map::from_iter([(variant.name.clone(), fields)])))
    }

    fn primitive(&mut self, primitive: Primitive) -> Result<Value, ValueFault> {
        Ok(match primitive {
            Primitive::Bool => match self.byte()? {
                0 => Value::Bool(false),
                1 => Value::Bool(true),
                found => {
                    return Err(ValueFault::BadTag {
                        found,
                        of: "bool (0 or 1)",
                    });
                }
            },
            Primitive::U8 => self.byte()?.into(),
            Primitive::I8 => i8::from_le_bytes(self.array()?).into(),
            Primitive::U16 => u16::from_le_bytes(self.array()?).into(),
            Primitive::I16 => i16::from_le_bytes(self.array()?).into(),
            Primitive::U32 => u32::from_le_bytes(self.array()?).into(),
            Primitive::I32 => i32::from_le_bytes(self.array()?).into(),
            Primitive::F32 => float(f32::from_le_bytes(self.array()?).into()),
            Primitive::U64 => u64::from_le_bytes(self.array()?).into(),
            Primitive::I64 => i64::from_le_bytes(self.array()?).into(),
            Primitive::F64 => float(f64::from_le_bytes(self.array()?)),
            Primitive::U128 => Value::String(u128::from_le_bytes(self.array()?).to_string()),
            Primitive::I128 => Value::String(i128::from_le_bytes(self.array()?).to_string()),
            Primitive::Bytes => Value::String(STANDARD.encode_to_string(self.prefixed()?)),
            Primitive::String => {
                let text = std::str::from_utf8(self.prefixed()?).map_err(|_| ValueFault::NotUtf8)?;
                Value::String(text.to_owned())
            }
            Primitive::Pubkey => Value::String(Pubkey::new_from_array(self.array()?).to_string()),
        })
    }

    /// The bytes after a length prefix.
    fn prefixed(&mut self) -> Result<&'b [u8], ValueFault> {
        let length = self.length()?;
        self.take(length)
    }

    fn length(&mut self) -> Result<usize, ValueFault> {
        let length = u32::from_le_bytes(self.array()?);
        Ok(usize::try_from(length).unwrap_or(usize::MAX))
    }

    fn byte(&mut self) -> Result<u8, ValueFault> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ValueFault> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn take(&mut self, needed: usize) -> Result<&'b [u8], ValueFault> {
        self.expect(needed)?;
        let (taken, rest) = self.bytes.split_at(needed);
        *self.bytes = rest;
        Ok(taken)
    }

    fn expect(&self, needed: usize) -> Result<(), ValueFault> {
        let left = self.bytes.len();
        if needed > left {
            Err(ValueFault::Short { needed, left })
        } else {
            Ok(())
        }
    }
}

/// JSON has no infinities and no NaN.
fn float(value: f64) -> Value {
    Number::from_f64(value).map_or_else(|| Value::String(value.to_string()), Value::Number)
}
