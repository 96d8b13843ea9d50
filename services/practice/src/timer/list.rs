//! Lists of timers, in the order in which they are due. A page token is a
//! place in that order, which means the same to every service: so the gateway
//! asks all of them for what follows it, and merges.

use mainstay_chassis::clock::{micros, timestamp};
use mainstay_chassis::{Permit, Refusal};
use mainstay_proto::mainstay::practice::v1 as pb;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::{STUCK_AFTER, Timers};
use crate::name;
use crate::page::{Fingerprint, Place, Sorted, Token, invalid, size};
use crate::scope::away;
use crate::tables::timer;

/// What the tokens are bound to.
const METHOD: &str = "mainstay.practice.v1.TimerService/ListTimers";

/// A list of timers that was asked for.
#[derive(Clone, Debug)]
pub struct Listed {
    size: usize,
    token: Token,
    now_us: i64,
}

impl Listed {
    /// Reads what is asked for.
    pub fn of(
        request: &pb::ListTimersRequest,
        organization: &str,
        now_us: i64,
    ) -> Result<Self, Refusal> {
        name::parent(&request.parent, organization)?;
        let filter = format!("{} {} {}", request.record, request.timer, request.state);
        let fingerprint = Fingerprint::of([organization, METHOD, "", &filter, ""]);
        let token = match request.page_token.as_str() {
            "" => Token::first(fingerprint, now_us),
            text => Token::read(text, &fingerprint, now_us)?,
        };
        Ok(Self {
            size: size(request.page_size)?,
            token,
            now_us,
        })
    }

    /// The place after which the page begins.
    fn after(&self) -> Result<Option<(i64, String, Uuid)>, Refusal> {
        let Some(Place(values)) = &self.token.after else {
            return Ok(None);
        };
        match values.as_slice() {
            [Sorted::Number(due_us), Sorted::Text(name), Sorted::Id(id)] => {
                Ok(Some((*due_us, name.clone(), *id)))
            }
            _ => Err(invalid("is garbled")),
        }
    }

    /// A page out of timers in their order.
    fn page(&self, mut timers: Vec<pb::Timer>, more: bool) -> pb::ListTimersResponse {
        let more = more || timers.len() > self.size;
        timers.truncate(self.size);
        let last = timers.last().filter(|_| more).and_then(place);
        pb::ListTimersResponse {
            timers,
            next_page_token: last
                .map(|place| self.token.next(place).write())
                .unwrap_or_default(),
        }
    }
}

/// One page out of the pages that several services have told.
pub fn merged(listed: &Listed, pages: Vec<pb::ListTimersResponse>) -> pb::ListTimersResponse {
    let more = pages.iter().any(|page| !page.next_page_token.is_empty());
    let mut timers: Vec<pb::Timer> = pages.into_iter().flat_map(|page| page.timers).collect();
    timers.sort_by_cached_key(|timer| place(timer).map(|place| place.0));
    listed.page(timers, more)
}

/// Where a timer stands in the order.
fn place(timer: &pb::Timer) -> Option<Place> {
    let (_, rest) = timer.record.rsplit_once('/')?;
    Some(Place(vec![
        Sorted::Number(micros(timer.due_time.as_ref()?)?),
        Sorted::Text(timer.timer.clone()),
        Sorted::Id(Uuid::parse_str(rest).ok()?),
    ]))
}

impl Timers {
    /// A page of the timers that a permit covers.
    pub(super) async fn list(
        &self,
        permit: &Permit,
        request: &pb::ListTimersRequest,
    ) -> Result<pb::ListTimersResponse, Refusal> {
        let listed = Listed::of(
            request,
            permit.organization(),
            self.0.store.clock().now_us(),
        )?;
        let mut those = Condition::all().add(timer::Column::Organization.eq(permit.organization()));
        if !request.record.is_empty() {
            match self.record(permit, &request.record).await? {
                Some(id) => those = those.add(timer::Column::RecordId.eq(id)),
                None => return Ok(pb::ListTimersResponse::default()),
            }
        }
        if !request.timer.is_empty() {
            those = those.add(timer::Column::Name.eq(request.timer.as_str()));
        }
        if let Some((due_us, name, id)) = listed.after()? {
            let place = Expr::tuple([
                Expr::col(timer::Column::DueUs),
                Expr::col(timer::Column::Name),
                Expr::col(timer::Column::RecordId),
            ]);
            let after = Expr::tuple([Expr::val(due_us), Expr::val(name), Expr::val(id)]);
            those = those.add(place.gt(after));
        }
        let rows = timer::Entity::find()
            .filter(those.add(standing(request.state, listed.now_us)))
            .order_by_asc(timer::Column::DueUs)
            .order_by_asc(timer::Column::Name)
            .order_by_asc(timer::Column::RecordId)
            .limit(u64::try_from(listed.size + 1).unwrap_or(u64::MAX))
            .all(self.0.store.reader())
            .await
            .map_err(away)?;
        let timers = rows.into_iter().map(|row| self.told(row, listed.now_us));
        Ok(listed.page(timers.collect(), false))
    }

    /// The id of the record in a filter; none when it is another service's.
    async fn record(&self, permit: &Permit, text: &str) -> Result<Option<Uuid>, Refusal> {
        let local = name::local(text, permit.organization())?;
        let (collection, _) = local
            .split_once('/')
            .ok_or_else(|| Refusal::invalid("record", "must be a name such as incidents/{id}"))?;
        let Some(kind) = self.kind_in(collection) else {
            return Ok(None);
        };
        let scope = self.0.store.scope(permit);
        kind.id_of(&scope, "record", text).await.map(Some)
    }

    fn told(&self, row: timer::Model, now_us: i64) -> pb::Timer {
        let kind = self.0.rules.0.get(row.kind.as_str());
        let collection = kind.map_or(row.kind.as_str(), |kind| kind.collection());
        let (organization, id) = (&row.organization, row.record_id);
        let record = format!("organizations/{organization}/{collection}/{id}");
        let state = if row.attempts >= STUCK_AFTER {
            pb::TimerState::Stuck
        } else if row.due_us <= now_us {
            pb::TimerState::Late
        } else {
            pb::TimerState::Armed
        };
        pb::Timer {
            name: format!("{record}/timers/{}", row.name),
            record,
            timer: row.name,
            due_time: Some(timestamp(row.due_us)),
            state: state.into(),
            record_revision: row.generation,
            attempts: row.attempts,
            next_try_time: (row.attempts > 0).then(|| timestamp(row.next_try_us)),
            error: row.error.unwrap_or_default(),
        }
    }
}

/// Those that stand so; all when nothing is said.
fn standing(state: i32, now_us: i64) -> Condition {
    let due = timer::Column::DueUs.lte(now_us);
    let stuck = timer::Column::Attempts.gte(STUCK_AFTER);
    match pb::TimerState::try_from(state) {
        Ok(pb::TimerState::Armed) => Condition::all().add(due.not()).add(stuck.not()),
        Ok(pb::TimerState::Late) => Condition::all().add(due).add(stuck.not()),
        Ok(pb::TimerState::Stuck) => Condition::all().add(stuck),
        Ok(pb::TimerState::Unspecified) | Err(_) => Condition::all(),
    }
}
