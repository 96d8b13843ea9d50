//! The roles, and which permissions each holds. Permissions are sorted by
//! their words, `practice.verb`, so that a new one is covered the day it
//! enters the contract.

/// The roles, from the least to the most.
pub const ROLES: [&str; 4] = ["viewer", "agent", "importer", "administrator"];

/// The packages of the suite itself; every other first word of a permission
/// is a practice.
const SHARED: [&str; 8] = [
    "access", "clock", "event", "follower", "metric", "policy", "practice", "timer",
];

/// The packages that are for those who run the suite.
const OPERATORS: [&str; 2] = ["access", "follower"];

/// Whether a role holds a permission.
pub fn holds(role: &str, permission: &str) -> bool {
    let (subject, verb) = permission.split_once('.').unwrap_or((permission, ""));
    let of_practice = !SHARED.contains(&subject);
    let everyones = verb == "read" && !OPERATORS.contains(&subject);
    match role {
        "viewer" => everyones,
        "agent" => everyones || (of_practice && !["import", "redact"].contains(&verb)),
        "importer" => everyones || (of_practice && verb == "import"),
        "administrator" => true,
        _ => false,
    }
}
