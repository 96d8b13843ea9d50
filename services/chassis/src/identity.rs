//! Who calls, between two processes of the suite: a token that the caller
//! signs and the service verifies. It is a JWS by Ed25519 of the type
//! `itk+jwt`, lives 60 s and is for one service. No other header says anything
//! of the caller.
//!
//! Each issuer has a key of its own, and a key may say no more than its
//! issuer: the gateway's speaks for everybody in an organization, a service's
//! only for the service itself as a follower, and nobody's for more than a
//! follower in all organizations.
//!
//! What is absent: a request id in the token. It would cost a signature per
//! call, where one is good for many; a call is found by its correlation id.

mod claims;
mod entrance;
mod keys;
mod minter;
mod verifier;

pub use entrance::Entrance;
pub use keys::{KeyError, Pair, Signing, Verifying, generate};
pub use minter::Minter;
pub use verifier::{Flaw, Verifier};

/// The issuer that speaks for everybody.
pub const GATEWAY: &str = "gateway";
/// The type in a token's head.
const TYPE: &str = "itk+jwt";
/// How long a token is good for, in seconds.
const LIFE: i64 = 60;
/// The longest token that is looked at, in bytes.
const LONGEST: usize = 8 << 10;

#[cfg(test)]
mod tests;
