//! How many streams may be open at once. A seat is kept by the response's
//! body and given back when that is dropped, however it ends.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use mainstay_chassis::Refusal;
use tonic::Status;
use tonic::body::Body;

use super::Limits;
use super::rates::exceeded;

/// The seats of the process.
pub(super) struct Seats {
    taken: Mutex<Taken>,
    principal: usize,
    organization: usize,
    process: usize,
}

#[derive(Default)]
struct Taken {
    principals: HashMap<String, usize>,
    organizations: HashMap<String, usize>,
    process: usize,
}

impl Seats {
    /// All free.
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            taken: Mutex::default(),
            principal: limits.streams_per_principal,
            organization: limits.streams_per_organization,
            process: limits.streams_per_process,
        }
    }

    /// Takes a seat for a principal (or address); without an organization only
    /// the other two are counted.
    pub(super) fn take(
        self: &Arc<Self>,
        principal: &str,
        organization: &str,
    ) -> Result<Seat, Refusal> {
        let mut taken = self.lock();
        let count =
            |map: &HashMap<String, usize>, key: &str| map.get(key).copied().unwrap_or_default();
        for (used, limit, scope) in [
            (taken.process, self.process, "process"),
            (
                count(&taken.principals, principal),
                self.principal,
                "principal",
            ),
            (
                count(&taken.organizations, organization),
                self.organization,
                "organization",
            ),
        ] {
            let counts = scope != "organization" || !organization.is_empty();
            if counts && used >= limit {
                return Err(exceeded(&format!("{limit} streams at once"), scope).retry_after(RETRY));
            }
        }
        taken.process += 1;
        *taken.principals.entry(principal.to_owned()).or_default() += 1;
        *taken
            .organizations
            .entry(organization.to_owned())
            .or_default() += 1;
        Ok(Seat {
            seats: self.clone(),
            principal: principal.to_owned(),
            organization: organization.to_owned(),
        })
    }

    /// A panic under the lock leaves the counts whole.
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When to ask for a seat again.
const RETRY: std::time::Duration = std::time::Duration::from_secs(5);

/// A seat; given back when dropped.
pub(super) struct Seat {
    seats: Arc<Seats>,
    principal: String,
    organization: String,
}

impl Seat {
    /// Ties the seat to a body.
    pub(super) fn kept_by(self, body: Body) -> Body {
        Body::new(Seated { body, _seat: self })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.lock();
        taken.process = taken.process.saturating_sub(1);
        leave(&mut taken.principals, &self.principal);
        leave(&mut taken.organizations, &self.organization);
    }
}

/// Takes one off a count, and forgets it at zero.
fn leave(counts: &mut HashMap<String, usize>, key: &str) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}

struct Seated {
    body: Body,
    _seat: Seat,
}

impl http_body::Body for Seated {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(refused: Result<Seat, Refusal>) -> String {
        refused.map(|_| ()).unwrap_err().message().to_owned()
    }

    #[test]
    fn seats_are_counted_by_principal_organization_and_process_and_come_back() {
        let limits = Limits {
            streams_per_principal: 1,
            streams_per_organization: 2,
            streams_per_process: 3,
            ..Limits::default()
        };
        let seats = Arc::new(Seats::new(&limits));
        let first = seats.take("a", "x").unwrap();
        assert!(scope(seats.take("a", "x")).contains("principal"));
        let second = seats.take("b", "x").unwrap();
        assert!(scope(seats.take("c", "x")).contains("organization"));
        let _third = seats.take("c", "y").unwrap();
        assert!(scope(seats.take("d", "z")).contains("process"));
        drop(first);
        let _again = seats.take("a", "x").unwrap();
        drop(second);
        assert_eq!(seats.lock().process, 2);
        assert!(!seats.lock().principals.contains_key("b"));
    }
}
