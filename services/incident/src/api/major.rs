//! Major incidents: declaring, standing down, dismissing, and who responds.

use mainstay_practice::call::permit;
use mainstay_proto::mainstay::incident::v1 as pb;
use tonic::Request;

use super::{Answer, IncidentApi};
use crate::wire;

impl IncidentApi {
    /// Declares a major incident.
    pub(super) async fn declare_major(
        &self,
        request: Request<pb::DeclareMajorIncidentRequest>,
    ) -> Answer<pb::DeclareMajorIncidentResponse> {
        let organization = permit(&request)?.organization().to_owned();
        let said = wire::declaration(request.get_ref(), &organization)?;
        self.act(&request, move |incident, by| {
            incident.declare_major(&said, by)
        })
        .await
    }

    /// Ends the response.
    pub(super) async fn stand_down_major(
        &self,
        request: Request<pb::StandDownMajorIncidentRequest>,
    ) -> Answer<pb::StandDownMajorIncidentResponse> {
        let reason = request.get_ref().reason.clone();
        self.act(&request, move |incident, by| {
            incident.stand_down_major(reason.clone(), by)
        })
        .await
    }

    /// Says that a proposed incident is no major one.
    pub(super) async fn dismiss_major(
        &self,
        request: Request<pb::DismissMajorIncidentRequest>,
    ) -> Answer<pb::DismissMajorIncidentResponse> {
        let reason = request.get_ref().reason.clone();
        self.act(&request, move |incident, by| {
            incident.dismiss_major(reason.clone(), by)
        })
        .await
    }

    /// Gives a role in the response to somebody, or to nobody.
    pub(super) async fn assign_role(
        &self,
        request: Request<pb::AssignIncidentRoleRequest>,
    ) -> Answer<pb::AssignIncidentRoleResponse> {
        let organization = permit(&request)?.organization().to_owned();
        let (role, assignee) = wire::role(request.get_ref(), &organization)?;
        self.act(&request, move |incident, by| {
            incident.assign_role(role, assignee.clone(), by)
        })
        .await
    }
}
