//! The contract keeps its conventions, and the check that guards later versions
//! finds what would break clients: each break is planted in an image and found.

use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use mainstay_proto::IMAGE;
use mainstay_tests::contract::Contract;
use mainstay_tests::{repository, tool};
use prost::Message;
use prost_reflect::{DynamicMessage, ReflectMessage, Value};

#[test]
fn the_contract_keeps_our_conventions() -> Result<()> {
    assert_eq!(Contract::decode(IMAGE)?.faults(), Vec::<String>::new());
    Ok(())
}

#[test]
fn the_contract_does_not_break_itself() -> Result<()> {
    assert_eq!(breaks(IMAGE)?, Vec::<String>::new());
    Ok(())
}

#[test]
fn buf_lints_the_image() -> Result<()> {
    if let Some(output) = buf("lint", IMAGE, None)? {
        ensure!(output.status.success(), "{}", said(&output));
    }
    Ok(())
}

#[test]
fn the_sources_are_formatted() -> Result<()> {
    if let Some(buf) = tool("buf")? {
        let output = Command::new(buf)
            .args([
                "format",
                "--diff",
                "--exit-code",
                "--path",
                "proto/mainstay",
            ])
            .current_dir(repository())
            .output()?;
        ensure!(output.status.success(), "{}", said(&output));
    }
    Ok(())
}

#[test]
fn a_renumbered_field_is_found() -> Result<()> {
    let image = edited(|files| {
        let field = field(files, "GetIncidentRequest", "as_of")?;
        field.set_field_by_name("number", Value::I32(77));
        Ok(())
    })?;
    let field = "mainstay.incident.v1.GetIncidentRequest.as_of";
    assert_eq!(
        breaks(&image)?,
        [format!("{field} had the number 2 and has 77")]
    );
    buf_finds(&image, "as_of")
}

#[test]
fn a_removed_rpc_is_found() -> Result<()> {
    let image = edited(|files| remove(service(files)?, "method", "CloseIncident"))?;
    assert_eq!(
        breaks(&image)?,
        ["mainstay.incident.v1.IncidentService.CloseIncident is gone"]
    );
    buf_finds(&image, "CloseIncident")
}

#[test]
fn a_tightened_rule_is_found() -> Result<()> {
    let image = edited(|files| {
        let text = rules(field(files, "Incident", "title")?)?;
        message_at(text, "string")?.set_field_by_name("max_len", Value::U64(80));
        Ok(())
    })?;
    let found = breaks(&image)?;
    let rule = "mainstay.incident.v1.Incident.title: the rule string.max_len was";
    assert!(found.len() == 1 && found[0].starts_with(rule), "{found:?}");
    Ok(())
}

#[test]
fn a_new_required_field_is_found() -> Result<()> {
    let image = edited(|files| {
        let mut new = field(files, "StartIncidentRequest", "name")?.clone();
        new.set_field_by_name("name", Value::String("why".to_owned()));
        new.set_field_by_name("json_name", Value::String("why".to_owned()));
        new.set_field_by_name("number", Value::I32(4));
        push(message(files, "StartIncidentRequest")?, "field", new)
    })?;
    let field = "mainstay.incident.v1.StartIncidentRequest.why";
    assert_eq!(breaks(&image)?, [format!("{field} is new and required")]);
    Ok(())
}

#[test]
fn a_changed_permission_is_found() -> Result<()> {
    let image =
        edited(|files| set_option(files, "permission", Value::String("incident.x".to_owned())))?;
    let found = breaks(&image)?;
    let method = "mainstay.incident.v1.IncidentService.CloseIncident: permission was";
    assert!(
        found.len() == 1 && found[0].starts_with(method),
        "{found:?}"
    );
    Ok(())
}

#[test]
fn a_changed_cost_and_a_changed_audit_class_are_found() -> Result<()> {
    let image = edited(|files| {
        set_option(files, "cost", Value::U32(6))?;
        set_option(files, "audit", Value::EnumNumber(1))
    })?;
    let found = breaks(&image)?.join("\n");
    assert!(
        found.contains("cost was") && found.contains("audit class was"),
        "{found}"
    );
    Ok(())
}

