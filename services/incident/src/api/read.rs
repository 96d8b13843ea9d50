//! Reading incidents: one, several, or a page of them.

use std::collections::HashMap;

use mainstay_chassis::Refusal;
use mainstay_practice::call::permit;
use mainstay_practice::{PageRequest, Reader, Record, Scope, name};
use mainstay_proto::mainstay::incident::v1 as pb;
use sea_orm::prelude::Uuid;
use tonic::Request;

use super::{IncidentApi, search};
use crate::incident::Incident;
use crate::wire::{self, Search, View};

impl IncidentApi {
    /// An incident as it is, or as it was. What it was then has no verbs.
    pub(super) async fn get(
        &self,
        request: Request<pb::GetIncidentRequest>,
    ) -> Result<pb::GetIncidentResponse, Refusal> {
        let permit = permit(&request)?;
        let asked = request.into_inner();
        let scope = self.store.scope(&permit);
        let id = scope.id_of::<Incident>("name", &asked.name).await?;
        let incident = match asked.as_of {
            Some(point) => wire::snapshot(&scope.as_of::<Incident>(id, wire::as_of(point)?).await?),
            None => {
                let viewer = self.viewer(&permit);
                wire::incident(&scope.get(id).await?, &viewer, View::Full)
            }
        };
        Ok(pb::GetIncidentResponse {
            incident: Some(incident),
        })
    }

    /// A page of incidents.
    pub(super) async fn list(
        &self,
        request: Request<pb::ListIncidentsRequest>,
    ) -> Result<pb::ListIncidentsResponse, Refusal> {
        let permit = permit(&request)?;
        let asked = request.into_inner();
        name::parent(&asked.parent, permit.organization())?;
        let (scope, view) = (self.store.scope(&permit), View::of(asked.view));
        let now_us = self.store.clock().now_us();
        let reader = Reader {
            organization: scope.organization(),
            connection: scope.connection(),
            now_us,
        };
        let page = PageRequest {
            page_size: asked.page_size,
            page_token: asked.page_token,
            filter: asked.filter,
            order_by: asked.order_by,
            parent: listed(&scope, &asked.query),
        };
        let select = match asked.query.trim() {
            "" => scope.find::<Incident>(),
            query => search::found(&scope, &permit, &Search::read(query)?),
        };
        let page = wire::incidents(view).page(select, reader, &page).await?;
        let viewer = self.viewer(&permit);
        let told = page
            .records
            .iter()
            .map(|record| wire::incident(record, &viewer, view));
        Ok(pb::ListIncidentsResponse {
            incidents: told.collect(),
            next_page_token: page.next_page_token,
        })
    }

    /// Several incidents in the order asked for.
    pub(super) async fn batch_get(
        &self,
        request: Request<pb::BatchGetIncidentsRequest>,
    ) -> Result<pb::BatchGetIncidentsResponse, Refusal> {
        let permit = permit(&request)?;
        let asked = request.into_inner();
        name::parent(&asked.parent, permit.organization())?;
        let scope = self.store.scope(&permit);
        let mut ids: Vec<Uuid> = Vec::with_capacity(asked.names.len());
        for (index, text) in asked.names.iter().enumerate() {
            ids.push(
                scope
                    .id_of::<Incident>(&format!("names[{index}]"), text)
                    .await?,
            );
        }
        let found = scope
            .these::<Incident>(ids.clone())
            .all(scope.connection())
            .await
            .map_err(Refusal::internal)?;
        let found: HashMap<Uuid, Incident> = found.into_iter().map(|one| (one.id(), one)).collect();
        let viewer = self.viewer(&permit);
        let told = ids.iter().map(|id| match found.get(id) {
            Some(incident) => Ok(wire::incident(incident, &viewer, View::Full)),
            None => Err(Refusal::not_found(format!(
                "organizations/{}/{}/{id}",
                scope.organization(),
                Incident::COLLECTION
            ))),
        });
        Ok(pb::BatchGetIncidentsResponse {
            incidents: told.collect::<Result<_, _>>()?,
        })
    }
}

/// What a list is of; page tokens are bound to it.
fn listed(scope: &Scope, query: &str) -> String {
    let organization = scope.organization();
    match query.trim() {
        "" => format!("organizations/{organization}"),
        query => format!("organizations/{organization}?query={query}"),
    }
}
