//! Promises on the log.

use std::collections::HashMap;
use std::sync::Arc;

use mainstay_chassis::Method;
use mainstay_proto::LoggedEvent;
use mainstay_proto::mainstay::event::v1 as pb;
use prost::Message;
use prost_reflect::{DynamicMessage, ReflectMessage, Value};

use super::Specimen;
use super::answers::{has, json, number, text};
use super::stage::{AWAY, HOME, Stage};

impl Stage {
    /// All events of the organization.
    pub(super) async fn events(&self) -> Vec<LoggedEvent> {
        self.events_after(None).await
    }

    /// The events after a cursor.
    pub(super) async fn events_after(&self, cursor: Option<&str>) -> Vec<LoggedEvent> {
        let list = self.method("ListEvents");
        let at = cursor.map(|cursor| pb::start::At::Cursor(cursor.to_owned()));
        let mut request = pb::ListEventsRequest {
            start: at.map(|at| pb::Start { at: Some(at) }),
            page_size: 500,
            ..pb::ListEventsRequest::default()
        };
        let mut events = Vec::new();
        loop {
            let message = dynamic(list.descriptor.input(), &request);
            let page = self.done(&self.home, &list, &message).await;
            let page: pb::ListEventsResponse = typed(&page.message);
            if page.events.is_empty() {
                return events;
            }
            events.extend(page.events);
            let at = pb::start::At::Cursor(page.next_cursor);
            request.start = Some(pb::Start { at: Some(at) });
        }
    }
}

fn dynamic(descriptor: prost_reflect::MessageDescriptor, message: &impl Message) -> DynamicMessage {
    DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice())
        .expect("the same message")
}

fn typed<M: Message + Default>(message: &DynamicMessage) -> M {
    M::decode(message.encode_to_vec().as_slice()).expect("the same message")
}

/// Right after a write its cursor has nothing; before it, the write's event,
/// with the record as it was answered. A stream from there begins with the
/// next write.
pub async fn nothing_older_follows_the_cursor_of_a_write(specimen: Specimen) {
    let stage = Stage::open(specimen).await;
    let watch = stage.method("WatchEvents");
    for method in stage.keyed() {
        let request = stage.ready(&stage.home, &method).await;
        let before = stage.events().await.len();
        let reply = stage.done(&stage.home, &method, &request).await;
        assert_eq!(
            stage.events_after(Some(&reply.cursor())).await,
            [],
            "{} was the last",
            method.path
        );
        let events = stage.events().await;
        assert!(events.len() > before, "{} is in the log", method.path);
        let newest = events.last().expect("an event");
        let event = newest.decode().expect("an event");
        let written = reply.named(&event.subject);
        assert_eq!(
            event.subject_revision,
            number(&written, "revision"),
            "{}",
            method.path
        );
        let (snapshot, record) = (told(&snapshot(&event)), told(&written));
        assert_eq!(snapshot, record, "{} tells the record", method.path);

        let maker = stage
            .beginning("Create")
            .into_iter()
            .next()
            .expect("a record is created");
        let start = pb::Start {
            at: Some(pb::start::At::Cursor(reply.cursor())),
        };
        let request = pb::WatchEventsRequest {
            start: Some(start),
            ..pb::WatchEventsRequest::default()
        };
        let request = dynamic(watch.descriptor.input(), &request);
        let next = stage.create(&stage.home, &maker).await;
        let message = stage
            .first(&watch, &request, |message| {
                message.has_field_by_name("events")
            })
            .await;
        let message: pb::WatchEventsResponse = typed(&message);
        let Some(pb::watch_events_response::Content::Events(batch)) = message.content else {
            panic!("no events in {message:?}");
        };
        let first = batch.events.first().expect("an event");
        assert_eq!(first.sequence, newest.sequence + 1, "{}", method.path);
        let last = stage.events().await;
        let last = last.last().expect("an event").decode().expect("an event");
        assert_eq!(last.subject, text(&next.record(), "name"));
    }
    stage.close().await;
}