#[test]
fn a_method_without_a_permission_is_a_fault() -> Result<()> {
    let image = edited(|files| set_option(files, "permission", Value::String(String::new())))?;
    assert_eq!(
        faults(&image)?,
        ["mainstay.incident.v1.IncidentService.CloseIncident has no permission"]
    );
    Ok(())
}

#[test]
fn a_write_without_a_request_id_is_a_fault() -> Result<()> {
    let image = edited(|files| {
        remove(
            message(files, "CloseIncidentRequest")?,
            "field",
            "request_id",
        )
    })?;
    let found = faults(&image)?;
    assert!(
        found.len() == 1 && found[0].ends_with("has no request_id"),
        "{found:?}"
    );
    Ok(())
}

#[test]
fn a_list_without_pages_is_a_fault() -> Result<()> {
    let image = edited(|files| {
        remove(
            message(files, "ListIncidentsRequest")?,
            "field",
            "page_token",
        )
    })?;
    let found = faults(&image)?;
    assert!(
        found.len() == 1 && found[0].ends_with("but not in pages"),
        "{found:?}"
    );
    Ok(())
}

#[test]
fn an_enum_that_does_not_say_whether_it_grows_is_a_fault() -> Result<()> {
    let image = edited(|files| {
        let file = entry(files, "file", "mainstay/incident/v1/incident.proto")?;
        for location in list(message_at(file, "source_code_info")?, "location")? {
            let location = location.as_message_mut().context("a location")?;
            location.clear_field_by_name("leading_comments");
        }
        Ok(())
    })?;
    let found = faults(&image)?;
    assert!(
        found
            .iter()
            .any(|fault| fault.contains("incident.v1.Severity ")),
        "{found:?}"
    );
    Ok(())
}

#[test]
fn what_is_allowed_is_not_reported() -> Result<()> {
    let image = edited(|files| {
        let mut optional = field(files, "CloseIncidentRequest", "etag")?.clone();
        optional.set_field_by_name("name", Value::String("note".to_owned()));
        optional.set_field_by_name("json_name", Value::String("note".to_owned()));
        optional.set_field_by_name("number", Value::I32(4));
        push(message(files, "CloseIncidentRequest")?, "field", optional)?;
        let looser = rules(field(files, "Incident", "title")?)?;
        message_at(looser, "string")?.set_field_by_name("max_len", Value::U64(300));
        Ok(())
    })?;
    assert_eq!(breaks(&image)?, Vec::<String>::new());
    Ok(())
}

fn breaks(image: &[u8]) -> Result<Vec<String>> {
    Ok(Contract::decode(image)?.breaks_since(&Contract::decode(IMAGE)?))
}

fn faults(image: &[u8]) -> Result<Vec<String>> {
    Ok(Contract::decode(image)?.faults())
}

/// Holds buf to what it promises: it names the break too.
fn buf_finds(image: &[u8], what: &str) -> Result<()> {
    if let Some(output) = buf("breaking", image, Some(IMAGE))? {
        let said = said(&output);
        ensure!(
            !output.status.success() && said.contains(what),
            "buf says: {said}"
        );
    }
    Ok(())
}

fn buf(command: &str, image: &[u8], against: Option<&[u8]>) -> Result<Option<Output>> {
    let Some(buf) = tool("buf")? else {
        return Ok(None);
    };
    let folder = tempfile::tempdir()?;
    let write = |name: &str, image: &[u8]| -> Result<String> {
        let path = folder.path().join(name);
        std::fs::write(&path, image)?;
        Ok(format!("{}#format=binpb", path.display()))
    };
    let mut run = Command::new(buf);
    run.args([command, &write("new.binpb", image)?, "--config"])
        .arg(repository().join("buf.yaml"));
    if let Some(against) = against {
        run.args(["--against", &write("old.binpb", against)?]);
    }
    Ok(Some(run.output()?))
}

