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
    let keys = tempfile::tempdir().unwrap();
    identity::generate(keys.path(), GATEWAY, false).unwrap();
    let verifying = Verifying::load(keys.path()).unwrap();
    let signing = Signing::load(keys.path(), GATEWAY).unwrap();
    let entrance = Entrance::new(peer, Verifier::new(NAME, verifying, Clock::wall()));
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    socket.set_nonblocking(true).unwrap();
    let listener = TcpListener::from_std(socket).unwrap();
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
    let way = Far::new(NAME, &url, Minter::new(signing, Clock::wall())).unwrap();
    Peer::far(way, methods.clone())
}
