//! A service in another process: calls go over HTTP/2 with a token that says
//! who calls, and what comes back is passed on byte for byte.
//!
//! Streams have a connection of their own, so that many slow readers never
//! stand before a call. A service that is away is told as UNAVAILABLE; the
//! connection is made by the next call.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, Version};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tower::ServiceExt;

use super::again::{self, Budget};
use super::{Admitted, is_open, mend, passed};
use crate::identity::Minter;
use crate::limits::LARGEST_REQUEST;
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
    budget: Budget,
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
            budget: Budget::default(),
        })
    }

    /// Makes the call; whatever happens, there is an answer.
    pub(super) async fn answer(self, request: Request<Body>, admitted: Admitted) -> Response<Body> {
        let passed_on = self.passed_on(request, admitted).await;
        passed_on.unwrap_or_else(super::refused)
    }

    async fn passed_on(
        &self,
        request: Request<Body>,
        admitted: Admitted,
    ) -> Result<Response<Body>, Refusal> {
        let open = is_open(request.uri().path());
        let principal = match open {
            true => None,
            false => request.extensions().get::<Principal>().cloned(),
        };
        let (mut head, body) = request.into_parts();
        head.version = Version::HTTP_2;
        head.headers = self.headers(head.headers, principal.as_ref(), admitted.deadline)?;
        head.extensions = Extensions::new();
        let channel = match admitted.stream.is_some() || open {
            true => &self.streams,
            false => &self.unary,
        };
        self.budget.earn();
        let answer = match admitted.repeatable {
            true => self.sent_again(channel, head, whole(body).await?).await,
            false => {
                channel
                    .clone()
                    .oneshot(Request::from_parts(head, body))
                    .await
            }
        };
        let response = answer.map_err(|failed| away(self.service, &failed))?;
        believed(self.service, &response)?;
        let ended = principal.map(|principal| principal.ended().clone());
        Ok(passed::passed(response, self.service, ended))
    }

    /// Sends a read until it is answered, a few times at most.
    async fn sent_again(
        &self,
        channel: &Channel,
        head: Parts,
        message: Bytes,
    ) -> Result<Response<Body>, tonic::transport::Error> {
        let mut tried = 0;
        loop {
            let body = Body::new(Full::new(message.clone()));
            let request = Request::from_parts(head.clone(), body);
            let answer = channel.clone().oneshot(request).await;
            tried += 1;
            let again = match &answer {
                Ok(_) => false,
                Err(failed) => !is_late(failed) && tried < again::TRIES && self.budget.spend(),
            };
            if !again {
                return answer;
            }
            tokio::time::sleep(again::pause(tried)).await;
        }
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

/// The whole body of a call with one message.
async fn whole(body: Body) -> Result<Bytes, Refusal> {
    // The frame around the message is counted too.
    let limited = Limited::new(body, LARGEST_REQUEST + 5);
    match limited.collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(cause) if cause.is::<LengthLimitError>() => Err(mend::message_too_large()),
        Err(cause) => {
            tracing::debug!(%cause, "a caller's message broke off");
            Err(Refusal::unavailable())
        }
    }
}

/// Whether a call failed since its time was over.
fn is_late(failed: &tonic::transport::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(failed);
    while let Some(error) = cause {
        if error.is::<tonic::TimeoutExpired>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// What a failure of the way means for the caller.
fn away(service: &str, failed: &tonic::transport::Error) -> Refusal {
    if is_late(failed) {
        return Refusal::deadline();
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
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use tokio::net::TcpListener;
    use tokio_util::sync::CancellationToken;
    use tonic::service::Routes;
    use tower::Service as _;

    use super::*;
    use crate::identity::{self, Entrance, GATEWAY, Signing, Verifier, Verifying};
    use crate::serve::{ServeSettings, serve};
    use crate::{Clock, Methods, Peer};

    const READ: &str = "/mainstay.incident.v1.IncidentService/GetIncident";
    const WRITE: &str = "/mainstay.incident.v1.IncidentService/CreateIncident";

    /// A service without a method, which drops its first connections, and the
    /// way to it.
    struct Stage {
        peer: Peer,
        principal: Principal,
    }

    async fn stage(dropped: usize, trusted: bool) -> Stage {
        let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for folder in [&ours, &theirs] {
            identity::generate(folder.path(), GATEWAY, false).unwrap();
        }
        let known = if trusted { &ours } else { &theirs };
        let verifier = Verifier::new(
            "incident",
            Verifying::load(known.path()).unwrap(),
            Clock::wall(),
        );
        let methods = Methods::of(mainstay_proto::descriptors());
        let entrance = Entrance::new(Peer::new(Routes::default(), methods.clone()), verifier);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            for _ in 0..dropped {
                drop(listener.accept().await.unwrap());
            }
            let stop = CancellationToken::new();
            serve(listener, entrance, ServeSettings::default(), stop).await;
        });
        let signing = Signing::load(ours.path(), GATEWAY).unwrap();
        let far = Far::new("incident", &url, Minter::new(signing, Clock::wall())).unwrap();
        let permissions = ["incident.read", "incident.create"].map(str::to_owned);
        let permissions: BTreeSet<String> = permissions.into();
        let ended = CancellationToken::new();
        Stage {
            peer: Peer::far(far, methods),
            principal: Principal::new("ada", "default", Arc::new(permissions), ended),
        }
    }

    impl Stage {
        /// The code that a call is answered with.
        async fn code(&mut self, path: &str) -> Code {
            let mut request = Request::post(path)
                .header("content-type", "application/grpc")
                .body(Body::empty())
                .unwrap();
            request.extensions_mut().insert(self.principal.clone());
            let answer = self.peer.call(request).await.unwrap();
            Status::from_header_map(answer.headers()).unwrap().code()
        }
    }

    #[tokio::test]
    async fn a_call_reaches_the_service_with_its_caller() {
        let mut stage = stage(0, true).await;
        assert_eq!(stage.code(READ).await, Code::Unimplemented);
        assert_eq!(stage.code(WRITE).await, Code::Unimplemented);
        assert_eq!(
            stage.code("/mainstay.incident.v1.IncidentService/No").await,
            Code::Unimplemented
        );
        stage.principal = Principal::follower("gateway");
        assert_eq!(stage.code(READ).await, Code::PermissionDenied);
    }

    #[tokio::test]
    async fn a_read_that_did_not_arrive_is_sent_again_and_a_write_is_not() {
        assert_eq!(stage(1, true).await.code(READ).await, Code::Unimplemented);
        assert_eq!(stage(1, true).await.code(WRITE).await, Code::Unavailable);
        assert_eq!(stage(99, true).await.code(READ).await, Code::Unavailable);
    }

    #[tokio::test]
    async fn a_service_that_does_not_believe_us_is_away_for_the_caller() {
        assert_eq!(stage(0, false).await.code(READ).await, Code::Unavailable);
    }

    #[tokio::test]
    async fn a_message_that_is_too_large_is_refused_before_it_is_sent() {
        let body = Body::new(Full::new(Bytes::from(vec![0; LARGEST_REQUEST + 6])));
        assert_eq!(whole(body).await, Err(mend::message_too_large()));
    }

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
