//! UpdateIncident: the fields that people may change, one by one.

use std::collections::BTreeMap;

use mainstay_practice::Decision;

use super::verbs::Verdict;
use super::{Event, Impact, Incident, Labels, Severity, Slugs, Terms, Urgency, Verb};
use crate::policy::Policy;

/// A new value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// What is wrong, in a line.
    Title(String),
    /// What is wrong, at length.
    Description(String),
    /// How much is hurt.
    Impact(Impact),
    /// How long it can wait.
    Urgency(Urgency),
    /// How bad it is technically.
    Severity(Option<Severity>),
    /// The team's own kind of incident.
    Category(Option<String>),
    /// The service that is hurt.
    Service(Option<String>),
    /// Other services that are hurt.
    AffectedServices(Vec<String>),
    /// Who asked for help.
    Requester(Option<String>),
    /// The team's own word for where it stands.
    Word(String),
    /// Labels.
    Labels(BTreeMap<String, String>),
}

impl Incident {
    /// Changes fields; the priority follows impact and urgency.
    pub fn update(&mut self, changes: Vec<Change>, by: &mut Terms<'_>) -> Verdict {
        self.take(Verb::Update, by, |it, by| {
            let mut changed = Vec::new();
            for change in changes {
                if let Change::Word(word) = &change {
                    by.wish(Some(word));
                    by.word(&it.status, it.state, it.state, it)?;
                }
                changed.extend(it.put(change));
            }
            if changed
                .iter()
                .any(|field| ["impact", "urgency"].contains(field))
            {
                let priority = by.priority(it.impact, it.urgency);
                changed.extend(put("priority", &mut it.priority, priority));
            }
            changed.sort_unstable();
            changed.dedup();
            match changed.is_empty() {
                true => Ok(Decision::Unchanged),
                false => Ok(Decision::Changed(Event::Updated { changed })),
            }
        })
    }

    /// Computes the priority anew; names the field when it has changed.
    pub(super) fn prioritise(&mut self, policy: &Policy) -> Option<&'static str> {
        let priority = policy.matrix.priority(self.impact, self.urgency);
        put("priority", &mut self.priority, priority)
    }

    /// Puts a new value; names the field when it has changed.
    pub(super) fn put(&mut self, change: Change) -> Option<&'static str> {
        match change {
            Change::Title(title) => put("title", &mut self.title, title),
            Change::Description(text) => put("description", &mut self.description, text),
            Change::Impact(impact) => put("impact", &mut self.impact, impact),
            Change::Urgency(urgency) => put("urgency", &mut self.urgency, urgency),
            Change::Severity(severity) => put("severity", &mut self.severity, severity),
            Change::Category(category) => put("category", &mut self.category, category),
            Change::Service(service) => put("service", &mut self.service, service),
            Change::AffectedServices(services) => put(
                "affected_services",
                &mut self.affected_services,
                Slugs(services),
            ),
            Change::Requester(requester) => put("requester", &mut self.requester, requester),
            Change::Word(word) => put("status", &mut self.status, word),
            Change::Labels(labels) => put("labels", &mut self.labels, Labels(labels)),
        }
    }
}

fn put<T: PartialEq>(field: &'static str, place: &mut T, value: T) -> Option<&'static str> {
    let changed = *place != value;
    *place = value;
    changed.then_some(field)
}
