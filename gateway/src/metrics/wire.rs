//! Between the wire and the engine: events become facts, definitions become
//! descriptors, figures become responses.

use mainstay_chassis::Refusal;
use mainstay_chassis::clock::{micros, timestamp};
use mainstay_proto::mainstay::event::v1::Event;
use mainstay_proto::mainstay::incident::v1::{Impact, Incident, IncidentState};
use mainstay_proto::mainstay::metrics::v1 as pb;
use mainstay_proto::mainstay::practice::v1::PracticeMetric;
use prost::Message;
use uuid::Uuid;

use super::definition::{DEFINITIONS, Definition, Dimension, Variant, Window};
use super::facts::Fact;
use super::figure::{Distribution, Ratio};
use super::query::{Figure, Group};
use super::timeline::State;

/// What all events of an incident have in common: the incident after it.
#[derive(Clone, PartialEq, Message)]
struct Snapshot {
    #[prost(message, optional, tag = "1")]
    incident: Option<Incident>,
}

/// What an event says of an incident; none when it is about something else.
pub(crate) fn fact(event: &Event) -> Result<Option<Fact>, Refusal> {
    let Some(incident) = incident_in(&event.subject) else {
        return Ok(None);
    };
    let defect = |what: &str| Refusal::internal(format!("event {}: {what}", event.id));
    let data = event.data.as_ref().ok_or_else(|| defect("no payload"))?;
    let snapshot =
        Snapshot::decode(data.value.as_slice()).map_err(|error| defect(&error.to_string()))?;
    let after = snapshot.incident.ok_or_else(|| defect("no incident"))?;
    let occur_us = event.occur_time.as_ref().and_then(micros);
    Ok(Some(Fact {
        organization: event.organization.clone(),
        incident,
        revision: event.subject_revision,
        occur_us: occur_us.ok_or_else(|| defect("no time"))?,
        state: state(after.state()).ok_or_else(|| defect("no state"))?,
        service: slug(&after.service),
        team: slug(&after.team),
        impact: impact(after.impact()),
    }))
}

/// The id in `organizations/{organization}/incidents/{id}`, and in nothing else.
fn incident_in(subject: &str) -> Option<Uuid> {
    let (_, rest) = subject.strip_prefix("organizations/")?.split_once('/')?;
    Uuid::parse_str(rest.strip_prefix("incidents/")?).ok()
}

fn slug(name: &str) -> String {
    name.rsplit('/').next().unwrap_or_default().to_owned()
}

fn impact(impact: Impact) -> String {
    match impact {
        Impact::Unspecified => String::new(),
        Impact::Low | Impact::Medium | Impact::High | Impact::Critical => impact
            .as_str_name()
            .trim_start_matches("IMPACT_")
            .to_owned(),
    }
}

fn state(state: IncidentState) -> Option<State> {
    Some(match state {
        IncidentState::Unspecified => return None,
        IncidentState::New => State::New,
        IncidentState::InProgress => State::InProgress,
        IncidentState::OnHold => State::OnHold,
        IncidentState::Mitigated => State::Mitigated,
        IncidentState::Resolved => State::Resolved,
        IncidentState::Closed => State::Closed,
        IncidentState::Cancelled => State::Cancelled,
    })
}

/// The metrics, described.
pub(crate) fn descriptors() -> Vec<pb::MetricDescriptor> {
    DEFINITIONS.iter().map(descriptor).collect()
}

fn descriptor(definition: &Definition) -> pb::MetricDescriptor {
    pb::MetricDescriptor {
        metric: definition.name.to_owned(),
        practice: definition.practice.to_owned(),
        definition: definition.text.to_owned(),
        variants: definition
            .variants
            .iter()
            .map(|variant| variant.name().to_owned())
            .collect(),
        dimensions: definition
            .dimensions
            .iter()
            .map(|dimension| dimension.name().to_owned())
            .collect(),
        window: match definition.window {
            Window::Interval => pb::MetricWindow::Interval,
            Window::Instant => pb::MetricWindow::Instant,
        }
        .into(),
    }
}

