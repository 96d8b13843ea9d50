//! What a value in a filter means for a field.

use sea_orm::sea_query::Value as Sql;
use uuid::Uuid;

use super::Ground;
use super::fault::{Fault, Spot};
use super::field::FieldKind;
use super::shape::{Compare, Literal, Value};
use crate::name;

/// What a value means.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Meant {
    /// That there is none.
    Nothing,
    /// This.
    Value(Sql),
}

impl Compare {
    /// Whether the comparison holds of two values.
    pub(crate) fn holds<T: Ord + ?Sized>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Unequal => left != right,
            Self::Less => left < right,
            Self::AtMost => left <= right,
            Self::Greater => left > right,
            Self::AtLeast => left >= right,
        }
    }
}

/// What a literal means for a field.
pub(crate) fn meant(
    field: &str,
    kind: FieldKind,
    literal: &Literal,
    ground: Ground<'_>,
) -> Result<Meant, Fault> {
    let meant = match kind {
        FieldKind::Enum(words) => word(field, words, literal)?.map(Sql::from),
        FieldKind::Slug(collection) => {
            let text = inside(collection, &literal.at, text(field, literal)?, ground)?;
            slug(&literal.at, text)?.map(Sql::from)
        }
        FieldKind::Text => Some(text(field, literal)?)
            .filter(|text| !text.is_empty())
            .map(Sql::from),
        FieldKind::Name(collection) => {
            let text = inside(collection, &literal.at, text(field, literal)?, ground)?;
            id(&literal.at, collection, text)?.map(Sql::from)
        }
        FieldKind::Instant => match &literal.value {
            Value::Time(when) => Some(Sql::from(when.at(ground.now_us))),
            Value::Word(_) | Value::Text(_) => {
                let remedy = format!(
                    "compare {field} with timestamp(\"2026-01-31T08:00:00Z\") or now - duration(\"24h\")"
                );
                return Err(Fault::at(&literal.at, remedy));
            }
        },
        FieldKind::Labels => None,
    };
    Ok(meant.map_or(Meant::Nothing, Meant::Value))
}

/// How nothing is kept where NULL is not allowed.
pub(crate) fn nothing(kind: FieldKind) -> Option<Sql> {
    matches!(kind, FieldKind::Slug(_) | FieldKind::Text).then(|| Sql::from(""))
}

/// The text that a literal quotes.
pub(crate) fn text<'a>(field: &str, literal: &'a Literal) -> Result<&'a str, Fault> {
    match &literal.value {
        Value::Text(text) => Ok(text),
        Value::Word(_) | Value::Time(_) => Err(Fault::at(
            &literal.at,
            format!("compare {field} with a text in quotes"),
        )),
    }
}

/// The text kept for an enum's value; none for the one that is not set.
fn word(
    field: &str,
    words: &[(&'static str, &'static str)],
    literal: &Literal,
) -> Result<Option<&'static str>, Fault> {
    let given = match &literal.value {
        Value::Word(given) | Value::Text(given) => given,
        Value::Time(_) => {
            return Err(Fault::at(
                &literal.at,
                format!("compare {field} with one of its values"),
            ));
        }
    };
    let short = given.rfind(&format!("{}_", field.to_uppercase()));
    let short = short.and_then(|start| given.get(start + field.len() + 1..));
    let prefix = prefix(words);
    let named = |(name, _): &&(&str, &str)| {
        *name == given || short == Some(name) || name.strip_prefix(prefix) == Some(given)
    };
    match words.iter().find(named) {
        Some((_, kept)) => Ok(Some(kept)),
        None if given == "UNSPECIFIED" || short == Some("UNSPECIFIED") => Ok(None),
        None => {
            let known: Vec<&str> = words
                .iter()
                .map(|(name, _)| name.strip_prefix(prefix).unwrap_or(name))
                .collect();
            Err(Fault::at(&literal.at, unknown("value", given, &known)))
        }
    }
}

/// What all names of an enum begin with, up to an underscore.
fn prefix<'a>(words: &[(&'a str, &str)]) -> &'a str {
    let Some((first, _)) = words.first() else {
        return "";
    };
    let ends = first.match_indices('_').rev().map(|(at, _)| at + 1);
    let mut prefixes = ends.filter_map(|end| first.get(..end));
    prefixes
        .find(|prefix| words.iter().all(|(name, _)| name.starts_with(prefix)))
        .unwrap_or("")
}

/// What stands after the collection in a name of the caller's organization.
fn inside<'a>(
    collection: &str,
    at: &Spot,
    text: &'a str,
    ground: Ground<'_>,
) -> Result<&'a str, Fault> {
    let rest = match text.strip_prefix("organizations/") {
        Some(rest) => {
            let (organization, rest) = rest.split_once('/').unwrap_or((rest, ""));
            if organization != ground.organization {
                return Err(Fault::Foreign(text.to_owned()));
            }
            rest
        }
        None => text,
    };
    let bare = rest
        .strip_prefix(collection)
        .and_then(|rest| rest.strip_prefix('/'));
    match bare {
        Some(bare) => Ok(bare),
        None if rest.len() == text.len() => Ok(text),
        None => Err(Fault::at(
            at,
            format!("write organizations/{}/{collection}/…", ground.organization),
        )),
    }
}

/// A slug; none when the text is empty.
fn slug<'a>(at: &Spot, text: &'a str) -> Result<Option<&'a str>, Fault> {
    match (text.is_empty(), name::is_slug(text)) {
        (true, _) => Ok(None),
        (false, true) => Ok(Some(text)),
        (false, false) => Err(Fault::at(
            at,
            format!("{text:?} is no slug: use a-z, 0-9 and -"),
        )),
    }
}

/// An id; none when the text is empty.
fn id(at: &Spot, collection: &str, text: &str) -> Result<Option<Uuid>, Fault> {
    match text.is_empty() {
        true => Ok(None),
        false => match Uuid::try_parse(text) {
            Ok(id) => Ok(Some(id)),
            Err(_) => Err(Fault::at(
                at,
                format!("write {collection}/ID with a UUID, or the full name"),
            )),
        },
    }
}

/// The beginning of a slug.
pub(crate) fn slug_prefix<'a>(
    collection: &str,
    at: &Spot,
    text: &'a str,
    ground: Ground<'_>,
) -> Result<&'a str, Fault> {
    let text = inside(collection, at, text, ground)?;
    match text.contains('/') {
        false => Ok(text),
        true => Err(Fault::at(at, "begin with the slug or the full name")),
    }
}

/// The remedy for an unknown word: the nearest, then all of them.
pub(crate) fn unknown(what: &str, given: &str, known: &[&str]) -> String {
    let near = |name: &&&str| strsim::osa_distance(&given.to_lowercase(), &name.to_lowercase());
    let best = known.iter().min_by_key(near);
    let best = best.filter(|best| near(best) <= 1 + best.len() / 3);
    let hint = best
        .map(|best| format!("did you mean {best}? "))
        .unwrap_or_default();
    format!("unknown {what}: {hint}known are {}", known.join(", "))
}
