//! `MetricService`: understand, wait for what must be counted, answer.

use std::time::Duration;

use mainstay_chassis::{Deadline, Refusal};
use mainstay_practice::call::permit;
use mainstay_practice::cursor::Cursor;
use mainstay_practice::name;
use mainstay_proto::mainstay::metrics::v1 as pb;
use pb::metric_service_server::MetricService;
use tonic::{Request, Response, Status};

use super::definition::Window;
use super::memory::SOURCE;
use super::query::{MOST_GROUPS, TooManyGroups};
use super::question::Question;
use super::{Metrics, query, wire};

/// How long a call waits that has no deadline.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Serves metrics.
#[derive(Clone, Debug)]
pub struct MetricApi(Metrics);

impl MetricApi {
    /// The service over metrics.
    pub fn new(metrics: Metrics) -> Self {
        Self(metrics)
    }

    /// Waits until a cursor is counted.
    async fn counted(
        &self,
        organization: &str,
        cursor: &str,
        deadline: Deadline,
    ) -> Result<(), Refusal> {
        if cursor.is_empty() {
            return Ok(());
        }
        let cursor = Cursor::decode(cursor, organization)?;
        let Some(place) = cursor.place(SOURCE) else {
            return Ok(());
        };
        tokio::select! {
            counted = self.0.memory.counted(organization, place) => counted,
            () = tokio::time::sleep_until(deadline.0) => Err(Refusal::deadline()),
            () = self.0.store.drain().cancelled() => Err(Refusal::unavailable()),
        }
    }

    /// Computes in a thread of its own, since it takes milliseconds.
    async fn answer(
        &self,
        organization: String,
        question: Question,
    ) -> Result<pb::QueryMetricsResponse, Refusal> {
        let metrics = self.0.clone();
        let answering =
            tokio::task::spawn_blocking(move || metrics.answer(&organization, &question));
        answering.await.map_err(Refusal::internal)?
    }
}

impl Metrics {
    fn answer(
        &self,
        organization: &str,
        question: &Question,
    ) -> Result<pb::QueryMetricsResponse, Refusal> {
        let kept = self.memory.read();
        let end_us = question.end_at(self.store.clock().now_us().max(kept.live_us));
        let measure = question.measure(end_us);
        let groups = query::answer(kept.facts.of(organization), measure, &question.by);
        let cursor = kept
            .cursor(organization)
            .map(|cursor| cursor.encode())
            .unwrap_or_default();
        drop(kept);
        let groups = groups.map_err(|TooManyGroups(n)| {
            let remedy =
                format!("must make at most {MOST_GROUPS} groups, not {n}: name fewer dimensions");
            Refusal::invalid("group_by", remedy)
        })?;
        let is_interval = question.definition.window == Window::Interval;
        Ok(pb::QueryMetricsResponse {
            metric: question.definition.name.to_owned(),
            variant: question
                .variant
                .map(|variant| variant.name().to_owned())
                .unwrap_or_default(),
            interval: is_interval.then(|| wire::interval(question.start_us, end_us)),
            as_of: (!is_interval).then(|| mainstay_chassis::clock::timestamp(end_us)),
            groups: groups.into_iter().map(wire::group).collect(),
            cursor,
        })
    }
}

#[tonic::async_trait]
impl MetricService for MetricApi {
    async fn list_metric_descriptors(
        &self,
        _: Request<pb::ListMetricDescriptorsRequest>,
    ) -> Result<Response<pb::ListMetricDescriptorsResponse>, Status> {
        Ok(Response::new(pb::ListMetricDescriptorsResponse {
            metrics: wire::descriptors(),
        }))
    }

    async fn query_metrics(
        &self,
        request: Request<pb::QueryMetricsRequest>,
    ) -> Result<Response<pb::QueryMetricsResponse>, Status> {
        let organization = permit(&request)?.organization().to_owned();
        let deadline = request.extensions().get::<Deadline>().copied();
        let request = request.into_inner();
        name::parent(&request.parent, &organization)?;
        let question = Question::of(&request)?;
        let deadline = deadline.unwrap_or_else(|| Deadline::after(LONGEST_WAIT));
        self.counted(&organization, &request.min_cursor, deadline)
            .await?;
        Ok(Response::new(self.answer(organization, question).await?))
    }
}
