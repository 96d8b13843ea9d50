//! The real binary as a process of its own.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};

use mainstay_proto::mainstay::access::v1::access_service_client::AccessServiceClient;
use mainstay_proto::mainstay::event::v1::event_service_client::EventServiceClient;
use mainstay_proto::mainstay::incident::v1 as incident;
use mainstay_proto::mainstay::incident::v1::incident_service_client::IncidentServiceClient;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// A command of the binary, in an environment without settings.
pub(crate) fn mainstay<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mainstay"));
    command.args(arguments).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MAINSTAY_") {
            command.env_remove(name);
        }
    }
    command
}

/// Ends a process as Ctrl-C does.
pub(crate) fn interrupt(child: &Child) {
    let id = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(id, Signal::INT).unwrap();
}

/// A running server. Dropped, it is killed.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) said: String,
    data: PathBuf,
    _folder: Option<TempDir>,
}

impl Server {
    /// Starts one on a new folder, which goes with it.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Self::start_on(&folder.path().join("data"), "127.0.0.1:0");
        server._folder = Some(folder);
        server
    }

    /// Starts one on a folder and an address.
    pub(crate) fn start_on(data: &Path, listen: &str) -> Self {
        let arguments = [
            OsStr::new("--data"),
            data.as_os_str(),
            OsStr::new("--listen"),
            OsStr::new(listen),
        ];
        Self::spawn(mainstay(arguments), data)
    }

    /// Starts one by a command, and waits until it says where it listens.
    pub(crate) fn spawn(mut command: Command, data: &Path) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        while !said.contains("Ctrl-C ends it.") {
            if lines.read_line(&mut said).unwrap() == 0 {
                let mut complaint = String::new();
                child
                    .stderr
                    .take()
                    .unwrap()
                    .read_to_string(&mut complaint)
                    .unwrap();
                panic!("the server ended before it listened:\n{said}{complaint}");
            }
        }
        let address = said
            .split_once("http://")
            .and_then(|(_, rest)| rest.split_whitespace().next());
        let address = address.unwrap().parse().unwrap();
        Self {
            child,
            address,
            said,
            data: data.to_owned(),
            _folder: None,
        }
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    pub(crate) fn token_file(&self) -> PathBuf {
        self.data.join("admin.token")
    }

    pub(crate) fn administrator(&self) -> String {
        std::fs::read_to_string(self.token_file())
            .unwrap()
            .trim()
            .to_owned()
    }

    /// Asks it to end, waits until it has, and returns what it logged.
    pub(crate) fn stop(mut self) -> (ExitStatus, String) {
        interrupt(&self.child);
        let mut log = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut log)
            .unwrap();
        (self.child.wait().unwrap(), log)
    }

    /// A client command for it.
    pub(crate) fn command<I: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = I>,
    ) -> Command {
        let mut command = mainstay(arguments);
        command
            .env("MAINSTAY_SERVER", format!("http://{}", self.address))
            .env("MAINSTAY_TOKEN_FILE", self.token_file());
        command
    }

    /// What a client command says that must succeed.
    pub(crate) fn says<I: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = I>) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// A connection that sends a token.
    pub(crate) fn connection(&self, token: &str) -> Connection {
        let channel = Endpoint::from_shared(format!("http://{}", self.address))
            .unwrap()
            .connect_lazy();
        let value: MetadataValue<Ascii> = format!("Bearer {token}").parse().unwrap();
        let bearer: Bearer = Box::new(move |mut request: Request<()>| {
            request
                .metadata_mut()
                .insert("authorization", value.clone());
            Ok(request)
        });
        InterceptedService::new(channel, bearer)
    }

    pub(crate) fn access(&self, token: &str) -> AccessServiceClient<Connection> {
        AccessServiceClient::new(self.connection(token))
    }

    pub(crate) fn events(&self, token: &str) -> EventServiceClient<Connection> {
        EventServiceClient::new(self.connection(token))
    }

    pub(crate) fn incidents(&self, token: &str) -> IncidentServiceClient<Connection> {
        IncidentServiceClient::new(self.connection(token))
    }

    /// Opens an incident as the administrator; returns its number.
    pub(crate) async fn open_incident(&self, title: &str) -> String {
        let incident = incident::Incident {
            title: title.to_owned(),
            impact: incident::Impact::High.into(),
            urgency: incident::Urgency::High.into(),
            ..Default::default()
        };
        let request = incident::CreateIncidentRequest {
            incident: Some(incident),
            ..Default::default()
        };
        let reply = self
            .incidents(&self.administrator())
            .create_incident(request)
            .await
            .unwrap();
        reply.into_inner().incident.unwrap().number
    }

    /// A connection that never says a word.
    pub(crate) fn silent_connection(&self) -> TcpStream {
        TcpStream::connect(self.address).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) type Bearer = Box<dyn FnMut(Request<()>) -> Result<Request<()>, Status> + Send>;
pub(crate) type Connection = InterceptedService<Channel, Bearer>;

/// A command that goes on, line by line.
pub(crate) struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Running {
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// The next line; waits for it.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "it ended");
        line
    }

    pub(crate) fn interrupt(mut self) -> ExitStatus {
        interrupt(&self.child);
        self.child.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The exit code and the complaint of a command that fails.
pub(crate) fn complaint(output: &Output) -> (Option<i32>, String) {
    assert!(
        output.stdout.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}
