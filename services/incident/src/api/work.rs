//! What is somebody's to do, and their teams': open incidents by when they
//! are due.

use mainstay_chassis::{Permit, Refusal};
use mainstay_practice::call::permit;
use mainstay_practice::{PageRequest, Reader, name};
use mainstay_proto::mainstay::incident::v1 as pb;
use sea_orm::{ColumnTrait, Condition, QueryFilter};
use tonic::Request;

use super::IncidentApi;
use crate::incident::{Column, Incident};
use crate::wire;

/// Whose work is asked for.
struct Whose {
    assignee: String,
    teams: Vec<String>,
}

impl IncidentApi {
    /// A page of the work of a person and of teams.
    pub(super) async fn work(
        &self,
        request: Request<pb::ListWorkRequest>,
    ) -> Result<pb::ListWorkResponse, Refusal> {
        let permit = permit(&request)?;
        let asked = request.into_inner();
        name::parent(&asked.parent, permit.organization())?;
        let whose = Whose::of(&asked, &permit)?;
        let (scope, now_us) = (self.store.scope(&permit), self.store.clock().now_us());
        let reader = Reader {
            organization: scope.organization(),
            connection: scope.connection(),
            now_us,
        };
        let page = PageRequest {
            page_size: asked.page_size,
            page_token: asked.page_token,
            parent: whose.parent(scope.organization()),
            ..PageRequest::default()
        };
        let open = scope.find::<Incident>().filter(Column::DueUs.is_not_null());
        let page = wire::WORK
            .page_of(open, whose.lanes(), reader, &page)
            .await?;
        let viewer = self.viewer(&permit);
        let items = page.records.iter().map(|one| wire::item(one, &viewer));
        Ok(pb::ListWorkResponse {
            items: items.collect(),
            next_page_token: page.next_page_token,
        })
    }
}

impl Whose {
    fn of(asked: &pb::ListWorkRequest, permit: &Permit) -> Result<Self, Refusal> {
        let organization = permit.organization();
        let caller = permit.principal().name().rsplit('/').next();
        let assignee = name::slug("assignee", &asked.assignee, organization, "users")?;
        let mut teams = Vec::with_capacity(asked.teams.len());
        for (index, team) in asked.teams.iter().enumerate() {
            let field = format!("teams[{index}]");
            teams.extend(name::slug(&field, team, organization, "teams")?);
        }
        teams.sort();
        teams.dedup();
        Ok(Self {
            assignee: assignee
                .or_else(|| caller.map(str::to_owned))
                .unwrap_or_default(),
            teams,
        })
    }

    /// What page tokens are bound to.
    fn parent(&self, organization: &str) -> String {
        let (assignee, teams) = (&self.assignee, self.teams.join(","));
        format!("organizations/{organization}?assignee={assignee}&teams={teams}")
    }

    fn lanes(&self) -> Vec<Condition> {
        let own = Condition::all().add(Column::Assignee.eq(self.assignee.as_str()));
        let teams = self.teams.iter();
        let teams = teams.map(|team| Condition::all().add(Column::Team.eq(team.as_str())));
        std::iter::once(own).chain(teams).collect()
    }
}
