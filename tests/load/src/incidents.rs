//! What clients do with incidents: create, get, list, resolve.

use anyhow::{Result, ensure};
use mainstay_proto::mainstay::incident::v1 as pb;
use mainstay_proto::mainstay::incident::v1::incident_service_client::IncidentServiceClient;
use tonic::transport::Channel;

use crate::drive::Work;
use crate::target::{Line, Lines};

/// Number of services and teams that incidents are spread over.
const SERVICES: u32 = 50;
const TEAMS: u32 = 20;

/// The clients of a loop: one worker per client, spread over the connections.
pub(crate) fn workers<W>(
    lines: &Lines,
    clients: usize,
    make: impl Fn(Line, fastrand::Rng, usize) -> W,
) -> Vec<W> {
    let rng = |client: usize| fastrand::Rng::with_seed(u64::try_from(client).unwrap_or_default());
    (0..clients)
        .map(|client| make(lines.line(client), rng(client), client))
        .collect()
}

fn client(line: &Line) -> IncidentServiceClient<Channel> {
    IncidentServiceClient::new(line.channel.clone())
}

fn uuid(random: &mut fastrand::Rng) -> String {
    // Seeds repeat from loop to loop, request ids must not.
    let bits = random.u128(..) ^ fastrand::u128(..);
    uuid::Builder::from_random_bytes(bits.to_be_bytes())
        .into_uuid()
        .to_string()
}

/// Creates incidents.
#[derive(Debug)]
pub(crate) struct Create {
    line: Line,
    client: IncidentServiceClient<Channel>,
    random: fastrand::Rng,
    /// Names of what was created.
    pub(crate) made: Vec<String>,
}

impl Create {
    /// A creator.
    pub(crate) fn new(line: Line, random: fastrand::Rng) -> Self {
        Self {
            client: client(&line),
            line,
            random,
            made: Vec::new(),
        }
    }

    fn incident(&mut self) -> pb::Incident {
        let random = &mut self.random;
        let level = |number: u32| i32::try_from(number).unwrap_or_default();
        pb::Incident {
            title: "Payments time out in the checkout of the northern shops".to_owned(),
            description: "Since the last deployment every third payment ends after 30 s; \
                          the queue grows, and customers call."
                .to_owned(),
            impact: level(1 + random.u32(..4)),
            urgency: level(1 + random.u32(..3)),
            service: format!("service-{}", random.u32(..SERVICES)),
            team: format!("team-{}", random.u32(..TEAMS)),
            requester: format!("user-{}", random.u32(..1_000)),
            ..Default::default()
        }
    }
}

impl Work for Create {
    async fn call(&mut self) -> Result<()> {
        let request = pb::CreateIncidentRequest {
            incident: Some(self.incident()),
            request_id: uuid(&mut self.random),
            ..Default::default()
        };
        let response = self
            .client
            .create_incident(self.line.request(request))
            .await?;
        self.made
            .push(response.into_inner().incident.unwrap_or_default().name);
        Ok(())
    }
}

/// Gets incidents by name, at random.
#[derive(Debug)]
pub(crate) struct Get {
    line: Line,
    client: IncidentServiceClient<Channel>,
    random: fastrand::Rng,
    names: std::sync::Arc<Vec<String>>,
}

impl Get {
    /// A reader of these incidents.
    pub(crate) fn new(
        line: Line,
        random: fastrand::Rng,
        names: std::sync::Arc<Vec<String>>,
    ) -> Self {
        Self {
            client: client(&line),
            line,
            random,
            names,
        }
    }
}

impl Work for Get {
    async fn call(&mut self) -> Result<()> {
        let name = self.names[self.random.usize(..self.names.len())].clone();
        let request = pb::GetIncidentRequest { name, as_of: None };
        self.client.get_incident(self.line.request(request)).await?;
        Ok(())
    }
}

/// Lists 50 incidents by a filter of one or two fields.
#[derive(Debug)]
pub(crate) struct List {
    line: Line,
    client: IncidentServiceClient<Channel>,
    random: fastrand::Rng,
}

