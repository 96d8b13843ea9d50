//! The sizes of messages, the same for every service.

/// Largest request, in bytes.
pub const LARGEST_REQUEST: usize = 1 << 20;
/// Largest response, in bytes.
pub const LARGEST_RESPONSE: usize = 4 << 20;

/// A generated server that keeps these sizes; each server is a type of its own.
#[macro_export]
macro_rules! limited {
    ($server:expr) => {
        $server
            .max_decoding_message_size($crate::limits::LARGEST_REQUEST)
            .max_encoding_message_size($crate::limits::LARGEST_RESPONSE)
    };
}
