//! Text with columns in braces: `{product} ({sr_number})`; `{{` and `}}` are
//! braces themselves.

use serde::Deserialize;

/// A parsed text with columns.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub(super) struct Template(Vec<Part>);

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Column(String),
}

impl Template {
    /// The columns that it names.
    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Column(column) => Some(column.as_str()),
        })
    }

    /// The text, with each column's value in its place.
    pub(super) fn fill<'a>(&self, value: impl Fn(&str) -> &'a str) -> String {
        let mut text = String::new();
        for part in &self.0 {
            text.push_str(match part {
                Part::Text(literal) => literal,
                Part::Column(column) => value(column),
            });
        }
        text
    }
}

impl TryFrom<String> for Template {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find(['{', '}']) {
            let (before, brace) = (&rest[..at], &rest[at..=at]);
            literal.push_str(before);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                literal.push_str(brace);
                rest = after;
                continue;
            }
            let column = rest.split_once('}').filter(|_| brace == "{");
            let (column, after) = column.ok_or_else(|| {
                format!("`{text}`: a `{brace}` without its other half; doubled it is plain text")
            })?;
            if column.is_empty() || column.contains('{') {
                return Err(format!(
                    "`{text}`: a column's name must stand between `{{` and `}}`"
                ));
            }
            parts.push(Part::Text(std::mem::take(&mut literal)));
            parts.push(Part::Column(column.to_owned()));
            rest = after;
        }
        literal.push_str(rest);
        parts.push(Part::Text(literal));
        parts.retain(|part| *part != Part::Text(String::new()));
        if parts.is_empty() {
            return Err("must not be empty".to_owned());
        }
        Ok(Self(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::Template;

    fn filled(text: &str) -> Result<String, String> {
        let template = Template::try_from(text.to_owned())?;
        Ok(template.fill(|column| if column == "key" { "K-1" } else { "?" }))
    }

    #[test]
    fn columns_are_filled_in_and_doubled_braces_are_braces() {
        assert_eq!(filled("a {key} b").as_deref(), Ok("a K-1 b"));
        assert_eq!(filled("{key}{other}").as_deref(), Ok("K-1?"));
        assert_eq!(filled("{{key}} {key}").as_deref(), Ok("{key} K-1"));
    }

    #[test]
    fn braces_that_do_not_match_are_refused() {
        for text in ["", "{}", "a } b", "{a{b}"] {
            assert!(filled(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_brace_that_is_never_closed_is_refused() {
        assert!(filled("{key").is_err());
    }
}