impl List {
    /// A reader of lists.
    pub(crate) fn new(line: Line, random: fastrand::Rng) -> Self {
        Self {
            client: client(&line),
            line,
            random,
        }
    }

    fn filter(&mut self) -> String {
        let random = &mut self.random;
        match random.u32(..5) {
            0 => format!("service == \"service-{}\"", random.u32(..SERVICES)),
            1 => format!("team == \"team-{}\"", random.u32(..TEAMS)),
            2 => format!(
                "state == NEW && service == \"service-{}\"",
                random.u32(..SERVICES)
            ),
            3 => format!("priority == P{}", 1 + random.u32(..5)),
            _ => "state in [NEW, IN_PROGRESS]".to_owned(),
        }
    }
}

impl Work for List {
    async fn call(&mut self) -> Result<()> {
        let request = pb::ListIncidentsRequest {
            page_size: 50,
            filter: self.filter(),
            ..Default::default()
        };
        let filter = request.filter.clone();
        let page = self
            .client
            .list_incidents(self.line.request(request))
            .await?
            .into_inner();
        ensure!(
            !page.incidents.is_empty(),
            "no incident is listed by {filter}"
        );
        Ok(())
    }
}

/// Resolves incidents of its own share, and reopens those that are resolved:
/// both read, decide and write, and the loop never runs out of incidents.
#[derive(Debug)]
pub(crate) struct Resolve {
    line: Line,
    client: IncidentServiceClient<Channel>,
    random: fastrand::Rng,
    share: Vec<(String, bool)>,
}

impl Resolve {
    /// A worker on a share of the incidents: (name, whether it is resolved).
    pub(crate) fn new(line: Line, random: fastrand::Rng, share: Vec<(String, bool)>) -> Self {
        Self {
            client: client(&line),
            line,
            random,
            share,
        }
    }
}

impl Work for Resolve {
    async fn call(&mut self) -> Result<()> {
        let place = self.random.usize(..self.share.len());
        let request_id = uuid(&mut self.random);
        let (name, resolved) = &mut self.share[place];
        match *resolved {
            false => resolve(&mut self.client, &self.line, name, request_id).await?,
            true => {
                let request = pb::ReopenIncidentRequest {
                    name: name.clone(),
                    reason: "It has come back.".to_owned(),
                    request_id,
                    ..Default::default()
                };
                self.client
                    .reopen_incident(self.line.request(request))
                    .await?;
            }
        }
        *resolved = !*resolved;
        Ok(())
    }
}

async fn resolve(
    client: &mut IncidentServiceClient<Channel>,
    line: &Line,
    name: &str,
    request_id: String,
) -> Result<()> {
    let resolution = pb::Resolution {
        code: pb::ResolutionCode::Fixed.into(),
        summary: "The pool of connections was too small; it was doubled.".to_owned(),
        ..Default::default()
    };
    let request = pb::ResolveIncidentRequest {
        name: name.to_owned(),
        resolution: Some(resolution),
        request_id,
        ..Default::default()
    };
    client.resolve_incident(line.request(request)).await?;
    Ok(())
}

/// The newest incidents of a server: (name, whether it is resolved).
pub(crate) async fn newest(line: &Line, count: usize) -> Result<Vec<(String, bool)>> {
    let mut client = client(line);
    let mut incidents = Vec::with_capacity(count);
    let mut page_token = String::new();
    while incidents.len() < count {
        let request = pb::ListIncidentsRequest {
            page_size: 500,
            page_token,
            ..Default::default()
        };
        let page = client
            .list_incidents(line.request(request))
            .await?
            .into_inner();
        incidents.extend(page.incidents.into_iter().map(|incident| {
            let resolved = incident.state() == pb::IncidentState::Resolved;
            (incident.name, resolved)
        }));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    Ok(incidents)
}

/// Shares incidents out among clients, each to one of them.
pub(crate) fn shares(incidents: &[(String, bool)], clients: usize) -> Vec<Vec<(String, bool)>> {
    let mut shares = vec![Vec::new(); clients];
    for (place, incident) in incidents.iter().enumerate() {
        shares[place % clients].push(incident.clone());
    }
    shares
}
