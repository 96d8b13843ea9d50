//! A service in another process: calls go over HTTP/2 with a token that says
//! who calls, and what comes back is passed on byte for byte.
//!
//! Streams have a connection of their own, so that many slow readers never
//! stand before a call. A service that is away is told as UNAVAILABLE; the
//! connection is made by the next call.

use std::net::IpAddr;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, Version};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tower::ServiceExt;

use super::{is_open, passed};
use crate::identity::Minter;
use crate::{Deadline, Principal, Refusal};

/// A connection that is not made by then is given up.
const CONNECT: Duration = Duration::from_secs(2);
/// A silent connection is pinged so often, also while no call is under way.
const PING: Duration = Duration::from_secs(30);
/// And is given up when the answer takes longer.
const PONG: Duration = Duration::from_secs(20);
/// What the way back takes: the service gives up so much earlier than we do.
const WAY_BACK: Duration = Duration::from_millis(50);
/// What a stream, and a connection, may have on the way to us.
const UNARY_WINDOWS: (u32, u32) = (1 << 20, 16 << 20);
/// The same where streams are: readers that take nothing must leave room for
/// all others.
const STREAM_WINDOWS: (u32, u32) = (256 << 10, 1 << 30);

/// Where a service is that cannot be called there.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FarError {
    /// It is no URL.
    #[error("is at no URL such as http://127.0.0.1:8081")]
    Url,
    /// It is to be called by TLS.
    #[error("is to be called by TLS, which services do not speak yet: use http:// on this machine")]
    Tls,
    /// It is on another machine.
    #[error(
        "is on another machine, and tokens would cross the network in clear text: run it on this one until services speak TLS"
    )]
    InTheOpen,
}

/// A way to a service in another process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Far {
    service: &'static str,
    unary: Channel,
    streams: Channel,
    minter: Minter,
}

impl Far {
    /// The way to a service at a URL, which is not gone before the first call.
    pub fn new(service: &'static str, url: &str, minter: Minter) -> Result<Self, FarError> {
        let uri: Uri = url.parse().map_err(|_| FarError::Url)?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(FarError::Tls),
            _ => return Err(FarError::Url),
        }
        if !uri.host().is_some_and(is_here) {
            return Err(FarError::InTheOpen);
        }
        let endpoint = |(stream, connection)| {
            Endpoint::from(uri.clone())
                .connect_timeout(CONNECT)
                .tcp_nodelay(true)
                .http2_keep_alive_interval(PING)
                .keep_alive_timeout(PONG)
                .keep_alive_while_idle(true)
                .http2_max_header_list_size(64 << 10)
                .initial_stream_window_size(stream)
                .initial_connection_window_size(connection)
                .connect_lazy()
        };
        Ok(Self {
            service,
            unary: endpoint(UNARY_WINDOWS),
            streams: endpoint(STREAM_WINDOWS),
            minter,
        })
    }

    /// Makes the call; whatever happens, there is an answer.
    pub(super) async fn answer(
        self,
        request: Request<Body>,
        deadline: Option<Deadline>,
        streams: bool,
    ) -> Response<Body> {
        self.passed_on(request, deadline, streams)
            .await
            .unwrap_or_else(super::refused)
    }

    async fn passed_on(
        self,
        request: Request<Body>,
        deadline: Option<Deadline>,
        streams: bool,
    ) -> Result<Response<Body>, Refusal> {
        let open = is_open(request.uri().path());
        let principal = match open {
            true => None,
            false => request.extensions().get::<Principal>().cloned(),
        };
        let (head, body) = request.into_parts();
        let mut onward = Request::new(body);
        *onward.method_mut() = head.method;
        *onward.version_mut() = Version::HTTP_2;
        *onward.uri_mut() = head.uri;
        *onward.headers_mut() = self.headers(head.headers, principal.as_ref(), deadline)?;
        let channel = match streams || open {
            true => self.streams,
            false => self.unary,
        };
        let answer = channel.oneshot(onward).await;
        let response = answer.map_err(|failed| away(self.service, &failed))?;
        believed(self.service, &response)?;
        let ended = principal.map(|principal| principal.ended().clone());
        Ok(passed::passed(response, self.service, ended))
    }

    /// What the service is told beside the message: who calls by the token,
    /// and how long we wait.
    fn headers(
        &self,
        mut headers: HeaderMap,
        principal: Option<&Principal>,
        deadline: Option<Deadline>,
    ) -> Result<HeaderMap, Refusal> {
        // Of one connection only, or to be said anew.
        const OURS: [HeaderName; 4] = [AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST];
        for name in OURS {
            headers.remove(name);
        }
        headers.remove("grpc-timeout");
        if let Some(principal) = principal {
            let bearer = self.minter.bearer(principal, self.service)?;
            headers.insert(AUTHORIZATION, bearer);
        }
        if let Some(Deadline(until)) = deadline {
            headers.insert("grpc-timeout", timeout(until)?);
        }
        Ok(headers)
    }
}

/// Whether a host is this machine.
fn is_here(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// What is left until an instant, less the way back, as gRPC writes it.
fn timeout(until: Instant) -> Result<HeaderValue, Refusal> {
    let left = until.saturating_duration_since(Instant::now());
    let left = left.saturating_sub(WAY_BACK).max(Duration::from_millis(1));
    let text = match left.as_micros() {
        micros if micros < 100_000_000 => format!("{micros}u"),
        _ if left.as_millis() < 100_000_000 => format!("{}m", left.as_millis()),
        _ => format!("{}S", left.as_secs()),
    };
    HeaderValue::try_from(text).map_err(Refusal::internal)
}

/// What a failure of the way means for the caller.
fn away(service: &str, failed: &tonic::transport::Error) -> Refusal {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(failed);
    while let Some(error) = cause {
        if error.is::<tonic::TimeoutExpired>() {
            return Refusal::deadline();
        }
        cause = error.source();
    }
    tracing::debug!(service, cause = ?failed, "a service was not reached");
    Refusal::unavailable()
}

/// Refuses an answer that is not the service's own: of something else that
/// listens there, or of an entrance that does not believe us. Neither is the
/// caller's fault.
fn believed(service: &str, response: &Response<Body>) -> Result<(), Refusal> {
    let kind = response.headers().get(CONTENT_TYPE);
    let grpc = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    if !grpc {
        tracing::error!(service, status = %response.status(), "what listens there is not the service");
        return Err(Refusal::unavailable());
    }
    let status = Status::from_header_map(response.headers());
    if status.is_some_and(|status| status.code() == Code::Unauthenticated) {
        tracing::error!(
            service,
            "the service does not believe our tokens: it needs our public key, and clocks that agree"
        );
        return Err(Refusal::unavailable());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_service_is_given_less_time_than_the_caller_has() {
        let told = |left| timeout(Instant::now() + left).unwrap();
        assert_eq!(told(Duration::from_secs(5)), "4950000u");
        assert_eq!(told(Duration::from_millis(20)), "1000u");
        assert_eq!(told(Duration::from_secs(3_600)), "3599950m");
        assert_eq!(told(Duration::from_secs(200_000)), "199999S");
    }

    #[test]
    fn only_this_machine_is_called_without_tls() {
        for here in ["127.0.0.1", "127.9.0.1", "[::1]", "localhost"] {
            assert!(is_here(here), "{here}");
        }
        for elsewhere in ["10.0.0.1", "[2001:db8::1]", "incident.svc", "localhost.org"] {
            assert!(!is_here(elsewhere), "{elsewhere}");
        }
    }
}
