//! Which incident may be part of which. The tree is one level deep: a parent
//! has no parent of its own, and a child no children. A major incident is part
//! of no other, and what becomes part of one is no candidate any more.

use mainstay_chassis::{Kind, Refusal};
use mainstay_practice::{Decision, Record};
use mainstay_proto::mainstay::error::v1::ErrorReason;
use sea_orm::prelude::Uuid;

use super::verbs::Verdict;
use super::{Event, Incident, Major, MajorState, Terms, Verb};

impl Incident {
    /// Makes it a child of another, or of none. `has_children` says whether
    /// other incidents are part of this one.
    pub fn set_parent(
        &mut self,
        parent: Option<&Self>,
        has_children: bool,
        by: &mut Terms<'_>,
    ) -> Verdict {
        self.take(Verb::SetParent, by, |it, _| {
            it.put_parent(parent, has_children)
        })
    }

    fn put_parent(&mut self, parent: Option<&Self>, has_children: bool) -> Verdict {
        let id = parent.map(|parent| parent.id);
        if self.parent == id {
            return Ok(Decision::Unchanged);
        }
        if let Some(parent) = parent {
            parent.takes_child(self.id)?;
            if self.major_state == Some(MajorState::Declared) {
                let remedy = "is a major incident: stand it down first";
                return Err(refusal(self.name(), parent.name(), remedy));
            }
            if has_children {
                let remedy = "has children of its own: it cannot become a child";
                return Err(refusal(self.name(), parent.name(), remedy));
            }
        }
        self.parent = id;
        let mut changed = vec!["parent"];
        if self.major_state == Some(MajorState::Proposed) && id.is_some() {
            changed.insert(0, "major");
            self.withdraw_proposal();
        }
        Ok(Decision::Changed(Event::Updated { changed }))
    }

    fn withdraw_proposal(&mut self) {
        if let Some(major) = self.major.clone() {
            self.put_major(Major {
                state: MajorState::Dismissed,
                reason: "It has become part of another incident.".to_owned(),
                ..major
            });
        }
    }

    /// Refuses when the incident with this id cannot become a child of this one.
    pub fn takes_child(&self, child: Uuid) -> Result<(), Refusal> {
        let remedy = match (self.id == child, self.parent) {
            (true, _) => "cannot be its own parent",
            (false, Some(_)) => "cannot become a child of an incident that has a parent itself",
            (false, None) => return Ok(()),
        };
        let resource = format!("organizations/{}/incidents/{child}", self.organization);
        Err(refusal(resource, self.name(), remedy))
    }
}

fn refusal(resource: String, parent: String, remedy: &str) -> Refusal {
    let message = format!("the incident {remedy}");
    Refusal::new(Kind::Precondition, ErrorReason::ParentNotAllowed, message)
        .with("resource", resource)
        .with("parent", parent)
}
