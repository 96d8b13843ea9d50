//! Every order and every filter field of the lists is an index search.

use std::collections::BTreeSet;
use std::sync::Arc;

use mainstay_chassis::Principal;
use mainstay_practice::conformance::Scratch;
use mainstay_practice::page::plans;
use sea_orm::{ColumnTrait, QueryFilter};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::View;
use super::collection::{COMMENTS, incidents};
use super::work::WORK;
use crate::comment::{self, Comment};
use crate::incident::{self, Incident};

#[tokio::test]
async fn every_order_and_filter_field_has_its_index() {
    let scratch = Scratch::file();
    let service = crate::open(scratch.settings()).await.unwrap();
    let permissions = BTreeSet::from(["incident.read".to_owned()]);
    let ada = Principal::new(
        "ada",
        "default",
        Arc::new(permissions),
        CancellationToken::new(),
    );
    let scope = service.store.scope(&ada.permit("incident.read").unwrap());

    let list = incidents(View::Basic);
    let faults = plans::unindexed(&list, &scope.find::<Incident>(), scope.connection()).await;
    assert!(faults.is_empty(), "{faults:#?}");
    let of_one = scope
        .find::<Comment>()
        .filter(comment::Column::Incident.eq(Uuid::nil()));
    let faults = plans::unindexed(&COMMENTS, &of_one, scope.connection()).await;
    assert!(faults.is_empty(), "{faults:#?}");
    for whose in [incident::Column::Assignee, incident::Column::Team] {
        let theirs = scope
            .find::<Incident>()
            .filter(incident::Column::DueUs.is_not_null())
            .filter(whose.eq("a"));
        let faults = plans::unindexed(&WORK, &theirs, scope.connection()).await;
        assert!(faults.is_empty(), "{faults:#?}");
    }
    service.store.close().await;
}
