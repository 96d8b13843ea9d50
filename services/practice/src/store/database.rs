//! Where a service's records are kept: in a file, or in a PostgreSQL database.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Deserialize;
use sqlx::postgres::PgConnectOptions;

/// Where the stores of services are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// SQLite: a file `{service}.db` for each service.
    Sqlite {
        /// The folder of the files.
        folder: PathBuf,
    },
    /// PostgreSQL: a schema for each service, named after it.
    Postgres {
        /// The database.
        url: DatabaseUrl,
    },
}

impl Database {
    /// Files in a folder.
    pub fn files(folder: impl Into<PathBuf>) -> Self {
        Self::Sqlite {
            folder: folder.into(),
        }
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { folder } => write!(f, "SQLite in {}", folder.display()),
            Self::Postgres { url } => write!(f, "PostgreSQL at {url}"),
        }
    }
}

/// How a PostgreSQL database is reached. Shown without user and password.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct DatabaseUrl(String);

/// Why a text is no URL of a database. It does not repeat the text, which may
/// hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "is not the URL of a PostgreSQL database: write postgres://USER:PASSWORD@HOST:PORT/DATABASE, with ?sslmode=verify-full to insist on TLS"
)]
pub struct NoDatabaseUrl;

impl FromStr for DatabaseUrl {
    type Err = NoDatabaseUrl;

    fn from_str(text: &str) -> Result<Self, NoDatabaseUrl> {
        let scheme = ["postgres://", "postgresql://"];
        let known = scheme.iter().any(|scheme| text.starts_with(scheme));
        match known && text.parse::<PgConnectOptions>().is_ok() {
            true => Ok(Self(text.to_owned())),
            false => Err(NoDatabaseUrl),
        }
    }
}

impl TryFrom<String> for DatabaseUrl {
    type Error = NoDatabaseUrl;

    fn try_from(text: String) -> Result<Self, NoDatabaseUrl> {
        text.parse()
    }
}

impl DatabaseUrl {
    /// How connections are made.
    pub(super) fn options(&self) -> PgConnectOptions {
        // It was parsed before; the environment may add to it, never break it.
        self.0.parse().unwrap_or_default()
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = self.options();
        let host = match options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => options.get_host().to_owned(),
        };
        let database = options.get_database().unwrap_or(options.get_username());
        write!(f, "{host}:{}/{database}", options.get_port())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_never_shows_its_password() {
        let url: DatabaseUrl = "postgres://ada:se%20cret@db.example:5433/itsm"
            .parse()
            .unwrap();
        assert_eq!(url.to_string(), "db.example:5433/itsm");
        let database = Database::Postgres { url };
        assert!(!format!("{database:?} {database}").contains("cret"));
    }

    #[test]
    fn other_texts_are_refused_without_being_repeated() {
        for text in [
            "",
            "mysql://ada:secret@db/itsm",
            "postgres://ada:secret@db:port/itsm",
        ] {
            let refusal = DatabaseUrl::from_str(text).unwrap_err();
            assert!(!refusal.to_string().contains("secret"), "{text}");
        }
    }
}
