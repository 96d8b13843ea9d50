//! `FollowerService` of one service: how its followers stand, and what
//! operators have them do. An intervention is in the log before it is made.

use mainstay_chassis::clock::timestamp;
use mainstay_chassis::principal::ALL_ORGANIZATIONS;
use mainstay_chassis::{Permit, Refusal};
use mainstay_proto::mainstay::practice::v1 as pb;
use pb::follower_service_server::FollowerService;
use tonic::{Request, Response, Status};

use super::board::{Standing, State};
use super::desk::{Done, Order};
use super::intervention::{Asked, Intervention};
use super::parked;
use crate::call::permit;
use crate::page::{Fingerprint, Place, Sorted, Token};
use crate::tables::parked::Model;
use crate::{Call, Store};

/// The answer of a handler.
type Answer<T> = Result<Response<T>, Status>;

/// A page that does not say how long it is to be.
const PAGE: i32 = 50;

/// Serves the followers that write to a store.
#[derive(Clone, Debug)]
pub struct FollowerApi(Store);

impl FollowerApi {
    /// Serves the followers of this store.
    pub fn new(store: Store) -> Self {
        Self(store)
    }

    /// The full name of a consumer.
    fn name(&self, consumer: &str) -> String {
        let (service, own) = (self.0.log().service(), consumer.replace('/', "."));
        format!("services/{service}/followers/{own}")
    }

    /// The consumer that a name means, and how it stands.
    fn named(&self, name: &str) -> Result<(String, Standing), Refusal> {
        let mut all = self.0.followers().all().into_iter();
        all.find(|(consumer, _)| self.name(consumer) == name)
            .ok_or_else(|| Refusal::not_found(name))
    }

    async fn follower(
        &self,
        permit: &Permit,
        consumer: &str,
        standing: &Standing,
    ) -> Result<pb::Follower, Refusal> {
        let parked = match permit.organization() {
            ALL_ORGANIZATIONS => u64::try_from(standing.parked).unwrap_or(u64::MAX),
            organization => parked::count(&self.0, consumer, organization).await?,
        };
        let lag_us = standing.lag_us(self.0.clock().now_us());
        Ok(pb::Follower {
            name: self.name(consumer),
            source: standing.source.to_owned(),
            state: state(standing.state).into(),
            cause: standing.cause.clone(),
            applied_time: (standing.record_us > 0).then(|| timestamp(standing.record_us)),
            lag_events: standing.lag(),
            lag: Some(prost_types::Duration {
                seconds: lag_us / 1_000_000,
                nanos: i32::try_from(lag_us % 1_000_000).unwrap_or_default() * 1_000,
            }),
            parked_events: i64::try_from(parked).unwrap_or(i64::MAX),
            resyncs: i64::try_from(standing.resyncs).unwrap_or(i64::MAX),
            rebuildable: standing.rebuildable,
            parks: standing.parks,
        })
    }

    /// A page of what is parked, and the token of the next one.
    async fn page(
        &self,
        permit: &Permit,
        request: &pb::ListParkedEventsRequest,
    ) -> Result<(Vec<Model>, String), Refusal> {
        let (consumer, _) = self.named(&request.parent)?;
        let (organization, now_us) = (permit.organization(), self.0.clock().now_us());
        let method = "mainstay.practice.v1.FollowerService/ListParkedEvents";
        let list = Fingerprint::of([organization, method, &request.parent, "", ""]);
        let token = match request.page_token.as_str() {
            "" => Token::first(list, now_us),
            text => Token::read(text, &list, now_us)?,
        };
        let after = match token.after.as_ref().map(|place| place.0.as_slice()) {
            Some([Sorted::Number(parked_us), Sorted::Number(seq)]) => (*parked_us, *seq),
            Some(_) | None => (i64::MIN, i64::MIN),
        };
        let size = if request.page_size > 0 {
            request.page_size
        } else {
            PAGE
        };
        let most = u64::try_from(size).unwrap_or_default();
        let mut rows = parked::page(&self.0, &consumer, organization, after, most + 1).await?;
        let size = usize::try_from(size).unwrap_or_default();
        let more = rows.len() > size;
        rows.truncate(size);
        let place = |row: &Model| {
            let place = Place(vec![Sorted::Number(row.parked_us), Sorted::Number(row.seq)]);
            token.next(place).write()
        };
        let next = rows.last().filter(|_| more).map(place);
        Ok((rows, next.unwrap_or_default()))
    }

