//! Until when a call is to be answered.

use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;

use crate::Refusal;

/// The header by which a gRPC client says how long it waits.
const GRPC: &str = "grpc-timeout";
/// The header by which a Connect client does.
const CONNECT: &str = "connect-timeout-ms";
/// Longer waits are taken for it, so that no instant overflows.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// The instant at which nobody waits for the answer any more; rides in the
/// request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(pub Instant);

impl Deadline {
    /// A deadline so far from now.
    pub fn after(limit: Duration) -> Self {
        Self(Instant::now() + limit.min(LONGEST))
    }

    /// Whether it has passed.
    pub fn passed(self) -> bool {
        self.0 <= Instant::now()
    }

    /// What the client asks for by `grpc-timeout` or `connect-timeout-ms`: the
    /// earlier one where both are sent.
    pub fn asked(headers: &HeaderMap) -> Result<Option<Self>, Refusal> {
        let grpc = parsed(headers, GRPC, grpc_timeout)?;
        let connect = parsed(headers, CONNECT, connect_timeout)?;
        Ok(grpc.into_iter().chain(connect).min().map(Self::after))
    }
}

/// The wait in a header, when it is there.
fn parsed(
    headers: &HeaderMap,
    name: &'static str,
    parse: fn(&str) -> Option<Duration>,
) -> Result<Option<Duration>, Refusal> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    let wait = value.to_str().ok().and_then(parse);
    wait.map(Some)
        .ok_or_else(|| Refusal::invalid(name, "must be digits, in gRPC with a unit, such as 500m"))
}

/// One to eight digits and a unit.
fn grpc_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let count = number(digits, 8)?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3_600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

/// One to ten digits, milliseconds.
fn connect_timeout(text: &str) -> Option<Duration> {
    number(text, 10).map(Duration::from_millis)
}

fn number(digits: &str, most: usize) -> Option<u64> {
    let plain =
        (1..=most).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(name: &'static str, value: &'static str) -> Option<Duration> {
        let headers = HeaderMap::from_iter([(
            http::HeaderName::from_static(name),
            http::HeaderValue::from_static(value),
        )]);
        let now = Instant::now();
        Deadline::asked(&headers)
            .ok()
            .map(|asked| asked.unwrap().0 - now)
    }

    #[tokio::test(start_paused = true)]
    async fn the_clients_wait_is_read_from_either_header() {
        assert_eq!(wait(GRPC, "250m"), Some(Duration::from_millis(250)));
        assert_eq!(wait(GRPC, "3S"), Some(Duration::from_secs(3)));
        assert_eq!(wait(GRPC, "99999999H"), Some(LONGEST));
        assert_eq!(wait(CONNECT, "1500"), Some(Duration::from_millis(1_500)));
        assert_eq!(Deadline::asked(&HeaderMap::new()), Ok(None));
    }

    #[tokio::test]
    async fn a_wait_that_cannot_be_read_is_refused() {
        for (name, value) in [
            (GRPC, ""),
            (GRPC, "5"),
            (GRPC, "5x"),
            (GRPC, "123456789S"),
            (GRPC, "-1S"),
            (CONNECT, "5m"),
            (CONNECT, "12345678901"),
        ] {
            assert_eq!(wait(name, value), None, "{name}: {value}");
        }
    }
}
