//! A YAML file as a tree that knows the line of everything in it.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::error::ConfigError;
use super::reader::{NodeReader, ReadError};

/// The largest config file that is read, in bytes: nobody writes more by hand.
const LARGEST_FILE: u64 = 1 << 20;

/// A parsed config file.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    /// The file, as it was named.
    pub(crate) file: PathBuf,
    /// The outermost value; [`Value::Nothing`] for an empty file.
    pub(crate) root: Node,
}

/// A value and the line on which it begins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) line: u64,
    /// How the value is spelled, where it is a plain scalar: a name such as `007` stays what it is.
    pub(crate) spelling: Option<String>,
    pub(crate) value: Value,
}

/// What YAML can say.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Nothing,
    Bool(bool),
    Integer(i64),
    BigInteger(u64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) line: u64,
    pub(crate) node: Node,
}

impl Document {
    /// Reads a file. Absent is `None`: every config file may be left out.
    pub(crate) fn open(file: &Path) -> Result<Option<Self>, ConfigError> {
        match std::fs::metadata(file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ConfigError::with_file(file, format!("cannot be read: {error}"))),
            Ok(metadata) if !metadata.is_file() => return Err(ConfigError::with_file(file, "is not a file")),
            Ok(metadata) if metadata.len() > LARGEST_FILE => {
                return Err(ConfigError::with_file(file, "is larger than 1 MiB: not a config file"));
            }
            Ok(_) => {}
        }
        let text = std::fs::read_to_string(file)
            .map_err(|error| ConfigError::with_file(file, format!("cannot be read: {error}")))?;
        Self::parse(file, &text).map(Some)
    }

    /// Parses the text of a file.
    pub(crate) fn parse(file: &Path, text: &str) -> Result<Self, ConfigError> {
        let options = serde_saphyr::options! { with_snippet: false };
        let parsed: Result<Option<Spanned<Value>>, _> = serde_saphyr::from_str_with_options(text, options);
        match parsed {
            Ok(Some(root)) => {
                let mut root = Node::from(root);
                root.remember_spelling(text);
                Ok(Self { file: file.to_owned(), root })
            }
            Ok(None) => Ok(Self { file: file.to_owned(), root: Node::nothing(1) }),
            Err(error) => {
                let line = error.location().map(|location| location.line()).filter(|line| *line > 0);
                let mut refused = ConfigError::with_file(file, "");
                refused.line = line;
                refused.problem = format!("is not valid YAML: {}", first_line(&error.to_string()));
                Err(refused)
            }
        }
    }

    /// Reads the whole document as a `T`.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        self.read_node(&self.root, "")
    }

    /// Reads one part of the document, which stands under `key`.
    pub(crate) fn read_node<T: DeserializeOwned>(&self, node: &Node, key: &str) -> Result<T, ConfigError> {
        T::deserialize(NodeReader::of(node)).map_err(|error| self.refuse(error, key))
    }

    /// Says that what stands at `key` is not acceptable, and on which line it stands.
    pub(crate) fn refuse_key(&self, key: &str, problem: impl Into<String>) -> ConfigError {
        ConfigError {
            file: self.file.clone(),
            line: self.line_of(key),
            key: key.to_owned(),
            problem: problem.into(),
            advice: None,
        }
    }

    /// The line of a key path such as `database.backup.directory` or `accounts[2].timezone`: the innermost one there is.
    fn line_of(&self, key: &str) -> Option<u64> {
        let mut node = &self.root;
        let mut line = node.line;
        for part in key.split(['.', '[']).filter(|part| !part.is_empty()) {
            let inner = match &node.value {
                Value::Map(entries) => {
                    entries.iter().find(|entry| entry.key == part).map(|entry| (entry.line, &entry.node))
                }
                Value::List(items) => part
                    .strip_suffix(']')
                    .and_then(|number| number.parse::<usize>().ok())
                    .and_then(|index| items.get(index))
                    .map(|item| (item.line, item)),
                _ => None,
            };
            let Some((at, next)) = inner else { break };
            line = at;
            node = next;
        }
        (line > 0).then_some(line)
    }

    fn refuse(&self, error: ReadError, under: &str) -> ConfigError {
        let key = match (under, error.key().as_str()) {
            ("", key) | (key, "") => key.to_owned(),
            (under, key) if key.starts_with('[') => format!("{under}{key}"),
            (under, key) => format!("{under}.{key}"),
        };
        ConfigError { file: self.file.clone(), line: error.line, key, problem: error.problem, advice: error.advice }
    }
}

impl Node {
    pub(crate) fn nothing(line: u64) -> Self {
        Self { line, spelling: None, value: Value::Nothing }
    }

    /// The entries of a mapping; none for anything else.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    fn remember_spelling(&mut self, text: &str) {
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|item| item.remember_spelling(text)),
            Value::Map(entries) => entries.iter_mut().for_each(|entry| entry.node.remember_spelling(text)),
            Value::Bool(_) | Value::Integer(_) | Value::BigInteger(_) | Value::Float(_) => {
                // Until now the field holds `offset length`, as the parser told them.
                let range = self.spelling.take().and_then(|range| {
                    let (start, length) = range.split_once(' ')?;
                    Some((start.parse::<usize>().ok()?, length.parse::<usize>().ok()?))
                });
                self.spelling =
                    range.and_then(|(start, length)| text.get(start..start + length)).map(|s| s.trim().to_owned());
            }
            Value::Nothing | Value::Text(_) => self.spelling = None,
        }
    }
}

impl From<Spanned<Value>> for Node {
    fn from(spanned: Spanned<Value>) -> Self {
        let span = spanned.defined.span();
        let range = span.byte_offset().zip(span.byte_len());
        Self {
            line: spanned.referenced.line(),
            spelling: range.map(|(start, length)| format!("{start} {length}")),
            value: spanned.value,
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::BigInteger(value), Value::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Spanned<Value>>()? {
            list.push(Node::from(item));
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let line = key.referenced.line();
            let node = Node::from(map.next_value::<Spanned<Value>>()?);
            entries.push(Entry { key: key.value, line, node });
        }
        Ok(Value::Map(entries))
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or(text)
}
