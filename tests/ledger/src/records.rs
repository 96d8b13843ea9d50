//! Reads all records through the public API: pages of incidents, and the
//! comments on each.

use std::collections::BTreeMap;

use anyhow::Result;
use futures::{StreamExt, TryStreamExt};
use mainstay_proto::mainstay::incident::v1 as pb;
use mainstay_proto::mainstay::incident::v1::incident_comment_service_client::IncidentCommentServiceClient;
use mainstay_proto::mainstay::incident::v1::incident_service_client::IncidentServiceClient;
use prost::Message;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request};

use crate::evidence::Record;
use crate::store;

/// Number of records a page holds.
const PAGE: i32 = 500;

/// A connection and its token.
#[derive(Clone, Debug)]
pub struct Reader {
    /// The connection.
    pub channel: Channel,
    /// The token.
    pub token: MetadataValue<Ascii>,
}

impl Reader {
    fn request<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        request
            .metadata_mut()
            .insert("authorization", self.token.clone());
        request
    }

    /// Every incident and every comment, by name. `commented` names the
    /// incidents that may have comments.
    pub async fn records(&self, commented: Vec<String>) -> Result<BTreeMap<String, Record>> {
        let mut records = self.incidents().await?;
        let comments: Vec<Vec<pb::IncidentComment>> = futures::stream::iter(commented)
            .map(|incident| self.comments(incident))
            .buffer_unordered(16)
            .try_collect()
            .await?;
        for comment in comments.into_iter().flatten() {
            let record = Record {
                revision: comment.revision,
                content: comment.encode_to_vec(),
            };
            records.insert(comment.name, record);
        }
        Ok(records)
    }

    async fn incidents(&self) -> Result<BTreeMap<String, Record>> {
        let mut client = IncidentServiceClient::new(self.channel.clone());
        let mut records = BTreeMap::new();
        let mut page_token = String::new();
        loop {
            let request = pb::ListIncidentsRequest {
                page_size: PAGE,
                page_token,
                order_by: "create_time".to_owned(),
                view: pb::IncidentView::Full.into(),
                ..Default::default()
            };
            let page = client
                .list_incidents(self.request(request))
                .await?
                .into_inner();
            for incident in page.incidents {
                let (name, revision) = (incident.name.clone(), incident.revision);
                records.insert(
                    name,
                    Record {
                        revision,
                        content: store::incident(incident),
                    },
                );
            }
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(records);
            }
        }
    }

    /// The comments on an incident; none when there is no such incident, which
    /// the join with the log will tell.
    async fn comments(&self, parent: String) -> Result<Vec<pb::IncidentComment>> {
        let mut client = IncidentCommentServiceClient::new(self.channel.clone());
        let mut comments = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = pb::ListIncidentCommentsRequest {
                parent: parent.clone(),
                page_size: PAGE,
                page_token,
            };
            let page = match client.list_incident_comments(self.request(request)).await {
                Ok(page) => page.into_inner(),
                Err(status) if status.code() == Code::NotFound => return Ok(comments),
                Err(status) => return Err(status.into()),
            };
            comments.extend(page.comments);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(comments);
            }
        }
    }
}
