//! `mainstay token`: tokens are made, listed and revoked.

use mainstay_chassis::Clock;
use mainstay_proto::mainstay::access::v1 as pb;
use mainstay_proto::mainstay::access::v1::access_service_client::AccessServiceClient;

use crate::client::{Connection, ServerArgs};
use crate::{Usage, output, time};

/// What to do with tokens.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum What {
    /// Make a token; its secret is printed once, on standard output.
    Create {
        /// The service account that acts by it, such as `pager`.
        #[arg(long)]
        name: String,
        /// What it may do: viewer, agent, importer or administrator.
        #[arg(long)]
        role: String,
        /// When it stops working: a time, or a span from now such as `30d`.
        #[arg(long, value_name = "WHEN")]
        expires: Option<String>,
        /// Print the reply as JSON, the secret in it.
        #[arg(long)]
        json: bool,
    },
    /// List the tokens, newest first.
    List {
        /// Print one JSON object per token.
        #[arg(long)]
        json: bool,
    },
    /// Revoke a token at once and for ever.
    Revoke {
        /// Its name, as `token list` says it: `tokens/…` or the id alone.
        token: String,
    },
}

/// Does it.
pub(crate) async fn run(server: &ServerArgs, what: What) -> anyhow::Result<()> {
    let client = AccessServiceClient::new(server.connect()?);
    match what {
        What::Create {
            name,
            role,
            expires,
            json,
        } => {
            let expire_time = expires.as_deref().map(expiry).transpose()?;
            let token = pb::Token {
                account: name,
                role,
                expire_time,
                ..Default::default()
            };
            create(server, client, token, json).await
        }
        What::List { json } => list(server, client, json).await,
        What::Revoke { token } => revoke(server, client, &token).await,
    }
}

async fn create(
    server: &ServerArgs,
    mut client: AccessServiceClient<Connection>,
    token: pb::Token,
    json: bool,
) -> anyhow::Result<()> {
    let request_id = uuid::Uuid::now_v7().to_string();
    let request = pb::CreateTokenRequest {
        parent: String::new(),
        token: Some(token),
        request_id,
    };
    let made = client
        .create_token(request)
        .await
        .map_err(|status| server.explain(&status))?
        .into_inner();
    if json {
        return Ok(output::say(output::json(
            "mainstay.access.v1.CreateTokenResponse",
            &made,
        )?)?);
    }
    let token = made.token.unwrap_or_default();
    let until = output::instant(token.expire_time.as_ref());
    output::remark(format!(
        "{}: {} as {}, expires {until}",
        short(&token.name),
        token.account,
        token.role
    ));
    output::remark("The secret is shown this once; send it as `authorization: Bearer SECRET`.");
    Ok(output::say(made.secret)?)
}

async fn list(
    server: &ServerArgs,
    mut client: AccessServiceClient<Connection>,
    json: bool,
) -> anyhow::Result<()> {
    let mut page_token = String::new();
    loop {
        let request = pb::ListTokensRequest {
            page_size: 500,
            page_token,
            ..Default::default()
        };
        let page = client
            .list_tokens(request)
            .await
            .map_err(|status| server.explain(&status))?
            .into_inner();
        for token in &page.tokens {
            output::say(match json {
                true => output::json("mainstay.access.v1.Token", token)?,
                false => line(token),
            })?;
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(());
        }
    }
}

async fn revoke(
    server: &ServerArgs,
    mut client: AccessServiceClient<Connection>,
    token: &str,
) -> anyhow::Result<()> {
    let name = if token.contains('/') {
        token.to_owned()
    } else {
        format!("tokens/{token}")
    };
    let request = pb::RevokeTokenRequest {
        name,
        etag: String::new(),
        request_id: uuid::Uuid::now_v7().to_string(),
    };
    let done = client
        .revoke_token(request)
        .await
        .map_err(|status| server.explain(&status))?
        .into_inner();
    Ok(output::say(line(&done.token.unwrap_or_default()))?)
}

/// A token on one line.
fn line(token: &pb::Token) -> String {
    let state = match token.state() {
        pb::TokenState::Active => "active",
        pb::TokenState::Revoked => "revoked",
        pb::TokenState::Unspecified => "-",
    };
    let (made, until) = (
        output::instant(token.create_time.as_ref()),
        output::instant(token.expire_time.as_ref()),
    );
    format!(
        "{}  {state:<7}  {:<13}  {}  made {made}  expires {until}",
        short(&token.name),
        token.role,
        token.account
    )
}

/// A name without its organization.
fn short(name: &str) -> &str {
    name.find("tokens/").map_or(name, |at| &name[at..])
}

/// A time, or a span from now.
fn expiry(text: &str) -> anyhow::Result<prost_types::Timestamp> {
    if let Ok(span) = text.parse::<jiff::Span>() {
        let length = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours());
        let now = jiff::Timestamp::from_microsecond(Clock::wall().now_us());
        let at = length.and_then(|length| now?.checked_add(length));
        let at = at.map_err(|_| {
            Usage::new(format!(
                "--expires {text}: give days, hours or less, such as 30d or 12h"
            ))
        })?;
        return Ok(mainstay_chassis::clock::timestamp(at.as_microsecond()));
    }
    time::instant("--expires", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_is_a_span_from_now_or_a_time() {
        let now = jiff::Timestamp::now().as_second();
        let month = expiry("30d").unwrap().seconds - now;
        assert!((30 * 86_400..30 * 86_400 + 5).contains(&month), "{month}");
        assert_eq!(
            expiry("2030-01-02T03:04:05Z").unwrap().seconds,
            1_893_553_445
        );
        assert!(expiry("1mo").is_err() && expiry("soon").is_err());
    }

    #[test]
    fn a_name_is_shown_without_its_organization() {
        assert_eq!(short("organizations/default/tokens/1"), "tokens/1");
    }
}