/// The metrics of a practice, as it says them of itself.
pub fn practice_metrics(practice: &str) -> Vec<PracticeMetric> {
    let told = |definition: &Definition| PracticeMetric {
        metric: definition.name.to_owned(),
        variants: definition
            .variants
            .iter()
            .map(|variant| variant.name().to_owned())
            .collect(),
        summary: definition.summary.to_owned(),
    };
    DEFINITIONS
        .iter()
        .filter(|definition| definition.practice == practice)
        .map(told)
        .collect()
}

/// The interval as it was understood; without a start it has none.
pub(crate) fn interval(start_us: Option<i64>, end_us: i64) -> pb::Interval {
    pb::Interval {
        start_time: start_us.map(timestamp),
        end_time: Some(timestamp(end_us)),
    }
}

/// A group with its figure.
pub(crate) fn group(group: Group) -> pb::MetricGroup {
    let figure = match group.figure {
        Figure::Distribution(distribution) => {
            pb::metric_group::Figure::Distribution(spread(distribution))
        }
        Figure::Ratio(ratio) => pb::metric_group::Figure::Ratio(part(ratio)),
    };
    pb::MetricGroup {
        keys: group.keys,
        figure: Some(figure),
    }
}

fn spread(distribution: Distribution) -> pb::Distribution {
    let spread = distribution.spread;
    pb::Distribution {
        n: distribution.n,
        n_missing: distribution.n_missing,
        mean_ms: spread.map(|spread| spread.mean_ms),
        p50_ms: spread.map(|spread| spread.p50_ms),
        p75_ms: spread.map(|spread| spread.p75_ms),
        p90_ms: spread.map(|spread| spread.p90_ms),
        p95_ms: spread.map(|spread| spread.p95_ms),
        max_ms: spread.map(|spread| spread.max_ms),
    }
}

fn part(ratio: Ratio) -> pb::Ratio {
    pb::Ratio {
        numerator: ratio.numerator,
        denominator: ratio.denominator,
        n_provisional: ratio.n_provisional,
    }
}

/// The variant of a definition with a name; the first when it is empty.
pub(crate) fn variant(definition: &Definition, name: &str) -> Option<Variant> {
    let mut variants = definition.variants.iter().copied();
    variants.find(|variant| name.is_empty() || variant.name() == name)
}

/// The dimension of a definition with a name.
pub(crate) fn dimension(definition: &Definition, name: &str) -> Option<Dimension> {
    definition
        .dimensions
        .iter()
        .copied()
        .find(|dimension| dimension.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBJECT: &str = "organizations/default/incidents/018f0000-0000-7000-8000-000000000001";

    fn event(subject: &str, after: Option<Incident>) -> Event {
        let value = Snapshot { incident: after }.encode_to_vec();
        Event {
            subject: subject.to_owned(),
            subject_revision: 3,
            organization: "default".to_owned(),
            occur_time: Some(timestamp(5)),
            data: Some(prost_types::Any {
                type_url: String::new(),
                value,
            }),
            ..Event::default()
        }
    }

    #[test]
    fn references_become_slugs_and_the_impact_its_short_name() {
        let after = Incident {
            state: IncidentState::OnHold.into(),
            service: "organizations/default/services/mail".to_owned(),
            impact: Impact::Critical.into(),
            ..Incident::default()
        };
        let fact = fact(&event(SUBJECT, Some(after))).unwrap().unwrap();
        assert_eq!(
            (fact.state, fact.revision, fact.occur_us),
            (State::OnHold, 3, 5)
        );
        assert_eq!(
            [fact.service, fact.team, fact.impact],
            ["mail", "", "CRITICAL"]
        );
    }

    #[test]
    fn only_events_of_incidents_are_facts() {
        let others = [
            format!("{SUBJECT}/comments/018f0000-0000-7000-8000-000000000001"),
            SUBJECT.replace("incidents", "problems"),
            "organizations/default/tokens/1".to_owned(),
            String::new(),
        ];
        for subject in others {
            assert_eq!(fact(&event(&subject, None)), Ok(None), "{subject}");
        }
    }

    #[test]
    fn an_incident_without_a_state_stops_the_count_instead_of_spoiling_it() {
        assert!(fact(&event(SUBJECT, None)).is_err());
        assert!(fact(&event(SUBJECT, Some(Incident::default()))).is_err());
    }
}