    /// Puts an intervention into the log, and then has it made.
    async fn intervene(
        &self,
        call: Call,
        asked: Asked,
        order: Order,
    ) -> Result<(Done, String), Refusal> {
        let (consumer, _) = self.named(&asked.follower)?;
        let organization = call.organization().to_owned();
        let written = self
            .0
            .create::<Intervention>(call, move |moment| {
                Ok((Intervention::note(&organization, &asked, moment), ()))
            })
            .await?;
        let done = self.0.followers().ask(&consumer, order).await?;
        Ok((done, written.cursor))
    }
}

#[tonic::async_trait]
impl FollowerService for FollowerApi {
    async fn list_followers(
        &self,
        request: Request<pb::ListFollowersRequest>,
    ) -> Answer<pb::ListFollowersResponse> {
        let permit = permit(&request)?;
        let mut followers = Vec::new();
        for (consumer, standing) in self.0.followers().all() {
            followers.push(self.follower(&permit, &consumer, &standing).await?);
        }
        Ok(Response::new(pb::ListFollowersResponse { followers }))
    }

    async fn list_parked_events(
        &self,
        request: Request<pb::ListParkedEventsRequest>,
    ) -> Answer<pb::ListParkedEventsResponse> {
        let (rows, next_page_token) = self.page(&permit(&request)?, request.get_ref()).await?;
        Ok(Response::new(pb::ListParkedEventsResponse {
            parked_events: rows.into_iter().map(told).collect(),
            next_page_token,
        }))
    }

    async fn retry_parked_events(
        &self,
        request: Request<pb::RetryParkedEventsRequest>,
    ) -> Answer<pb::RetryParkedEventsResponse> {
        let (call, request) = read(request, |request| &request.request_id)?;
        let order = Order::Retry {
            organization: call.organization().to_owned(),
            subject: Some(request.subject.clone()).filter(|subject| !subject.is_empty()),
        };
        let asked = Asked::retry(request.name, request.subject);
        let (done, cursor) = self.intervene(call, asked, order).await?;
        Ok(Response::new(pb::RetryParkedEventsResponse {
            applied: done.done,
            parked: done.left,
            error: done.error,
            cursor,
        }))
    }

    async fn skip_parked_events(
        &self,
        request: Request<pb::SkipParkedEventsRequest>,
    ) -> Answer<pb::SkipParkedEventsResponse> {
        let (call, request) = read(request, |request| &request.request_id)?;
        let order = Order::Skip {
            organization: call.organization().to_owned(),
            event_ids: request.event_ids.clone(),
        };
        let asked = Asked::skip(request.name, request.event_ids);
        let (done, cursor) = self.intervene(call, asked, order).await?;
        let skipped = done.done;
        Ok(Response::new(pb::SkipParkedEventsResponse {
            skipped,
            cursor,
        }))
    }

    async fn rewind_follower(
        &self,
        request: Request<pb::RewindFollowerRequest>,
    ) -> Answer<pb::RewindFollowerResponse> {
        let (call, request) = read(request, |request| &request.request_id)?;
        let (_, standing) = self.named(&request.name)?;
        if !standing.rebuildable {
            let remedy = "must be a follower that can be rebuilt: this one acts on what it hears";
            return Err(Refusal::invalid("name", remedy).into());
        }
        let asked = Asked::rewind(request.name);
        let (_, cursor) = self.intervene(call, asked, Order::Rewind).await?;
        Ok(Response::new(pb::RewindFollowerResponse { cursor }))
    }
}

/// The call of a request, and its message.
fn read<M: prost::Message>(
    request: Request<M>,
    request_id: impl Fn(&M) -> &String,
) -> Result<(Call, M), Refusal> {
    let call = Call::of(&request, "", request_id(request.get_ref()))?;
    Ok((call, request.into_inner()))
}

fn told(row: Model) -> pb::ParkedEvent {
    pb::ParkedEvent {
        event_id: row.event_id,
        r#type: row.event_type,
        subject: row.subject,
        error: row.error,
        attempts: row.attempts,
        park_time: Some(timestamp(row.parked_us)),
    }
}

fn state(state: State) -> pb::FollowerState {
    match state {
        State::Starting => pb::FollowerState::Starting,
        State::Following => pb::FollowerState::Following,
        State::Interrupted => pb::FollowerState::Interrupted,
        State::Retrying => pb::FollowerState::Retrying,
        State::Stuck => pb::FollowerState::Stuck,
    }
}
