//! Reads typed settings out of a [`Node`], and says of every error on which line and under which key it stands.

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, Expected, MapAccess, SeqAccess, Unexpected, Visitor};

use super::document::{Entry, Node, Value};
use super::error::nearest_known;

/// Why a document could not be read as the settings asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReadError {
    pub(crate) line: Option<u64>,
    pub(crate) problem: String,
    pub(crate) advice: Option<String>,
    /// From the innermost key outwards.
    parts: Vec<String>,
}

impl ReadError {
    /// The path of keys, `database.retention`, `accounts[2].id`.
    pub(crate) fn key(&self) -> String {
        let mut key = String::new();
        for part in self.parts.iter().rev() {
            if !key.is_empty() && !part.starts_with('[') {
                key.push('.');
            }
            key.push_str(part);
        }
        key
    }

    fn plain(problem: String) -> Self {
        Self { line: None, problem, advice: None, parts: Vec::new() }
    }

    fn on_line(mut self, line: u64) -> Self {
        if self.line.is_none() && line > 0 {
            self.line = Some(line);
        }
        self
    }

    fn under(mut self, part: impl Into<String>) -> Self {
        self.parts.push(part.into());
        self
    }
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.problem)
    }
}

impl std::error::Error for ReadError {}

impl Error for ReadError {
    fn custom<T: std::fmt::Display>(problem: T) -> Self {
        Self::plain(problem.to_string())
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::plain(format!("must be {expected}, not {}", in_plain_words(unexpected)))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::plain(format!("must be {expected}, not {}", in_plain_words(unexpected)))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let known = expected.iter().copied();
        Self { advice: nearest_known(field, known), ..Self::plain("unknown key".to_owned()) }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let problem = format!("{variant:?} is not one of {}", expected.join(", "));
        let advice = nearest_known(variant, expected.iter().copied()).filter(|advice| advice.starts_with("did"));
        Self { advice, ..Self::plain(problem) }
    }

    fn missing_field(field: &'static str) -> Self {
        Self::plain(format!("the key {field} is required here"))
    }
}

fn in_plain_words(unexpected: Unexpected<'_>) -> String {
    match unexpected {
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Signed(value) => value.to_string(),
        Unexpected::Unsigned(value) => value.to_string(),
        Unexpected::Float(value) => value.to_string(),
        Unexpected::Str(value) => format!("{value:?}"),
        Unexpected::Unit | Unexpected::Option => "empty".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map | Unexpected::StructVariant => "a group of keys".to_owned(),
        other => other.to_string(),
    }
}

/// Gives a [`Node`] to serde.
#[derive(Clone, Copy)]
pub(crate) struct NodeReader<'a> {
    node: &'a Node,
}

impl<'a> NodeReader<'a> {
    pub(crate) fn of(node: &'a Node) -> Self {
        Self { node }
    }

    fn give<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.value {
            Value::Nothing => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Integer(value) => visitor.visit_i64(*value),
            Value::BigInteger(value) => visitor.visit_u64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(value) => visitor.visit_str(value),
            Value::List(items) => visitor.visit_seq(Items { items, next: 0 }),
            Value::Map(entries) => visitor.visit_map(Entries { entries: entries.iter(), value: None }),
        }
    }

    /// A text is what was written: `007` stays `007`, though YAML takes it for a number.
    fn give_text<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match (&self.node.value, &self.node.spelling) {
            (Value::Bool(_) | Value::Integer(_) | Value::BigInteger(_) | Value::Float(_), Some(spelling)) => {
                visitor.visit_str(spelling)
            }
            _ => self.give(visitor),
        }
    }

    /// A group whose keys are all commented out is an empty group; a list or a single value is none.
    fn give_group<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let found = match &self.node.value {
            Value::Nothing => return visitor.visit_map(Entries { entries: [].iter(), value: None }),
            Value::Map(entries) => return visitor.visit_map(Entries { entries: entries.iter(), value: None }),
            Value::Bool(value) => Unexpected::Bool(*value),
            Value::Integer(value) => Unexpected::Signed(*value),
            Value::BigInteger(value) => Unexpected::Unsigned(*value),
            Value::Float(value) => Unexpected::Float(*value),
            Value::Text(value) => Unexpected::Str(value),
            Value::List(_) => Unexpected::Seq,
        };
        Err(ReadError::invalid_type(found, &"a group of keys"))
    }

    fn give_choice<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.value {
            Value::Text(name) => visitor.visit_enum(StrDeserializer::<ReadError>::new(name)),
            Value::Map(entries) if entries.len() == 1 => {
                visitor.visit_enum(serde::de::value::MapAccessDeserializer::new(Entries {
                    entries: entries.iter(),
                    value: None,
                }))
            }
            _ => match &self.node.spelling {
                Some(spelling) => visitor.visit_enum(StrDeserializer::<ReadError>::new(spelling)),
                None => self.give(visitor),
            },
        }
    }
}

macro_rules! forward {
    ($($method:ident)*) => {
        $(
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
                self.give(visitor).map_err(|error| error.on_line(self.node.line))
            }
        )*
    };
}

impl<'de> Deserializer<'de> for NodeReader<'_> {
    type Error = ReadError;

    forward! {
        deserialize_any deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64 deserialize_char deserialize_bytes deserialize_byte_buf
        deserialize_unit deserialize_seq deserialize_ignored_any
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.give_text(visitor).map_err(|error| error.on_line(self.node.line))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.node.value {
            Value::Nothing => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.give_group(visitor).map_err(|error| error.on_line(self.node.line))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.give_choice(visitor).map_err(|error| error.on_line(self.node.line))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.deserialize_seq(visitor)
    }
}

struct Items<'a> {
    items: &'a [Node],
    next: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        let Some(item) = self.items.get(self.next) else { return Ok(None) };
        let index = self.next;
        self.next += 1;
        seed.deserialize(NodeReader::of(item))
            .map(Some)
            .map_err(|error| error.on_line(item.line).under(format!("[{index}]")))
    }
}

struct Entries<'a> {
    entries: std::slice::Iter<'a, Entry>,
    value: Option<&'a Entry>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        let Some(entry) = self.entries.next() else { return Ok(None) };
        self.value = Some(entry);
        seed.deserialize(StrDeserializer::<ReadError>::new(&entry.key))
            .map(Some)
            .map_err(|error| error.on_line(entry.line).under(&entry.key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let entry = self.value.take().expect("serde asks for a key before its value");
        // A value that is absent (`key:`) has no line of its own worth naming.
        seed.deserialize(NodeReader::of(&entry.node)).map_err(|error| error.on_line(entry.line).under(&entry.key))
    }
}
