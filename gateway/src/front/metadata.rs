//! Which request headers go on. Whatever is not listed is dropped: forwarded
//! identities, internal headers, and the token itself.

use http::{HeaderMap, HeaderName};

/// What the protocols need, and what the contract lets clients say.
const LISTED: [&str; 19] = [
    "accept",
    "accept-encoding",
    "connect-accept-encoding",
    "connect-content-encoding",
    "connect-protocol-version",
    "connect-timeout-ms",
    "content-encoding",
    "content-length",
    "content-type",
    "grpc-accept-encoding",
    "grpc-encoding",
    "grpc-timeout",
    "te",
    "traceparent",
    "tracestate",
    "user-agent",
    "x-correlation-id",
    "x-grpc-web",
    "x-user-agent",
];

/// Which request headers reach a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metadata {
    /// The protocols' own, `traceparent`, `tracestate` and `x-correlation-id`.
    Listed,
    /// All but the token: for services that are not of the suite.
    All,
}

impl Metadata {
    /// Drops the others.
    pub(super) fn sift(self, headers: &mut HeaderMap) {
        let goes = |name: &HeaderName| match self {
            Self::Listed => LISTED.binary_search(&name.as_str()).is_err(),
            Self::All => name == http::header::AUTHORIZATION,
        };
        let dropped: Vec<HeaderName> = headers.keys().filter(|name| goes(name)).cloned().collect();
        for name in dropped {
            headers.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sifted(metadata: Metadata) -> Vec<String> {
        let names = [
            "authorization",
            "content-type",
            "x-correlation-id",
            "x-forwarded-for",
            "x-internal-principal",
            "grpc-previous-rpc-attempts",
        ];
        let mut headers: HeaderMap = names
            .iter()
            .map(|name| {
                (
                    HeaderName::from_static(name),
                    http::HeaderValue::from_static("1"),
                )
            })
            .collect();
        metadata.sift(&mut headers);
        let mut left: Vec<String> = headers.keys().map(ToString::to_string).collect();
        left.sort();
        left
    }

    #[test]
    fn the_list_can_be_searched() {
        assert!(LISTED.is_sorted());
    }

    #[test]
    fn only_what_is_listed_goes_on() {
        assert_eq!(
            sifted(Metadata::Listed),
            ["content-type", "x-correlation-id"]
        );
    }

    #[test]
    fn the_token_never_goes_on() {
        assert!(!sifted(Metadata::All).contains(&"authorization".to_owned()));
    }
}
