//! When things happened: facts beside the state, corrected with audit. Users
//! are hurt first: no milestone is earlier than the start of the impact, and
//! none lies in the future.

use mainstay_chassis::Refusal;
use sea_orm::FromJsonQueryResult;
use serde::{Deserialize, Serialize};

/// The milestones of an incident, in microseconds since the epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
#[serde(default)]
pub struct Milestones {
    /// When users were first hurt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub impact_start_us: Option<i64>,
    /// The first signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detect_us: Option<i64>,
    /// The first explicit acknowledgement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledge_us: Option<i64>,
    /// The first answer to the requester.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_response_us: Option<i64>,
    /// When the cause was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identify_us: Option<i64>,
    /// When the impact ended, perhaps for the time being.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mitigate_us: Option<i64>,
    /// When the service was back at the agreed level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore_us: Option<i64>,
    /// The resolution in force; cleared by reopening. Set by verbs only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolve_us: Option<i64>,
    /// The closing in force; cleared by reopening. Set by verbs only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub close_us: Option<i64>,
}

/// A milestone that people may correct.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Milestone {
    /// When users were first hurt.
    ImpactStart,
    /// The first signal.
    Detect,
    /// The first explicit acknowledgement.
    Acknowledge,
    /// The first answer to the requester.
    FirstResponse,
    /// When the cause was found.
    Identify,
    /// When the impact ended.
    Mitigate,
    /// When the service was back at the agreed level.
    Restore,
}

impl Milestone {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::ImpactStart,
        Self::Detect,
        Self::Acknowledge,
        Self::FirstResponse,
        Self::Identify,
        Self::Mitigate,
        Self::Restore,
    ];

    /// Its field in the contract.
    pub fn field(self) -> &'static str {
        match self {
            Self::ImpactStart => "impact_start_time",
            Self::Detect => "detect_time",
            Self::Acknowledge => "acknowledge_time",
            Self::FirstResponse => "first_response_time",
            Self::Identify => "identify_time",
            Self::Mitigate => "mitigate_time",
            Self::Restore => "restore_time",
        }
    }
}

impl Milestones {
    /// When a milestone was, if that is known.
    pub fn get(&self, milestone: Milestone) -> Option<i64> {
        match milestone {
            Milestone::ImpactStart => self.impact_start_us,
            Milestone::Detect => self.detect_us,
            Milestone::Acknowledge => self.acknowledge_us,
            Milestone::FirstResponse => self.first_response_us,
            Milestone::Identify => self.identify_us,
            Milestone::Mitigate => self.mitigate_us,
            Milestone::Restore => self.restore_us,
        }
    }

    /// Says when a milestone was, or that it is not known.
    pub fn set(&mut self, milestone: Milestone, us: Option<i64>) {
        let place = match milestone {
            Milestone::ImpactStart => &mut self.impact_start_us,
            Milestone::Detect => &mut self.detect_us,
            Milestone::Acknowledge => &mut self.acknowledge_us,
            Milestone::FirstResponse => &mut self.first_response_us,
            Milestone::Identify => &mut self.identify_us,
            Milestone::Mitigate => &mut self.mitigate_us,
            Milestone::Restore => &mut self.restore_us,
        };
        *place = us;
    }

    /// The fields in which two states of the milestones that people may
    /// correct differ.
    pub fn changed(before: &Self, after: &Self) -> Vec<&'static str> {
        let differs = |one: &Milestone| before.get(*one) != after.get(*one);
        Milestone::ALL
            .into_iter()
            .filter(differs)
            .map(Milestone::field)
            .collect()
    }

    /// Checks the order and that nothing lies in the future. `prefix` is the
    /// field of the request that the milestones are in, with its dot.
    pub fn check(&self, now_us: i64, prefix: &str) -> Result<(), Refusal> {
        let correctable = Milestone::ALL
            .iter()
            .map(|one| (one.field(), self.get(*one)));
        let others = [
            ("resolve_time", self.resolve_us),
            ("close_time", self.close_us),
        ];
        let mut violations = Vec::new();
        for (field, us) in correctable.chain(others) {
            let Some(us) = us else { continue };
            if us > now_us {
                violations.push((
                    format!("{prefix}{field}"),
                    "must not be in the future".to_owned(),
                ));
            }
            if self.impact_start_us.is_some_and(|start| start > us) {
                let remedy = "must not be earlier than impact_start_time".to_owned();
                violations.push((format!("{prefix}{field}"), remedy));
            }
        }
        match violations.is_empty() {
            true => Ok(()),
            false => Err(Refusal::invalid_all(violations)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_happens_before_users_are_hurt() {
        let milestones = Milestones {
            impact_start_us: Some(10),
            detect_us: Some(9),
            resolve_us: Some(5),
            ..Milestones::default()
        };
        let refusal = milestones.check(100, "milestones.").unwrap_err();
        let expected = "milestones.detect_time must not be earlier than impact_start_time";
        assert_eq!(refusal.message(), expected);
    }

    #[test]
    fn nothing_has_happened_in_the_future() {
        let milestones = Milestones {
            restore_us: Some(101),
            ..Milestones::default()
        };
        assert!(milestones.check(100, "").is_err());
        assert!(milestones.check(101, "").is_ok());
    }

    proptest! {
        #[test]
        fn what_passes_is_in_order(times in prop::array::uniform7(prop::option::of(0_i64..20))) {
            let mut milestones = Milestones::default();
            for (milestone, us) in Milestone::ALL.into_iter().zip(times) {
                milestones.set(milestone, us);
                prop_assert_eq!(milestones.get(milestone), us);
            }
            let start = times[0].unwrap_or(i64::MIN);
            let right = times.iter().flatten().all(|us| (start..=15).contains(us));
            prop_assert_eq!(milestones.check(15, "").is_ok(), right);
        }
    }
}
