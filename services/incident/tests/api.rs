//! What only this practice promises, as its callers see it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "api/batch.rs"]
mod batch;
#[path = "api/bench.rs"]
mod bench;
#[path = "api/comments.rs"]
mod comments;
#[path = "api/fields.rs"]
mod fields;
#[path = "api/generated.rs"]
mod generated;
#[path = "api/import.rs"]
mod import;
#[path = "api/lists.rs"]
mod lists;
#[path = "api/major.rs"]
mod major;
#[path = "api/merge.rs"]
mod merge;
#[path = "api/milestones.rs"]
mod milestones;
#[path = "api/policy.rs"]
mod policy;
#[path = "api/reactions.rs"]
mod reactions;
#[path = "api/reading.rs"]
mod reading;
#[path = "api/records.rs"]
mod records;
#[path = "api/redaction.rs"]
mod redaction;
#[path = "api/replay.rs"]
mod replay;
#[path = "api/search.rs"]
mod search;
#[path = "api/statuses.rs"]
mod statuses;
#[path = "api/updates.rs"]
mod updates;
#[path = "api/verbs.rs"]
mod verbs;
#[path = "api/work.rs"]
mod work;
