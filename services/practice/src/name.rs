//! Names of records: `organizations/{organization}/incidents/{id}` in full,
//! and the shorter forms that requests may use.

use mainstay_chassis::Refusal;
use uuid::Uuid;

/// A name as a request gave it, with the organization already tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Short {
    /// By id.
    Id(Uuid),
    /// By the number that people see.
    Number(i64),
}

/// Reads a name of a collection in the caller's organization. A name of
/// another organization is refused before anything is looked up.
pub fn parse(
    field: &str,
    text: &str,
    organization: &str,
    collection: &str,
    prefix: &str,
) -> Result<Short, Refusal> {
    let local = local(text, organization)?;
    let last = local
        .strip_prefix(collection)
        .and_then(|rest| rest.strip_prefix('/'))
        .unwrap_or(local);
    if let Ok(id) = Uuid::parse_str(last) {
        return Ok(Short::Id(id));
    }
    let number = last
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('-'));
    let number = number
        .filter(|digits| !prefix.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()));
    match number.and_then(|digits| digits.parse().ok()) {
        Some(number) => Ok(Short::Number(number)),
        None => Err(Refusal::invalid(field, remedy(collection, prefix))),
    }
}

fn remedy(collection: &str, prefix: &str) -> String {
    match prefix {
        "" => format!("must be a name such as {collection}/{{id}}"),
        _ => {
            format!("must be a name such as {collection}/{{id}} or a number such as {prefix}-1042")
        }
    }
}

/// The rest of a name after the organization, which must be the caller's.
pub fn local<'t>(text: &'t str, organization: &str) -> Result<&'t str, Refusal> {
    let Some(rest) = text.strip_prefix("organizations/") else {
        return Ok(text);
    };
    match rest.split_once('/') {
        Some((named, local)) if named == organization => Ok(local),
        Some(_) | None => Err(Refusal::foreign(text)),
    }
}

/// Tests the `parent` of a request: empty, or the caller's organization.
pub fn parent(text: &str, organization: &str) -> Result<(), Refusal> {
    match text.strip_prefix("organizations/") {
        None if text.is_empty() => Ok(()),
        None => Err(Refusal::invalid(
            "parent",
            "must be organizations/{organization}, or empty for the caller's",
        )),
        Some(named) if named == organization => Ok(()),
        Some(_) => Err(Refusal::foreign(text)),
    }
}

/// The slug in a reference such as `organizations/{o}/teams/{slug}`,
/// `teams/{slug}` or `{slug}`; empty stays empty.
pub fn slug(
    field: &str,
    text: &str,
    organization: &str,
    collection: &str,
) -> Result<Option<String>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    let local = local(text, organization)?;
    let slug = local
        .strip_prefix(collection)
        .and_then(|rest| rest.strip_prefix('/'))
        .unwrap_or(local);
    match is_slug(slug) {
        true => Ok(Some(slug.to_owned())),
        false => Err(Refusal::invalid(
            field,
            format!(
                "must be {collection}/{{slug}} or a slug: 1 to 63 of a-z, 0-9 and -, not at its ends"
            ),
        )),
    }
}

/// Whether the text is 1 to 63 of a-z, 0-9 and `-`, beginning and ending with
/// a letter or digit.
pub fn is_slug(text: &str) -> bool {
    let right = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = text.bytes().next().is_some_and(right) && text.bytes().last().is_some_and(right);
    ends && text.len() <= 63 && text.bytes().all(|byte| right(byte) || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use mainstay_proto::mainstay::error::v1::ErrorReason;

    fn incident(text: &str) -> Result<Short, Refusal> {
        parse("name", text, "default", "incidents", "INC")
    }

    #[test]
    fn all_forms_of_a_name_mean_the_same_record() {
        let id = Uuid::from_u128(42);
        for text in [
            format!("organizations/default/incidents/{id}"),
            format!("incidents/{id}"),
            id.to_string(),
        ] {
            assert_eq!(incident(&text), Ok(Short::Id(id)));
        }
        for text in [
            "organizations/default/incidents/INC-1042",
            "incidents/INC-1042",
            "INC-1042",
        ] {
            assert_eq!(incident(text), Ok(Short::Number(1042)));
        }
    }

    #[test]
    fn another_organization_is_refused_without_a_look() {
        let refusal = incident("organizations/acme/incidents/INC-1").unwrap_err();
        assert_eq!(refusal.reason(), ErrorReason::PermissionDenied);
        assert_eq!(
            parent("organizations/acme", "default")
                .unwrap_err()
                .reason(),
            ErrorReason::PermissionDenied
        );
    }

    #[test]
    fn nonsense_names_the_field_and_the_remedy() {
        for text in [
            "",
            "incidents/",
            "INC-",
            "INC-x",
            "PRB-1",
            "incidents/../x",
            "INC--1",
        ] {
            let refusal = incident(text).unwrap_err();
            assert_eq!(refusal.reason(), ErrorReason::ValidationFailed, "{text}");
            assert!(
                refusal.message().starts_with("name must be a name"),
                "{text}"
            );
        }
    }

    #[test]
    fn references_come_down_to_their_slug() {
        for text in [
            "organizations/default/teams/net-ops",
            "teams/net-ops",
            "net-ops",
        ] {
            assert_eq!(
                slug("team", text, "default", "teams"),
                Ok(Some("net-ops".to_owned()))
            );
        }
        assert!(slug("team", "Net Ops", "default", "teams").is_err());
        assert!(slug("team", "-x", "default", "teams").is_err());
        assert_eq!(slug("team", "", "default", "teams"), Ok(None));
    }
}
