//! How foreign names become slugs, and the finding of names that would become
//! the same one.

use std::collections::HashMap;

use super::mapping::Names;

const LIMIT: usize = 63;

/// The slug of a name: small letters and digits stay, everything between them
/// becomes one hyphen. Empty when nothing is left.
pub(super) fn slug(name: &str) -> String {
    let small = name.to_lowercase();
    let words = small.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit()));
    words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join("-")
}

/// Whether the text is a slug of the contract.
pub(super) fn is_slug(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=LIMIT).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Says what a slug is, to somebody who wrote something else.
pub(super) fn demand(text: &str) -> String {
    format!(
        "{text:?} is not a slug: 1 to {LIMIT} characters of `a-z`, `0-9` and `-`, with a letter or digit first and last"
    )
}

/// The slug of each value of a column, none where it stands for nothing.
///
/// # Errors
/// Every value that has no slug and every two values that would share one,
/// with the remedy. Values may share a slug when all of them were given it.
pub(super) fn resolve(
    place: &str,
    names: &Names,
    values: &[String],
) -> Result<Vec<Option<String>>, Vec<String>> {
    let mut wrong = Vec::new();
    let mut owners: HashMap<&str, &str> = HashMap::new();
    let slugs: Vec<Option<String>> = values.iter().map(|value| of(names, value)).collect();
    for (value, slug) in values.iter().zip(&slugs) {
        let Some(slug) = slug.as_deref() else {
            continue;
        };
        if !is_slug(slug) {
            wrong.push(unfit(place, value, slug));
            continue;
        }
        let other = *owners.entry(slug).or_insert(value);
        let both_given = [value.as_str(), other]
            .iter()
            .all(|name| names.overrides.contains_key(*name));
        if other != value && !both_given {
            wrong.push(collision(place, other, value, slug));
        }
    }
    if wrong.is_empty() {
        Ok(slugs)
    } else {
        Err(wrong)
    }
}

fn of(names: &Names, value: &str) -> Option<String> {
    if let Some(given) = names.overrides.get(value) {
        return Some(given.clone());
    }
    let absent = value.is_empty() || names.absent.iter().any(|nothing| nothing == value);
    (!absent).then(|| slug(value))
}

fn unfit(place: &str, value: &str, slug: &str) -> String {
    let why = if slug.is_empty() {
        "leaves nothing to make a slug of".to_owned()
    } else {
        format!(
            "makes a slug of {} characters, {LIMIT} are allowed",
            slug.len()
        )
    };
    format!(
        "{place}: {value:?} {why}; give it one under `{place}.overrides`, such as `{value:?}: unnamed`, or list it under `{place}.absent`"
    )
}

fn collision(place: &str, one: &str, other: &str, slug: &str) -> String {
    format!(
        "{place}: {one:?} and {other:?} both become `{slug}`; if they differ, give one a slug of its own under `{place}.overrides`, such as `{other:?}: {slug}-2`; if they are the same, give both this one"
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn names(overrides: &[(&str, &str)], absent: &[&str]) -> Names {
        let overrides: BTreeMap<_, _> = overrides
            .iter()
            .map(|(value, slug)| ((*value).to_owned(), (*slug).to_owned()))
            .collect();
        Names {
            column: "c".to_owned(),
            absent: absent.iter().map(|value| (*value).to_owned()).collect(),
            overrides,
        }
    }

    fn resolved(names: &Names, values: &[&str]) -> Result<Vec<Option<String>>, Vec<String>> {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        resolve("team", names, &values)
    }

    #[test]
    fn names_become_small_and_hyphenated() {
        for (name, expected) in [
            ("V13 2nd 3rd", "v13-2nd-3rd"),
            ("S8", "s8"),
            (" _Jan--Erik_ ", "jan-erik"),
            ("Torbjörn T.", "torbj-rn-t"),
            ("- -", ""),
            ("İ", "i"),
        ] {
            assert_eq!(slug(name), expected, "{name:?}");
        }
    }

    #[test]
    fn two_names_with_one_slug_are_refused_with_the_remedy() {
        let wrong = resolved(&names(&[], &[]), &["Jan Erik", "Jan-Erik"]).unwrap_err();
        assert_eq!(wrong.len(), 1);
        for told in [
            "\"Jan Erik\"",
            "\"Jan-Erik\"",
            "`jan-erik`",
            "`team.overrides`",
            "\"Jan-Erik\": jan-erik-2",
        ] {
            assert!(wrong[0].contains(told), "{told} in {}", wrong[0]);
        }
    }

    #[test]
    fn an_override_parts_two_names_or_joins_them_when_both_have_it() {
        let apart = names(&[("Jan-Erik", "jan-erik-2")], &[]);
        let slugs = resolved(&apart, &["Jan Erik", "Jan-Erik"]).unwrap();
        assert_eq!(
            slugs,
            [Some("jan-erik".to_owned()), Some("jan-erik-2".to_owned())]
        );
        let joined = names(&[("Jan-Erik", "jan"), ("Jan Erik", "jan")], &[]);
        assert!(resolved(&joined, &["Jan Erik", "Jan-Erik"]).is_ok());
        assert!(resolved(&joined, &["Jan Erik", "Jan-Erik", "Jan"]).is_err());
    }

    #[test]
    fn a_name_that_leaves_nothing_or_too_much_is_refused_unless_it_has_a_slug() {
        let long = "x".repeat(64);
        let wrong = resolved(&names(&[], &[]), &["- -", &long]).unwrap_err();
        assert_eq!(wrong.len(), 2);
        assert!(wrong[0].contains("\"- -\": unnamed"), "{}", wrong[0]);
        let given = names(&[("- -", "unnamed"), (&long, "long")], &[]);
        assert!(resolved(&given, &["- -", &long]).is_ok());
    }

    #[test]
    fn empty_and_absent_values_stand_for_nothing() {
        assert_eq!(
            resolved(&names(&[], &["-"]), &["", "-", "a"]).unwrap(),
            [None, None, Some("a".to_owned())]
        );
    }

    proptest! {
        #[test]
        fn what_comes_out_is_a_slug_but_for_its_length(name in ".{0,80}") {
            let slug = slug(&name);
            prop_assert!(slug.is_empty() || slug.len() > LIMIT || is_slug(&slug), "{slug:?}");
            prop_assert!(!slug.contains("--"));
        }

        #[test]
        fn a_slug_stays_what_it_is(slug_text in "[a-z0-9]{1,20}(-[a-z0-9]{1,20}){0,1}") {
            prop_assert!(is_slug(&slug_text));
            prop_assert_eq!(slug(&slug_text), slug_text);
        }

        #[test]
        fn what_is_resolved_tells_names_apart(values in proptest::collection::hash_set("[a-cA-C -]{0,4}", 0..12)) {
            let values: Vec<String> = values.into_iter().collect();
            let by_hand: Vec<String> = values.iter().filter(|value| !value.is_empty()).map(|value| slug(value)).collect();
            let distinct: std::collections::HashSet<&String> = by_hand.iter().collect();
            let fine = distinct.len() == by_hand.len() && by_hand.iter().all(|slug| !slug.is_empty());
            prop_assert_eq!(resolve("team", &names(&[], &[]), &values).is_ok(), fine);
        }
    }
}
