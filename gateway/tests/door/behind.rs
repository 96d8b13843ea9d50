//! The service under test, near or far: `MAINSTAY_TEST_TOPOLOGY=apart` puts a
//! socket and the gateway's token between it and the front.

use mainstay_chassis::identity::{self, Entrance, GATEWAY, Minter, Signing, Verifier, Verifying};
use mainstay_chassis::peer::Far;
use mainstay_chassis::serve::{ServeSettings, serve};
use mainstay_chassis::{Clock, Methods, Peer};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What the service is called.
const NAME: &str = "tested";

/// The peer itself, or a way to it.
pub(crate) fn behind(peer: Peer, methods: &Methods) -> Peer {
    match std::env::var("MAINSTAY_TEST_TOPOLOGY").as_deref() {
        Ok("apart") => far(peer, methods),
        _ => peer,
    }
}

/// A way to the peer, which is served on a socket for as long as the test runs.
fn far(peer: Peer, methods: &Methods) -> Peer {
    let keys = tempfile::tempdir().expect("a folder");
    identity::generate(keys.path(), GATEWAY, false).expect("keys");
    let verifying = Verifying::load(keys.path()).expect("a public key");
    let signing = Signing::load(keys.path(), GATEWAY).expect("a private key");
    let entrance = Entrance::new(peer, Verifier::new(NAME, verifying, Clock::wall()));
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", socket.local_addr().expect("an address"));
    socket.set_nonblocking(true).expect("a socket for tokio");
    let listener = TcpListener::from_std(socket).expect("a socket for tokio");
    let settings = ServeSettings {
        streams: 16_000,
        ..ServeSettings::default()
    };
    tokio::spawn(serve(
        listener,
        entrance,
        settings,
        CancellationToken::new(),
    ));
    let way = Far::new(NAME, &url, Minter::new(signing, Clock::wall())).expect("a way");
    Peer::far(way, methods.clone())
}
