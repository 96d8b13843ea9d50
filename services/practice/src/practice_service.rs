//! `PracticeService` of one practice: what the contract's descriptors and the
//! practice's own tables say of it. Nothing here is written twice: RPCs,
//! permissions and summaries come from the image, workflows from the
//! lifecycles that enforce them.

use mainstay_chassis::{Method, Refusal};
use mainstay_proto::mainstay::practice::v1 as pb;
use prost_reflect::{DescriptorPool, FileDescriptor};
use tonic::{Request, Response, Status};

/// What a practice says of itself beyond its contract.
#[derive(Clone, Debug)]
pub struct Portrait {
    /// Its word, such as `incident`.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// Its proto package.
    pub package: &'static str,
    /// What it is for.
    pub objectives: &'static [&'static str],
    /// The lifecycles of its records.
    pub workflows: Vec<pb::Workflow>,
    /// The events of other services that it follows.
    pub followed_events: Vec<pb::FollowedEvent>,
    /// The timers that its records arm.
    pub timers: Vec<pb::PracticeTimer>,
    /// The stages of a service's life that it serves.
    pub lifecycle_stages: &'static [&'static str],
}

/// Serves the description of one practice.
#[derive(Clone, Debug)]
pub struct PracticeApi {
    practice: pb::Practice,
}

impl PracticeApi {
    /// The service of a practice, described from the contract's descriptors.
    pub fn new(portrait: Portrait) -> Self {
        Self {
            practice: portrait.practice(mainstay_proto::descriptors()),
        }
    }
}

#[tonic::async_trait]
impl pb::practice_service_server::PracticeService for PracticeApi {
    async fn get_practice(
        &self,
        request: Request<pb::GetPracticeRequest>,
    ) -> Result<Response<pb::GetPracticeResponse>, Status> {
        let name = request.into_inner().name;
        let asked = name.strip_prefix("practices/").unwrap_or(&name);
        if self.practice.name.strip_prefix("practices/") != Some(asked) {
            return Err(Refusal::not_found(format!("practices/{asked}")).into());
        }
        Ok(Response::new(pb::GetPracticeResponse {
            practice: Some(self.practice.clone()),
        }))
    }

    async fn list_practices(
        &self,
        _: Request<pb::ListPracticesRequest>,
    ) -> Result<Response<pb::ListPracticesResponse>, Status> {
        Ok(Response::new(pb::ListPracticesResponse {
            practices: vec![self.practice.clone()],
        }))
    }
}

impl Portrait {
    fn practice(self, pool: &DescriptorPool) -> pb::Practice {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        pb::Practice {
            name: format!("practices/{}", self.name),
            title: self.title.to_owned(),
            objectives: owned(self.objectives),
            workflows: self.workflows,
            rpcs: rpcs(pool, self.package),
            followed_events: self.followed_events,
            emitted_events: emitted_events(pool, self.package),
            metrics: Vec::new(),
            responsibilities: Vec::new(),
            lifecycle_stages: owned(self.lifecycle_stages),
            timers: self.timers,
        }
    }
}

/// The RPCs of a package, in the order of its files.
fn rpcs(pool: &DescriptorPool, package: &str) -> Vec<pb::PracticeRpc> {
    let services = pool
        .services()
        .filter(|service| service.package_name() == package);
    let methods = services.flat_map(|service| service.methods().collect::<Vec<_>>());
    let told = methods.filter_map(|method| {
        let summary = summary(&method.parent_service().parent_file(), method.path());
        let method = Method::of(method)?;
        Some(pb::PracticeRpc {
            method: method.path.trim_start_matches('/').to_owned(),
            permission: method.permission,
            summary,
        })
    });
    told.collect()
}

/// The messages of the package's files of events, in their order.
fn emitted_events(pool: &DescriptorPool, package: &str) -> Vec<pb::EmittedEvent> {
    let files = pool
        .files()
        .filter(|file| file.package_name() == package && file.name().ends_with("_events.proto"));
    let messages = files.flat_map(|file| file.messages().collect::<Vec<_>>());
    let told = messages.map(|message| pb::EmittedEvent {
        r#type: message.full_name().to_owned(),
        summary: summary(&message.parent_file(), message.path()),
    });
    told.collect()
}

/// The first paragraph of the comment at a place of a proto file, on one line.
fn summary(file: &FileDescriptor, path: &[i32]) -> String {
    let info = file.file_descriptor_proto().source_code_info.as_ref();
    let places = info
        .map(|info| info.location.as_slice())
        .unwrap_or_default();
    let comment = places
        .iter()
        .find(|place| place.path == path)
        .map(|place| place.leading_comments());
    let lines = comment.unwrap_or_default().lines().map(str::trim);
    lines
        .take_while(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn portrait(package: &'static str) -> Portrait {
        Portrait {
            name: "access",
            title: "Access",
            package,
            objectives: &["Lets in who may come in."],
            workflows: Vec::new(),
            followed_events: Vec::new(),
            timers: Vec::new(),
            lifecycle_stages: &["operation"],
        }
    }

    #[test]
    fn every_rpc_and_event_of_the_package_is_told_in_the_contracts_words() {
        let practice = portrait("mainstay.access.v1").practice(mainstay_proto::descriptors());
        assert!(!practice.rpcs.is_empty() && !practice.emitted_events.is_empty());
        for rpc in &practice.rpcs {
            assert!(
                rpc.method.starts_with("mainstay.access.v1."),
                "{}",
                rpc.method
            );
            assert!(
                rpc.permission.starts_with("access."),
                "{} asks for {}",
                rpc.method,
                rpc.permission
            );
            assert!(
                rpc.summary.ends_with('.'),
                "{}: {:?}",
                rpc.method,
                rpc.summary
            );
        }
        for event in &practice.emitted_events {
            assert!(
                event.summary.ends_with('.'),
                "{}: {:?}",
                event.r#type,
                event.summary
            );
        }
    }

    #[test]
    fn a_package_that_is_not_there_has_nothing_to_tell() {
        let practice = portrait("mainstay.nowhere.v1").practice(mainstay_proto::descriptors());
        assert!(practice.rpcs.is_empty() && practice.emitted_events.is_empty());
    }

    #[tokio::test]
    async fn a_practice_is_found_by_either_of_its_names() {
        use pb::practice_service_server::PracticeService;
        let api = PracticeApi::new(portrait("mainstay.access.v1"));
        for name in ["access", "practices/access"] {
            let request = Request::new(pb::GetPracticeRequest {
                name: name.to_owned(),
            });
            assert!(api.get_practice(request).await.is_ok());
        }
        let request = Request::new(pb::GetPracticeRequest {
            name: "incident".to_owned(),
        });
        assert_eq!(
            api.get_practice(request).await.unwrap_err().code(),
            tonic::Code::NotFound
        );
    }
}
