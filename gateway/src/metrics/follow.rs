//! Follows the incident log: keeps what is new about an incident in a table,
//! in the transaction that moves the cursor, and then in memory.

use mainstay_chassis::Refusal;
use mainstay_chassis::principal::ALL_ORGANIZATIONS;
use mainstay_practice::cursor::Cursor;
use mainstay_practice::follow::applied_cursor;
use mainstay_practice::{Effects, Follower, Replicas, Store};
use mainstay_proto::mainstay::event::v1::Event;
use uuid::Uuid;

use super::facts::Fact;
use super::memory::{Change, Kept, Memory, SOURCE};
use super::tables::{incident_count, incident_fact};
use super::timeline::State;
use super::wire;

/// Counts incidents.
#[derive(Clone, Debug)]
pub(crate) struct Counter(Memory);

impl Counter {
    /// A counter into a memory.
    pub(crate) fn new(memory: Memory) -> Self {
        Self(memory)
    }
}

impl Follower for Counter {
    type Change = Change;

    const NAME: &'static str = "metrics";
    const IMPORTED: bool = true;

    fn replicas(&self) -> Option<Replicas> {
        let facts = Replicas::default().with::<incident_fact::Entity>();
        Some(facts.with::<incident_count::Entity>())
    }

    fn apply(&self, events: &[(i64, Event)], effects: &mut Effects) -> Result<Change, Refusal> {
        let kept = self.0.read();
        let mut change = Change::default();
        let mut facts = Vec::new();
        for (_, event) in events {
            let count = change
                .counts
                .entry(event.organization.clone())
                .or_insert_with(|| kept.count(&event.organization));
            *count += 1;
            let fact = wire::fact(event)?;
            if let Some(fact) = fact.as_ref().filter(|_| !event.imported) {
                change.live_us = change.live_us.max(fact.occur_us);
            }
            facts.extend(fact);
        }
        change.facts = kept.facts.news(facts);
        change.facts.iter().for_each(|fact| {
            effects.put::<incident_fact::ActiveModel>(incident_fact::Model::from(fact))
        });
        for (organization, events) in &change.counts {
            let row = incident_count::Model {
                organization: organization.clone(),
                events: *events,
            };
            effects.put::<incident_count::ActiveModel>(row);
        }
        Ok(change)
    }

    fn applied(&self, change: Change, cursor: &str) {
        self.0.take(change, epoch(cursor));
    }

    fn rewound(&self) {
        self.0.forget();
    }
}

/// Reads back what was counted before.
pub(crate) async fn restore(store: &Store) -> Result<Kept, Refusal> {
    let mut kept = Kept::default();
    store
        .each::<incident_fact::Entity>(|row| {
            kept.facts.add(&Fact::try_from(row)?);
            Ok(())
        })
        .await?;
    store
        .each::<incident_count::Entity>(|row| {
            kept.counts.insert(row.organization, row.events);
            Ok(())
        })
        .await?;
    kept.epoch = applied_cursor::<Counter>(store, SOURCE)
        .await?
        .as_deref()
        .and_then(epoch);
    Ok(kept)
}

/// The epoch in a follower's cursor.
fn epoch(cursor: &str) -> Option<Uuid> {
    let cursor = Cursor::decode(cursor, ALL_ORGANIZATIONS).ok()?;
    cursor.place(SOURCE).map(|place| place.epoch)
}

impl From<&Fact> for incident_fact::Model {
    fn from(fact: &Fact) -> Self {
        let fact = fact.clone();
        Self {
            incident: fact.incident,
            revision: fact.revision,
            organization: fact.organization,
            occur_us: fact.occur_us,
            state: fact.state.name().to_owned(),
            service: fact.service,
            team: fact.team,
            impact: fact.impact,
        }
    }
}

impl TryFrom<incident_fact::Model> for Fact {
    type Error = Refusal;

    fn try_from(row: incident_fact::Model) -> Result<Self, Refusal> {
        let state = State::named(&row.state);
        Ok(Self {
            organization: row.organization,
            incident: row.incident,
            revision: row.revision,
            occur_us: row.occur_us,
            state: state
                .ok_or_else(|| Refusal::internal(format!("a fact has the state {}", row.state)))?,
            service: row.service,
            team: row.team,
            impact: row.impact,
        })
    }
}
