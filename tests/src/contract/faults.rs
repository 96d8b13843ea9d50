//! Our own conventions, which no linter knows.

use prost_reflect::{EnumDescriptor, MessageDescriptor, MethodDescriptor};

use super::{audit, permission};

/// Writes that are safe to repeat by a natural key instead of a request id.
const REPEATED_BY_KEY: [&str; 1] = ["ImportIncidents"];
/// The audit class of a call that reads.
const READS: i32 = 1;

/// What is wrong with a method.
pub(super) fn of_method(method: &MethodDescriptor) -> Vec<String> {
    let (input, output) = (method.input(), method.output());
    let mut found = Vec::new();
    if permission(method).is_empty() {
        found.push("has no permission");
    }
    match audit(method) {
        0 => found.push("has no audit class"),
        READS => {}
        _ => {
            if !has(&input, "request_id") && !REPEATED_BY_KEY.contains(&method.name()) {
                found.push("changes state, but its request has no request_id");
            }
            if !has(&output, "cursor") {
                found.push("changes state, but its response has no cursor");
            }
        }
    }
    if method.name().starts_with("List") && has(&input, "parent") && !is_paged(&input, &output) {
        found.push("lists an organization's records, but not in pages");
    }
    let name = method.full_name();
    found
        .into_iter()
        .map(|fault| format!("{name} {fault}"))
        .collect()
}

/// What is wrong with an enum.
pub(super) fn of_enum(each: &EnumDescriptor) -> Option<String> {
    let comment = comment(each);
    let says = ["Frozen", "may be added"];
    let silent = !says.iter().any(|words| comment.contains(words));
    silent.then(|| {
        format!(
            "the comment of {} says neither that it is Frozen nor that values may be added",
            each.full_name()
        )
    })
}

fn has(message: &MessageDescriptor, field: &str) -> bool {
    message.get_field_by_name(field).is_some()
}

/// Pages go by a token, or by a cursor of the log.
fn is_paged(input: &MessageDescriptor, output: &MessageDescriptor) -> bool {
    let by_token = has(input, "page_token") && has(output, "next_page_token");
    let by_cursor = has(input, "start") && has(output, "next_cursor");
    has(input, "page_size") && (by_token || by_cursor)
}

/// The comment before an enum.
fn comment(each: &EnumDescriptor) -> String {
    let file = each.parent_file();
    let info = file.file_descriptor_proto().source_code_info.as_ref();
    info.into_iter()
        .flat_map(|info| &info.location)
        .find(|location| location.path == each.path())
        .map(|location| location.leading_comments().replace('\n', " "))
        .unwrap_or_default()
}
