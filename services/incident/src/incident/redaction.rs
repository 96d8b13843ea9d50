//! Which data of an incident are personal: what people wrote in their own
//! words, who asked, and what leads outside. What it takes to measure and to
//! answer for the work stays: states, times, services, teams, who did it.

use super::{Incident, Labels, Links};

/// What stands where personal data stood and something must.
pub const TAKEN_OUT: &str = "[redacted]";

impl Incident {
    /// Takes personal data out.
    pub fn redact(&mut self) {
        TAKEN_OUT.clone_into(&mut self.title);
        self.description.clear();
        self.requester = None;
        self.origin_uri = None;
        self.links = Links::default();
        self.labels = Labels::default();
        if let Some(hold) = &mut self.hold {
            hold.note.clear();
        }
        if let Some(resolution) = &mut self.resolution {
            TAKEN_OUT.clone_into(&mut resolution.summary);
        }
        if let Some(major) = &mut self.major {
            TAKEN_OUT.clone_into(&mut major.reason);
        }
    }
}
