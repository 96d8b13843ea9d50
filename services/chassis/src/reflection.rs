//! Reflection, v1 and v1alpha, of the contract, of the error details (without
//! them clients show details as base64) and of health.

use tonic::service::Routes;
use tonic_reflection::server::{Builder, Error};

/// Adds both reflection services to the routes.
pub fn reflected(routes: Routes) -> Result<Routes, Error> {
    Ok(routes
        .add_service(builder().build_v1()?)
        .add_service(builder().build_v1alpha()?))
}

fn builder() -> Builder<'static> {
    Builder::configure()
        .register_encoded_file_descriptor_set(mainstay_proto::IMAGE)
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET)
}
