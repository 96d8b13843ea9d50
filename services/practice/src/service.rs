//! What a practice hands to the process that runs it.

use tonic::service::Routes;

use crate::Store;

/// A service of the suite, ready to be served.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name, such as `incident`.
    pub name: &'static str,
    /// The proto packages that are its own.
    pub packages: &'static [&'static str],
    /// Its gRPC services.
    pub routes: Routes,
    /// Its store, to be closed at the end.
    pub store: Store,
}
