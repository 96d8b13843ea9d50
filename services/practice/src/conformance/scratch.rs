//! An empty database for a test: a folder of files or, where
//! `MAINSTAY_TEST_DATABASE` is the URL of a PostgreSQL server, a database of its
//! own on that server. Either goes with the value. Tests that take it run on
//! both without knowing.

use std::path::Path;

use mainstay_chassis::Clock;
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{Database, StoreSettings};

/// Names the server.
const VARIABLE: &str = "MAINSTAY_TEST_DATABASE";

/// A database for a test.
#[derive(Debug)]
pub struct Scratch {
    folder: TempDir,
    server: Option<Server>,
}

#[derive(Debug)]
struct Server {
    /// The database that the server has anyway.
    any: String,
    /// The one of this test.
    own: String,
    name: String,
}

impl Scratch {
    /// A database of the kind that the tests run on.
    pub async fn new() -> Self {
        match std::env::var(VARIABLE) {
            Ok(url) => Self::on(&url).await,
            Err(_) => Self::file(),
        }
    }

    /// A database of its own on a PostgreSQL server.
    pub async fn on(server: &str) -> Self {
        let name = format!("test_{}", Uuid::now_v7().simple());
        let (base, query) = server.split_once('?').unwrap_or((server, ""));
        let base = base.rsplit_once('/').expect("a URL with a database").0;
        let own = format!("{base}/{name}?{query}");
        let make = format!("create database {name} template template0");
        execute(server, &make).await;
        let any = server.to_owned();
        let mut scratch = Self::file();
        scratch.server = Some(Server { any, own, name });
        scratch
    }

    /// A folder of files, whatever the other tests run on.
    pub fn file() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            server: None,
        }
    }

    /// The database.
    pub fn database(&self) -> Database {
        match &self.server {
            Some(server) => Database::Postgres {
                url: server.own.parse().expect("the URL of a database"),
            },
            None => Database::files(self.folder()),
        }
    }

    /// Its URL, where it is not a folder of files.
    pub fn url(&self) -> Option<&str> {
        self.server.as_ref().map(|server| server.own.as_str())
    }

    /// A folder that goes with it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What a store on it is opened with.
    pub fn settings(&self) -> StoreSettings {
        StoreSettings {
            database: self.database(),
            clock: Clock::wall(),
            drain: CancellationToken::new(),
        }
    }

    /// A connection to a service's tables, past its store: for what nobody
    /// else may do, and to see what is really there.
    pub async fn connect(&self, service: &str) -> DatabaseConnection {
        let options = match &self.server {
            Some(server) => {
                let mut options = ConnectOptions::new(server.own.clone());
                options.set_schema_search_path(service);
                options
            }
            None => {
                let file = self.folder().join(format!("{service}.db"));
                ConnectOptions::new(format!("sqlite://{}", file.display()))
            }
        };
        sea_orm::Database::connect(options)
            .await
            .expect("a connection")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let Some(server) = self.server.take() else {
            return;
        };
        // Tests drop it inside of their runtime, which cannot wait for this.
        let drop = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let text = format!("drop database if exists {} with (force)", server.name);
            runtime
                .expect("a runtime")
                .block_on(execute(&server.any, &text));
        });
        // A server that is gone keeps nothing either.
        let _ = drop.join();
    }
}

async fn execute(url: &str, text: &str) {
    let connection = sea_orm::Database::connect(url).await.expect("a server");
    connection.execute_unprepared(text).await.expect(text);
    connection.close().await.expect("an end");
}
