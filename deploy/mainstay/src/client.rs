//! How every client command reaches the server: one channel, one bearer, and
//! one way to say what went wrong.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use crate::Usage;

/// Where the server is and who calls.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct ServerArgs {
    /// Address of the server.
    #[arg(
        long,
        value_name = "URL",
        env = "MAINSTAY_SERVER",
        default_value = "http://127.0.0.1:8080",
        help_heading = "Server",
        global = true
    )]
    server: String,
    /// File that holds the token. MAINSTAY_TOKEN (the token itself) and
    /// MAINSTAY_TOKEN_FILE say it as well; without any, `data/admin.token`.
    #[arg(long, value_name = "FILE", help_heading = "Server", global = true)]
    token_file: Option<PathBuf>,
}

/// A connection that carries the token.
pub(crate) type Connection = InterceptedService<Channel, Bearer>;

/// Puts the token into each call.
#[derive(Clone)]
pub(crate) struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request
            .metadata_mut()
            .insert("authorization", self.0.clone());
        Ok(request)
    }
}

impl ServerArgs {
    /// A connection, made by the first call and again whenever it is lost.
    pub(crate) fn connect(&self) -> anyhow::Result<Connection> {
        let bearer = Bearer(bearer(&self.token()?)?);
        let endpoint = endpoint(&self.server)?
            .connect_timeout(Duration::from_secs(5))
            .http2_keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(20))
            .keep_alive_while_idle(true)
            .tcp_nodelay(true);
        Ok(InterceptedService::new(endpoint.connect_lazy(), bearer))
    }

    /// What went wrong with a call, for the person at the terminal.
    pub(crate) fn explain(&self, status: &Status) -> anyhow::Error {
        if is_unreachable(status) {
            return anyhow::anyhow!(
                "cannot reach {}: is the server running? `mainstay` starts one",
                self.server
            );
        }
        let details = status.get_error_details();
        let reason = details
            .error_info()
            .map_or_else(|| status.code().to_string(), |info| info.reason.clone());
        let mut text = format!("{reason}: {}", status.message());
        let violations = details
            .bad_request()
            .map(|request| request.field_violations.as_slice())
            .unwrap_or_default();
        for violation in violations.iter().skip(1) {
            text.push_str(&format!(
                "\n  {} {}",
                violation.field, violation.description
            ));
        }
        anyhow::Error::msg(text)
    }

    fn token(&self) -> anyhow::Result<String> {
        if self.token_file.is_none()
            && let Ok(token) = std::env::var("MAINSTAY_TOKEN")
        {
            return Ok(token);
        }
        let from_environment = || std::env::var_os("MAINSTAY_TOKEN_FILE").map(PathBuf::from);
        let path = self
            .token_file
            .clone()
            .or_else(from_environment)
            .unwrap_or_else(|| "data/admin.token".into());
        let read = std::fs::read_to_string(&path);
        read.with_context(|| {
            format!(
                "no token in {}: name a file with --token-file or MAINSTAY_TOKEN_FILE",
                path.display()
            )
        })
    }
}

/// Whether a call failed for want of a server, rather than by its answer.
pub(crate) fn is_unreachable(status: &Status) -> bool {
    use std::error::Error as _;
    status.code() == Code::Unavailable && status.source().is_some() && status.details().is_empty()
}

fn bearer(token: &str) -> anyhow::Result<MetadataValue<Ascii>> {
    let mut value: MetadataValue<Ascii> = format!("Bearer {}", token.trim())
        .parse()
        .map_err(|_| Usage::new("the token holds characters that no token has"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn endpoint(server: &str) -> anyhow::Result<Endpoint> {
    let url = if server.contains("://") {
        server.to_owned()
    } else {
        format!("http://{server}")
    };
    if url.starts_with("https://") {
        return Err(Usage::new(
            "this client speaks no TLS yet: use an http:// address, through a tunnel if need be",
        )
        .into());
    }
    Endpoint::from_shared(url).map_err(|_| {
        Usage::new(format!(
            "`{server}` is no address, such as http://127.0.0.1:8080"
        ))
        .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_leave_out_the_scheme() {
        assert_eq!(
            endpoint("127.0.0.1:9").unwrap().uri().to_string(),
            "http://127.0.0.1:9/"
        );
    }

    #[test]
    fn tls_and_nonsense_are_refused() {
        assert!(endpoint("https://host").is_err());
        assert!(endpoint("http://a b").is_err());
    }

    #[test]
    fn a_token_keeps_out_of_debug_output() {
        let value = bearer(" mst_secret\n").unwrap();
        assert_eq!(value.to_str().unwrap(), "Bearer mst_secret");
        assert!(!format!("{value:?}").contains("mst_secret"));
    }
}
