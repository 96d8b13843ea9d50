//! Names of policies and of their versions.

use mainstay_chassis::{Permit, Refusal};

use super::PolicyDocument;
use crate::name;

/// What a request names: a policy, or one of its versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    field: &'static str,
    policy: String,
    number: Option<i64>,
}

impl Place {
    /// The name of a practice's policy in an organization.
    pub(crate) fn policy<P: PolicyDocument>(organization: &str) -> String {
        format!("organizations/{organization}/policies/{}", P::KIND)
    }

    /// Reads a name, in full or shorter. Another practice's policy is not here.
    pub(crate) fn read<P: PolicyDocument>(
        field: &'static str,
        text: &str,
        permit: &Permit,
    ) -> Result<Self, Refusal> {
        let organization = permit.organization();
        let local = name::local(text, organization)?;
        let local = local.strip_prefix("policies/").unwrap_or(local);
        let (practice, number) = match local.split_once("/versions/") {
            Some((practice, number)) => (practice, Some(number)),
            None => (local, None),
        };
        let remedy = "must be a name such as policies/{practice} or \
                      policies/{practice}/versions/{number}";
        let counted = |digits: &str| {
            let number = digits.parse().ok().filter(|number| *number > 0);
            number.ok_or_else(|| Refusal::invalid(field, remedy))
        };
        let number = number.map(counted).transpose()?;
        if !name::is_slug(practice) {
            return Err(Refusal::invalid(field, remedy));
        }
        let policy = Self::policy::<P>(organization);
        if practice != P::KIND {
            let other = format!("organizations/{organization}/policies/{practice}");
            return Err(Refusal::not_found(other));
        }
        Ok(Self {
            field,
            policy,
            number,
        })
    }

    /// The policy's name; a version is refused.
    pub(crate) fn whole(self) -> Result<String, Refusal> {
        match self.number {
            None => Ok(self.policy),
            Some(_) => Err(Refusal::invalid(
                self.field,
                "must name the policy, not one of its versions",
            )),
        }
    }

    /// The version's name and number; the policy alone is refused.
    pub(crate) fn version(self) -> Result<(String, i64), Refusal> {
        match self.number {
            Some(number) => Ok((format!("{}/versions/{number}", self.policy), number)),
            None => Err(Refusal::invalid(
                self.field,
                "must name a version, such as policies/{practice}/versions/3",
            )),
        }
    }
}
