//! Raising an incident.

use mainstay_chassis::Refusal;
use mainstay_practice::{Call, Moment, Record, Scope, Seen, Step, Targets, Written, name};
use mainstay_proto::mainstay::incident::v1 as pb;
use sea_orm::prelude::Uuid;
use sea_orm::{ColumnTrait, QueryFilter};
use tonic::{Request, Response};

use super::IncidentApi;
use crate::incident::{Column, Draft, Event, Incident, Origin, Terms};
use crate::policy::Policies;
use crate::wire;

impl IncidentApi {
    /// Raises an incident, or only checks that it could be.
    pub(super) async fn create(
        &self,
        request: Request<pb::CreateIncidentRequest>,
    ) -> Result<Response<pb::CreateIncidentResponse>, Refusal> {
        let said = request.get_ref();
        let call = Call::of(&request, "", &said.request_id)?;
        let scope = self.store.scope(&call.permit);
        name::parent(&said.parent, scope.organization())?;
        let raised = wire::raised(said.incident.clone(), scope.organization())?;
        let raising = Raising::look(&scope, raised, self.policies.clone()).await?;
        if said.validate_only {
            let parent = raising.parent.clone();
            let steps = raising.steps(parent.as_ref(), &self.store.moment(&call))?;
            let newest = steps.into_iter().next_back();
            let written = Written {
                record: newest
                    .ok_or_else(|| Refusal::internal("nothing was raised"))?
                    .after,
                cursor: String::new(),
                replayed: false,
            };
            return Ok(self.reply(&call, &written, checked));
        }
        let targets = Targets::of(raising.parent()).making(1);
        let build = move |seen: &Seen<'_, Incident>, at: &Moment| raising.build(seen, at);
        let written = self.store.act_all(call.clone(), targets, build).await?;
        let made = written
            .last()
            .ok_or_else(|| Refusal::internal("nothing was raised"))?;
        Ok(self.reply(&call, made, response))
    }
}

fn response(incident: pb::Incident, cursor: String) -> pb::CreateIncidentResponse {
    pb::CreateIncidentResponse {
        incident: Some(incident),
        cursor,
    }
}

/// What was only checked has no name.
fn checked(incident: pb::Incident, cursor: String) -> pb::CreateIncidentResponse {
    let (name, uid, number, etag) = Default::default();
    response(
        pb::Incident {
            name,
            uid,
            number,
            etag,
            ..incident
        },
        cursor,
    )
}

/// What is said of a new incident, with what was looked up for it.
pub(super) struct Raising {
    organization: String,
    policies: Policies,
    draft: Draft,
    parent: Option<Incident>,
    twin: Option<String>,
}

impl Raising {
    pub(super) async fn look(
        scope: &Scope,
        raised: wire::Raised,
        policies: Policies,
    ) -> Result<Self, Refusal> {
        let other = async |field: &str, text: &str| -> Result<Option<Incident>, Refusal> {
            if text.is_empty() {
                return Ok(None);
            }
            let id = scope.id_of::<Incident>(field, text).await?;
            scope.get::<Incident>(id).await.map(Some)
        };
        let parent = other("incident.parent", &raised.parent).await?;
        let earlier = other("incident.recurrence_of", &raised.recurrence_of).await?;
        let twin = match &raised.draft.origin {
            Some(origin) => of_origin(scope, origin).await?.map(|twin| twin.name()),
            None => None,
        };
        let draft = Draft {
            parent: parent.as_ref().map(|parent| parent.id()),
            recurrence_of: earlier.map(|earlier| earlier.id()),
            ..raised.draft
        };
        Ok(Self {
            organization: scope.organization().to_owned(),
            policies,
            draft,
            parent,
            twin,
        })
    }

    /// The incident that it becomes part of.
    pub(super) fn parent(&self) -> Option<Uuid> {
        self.parent.as_ref().map(|parent| parent.id())
    }

    /// The steps in which it is raised, in sight of its parent.
    pub(super) fn build(
        &self,
        seen: &Seen<'_, Incident>,
        at: &Moment,
    ) -> Result<Vec<Step<Event, Incident>>, Refusal> {
        self.steps(self.parent().and_then(|parent| seen.get(parent)), at)
    }

    fn steps(
        &self,
        parent: Option<&Incident>,
        at: &Moment,
    ) -> Result<Vec<Step<Event, Incident>>, Refusal> {
        if let Some(twin) = &self.twin {
            return Err(Refusal::exists(twin.clone()));
        }
        if let Some(parent) = parent {
            parent.takes_child(at.id)?;
        }
        let in_force = self.policies.at(&self.organization, at.now_us);
        let mut by = Terms::new(&in_force, at);
        let (incident, event) = Incident::raise(self.draft.clone(), &self.organization, &mut by)?;
        Ok(incident.begun(event, &by))
    }
}

/// The incident that came from there.
pub(super) async fn of_origin(scope: &Scope, origin: &Origin) -> Result<Option<Incident>, Refusal> {
    let found = scope
        .find::<Incident>()
        .filter(Column::OriginSource.eq(origin.source.as_str()))
        .filter(Column::OriginKey.eq(origin.key.as_str()));
    found
        .one(scope.connection())
        .await
        .map_err(Refusal::internal)
}
