//! The terms on which something is done: under which policy, by whom, when.

use mainstay_practice::Moment;

use crate::policy::{InForce, Policy};

/// Under which policy something is done, by whom and when.
#[derive(Debug)]
pub struct Terms<'a> {
    in_force: &'a InForce,
    at: &'a Moment,
}

impl<'a> Terms<'a> {
    /// The terms of what is done at a moment under the policy in force then.
    pub fn new(in_force: &'a InForce, at: &'a Moment) -> Self {
        Self { in_force, at }
    }

    /// The policy.
    pub fn policy(&self) -> &'a Policy {
        &self.in_force.policy
    }

    /// The moment.
    pub fn at(&self) -> &'a Moment {
        self.at
    }
}
