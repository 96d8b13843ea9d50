//! Links to the outside: one per URI, at most fifty.

use mainstay_chassis::Refusal;
use sea_orm::FromJsonQueryResult;
use serde::{Deserialize, Serialize};

/// So many links an incident may have.
const MOST: usize = 50;

/// A link to the outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Where it leads; identifies the link.
    pub uri: String,
    /// What a person reads.
    pub title: String,
}

/// The links of an incident, in the order in which they were added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Links(pub Vec<Link>);

impl Links {
    /// Adds a link, or changes the title of the one with its URI; tells
    /// whether that changed anything.
    pub fn add(&mut self, link: Link) -> Result<bool, Refusal> {
        if let Some(same) = self.0.iter_mut().find(|same| same.uri == link.uri) {
            let changed = same.title != link.title;
            same.title = link.title;
            return Ok(changed);
        }
        if self.0.len() >= MOST {
            return Err(Refusal::invalid(
                "link",
                format!("is one too many: remove one of the {MOST}"),
            ));
        }
        self.0.push(link);
        Ok(true)
    }

    /// Removes the link with the URI; tells whether there was one.
    pub fn remove(&mut self, uri: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|link| link.uri != uri);
        self.0.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(uri: &str, title: &str) -> Link {
        Link {
            uri: uri.to_owned(),
            title: title.to_owned(),
        }
    }

    #[test]
    fn a_uri_stands_once_and_its_title_may_change() {
        let mut links = Links::default();
        assert_eq!(links.add(link("https://a", "one")), Ok(true));
        assert_eq!(links.add(link("https://a", "one")), Ok(false));
        assert_eq!(links.add(link("https://a", "two")), Ok(true));
        assert_eq!(links.0, [link("https://a", "two")]);
        assert!(links.remove("https://a") && !links.remove("https://a"));
    }

    #[test]
    fn the_fifty_first_link_is_refused() {
        let mut links = Links::default();
        for index in 0..MOST {
            links.add(link(&format!("https://{index}"), "")).unwrap();
        }
        assert!(links.add(link("https://more", "")).is_err());
        assert_eq!(links.add(link("https://0", "again")), Ok(true));
    }
}
