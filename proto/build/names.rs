//! What the generator of the Rust code calls a thing of the contract.

/// `mainstay.incident.v1.Start.At` as the path of its Rust type.
pub(super) fn rust_path(full_name: &str) -> String {
    let mut parts: Vec<String> = full_name.split('.').map(str::to_owned).collect();
    let last = parts.pop().unwrap_or_default();
    let modules: Vec<String> = parts.iter().map(|part| snake(part)).collect();
    format!("crate::{}::{last}", modules.join("::"))
}

/// The module in which the oneofs of a message live.
pub(super) fn rust_module(full_name: &str) -> String {
    let modules: Vec<String> = full_name.split('.').map(snake).collect();
    format!("crate::{}", modules.join("::"))
}

pub(super) fn snake(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.extend(letter.to_lowercase());
    }
    text
}

pub(super) fn camel(name: &str) -> String {
    name.split('_')
        .map(|word| word[..1].to_uppercase() + &word[1..])
        .collect()
}

pub(super) fn rust_field(name: &str) -> String {
    if matches!(name, "type" | "match" | "ref" | "in") {
        format!("r#{name}")
    } else {
        name.to_owned()
    }
}
