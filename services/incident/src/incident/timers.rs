//! What an incident does by itself when its time has come. The record alone
//! says which timers are armed: no verb arms one.

use mainstay_chassis::Refusal;
use mainstay_practice::{Due, Timer};

use super::verbs::Verdict;
use super::{Incident, MajorState, Terms, Verb};

/// Closes a resolved incident.
pub const AUTO_CLOSE: &str = "auto_close";
/// Ends a hold.
pub const RESUME: &str = "resume";

impl Incident {
    /// The timers that are armed while the incident is as it is.
    pub fn armed(&self) -> Vec<Timer> {
        // What is still a major incident is closed by hand only.
        let declared = self.major_state == Some(MajorState::Declared);
        let auto_close = self.auto_close_us.filter(|_| !declared);
        let auto_close = auto_close.map(|due_us| (AUTO_CLOSE, due_us));
        let hold = self.hold.as_ref();
        let resume = hold.and_then(|hold| hold.resume_us.map(|due_us| (RESUME, due_us)));
        let timers = auto_close.into_iter().chain(resume);
        timers
            .map(|(name, due_us)| Timer { name, due_us })
            .collect()
    }

    /// Does what a timer of its is for. It counts as done when it was due.
    pub fn fire(&mut self, due: &Due, by: &mut Terms<'_>) -> Verdict {
        match due.name {
            AUTO_CLOSE => {
                let reason = "It stayed resolved until its auto-close time.".to_owned();
                self.take(Verb::Close, by, |it, by| {
                    let decision = it.step(Verb::Close, reason, by)?;
                    it.milestones.close_us = Some(due.due_us.max(it.occur_us));
                    Ok(decision)
                })
            }
            RESUME => {
                let reason = "The resume time of its hold has come.".to_owned();
                self.take(Verb::Resume, by, |it, by| it.step(Verb::Resume, reason, by))
            }
            unknown => Err(Refusal::internal(format!("a timer named {unknown}"))),
        }
    }
}
