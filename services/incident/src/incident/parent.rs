//! Which incident may be part of which. The tree is one level deep: a parent
//! has no parent of its own, and a child no children.

use mainstay_chassis::{Kind, Refusal};
use mainstay_practice::{Decision, Record};
use mainstay_proto::mainstay::error::v1::ErrorReason;
use sea_orm::prelude::Uuid;

use super::verbs::Verdict;
use super::{Event, Incident, Terms, Verb};

impl Incident {
    /// Makes it a child of another, or of none. `has_children` says whether
    /// other incidents are part of this one.
    pub fn set_parent(
        &mut self,
        parent: Option<&Self>,
        has_children: bool,
        _: &mut Terms<'_>,
    ) -> Verdict {
        self.open_to(Verb::SetParent)?;
        let id = parent.map(|parent| parent.id);
        if self.parent == id {
            return Ok(Decision::Unchanged);
        }
        if let Some(parent) = parent {
            parent.takes_child(self.id)?;
            if has_children {
                let remedy = "has children of its own: it cannot become a child";
                return Err(refusal(self.name(), parent.name(), remedy));
            }
        }
        self.parent = id;
        Ok(Decision::Changed(Event::Updated {
            changed: vec!["parent"],
        }))
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
