//! What a team adapts: one document per practice and organization. A document
//! is checked before it is kept, as a numbered version that is never changed;
//! a version comes into force at an instant, and again if it is activated
//! again. Nothing is edited and nothing is deleted, so that every decision can
//! be read beside the policy that took it.
//!
//! A practice brings a [`PolicyDocument`] and asks its [`PolicyBook`] which
//! policy is in force at the moment of a decision. An organization that has
//! never applied a policy lives by the practice's built-in one.

mod api;
mod book;
mod diff;
mod document;
mod place;
pub mod simulate;
mod version;
mod write;

use mainstay_proto::check::Rules;

pub use api::PolicyApi;
pub use book::PolicyBook;
pub use diff::{Change, changes};
pub use document::LARGEST;
pub use simulate::{Divergence, Replay, Taken, Verdict};
pub use version::{Activation, Version};

/// The version text of a practice's built-in policy.
pub const BUILT_IN: &str = "default";

/// A practice's policy, checked and ready to decide.
pub trait PolicyDocument: Clone + Send + Sync + 'static {
    /// The document on the wire.
    type Wire: prost::Message + Default + Clone + PartialEq + Rules + 'static;

    /// The practice, such as `incident`.
    const KIND: &'static str;
    /// Full name of the document's message, such as
    /// `mainstay.incident.v1.IncidentPolicy`.
    const TYPE: &'static str;

    /// The document of an organization that has none of its own. It must
    /// compile.
    fn default_wire() -> Self::Wire;
    /// The policy that a document says, or everything that is wrong with it.
    /// The rules of the contract are tested before.
    fn compile(wire: &Self::Wire) -> Result<Self, Vec<Finding>>;
}

/// What is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where: the path of a field, such as `verbs[2].guard`.
    pub field: String,
    /// What to do about it; completes "FIELD …".
    pub message: String,
}

impl Finding {
    /// Something is wrong at a place.
    pub fn at(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

/// A policy in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce<P> {
    /// Name of the version, such as
    /// `organizations/default/policies/incident/versions/3`, or [`BUILT_IN`].
    pub version: String,
    /// The policy.
    pub policy: P,
}
