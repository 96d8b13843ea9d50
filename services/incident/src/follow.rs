//! What incidents do on hearing of their own practice's events: what one
//! operation may not change together follows the log, as another service would.

use mainstay_chassis::Refusal;
use mainstay_practice::follow::RecordEffects;
use mainstay_practice::{Decision, Effects, Follower, Moment, Seen, Step, Targets};
use mainstay_proto::mainstay::event::v1::Event;
use mainstay_proto::mainstay::practice::v1::FollowedEvent;

use crate::comment::Audience;
use crate::incident::reaction::Tidings;
use crate::incident::{self, Column, Incident, Terms};
use crate::policy::Policies;
use crate::wire;

const COMMENTED: &str = "mainstay.incident.v1.IncidentCommentCreated";
const STATE_CHANGED: &str = "mainstay.incident.v1.IncidentStateChanged";
const DECLARED: &str = "mainstay.incident.v1.MajorIncidentDeclared";
const STOOD_DOWN: &str = "mainstay.incident.v1.MajorIncidentStoodDown";

/// Makes incidents follow what happens to their comments and parents.
#[derive(Debug)]
pub(crate) struct Reactions {
    policies: Policies,
}

impl Reactions {
    /// Under these policies.
    pub(crate) fn new(policies: Policies) -> Self {
        Self { policies }
    }
}

/// What is followed, and why.
pub(crate) fn followed() -> Vec<FollowedEvent> {
    let of = |kind: &str, effect: &str| FollowedEvent {
        source: crate::NAME.to_owned(),
        r#type: kind.to_owned(),
        effect: effect.to_owned(),
    };
    vec![
        of(
            COMMENTED,
            "Resumes an incident that waits for its requester when the requester answers in public; \
             the first public comment of somebody else is the milestone first_response.",
        ),
        of(
            DECLARED,
            "Adds the bridge as a link to the open incidents that are part of it.",
        ),
        of(
            STOOD_DOWN,
            "Takes the bridge away from the open incidents that are part of it.",
        ),
        of(
            STATE_CHANGED,
            "Resolves the open incidents that are part of a major one when that is resolved.",
        ),
    ]
}

impl Follower for Reactions {
    type Change = ();

    const NAME: &'static str = "reactions";
    const PERMISSIONS: &'static [&'static str] =
        &["incident.resume", "incident.link", "incident.resolve"];

    fn apply(&self, events: &[(i64, Event)], effects: &mut Effects) -> Result<(), Refusal> {
        for (_, event) in events {
            match event.r#type.as_str() {
                COMMENTED => self.commented(event, effects)?,
                DECLARED | STOOD_DOWN => {
                    let incident = wire::told(event)?;
                    self.tell(event, "incident.link", incident.told_by_standing(), effects)?;
                }
                STATE_CHANGED if wire::is_resolved_by_verb(event) => {
                    let incident = wire::told(event)?;
                    let tidings = incident.told_by_resolving();
                    self.tell(event, "incident.resolve", tidings, effects)?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Reactions {
    /// A comment was written.
    fn commented(&self, event: &Event, effects: &mut Effects) -> Result<(), Refusal> {
        let comment = wire::told_comment(event)?;
        if comment.audience() != Audience::Public {
            return Ok(());
        }
        let author = comment.author().rsplit('/').next().unwrap_or_default();
        let (author, said_us) = (author.to_owned(), comment.create_us());
        let policies = self.policies.clone();
        let decide = move |incident: &mut Incident, at: &Moment| {
            let in_force = policies.at(incident.organization(), at.now_us);
            incident.hear(&author, said_us, &mut Terms::new(&in_force, at).automatic())
        };
        effects
            .of(event, "incident.resume")?
            .act::<Incident>(comment.incident(), decide);
        Ok(())
    }

    /// Tells the children of a major incident; locking their parent keeps the
    /// family as it is meanwhile. A child whose rules refuse stays as it is.
    fn tell(
        &self,
        event: &Event,
        permission: &str,
        tidings: Option<Tidings>,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        let Some(tidings) = tidings else {
            return Ok(());
        };
        let parent = wire::told(event)?.id();
        let policies = self.policies.clone();
        let organization = event.organization.clone();
        let decide = move |seen: &Seen<'_, Incident>, at: &Moment| {
            let in_force = policies.at(&organization, at.now_us);
            let mut children: Vec<&Incident> = seen.with(Column::Parent, parent).collect();
            children.sort_by_key(|child| child.id());
            let steps = children.into_iter().flat_map(|child| {
                let mut child = child.clone();
                let heard =
                    child.hear_of_parent(&tidings, &mut Terms::new(&in_force, at).automatic());
                steps(child, heard.unwrap_or(Decision::Unchanged), at)
            });
            Ok(steps.collect())
        };
        let mut effects: RecordEffects<'_> = effects.of(event, permission)?;
        let targets = Targets::of([parent]).looking_at(Column::Parent, parent);
        effects.write::<Incident>(targets, decide);
        Ok(())
    }
}

fn steps(
    after: Incident,
    decision: Decision<incident::Event, Incident>,
    at: &Moment,
) -> Vec<Step<incident::Event, Incident>> {
    match decision {
        Decision::Changed(event) => vec![Step {
            after,
            event,
            occur_us: at.now_us,
        }],
        Decision::History(steps) => steps,
        Decision::Unchanged => Vec::new(),
    }
}
