//! The Connect conformance suite against the door, the front and the accept
//! loop, with the suite's service behind them.
//!
//! `tests/connect_conformance` starts it; it needs Go, whose module proxy gives
//! the suite. Under a plain `cargo test` it does nothing. The suite starts this
//! same program as the server under test.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test without the usual harness: what goes wrong ends it"
)]

mod messages;
mod plan;
mod raw;
mod reference;
mod verdict;

use std::collections::BTreeSet;
use std::env;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use http::{HeaderValue, Request, header::AUTHORIZATION};
use mainstay_chassis::serve::{ServeSettings, serve};
use mainstay_chassis::{Deadline, Method, Methods, Peer, Principal};
use mainstay_gateway::door::Door;
use mainstay_gateway::front::{Authenticator, Front, Limits, Metadata};
use prost::Message;
use prost_reflect::{DescriptorPool, Value};
use protox::file::{ChainFileResolver, GoogleFileResolver, IncludeFileResolver};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::service::Routes;
use tower::ServiceExt;

use messages::{PACKAGE, new, number};
use reference::{Asked, Query, Reference};
use verdict::Verdict;

const MODULE: &str = "connectrpc.com/conformance";
const VERSION: &str = "v1.0.7";
/// Tells the server where the suite's proto files lie.
const PROTO: &str = "CONFORMANCE_PROTO";

fn main() -> ExitCode {
    let asked: Vec<String> = env::args().skip(1).collect();
    match asked.first().map(String::as_str) {
        Some("--serve") => serve_one(),
        Some("--suite") => return run(&asked[1..]),
        _ => {}
    }
    ExitCode::SUCCESS
}

/// Runs the suite; more arguments go to it.
fn run(more: &[String]) -> ExitCode {
    let bin = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("conformance");
    let tool = format!("{MODULE}/cmd/connectconformance@{VERSION}");
    let installed = Command::new("go")
        .args(["install", &tool])
        .env("GOBIN", &bin)
        .status()
        .expect("go is installed");
    assert!(installed.success(), "the suite could not be installed");
    let listed = Command::new("go")
        .args(["mod", "download", "-json", &format!("{MODULE}@{VERSION}")])
        .output()
        .expect("go is installed");
    let listed: serde_json::Value =
        serde_json::from_slice(&listed.stdout).expect("go tells where the module lies");
    let proto = PathBuf::from(listed["Dir"].as_str().expect("a folder")).join("proto");
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let ran = Command::new(bin.join("connectconformance"))
        .args(["--mode", "server", "--conf"])
        .arg(here.join("config.yaml"))
        .args(more)
        .arg("--")
        .arg(env::current_exe().expect("its own path"))
        .arg("--serve")
        .env(PROTO, proto)
        .output()
        .expect("the suite was installed");
    let known = std::fs::read_to_string(here.join("known-failing")).expect("the list");
    let verdict = Verdict::of(
        &String::from_utf8_lossy(&ran.stdout),
        &known,
        more.is_empty(),
    );
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}{verdict}", String::from_utf8_lossy(&ran.stderr)).expect("somebody listens");
    ExitCode::from(u8::from(!verdict.good()))
}

/// Serves as the suite asks on standard input, until it is killed.
#[tokio::main]
async fn serve_one() {
    let pool = suite();
    let mut length = [0; 4];
    std::io::stdin()
        .read_exact(&mut length)
        .expect("the suite says what it wants");
    let mut request = vec![0; usize::try_from(u32::from_be_bytes(length)).expect("it fits")];
    std::io::stdin()
        .read_exact(&mut request)
        .expect("the suite says what it wants");
    let mut wanted = new(&pool, "ServerCompatRequest");
    wanted
        .merge(request.as_slice())
        .expect("the suite's own message");
    let largest = match number(&wanted, "message_receive_limit") {
        0 => 1 << 20,
        limit => usize::try_from(limit).expect("it fits"),
    };

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("its address").port();
    let mut told = new(&pool, "ServerCompatResponse");
    told.set_field_by_name("host", Value::String("127.0.0.1".to_owned()));
    told.set_field_by_name("port", Value::U32(port.into()));
    let told = told.encode_to_vec();
    let mut out = std::io::stdout().lock();
    out.write_all(&u32::try_from(told.len()).expect("it fits").to_be_bytes())
        .expect("the suite listens");
    out.write_all(&told).expect("the suite listens");
    out.flush().expect("the suite listens");
    drop(out);

    let front = front(&pool, largest);
    let front = front.map_request(|mut request: Request<Body>| {
        request
            .headers_mut()
            .insert(AUTHORIZATION, HeaderValue::from_static("Bearer suite"));
        if let Ok(Some(asked)) = Deadline::asked(request.headers()) {
            request.extensions_mut().insert(Asked(asked));
        }
        if request.method() == http::Method::GET
            && let Some(query) = request.uri().query()
        {
            let query = Query(query.to_owned());
            request.extensions_mut().insert(query);
        }
        request
    });
    serve(
        listener,
        front,
        ServeSettings::default(),
        CancellationToken::new(),
    )
    .await;
}

/// The suite's descriptors.
fn suite() -> DescriptorPool {
    let folder = env::var_os(PROTO).expect("the runner says where the suite's proto files lie");
    let mut resolver = ChainFileResolver::new();
    resolver.add(IncludeFileResolver::new(PathBuf::from(folder)));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true);
    for file in ["service", "server_compat"] {
        compiler
            .open_file(format!("connectrpc/conformance/v1/{file}.proto"))
            .expect("the suite's proto files");
    }
    let mut pool = DescriptorPool::new();
    for set in [
        compiler.encode_file_descriptor_set().as_slice(),
        tonic_types::pb::FILE_DESCRIPTOR_SET,
    ] {
        pool.decode_file_descriptor_set(set).expect("descriptors");
    }
    pool
}

/// The front, with one peer.
fn front(pool: &DescriptorPool, largest: usize) -> Front {
    let service = pool
        .get_service_by_name(&format!("{PACKAGE}.ConformanceService"))
        .expect("the suite's service");
    let methods: Methods = service
        .methods()
        .map(|descriptor| Method {
            path: format!("/{PACKAGE}.ConformanceService/{}", descriptor.name()),
            permission: "conformance".to_owned(),
            cost: 1,
            no_side_effects: descriptor.name() == "IdempotentUnary",
            descriptor,
        })
        .collect();
    let routes = Routes::new(Reference {
        pool: pool.clone(),
        largest,
    });
    let peer = Peer::new(routes, methods.clone());
    let door = Door::new(pool.clone(), &methods, [(PACKAGE.to_owned(), peer)])
        .with_largest_request(largest);
    let limits = Limits {
        metadata: Metadata::All,
        ..Limits::default()
    };
    Front::new(methods, Arc::new(Anybody), limits, door)
}

struct Anybody;

impl Authenticator for Anybody {
    fn authenticate(&self, _: &str) -> Option<Principal> {
        let permissions = Arc::new(BTreeSet::from(["conformance".to_owned()]));
        Some(Principal::new(
            "suite",
            "default",
            permissions,
            CancellationToken::new(),
        ))
    }
}