/// The record in an event.
fn snapshot(event: &pb::Event) -> DynamicMessage {
    let data = event.data.as_ref().expect("an event has data");
    let name = data.type_url.rsplit('/').next().unwrap_or_default();
    assert_eq!(event.r#type, name, "the type is that of the data");
    let pool = mainstay_proto::descriptors();
    let descriptor = pool
        .get_message_by_name(name)
        .unwrap_or_else(|| panic!("{name} is not in the contract"));
    let payload = DynamicMessage::decode(descriptor, data.value.as_slice()).expect("the data");
    let record = payload
        .get_field_by_number(1)
        .and_then(|value| value.as_message().cloned());
    record.unwrap_or_else(|| panic!("field 1 of {name} is the record"))
}

/// What does not depend on who reads.
fn told(record: &DynamicMessage) -> serde_json::Value {
    let mut record = record.clone();
    if has(&record, "available_verbs") {
        record.clear_field_by_name("available_verbs");
    }
    json(&record)
}

/// Sequences have no gap, times do not go back, and the events of a record
/// tell its revisions 1, 2, 3 …
pub async fn the_log_is_dense_and_tells_each_revision(specimen: Specimen) {
    let stage = Stage::open(specimen).await;
    for method in stage.writes() {
        for who in [&stage.home, &stage.away] {
            let request = stage.ready(who, &method).await;
            stage.done(who, &method, &request).await;
        }
    }
    let events = stage.events().await;
    let mut revisions: HashMap<String, i64> = HashMap::new();
    let mut recorded = None;
    for (at, logged) in (1_i64..).zip(&events) {
        let event = logged.decode().expect("an event");
        assert_eq!(logged.sequence, at, "the log has no gap");
        assert_eq!(event.organization, HOME, "only one's own events are seen");
        let time = logged.record_time.map(|time| (time.seconds, time.nanos));
        assert!(time >= recorded, "time does not go back at {at}");
        recorded = time;
        let revision = revisions.entry(event.subject.clone()).or_default();
        *revision += 1;
        assert_eq!(event.subject_revision, *revision, "{}", event.subject);
        let told = snapshot(&event);
        assert_eq!(text(&told, "name"), event.subject);
        assert_eq!(number(&told, "revision"), *revision, "{}", event.subject);
        assert!(told.descriptor().full_name().starts_with("mainstay."));
    }
    let log = stage.method("GetEventLog");
    let empty = DynamicMessage::new(log.descriptor.input());
    let log = stage.done(&stage.home, &log, &empty).await.message;
    let log = log
        .get_field_by_name("log")
        .and_then(|value| value.as_message().cloned())
        .expect("the log");
    let latest = text(&log, "latest_cursor");
    assert_eq!(
        stage.events_after(Some(&latest)).await,
        [],
        "the latest cursor is the end"
    );
    assert!(
        matches!(log.get_field_by_name("services").as_deref(), Some(Value::List(services)) if services.len() == 1)
    );
    stage.close().await;
}

/// Another organization's log is refused by its name, and so is a cursor of it.
pub async fn another_organizations_log_is_refused(specimen: Specimen) {
    let stage = Stage::open(specimen).await;
    let maker = stage.beginning("Create").into_iter().next();
    let maker = maker.expect("a record is created");
    let theirs = stage.create(&stage.away, &maker).await.cursor();
    let earliest = pb::start::At::Point(pb::StartPoint::Earliest.into());
    let acme = format!("organizations/{AWAY}");
    let log = pb::GetEventLogRequest {
        name: format!("{acme}/eventLog"),
    };
    let reads = [
        reading(&stage, &acme, earliest),
        vec![request(&stage, "GetEventLog", &log)],
    ];
    for (method, request) in reads.concat() {
        let why = "the log is another's";
        let failure = stage.refusal(&stage.home, &method, &request, why).await;
        assert_eq!(
            failure.reason, "PERMISSION_DENIED",
            "{}: {failure:?}",
            method.path
        );
    }
    for (method, request) in reading(&stage, "", pb::start::At::Cursor(theirs)) {
        let why = "the cursor is another's";
        let failure = stage.refusal(&stage.home, &method, &request, why).await;
        assert_eq!(
            failure.reason, "EVENT_CURSOR_INVALID",
            "{}: {failure:?}",
            method.path
        );
    }
    stage.close().await;
}

/// The two ways to read a log.
fn reading(stage: &Stage, parent: &str, at: pb::start::At) -> Vec<(Arc<Method>, DynamicMessage)> {
    let start = Some(pb::Start { at: Some(at) });
    let list = pb::ListEventsRequest {
        parent: parent.to_owned(),
        start: start.clone(),
        ..pb::ListEventsRequest::default()
    };
    let watch = pb::WatchEventsRequest {
        parent: parent.to_owned(),
        start,
        ..pb::WatchEventsRequest::default()
    };
    vec![
        request(stage, "ListEvents", &list),
        request(stage, "WatchEvents", &watch),
    ]
}

fn request(stage: &Stage, method: &str, message: &impl Message) -> (Arc<Method>, DynamicMessage) {
    let method = stage.method(method);
    let message = dynamic(method.descriptor.input(), message);
    (method, message)
}