fn said(output: &Output) -> String {
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    format!("{out}{err}")
}

/// The image after a change, with its options and comments.
fn edited(change: impl FnOnce(&mut DynamicMessage) -> Result<()>) -> Result<Vec<u8>> {
    let contract = Contract::decode(IMAGE)?;
    let set = contract
        .pool()
        .get_message_by_name("google.protobuf.FileDescriptorSet")
        .context("descriptor.proto")?;
    let mut files = DynamicMessage::decode(set, IMAGE)?;
    change(&mut files)?;
    Ok(files.encode_to_vec())
}

fn list<'a>(parent: &'a mut DynamicMessage, name: &str) -> Result<&'a mut Vec<Value>> {
    let field = parent
        .descriptor()
        .get_field_by_name(name)
        .context("a field of descriptor.proto")?;
    parent.get_field_mut(&field).as_list_mut().context("a list")
}

/// The entry of a list that has this name.
fn entry<'a>(
    parent: &'a mut DynamicMessage,
    list_name: &str,
    name: &str,
) -> Result<&'a mut DynamicMessage> {
    let entries = list(parent, list_name)?
        .iter_mut()
        .filter_map(Value::as_message_mut);
    let mut named = entries.filter(|entry| {
        entry
            .get_field_by_name("name")
            .is_some_and(|it| it.as_str() == Some(name))
    });
    named.next().with_context(|| format!("there is no {name}"))
}

fn push(parent: &mut DynamicMessage, list_name: &str, value: DynamicMessage) -> Result<()> {
    list(parent, list_name)?.push(Value::Message(value));
    Ok(())
}

fn remove(parent: &mut DynamicMessage, list_name: &str, name: &str) -> Result<()> {
    entry(parent, list_name, name)?;
    list(parent, list_name)?.retain(|entry| {
        let its = entry
            .as_message()
            .and_then(|entry| entry.get_field_by_name("name"));
        its.is_none_or(|its| its.as_str() != Some(name))
    });
    Ok(())
}

fn message_at<'a>(parent: &'a mut DynamicMessage, name: &str) -> Result<&'a mut DynamicMessage> {
    let field = parent
        .descriptor()
        .get_field_by_name(name)
        .context("a field of descriptor.proto")?;
    parent
        .get_field_mut(&field)
        .as_message_mut()
        .context("a message")
}

/// A message of the incident contract.
fn message<'a>(files: &'a mut DynamicMessage, name: &str) -> Result<&'a mut DynamicMessage> {
    let file = match name.ends_with("Request") {
        true => "mainstay/incident/v1/incident_service.proto",
        false => "mainstay/incident/v1/incident.proto",
    };
    entry(entry(files, "file", file)?, "message_type", name)
}

fn field<'a>(
    files: &'a mut DynamicMessage,
    of: &str,
    name: &str,
) -> Result<&'a mut DynamicMessage> {
    entry(message(files, of)?, "field", name)
}

fn service(files: &mut DynamicMessage) -> Result<&mut DynamicMessage> {
    let file = entry(files, "file", "mainstay/incident/v1/incident_service.proto")?;
    entry(file, "service", "IncidentService")
}

/// The rules of a field.
fn rules(field: &mut DynamicMessage) -> Result<&mut DynamicMessage> {
    extension(message_at(field, "options")?, "buf.validate.field")?
        .as_message_mut()
        .context("rules")
}

/// Sets an option of ours on CloseIncident.
fn set_option(files: &mut DynamicMessage, name: &str, value: Value) -> Result<()> {
    let options = message_at(
        entry(service(files)?, "method", "CloseIncident")?,
        "options",
    )?;
    *extension(options, &format!("mainstay.record.v1.{name}"))? = value;
    Ok(())
}

fn extension<'a>(options: &'a mut DynamicMessage, name: &str) -> Result<&'a mut Value> {
    let pool = options.descriptor().parent_pool().clone();
    let extension = pool
        .get_extension_by_name(name)
        .context("an option of the contract")?;
    Ok(options.get_extension_mut(&extension))
}
