//! Values, and what can be asked of them.

use std::collections::BTreeMap;
use std::fmt;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text or a word.
    Text(String),
    /// A whole number.
    Number(i64),
    /// True or false.
    Flag(bool),
    /// An instant, in microseconds since the epoch.
    Instant(i64),
    /// A duration, in microseconds.
    Span(i64),
    /// A list of texts.
    Texts(Vec<String>),
    /// Texts by key.
    Labels(BTreeMap<String, String>),
    /// An instant that is not known, and what comes of one.
    Nothing,
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// What is asked of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextTest {
    Starts,
    Ends,
    Contains,
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl Value {
    /// An instant, if it is known.
    pub fn instant(us: Option<i64>) -> Self {
        us.map_or(Self::Nothing, Self::Instant)
    }

    /// Whether it is what stands for absence.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Number(number) => *number == 0,
            Self::Flag(flag) => !flag,
            Self::Texts(texts) => texts.is_empty(),
            Self::Labels(labels) => labels.is_empty(),
            Self::Instant(_) | Self::Span(_) => false,
            Self::Nothing => true,
        }
    }

    /// The text with a key; the empty text when there is none.
    pub(super) fn at(&self, key: &str) -> Self {
        match self {
            Self::Labels(labels) => Self::from(labels.get(key).map_or("", String::as_str)),
            Self::Text(_)
            | Self::Number(_)
            | Self::Flag(_)
            | Self::Instant(_)
            | Self::Span(_)
            | Self::Texts(_)
            | Self::Nothing => Self::from(""),
        }
    }

    /// Whether it holds another: a list its member, labels a key.
    pub(super) fn holds(&self, one: &Self) -> bool {
        match (self, one) {
            (Self::Texts(texts), Self::Text(text)) => texts.contains(text),
            (Self::Labels(labels), Self::Text(key)) => labels.contains_key(key),
            _ => false,
        }
    }

    /// Later or longer by another, times a sign.
    pub(super) fn plus(&self, other: &Self, sign: i64) -> Self {
        let sum = |one: i64, other: i64| one.saturating_add(other.saturating_mul(sign));
        match (self, other) {
            (Self::Instant(one), Self::Instant(other)) => Self::Span(sum(*one, *other)),
            (Self::Instant(one), Self::Span(other)) => Self::Instant(sum(*one, *other)),
            (Self::Span(one), Self::Span(other)) => Self::Span(sum(*one, *other)),
            _ => Self::Nothing,
        }
    }

    /// How many characters, texts or keys it has.
    pub(super) fn size(&self) -> Self {
        let size = match self {
            Self::Text(text) => text.chars().count(),
            Self::Texts(texts) => texts.len(),
            Self::Labels(labels) => labels.len(),
            Self::Number(_) | Self::Flag(_) | Self::Instant(_) | Self::Span(_) | Self::Nothing => 0,
        };
        Self::Number(i64::try_from(size).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => write!(f, "{number}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Instant(us) => f.write_str(&mainstay_chassis::clock::rfc3339(*us)),
            Self::Span(us) => write!(f, "{}s", us / 1_000_000),
            Self::Texts(texts) => f.write_str(&texts.join(",")),
            Self::Labels(labels) => {
                let pairs = labels.iter().map(|(key, value)| format!("{key}={value}"));
                f.write_str(&pairs.collect::<Vec<_>>().join(","))
            }
            Self::Nothing => Ok(()),
        }
    }
}

impl Compare {
    /// Whether two values stand so to one another.
    pub(super) fn holds(self, left: &Value, right: &Value) -> bool {
        let order = match (left, right) {
            (Value::Text(left), Value::Text(right)) => left.cmp(right),
            (Value::Number(left), Value::Number(right))
            | (Value::Instant(left), Value::Instant(right))
            | (Value::Span(left), Value::Span(right)) => left.cmp(right),
            (Value::Flag(left), Value::Flag(right)) => left.cmp(right),
            _ => return self == Self::Unequal,
        };
        match self {
            Self::Equal => order.is_eq(),
            Self::Unequal => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

impl TextTest {
    /// Whether a text has the part where it is asked for.
    pub(super) fn holds(self, text: &Value, part: &Value) -> bool {
        let (Value::Text(text), Value::Text(part)) = (text, part) else {
            return false;
        };
        match self {
            Self::Starts => text.starts_with(part.as_str()),
            Self::Ends => text.ends_with(part.as_str()),
            Self::Contains => text.contains(part.as_str()),
        }
    }
}
