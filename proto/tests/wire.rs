//! What is written on the wire is read back the same, whatever it holds; bytes
//! that are no message are refused, never a panic.

use std::collections::BTreeMap;

use mainstay_proto::LoggedEvent;
use mainstay_proto::check::Violations;
use mainstay_proto::mainstay::event::v1 as event;
use mainstay_proto::mainstay::incident::v1 as pb;
use proptest::prelude::*;
use prost::Message;
use prost_reflect::DynamicMessage;
use prost_types::Timestamp;

fn timestamp() -> impl Strategy<Value = Option<Timestamp>> {
    let instant = (any::<i64>(), any::<i32>());
    proptest::option::of(instant.prop_map(|(seconds, nanos)| Timestamp { seconds, nanos }))
}

prop_compose! {
    fn incident()(
        title in ".{0,40}",
        description in ".{0,200}",
        numbers in any::<(i32, i32, i32, i64)>(),
        services in proptest::collection::vec("[a-z-]{0,9}", 0..5),
        labels in proptest::collection::btree_map(".{0,9}", ".{0,9}", 0..5),
        times in (timestamp(), timestamp()),
    ) -> pb::Incident {
        let labels: BTreeMap<String, String> = labels;
        pb::Incident {
            title,
            description,
            state: numbers.0,
            impact: numbers.1,
            reopen_count: numbers.2,
            revision: numbers.3,
            affected_services: services,
            labels,
            milestones: Some(pb::Milestones { detect_time: times.0, ..Default::default() }),
            create_time: times.1,
            ..Default::default()
        }
    }
}

prop_compose! {
    fn logged()(incident in incident(), sequence in any::<i64>(), record_time in timestamp(), imported in any::<bool>()) -> event::Event {
        event::Event {
            id: sequence.to_string(),
            subject_revision: sequence,
            occur_time: record_time,
            imported,
            data: Some(prost_types::Any { type_url: "type.googleapis.com/x".to_owned(), value: incident.encode_to_vec() }),
            ..Default::default()
        }
    }
}

proptest! {
    #[test]
    fn an_incident_comes_back_as_it_went(incident in incident()) {
        let bytes = incident.encode_to_vec();
        prop_assert_eq!(&pb::Incident::decode(&bytes[..])?, &incident);
        prop_assert_eq!(bytes, incident.encode_to_vec(), "the same message has the same bytes");
    }

    #[test]
    fn descriptors_and_generated_code_read_the_same(incident in incident()) {
        let descriptor = mainstay_proto::descriptors().get_message_by_name("mainstay.incident.v1.Incident").expect("it is in the image");
        let dynamic = DynamicMessage::decode(descriptor, &incident.encode_to_vec()[..])?;
        prop_assert_eq!(dynamic.transcode_to::<pb::Incident>()?, incident);
    }

    #[test]
    fn a_logged_event_carries_the_event_byte_by_byte(event in logged(), sequence in any::<i64>(), record_time in timestamp()) {
        let bytes = event.encode_to_vec();
        let logged = LoggedEvent { sequence, record_time, event: bytes.clone().into() };
        let back = <LoggedEvent as Message>::decode(&logged.encode_to_vec()[..])?;
        prop_assert_eq!(&back.event[..], &bytes[..]);
        prop_assert_eq!(back.decode()?, event);
        prop_assert_eq!(back, logged);
    }

    #[test]
    fn random_bytes_are_a_message_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(request) = pb::ImportIncidentsRequest::decode(&bytes[..]) {
            prop_assert!(Violations::of(&request).len() <= 16);
        }
    }
}
