//! JSON to protobuf, strictly: what one reader takes and another drops is how
//! requests are smuggled, so a member that is unknown or comes twice is
//! refused.
//!
//! prost-reflect refuses most of what is wrong, but takes a member that comes
//! twice, also under both its names (`updateMask`, `update_mask`). So the text
//! is walked first, by its descriptor.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

use bytes::Bytes;
use mainstay_chassis::Refusal;
use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Deeper nesting is refused.
const DEEPEST: usize = 32;
/// The field that is named where none is known.
const WHOLE: &str = "request";

/// The message in the text, as protobuf.
pub(super) fn decode(kind: MessageDescriptor, text: &[u8]) -> Result<Bytes, Refusal> {
    let trace = Trace::default();
    let mut reader = serde_json::Deserializer::from_slice(text);
    let walk = Walk {
        shape: Shape::message(&kind),
        trace: &trace,
        depth: 0,
    };
    if let Err(error) = walk.deserialize(&mut reader) {
        return Err(trace.refusal(&error));
    }
    let read = || {
        let mut reader = serde_json::Deserializer::from_slice(text);
        let message = DynamicMessage::deserialize(kind, &mut reader)?;
        reader.end()?;
        Ok(message)
    };
    let message = read().map_err(|error: serde_json::Error| {
        Refusal::invalid(WHOLE, format!("cannot be read: {error}"))
    })?;
    Ok(message.encode_to_vec().into())
}

/// Where the walk is, and what it found.
#[derive(Default)]
struct Trace {
    path: RefCell<Vec<String>>,
    found: RefCell<Option<(String, String)>>,
}

impl Trace {
    /// Notes what is wrong with the member where the walk is.
    fn wrong<E: Error>(&self, remedy: String) -> E {
        *self.found.borrow_mut() = Some((self.path.borrow().join("."), remedy));
        E::custom("refused")
    }

    fn refusal(&self, error: &serde_json::Error) -> Refusal {
        match self.found.take() {
            Some((field, remedy)) if field.is_empty() => Refusal::invalid(WHOLE, remedy),
            Some((field, remedy)) => Refusal::invalid(field, remedy),
            None => Refusal::invalid(WHOLE, format!("must be a JSON object: {error}")),
        }
    }
}

/// What stands at a place, as far as its members go.
#[derive(Clone)]
enum Shape {
    /// Members are fields.
    Message(MessageDescriptor),
    /// Members are keys of one shape each; so are elements.
    Each(Box<Shape>),
    /// An `Any`: its members are those of a message that is not known here.
    Any,
    /// Anything: a scalar, or what has a JSON form of its own.
    Free,
}

impl Shape {
    fn message(kind: &MessageDescriptor) -> Self {
        match kind.full_name() {
            "google.protobuf.Any" => Self::Any,
            "google.protobuf.Empty" => Self::Message(kind.clone()),
            name if name.starts_with("google.protobuf.") => Self::Free,
            _ => Self::Message(kind.clone()),
        }
    }

    fn field(field: &FieldDescriptor) -> Self {
        let Kind::Message(kind) = field.kind() else {
            return Self::Free;
        };
        match (field.is_map(), field.is_list()) {
            (true, _) => Self::Each(Box::new(Self::field(&kind.map_entry_value_field()))),
            (_, true) => Self::Each(Box::new(Self::message(&kind))),
            _ => Self::message(&kind),
        }
    }

    /// The name by which a member is the same as another, and its shape.
    fn member(&self, key: &str) -> Result<(String, Self), String> {
        match self {
            Self::Message(kind) => {
                let field = kind
                    .get_field_by_json_name(key)
                    .or_else(|| kind.get_field_by_name(key));
                let field = field.ok_or_else(|| unknown(kind, key))?;
                Ok((field.name().to_owned(), Self::field(&field)))
            }
            Self::Each(shape) => Ok((key.to_owned(), (**shape).clone())),
            Self::Any => Ok((snake(key), Self::Any)),
            Self::Free => Ok((key.to_owned(), Self::Free)),
        }
    }
}

/// What to say of a member that is no field.
fn unknown(kind: &MessageDescriptor, key: &str) -> String {
    let names = kind.fields().map(|field| field.json_name().to_owned());
    let nearest = names
        .map(|name| (strsim::damerau_levenshtein(&name, key), name))
        .min();
    match nearest {
        Some((distance, name)) if distance <= 3 => format!("is not known: did you mean {name}?"),
        _ => format!("is not known in {}", kind.full_name()),
    }
}

/// A name with its capitals spelt as `_x`.
fn snake(name: &str) -> String {
    name.chars().fold(String::new(), |mut text, letter| {
        if letter.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(letter.to_ascii_lowercase());
        text
    })
}

/// A walk over a value.
struct Walk<'a> {
    shape: Shape,
    trace: &'a Trace,
    depth: usize,
}

impl Walk<'_> {
    /// One level down; the caller pops the path.
    fn down<E: Error>(&self, shape: Shape, step: String) -> Result<Self, E> {
        self.trace.path.borrow_mut().push(step);
        match self.depth < DEEPEST {
            true => Ok(Self {
                shape,
                trace: self.trace,
                depth: self.depth + 1,
            }),
            false => Err(self
                .trace
                .wrong(format!("is nested deeper than {DEEPEST} levels"))),
        }
    }

    fn up(&self) {
        self.trace.path.borrow_mut().pop();
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        // The root must be an object; further down prost-reflect says better
        // what was expected.
        match (self.depth, &self.shape) {
            (0, Shape::Message(_)) => deserializer.deserialize_map(self),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let member = self.shape.member(&key);
            let walk = self.down(Shape::Free, key)?;
            let (name, shape) = member.map_err(|remedy| self.trace.wrong::<A::Error>(remedy))?;
            if !seen.insert(name) {
                return Err(self.trace.wrong("is given twice".to_owned()));
            }
            map.next_value_seed(Walk { shape, ..walk })?;
            self.up();
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let shape = match &self.shape {
            Shape::Each(shape) => (**shape).clone(),
            shape @ (Shape::Message(_) | Shape::Any | Shape::Free) => shape.clone(),
        };
        for index in 0_usize.. {
            let walk = self.down(shape.clone(), index.to_string())?;
            if elements.next_element_seed(walk)?.is_none() {
                self.up();
                break;
            }
            self.up();
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}
