//! How tokens are listed: newest first, by the index of `m0001_token`.

use mainstay_practice::page::{Collection, Key, Order};
use prost::Message as _;

use super::token::{Column, Model};

/// The tokens of an organization.
pub(crate) const TOKENS: Collection<Model> = Collection {
    method: "mainstay.access.v1.AccessService/ListTokens",
    fields: &[],
    orders: &[Order {
        name: "create_time desc",
        keys: &[Key {
            column: Column::CreateUs,
            descending: true,
        }],
    }],
    weight: |token| token.snapshot().encoded_len(),
};
