//! Two incidents about the same: one is closed and says into which it went, the
//! other goes on. Comments stay where they were written.

use mainstay_chassis::{Kind, Refusal};
use mainstay_practice::{Decision, Record, Step};
use mainstay_proto::mainstay::error::v1::ErrorReason;

use super::verbs::Verdict;
use super::{Event, Incident, MajorState, Resolution, ResolutionCode, Terms, Verb};

impl Incident {
    /// Merges it into another one: the steps of both. `has_children` says
    /// whether other incidents are part of this one.
    pub fn merge(
        mut self,
        into: &Self,
        has_children: bool,
        by: &mut Terms<'_>,
    ) -> Result<Vec<Step<Event, Self>>, Refusal> {
        self.open_to(Verb::Merge)?;
        self.fits_into(into, has_children)?;
        let decision = self.take(Verb::Merge, by, |it, by| it.close_into(into, by))?;
        let Decision::Changed(merging) = decision else {
            return Err(Refusal::internal("a merge that changes nothing"));
        };
        let step = |after: Self, event| Step {
            after,
            event,
            occur_us: by.at().now_us,
        };
        let merged = self.id;
        let into = into.clone();
        Ok(vec![
            step(self, merging),
            step(into, Event::Absorbed { merged }),
        ])
    }

    fn close_into(&mut self, into: &Self, by: &mut Terms<'_>) -> Verdict {
        let previous = self.state;
        self.step(Verb::Merge, String::new(), by)?;
        let now = self.now(by);
        self.resolution = Some(Resolution {
            code: ResolutionCode::Duplicate,
            summary: format!("Merged into {}.", into.number_text()),
            cause_code: None,
        });
        self.milestones.resolve_us = Some(now);
        self.milestones.close_us = Some(now);
        self.merged_into = Some(into.id);
        let into = into.id;
        Ok(Decision::Changed(Event::MergedInto { into, previous }))
    }

    fn fits_into(&self, into: &Self, has_children: bool) -> Result<(), Refusal> {
        let remedy = match () {
            () if self.id == into.id => "cannot be merged into itself",
            () if !into.state.is_open() => "can be merged into an open incident only",
            () if has_children => "has children: give them another parent first",
            () if self.major_state == Some(MajorState::Declared) => {
                "is a major incident: stand it down first, or merge the other one"
            }
            () => return Ok(()),
        };
        let message = format!("the incident {remedy}");
        Err(
            Refusal::new(Kind::Precondition, ErrorReason::MergeNotAllowed, message)
                .with("resource", self.name())
                .with("into", into.name()),
        )
    }
}
