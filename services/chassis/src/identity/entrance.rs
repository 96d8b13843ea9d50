//! The entrance of a service that runs alone: who calls is read from the one
//! token, and from nothing else, before the call reaches the guarded routes.

use std::convert::Infallible;
use std::task::{Context, Poll};

use http::header::AUTHORIZATION;
use http::{Request, Response};
use tonic::body::Body;
use tower::Service;

use super::{Flaw, Verifier};
use crate::peer::{Answer, is_open, refused};
use crate::{Deadline, Peer, Permit, Principal, Refusal};

/// A service behind its entrance.
#[derive(Clone, Debug)]
pub struct Entrance {
    peer: Peer,
    verifier: Verifier,
}

impl Entrance {
    /// Lets in whom the verifier believes.
    pub fn new(peer: Peer, verifier: Verifier) -> Self {
        Self { peer, verifier }
    }

    /// Who calls.
    fn principal(&self, request: &Request<Body>) -> Result<Principal, Flaw> {
        let mut values = request.headers().get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(Flaw::Missing);
        };
        let token = value.to_str().ok();
        let token = token.and_then(|value| value.strip_prefix("Bearer "));
        self.verifier.verify(token.ok_or(Flaw::Missing)?)
    }
}

impl Service<Request<Body>> for Entrance {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Answer {
        let extensions = request.extensions_mut();
        extensions.remove::<Principal>();
        extensions.remove::<Permit>();
        extensions.remove::<Deadline>();
        if !is_open(request.uri().path()) {
            match self.principal(&request) {
                Ok(principal) => {
                    request.extensions_mut().insert(principal);
                }
                Err(flaw) => {
                    tracing::warn!(path = request.uri().path(), %flaw, "a call without a token that is believed");
                    return Box::pin(std::future::ready(Ok(refused(Refusal::unauthenticated()))));
                }
            }
        }
        request.headers_mut().remove(AUTHORIZATION);
        self.peer.call(request)
    }
}
