//! The contract in Rust: messages, clients and servers made of `proto/`, the
//! image that describes it, and the checks that its rules ask for.

#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    reason = "generated"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/_includes.rs"));
}
#[allow(unused_parens, clippy::all, clippy::restriction, reason = "generated")]
mod checked {
    include!(concat!(env!("OUT_DIR"), "/rules.rs"));
}

pub mod check;
pub mod codec;
mod logged_event;

pub use generated::mainstay;
pub use logged_event::LoggedEvent;

/// The image: a `FileDescriptorSet` of the contract and all it imports, with
/// options, rules and comments.
pub const IMAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/mainstay.binpb"));

/// The descriptors of the contract, with those of the error details.
pub fn descriptors() -> &'static prost_reflect::DescriptorPool {
    static POOL: std::sync::LazyLock<prost_reflect::DescriptorPool> =
        std::sync::LazyLock::new(|| {
            let mut pool = prost_reflect::DescriptorPool::new();
            for set in [IMAGE, tonic_types::pb::FILE_DESCRIPTOR_SET] {
                #[expect(
                    clippy::expect_used,
                    reason = "the image was checked when it was built"
                )]
                pool.decode_file_descriptor_set(set).expect("a valid image");
            }
            pool
        });
    &POOL
}
