//! An event on one line.

use mainstay_proto::LoggedEvent;
use mainstay_proto::mainstay::event::v1::Event;
use prost::Message as _;
use prost_reflect::{DynamicMessage, Kind, ReflectMessage as _};

use crate::output;

/// Prints the events of one message. In JSON the last one carries the cursor
/// right after it, which `--from` takes.
pub(super) fn print(events: &[LoggedEvent], cursor: &str, json: bool) -> anyhow::Result<()> {
    let last = events.len().saturating_sub(1);
    for (index, event) in events.iter().enumerate() {
        let cursor = Some(cursor).filter(|_| index == last);
        output::say(if json {
            object(event, cursor)?
        } else {
            text(event)?
        })?;
    }
    Ok(())
}

/// An event as canonical JSON.
#[derive(serde::Serialize)]
struct Object<'a> {
    #[serde(flatten)]
    event: DynamicMessage,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<&'a str>,
}

fn object(event: &LoggedEvent, cursor: Option<&str>) -> anyhow::Result<String> {
    let event = output::dynamic("mainstay.event.v1.LoggedEvent", &event.encode_to_vec())?;
    Ok(serde_json::to_string(&Object { event, cursor })?)
}

/// An event for people: when, where, what, of which record, by whom.
fn text(logged: &LoggedEvent) -> anyhow::Result<String> {
    let event = logged.decode()?;
    let occurred = output::instant(event.occur_time.as_ref());
    let what = event.r#type.rsplit('.').next().unwrap_or_default();
    let who = event
        .actor
        .as_ref()
        .map_or("-", |actor| last_part(&actor.name));
    let imported = if event.imported { "  imported" } else { "" };
    Ok(format!(
        "{occurred}  {}#{}  {what}  {}  by {who}{imported}",
        event.source,
        logged.sequence,
        record(&event)
    ))
}

/// The record as people know it: its number and title when it has them, else
/// its name.
fn record(event: &Event) -> String {
    let snapshot = event.data.as_ref().and_then(|data| {
        let payload = output::dynamic(&event.r#type, &data.value).ok()?;
        payload.get_field_by_number(1)?.as_message().cloned()
    });
    let number = snapshot
        .as_ref()
        .and_then(|record| output::text(record, "number"));
    let title = snapshot
        .as_ref()
        .and_then(|record| output::text(record, "title"));
    let state = snapshot.as_ref().and_then(state).unwrap_or_default();
    match (number, title) {
        (Some(number), Some(title)) => format!("{number} \"{title}\" {state}"),
        (Some(number), None) => number,
        (None, _) => event
            .subject
            .splitn(3, '/')
            .nth(2)
            .unwrap_or(&event.subject)
            .to_owned(),
    }
}

/// The state that the record is in, without the prefix of its enum.
fn state(record: &DynamicMessage) -> Option<String> {
    let field = record.descriptor().get_field_by_name("state")?;
    let Kind::Enum(states) = field.kind() else {
        return None;
    };
    let number = record.get_field(&field).as_enum_number()?;
    let zero = states.default_value().name().to_owned();
    let name = states.get_value(number)?.name().to_owned();
    Some(
        name.trim_start_matches(zero.trim_end_matches("UNSPECIFIED"))
            .to_owned(),
    )
}

fn last_part(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use mainstay_proto::mainstay::access::v1 as access;

    use super::*;

    fn logged() -> LoggedEvent {
        let token = access::Token {
            account: "pager".to_owned(),
            ..Default::default()
        };
        let payload = access::TokenCreated { token: Some(token) };
        let type_name = "mainstay.access.v1.TokenCreated".to_owned();
        let event = Event {
            source: "gateway".to_owned(),
            r#type: type_name.clone(),
            subject: "organizations/default/tokens/1".to_owned(),
            occur_time: Some(prost_types::Timestamp {
                seconds: 0,
                nanos: 0,
            }),
            data: Some(prost_types::Any {
                type_url: format!("type.googleapis.com/{type_name}"),
                value: payload.encode_to_vec(),
            }),
            ..Default::default()
        };
        LoggedEvent {
            sequence: 3,
            record_time: None,
            event: event.encode_to_vec().into(),
        }
    }

    #[test]
    fn a_line_says_when_where_what_and_who() {
        assert_eq!(
            text(&logged()).unwrap(),
            "1970-01-01T00:00:00Z  gateway#3  TokenCreated  tokens/1  by -"
        );
    }

    #[test]
    fn an_object_holds_the_payload_and_where_to_go_on() {
        let object: serde_json::Value =
            serde_json::from_str(&object(&logged(), Some("here")).unwrap()).unwrap();
        assert_eq!(object["cursor"], "here");
        assert_eq!(object["sequence"], "3");
        assert_eq!(object["event"]["data"]["token"]["account"], "pager");
    }
}
