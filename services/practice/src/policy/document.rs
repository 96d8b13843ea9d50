//! Reading a document: of the practice's type, without fields that nobody
//! knows, within the contract's rules, and passed by the practice's checks.

use mainstay_chassis::{Kind, Refusal};
use mainstay_proto::check::Violations;
use mainstay_proto::mainstay::error::v1::ErrorReason;
use prost::Message;
use prost_reflect::{DynamicMessage, Value};
use prost_types::Any;

use super::version::{type_name, type_url};
use super::{Finding, PolicyDocument};

/// The largest document, in bytes.
pub const LARGEST: usize = 128 << 10;

/// A document that passed all checks.
#[derive(Debug)]
pub(crate) struct Checked<P> {
    /// The document, encoded as we encode it.
    pub(crate) document: Any,
    /// The policy.
    pub(crate) policy: P,
}

/// The built-in document of a practice.
pub(crate) fn built_in<P: PolicyDocument>() -> Any {
    packed::<P>(&P::default_wire())
}

fn packed<P: PolicyDocument>(wire: &P::Wire) -> Any {
    Any {
        type_url: type_url(P::TYPE),
        value: wire.encode_to_vec(),
    }
}

/// Checks a document, and compiles it.
pub(crate) fn check<P: PolicyDocument>(document: &Any) -> Result<Checked<P>, Vec<Finding>> {
    if type_name(document) != P::TYPE {
        let found = type_name(document);
        let text = format!("must be a {}, not {found:?}", P::TYPE);
        return Err(vec![Finding::at("", text)]);
    }
    if document.value.len() > LARGEST {
        return Err(vec![Finding::at(
            "",
            format!("must have at most {LARGEST} bytes"),
        )]);
    }
    let wire = P::Wire::decode(document.value.as_slice())
        .map_err(|error| vec![Finding::at("", format!("cannot be decoded: {error}"))])?;
    let mut findings = unknown(P::TYPE, &document.value);
    let broken = Violations::of(&wire).into_iter();
    findings.extend(broken.map(|(field, remedy)| Finding::at(field, remedy)));
    if !findings.is_empty() {
        return Err(findings);
    }
    let policy = P::compile(&wire)?;
    let document = packed::<P>(&wire);
    Ok(Checked { document, policy })
}

/// The refusal of a document that lies in a field of a request.
pub(crate) fn refused(resource: String, place: &str, findings: Vec<Finding>) -> Refusal {
    let path = |finding: &Finding| match finding.field.as_str() {
        "" => place.to_owned(),
        field => format!("{place}.{field}"),
    };
    let first = findings.first();
    let message = first.map_or_else(String::new, |first| {
        format!("{} {}", path(first), first.message)
    });
    let refusal = Refusal::new(Kind::Invalid, ErrorReason::PolicyInvalid, message);
    findings
        .into_iter()
        .fold(refusal.with("resource", resource), |refusal, finding| {
            refusal.because(path(&finding), finding.message)
        })
}

/// Fields that the contract does not know: a newer client, or a mistake.
fn unknown(type_name: &str, bytes: &[u8]) -> Vec<Finding> {
    let Some(kind) = mainstay_proto::descriptors().get_message_by_name(type_name) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    if let Ok(message) = DynamicMessage::decode(kind, bytes) {
        walk(&message, String::new(), &mut found);
    }
    found
}

fn walk(message: &DynamicMessage, path: String, found: &mut Vec<Finding>) {
    if let Some(field) = message.unknown_fields().next() {
        let text = format!("has a field {} that is not in the contract", field.number());
        found.push(Finding::at(path.clone(), text));
    }
    for (field, value) in message.fields() {
        let path = match path.as_str() {
            "" => field.name().to_owned(),
            path => format!("{path}.{}", field.name()),
        };
        inside(value, path, found);
    }
}

fn inside(value: &Value, path: String, found: &mut Vec<Finding>) {
    if let Some(message) = value.as_message() {
        walk(message, path, found);
    } else if let Some(list) = value.as_list() {
        for (place, value) in list.iter().enumerate() {
            inside(value, format!("{path}[{place}]"), found);
        }
    } else if let Some(map) = value.as_map() {
        for (key, value) in map {
            inside(value, format!("{path}[{key:?}]"), found);
        }
    }
}
