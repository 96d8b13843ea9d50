//! What every practice promises, tried on it: one line and a specimen.
//!
//! ```ignore
//! mainstay_practice::conformance!(specimen);
//! ```
//!
//! The descriptors say which methods there are; the specimen has a valid
//! example for each that writes. Calls go through [`Peer`] as they do in the
//! process. A method that writes and has no example fails the suite, so that a
//! new one is tried from its first day.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "these are the bodies of tests: a broken promise panics"
)]

mod access;
mod answers;
mod examples;
mod lists;
mod records;
mod scratch;
mod stage;
mod streams;
mod writes;

use std::pin::Pin;

use crate::{Service, StoreError, StoreSettings};

pub use access::{
    another_organizations_names_are_refused_without_a_look,
    organizations_see_nothing_of_each_other, without_its_permission_nothing_may_be_called,
};
pub use lists::{a_list_is_paged_completely_and_stays_stable, a_list_refuses_what_it_cannot_do};
pub use records::{
    names_that_are_none_are_refused_by_their_field, what_is_created_can_be_read,
    what_is_not_there_is_not_found,
};
pub use scratch::Scratch;
pub use streams::{
    another_organizations_log_is_refused, nothing_older_follows_the_cursor_of_a_write,
    the_log_is_dense_and_tells_each_revision,
};
pub use writes::{
    a_repeat_is_answered_as_the_first_call, a_request_id_belongs_to_one_request,
    a_stale_etag_is_refused, an_import_may_be_repeated, what_is_only_validated_is_not_written,
};

/// A service being opened.
pub type Opening = Pin<Box<dyn Future<Output = Result<Service, StoreError>> + Send>>;

/// A practice as the suite needs it.
pub struct Specimen {
    /// Opens it.
    pub open: fn(StoreSettings) -> Opening,
    /// A valid call of every method that writes. Of those that create the same
    /// kind of record the first makes the records that the others work on.
    pub examples: &'static [Example],
}

/// A valid call.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// The method's name, such as `HoldIncident`.
    pub method: &'static str,
    /// The request in JSON, without name, etag and request id. A text `$Method`
    /// stands for the name of a new record that this method creates,
    /// `$unique` for a text that was never used.
    pub request: &'static str,
    /// The methods to be called first, by their own examples.
    pub after: &'static [&'static str],
}

/// Makes a test of each promise.
#[macro_export]
macro_rules! conformance {
    ($specimen:expr) => {
        $crate::conformance!($specimen =>
            what_is_created_can_be_read,
            what_is_not_there_is_not_found,
            names_that_are_none_are_refused_by_their_field,
            a_repeat_is_answered_as_the_first_call,
            a_request_id_belongs_to_one_request,
            a_stale_etag_is_refused,
            what_is_only_validated_is_not_written,
            an_import_may_be_repeated,
            a_list_is_paged_completely_and_stays_stable,
            a_list_refuses_what_it_cannot_do,
            nothing_older_follows_the_cursor_of_a_write,
            the_log_is_dense_and_tells_each_revision,
            without_its_permission_nothing_may_be_called,
            another_organizations_names_are_refused_without_a_look,
            organizations_see_nothing_of_each_other,
            another_organizations_log_is_refused,
        );
    };
    ($specimen:expr => $($promise:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $promise() {
            $crate::conformance::$promise($specimen()).await;
        }
    )*};
}
