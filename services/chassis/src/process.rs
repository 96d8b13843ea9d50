//! A process of the suite, from the first look at its settings to the last
//! word after the drain: what is the same for a service alone, the gateway
//! alone, and all of them together.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;

use crate::clock::OtherClock;
use crate::config::SettingsError;
use crate::data::DataFolder;
use crate::identity::KeyError;
use crate::serve::{self, ServeSettings, Served};
use crate::settings::{ClockChoice, PeerError, ProcessArgs, Settings};
use crate::{Clock, Shutdown, shutdown, telemetry};

/// The exit code for a command or a setting that cannot be understood.
const BAD_USAGE: u8 = 64;
/// The exit code for data that was made under another kind of clock.
const OTHER_CLOCK: u8 = 2;
/// What tasks that are still under way at the end are given.
const LAST_WORD: Duration = Duration::from_millis(300);

/// A command or a setting that cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(String);

impl Usage {
    /// Says what is wrong with it.
    pub fn new(what: impl std::fmt::Display) -> Self {
        Self(what.to_string())
    }
}

/// The command line of a service that is a program of its own.
#[derive(Debug, clap::Parser)]
#[command(version)]
pub struct Alone {
    /// How it is started.
    #[command(flatten)]
    pub serve: ProcessArgs,
}

/// A program of the suite: reads its command line, runs, and says on standard
/// error what went wrong.
pub fn main<A, R>(name: &'static str, run: impl FnOnce(A) -> R) -> ExitCode
where
    A: clap::Parser,
    R: Future<Output = anyhow::Result<ExitCode>>,
{
    let matches = A::command().name(name).try_get_matches();
    let arguments = match matches.and_then(|mut matches| A::from_arg_matches_mut(&mut matches)) {
        Ok(arguments) => arguments,
        Err(refusal) => {
            let _ = refusal.print();
            return match refusal.use_stderr() {
                true => ExitCode::from(BAD_USAGE),
                false => ExitCode::SUCCESS,
            };
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(name, &error.into()),
    };
    let code = runtime.block_on(run(arguments));
    let code = code.unwrap_or_else(|error| failed(name, &error));
    runtime.shutdown_timeout(LAST_WORD);
    code
}

/// Says what went wrong, unless it is that nobody reads the output any more.
fn failed(name: &str, error: &anyhow::Error) -> ExitCode {
    let closed = |cause: &std::io::Error| cause.kind() == std::io::ErrorKind::BrokenPipe;
    if error.downcast_ref::<std::io::Error>().is_some_and(closed) {
        return ExitCode::SUCCESS;
    }
    let _ = writeln!(std::io::stderr().lock(), "{name}: {error:#}");
    let unnamed = matches!(error.downcast_ref(), Some(KeyError::Unnamed));
    let unread = error.is::<Usage>() || error.is::<SettingsError>() || error.is::<PeerError>();
    let usage = unnamed || unread;
    let clock = error.chain().any(|cause| cause.is::<OtherClock>());
    ExitCode::from(match (usage, clock) {
        (true, _) => BAD_USAGE,
        (false, true) => OTHER_CLOCK,
        (false, false) => 1,
    })
}

/// A process that has its settings, its data and its port, and serves nothing
/// yet.
#[derive(Debug)]
pub struct Process {
    /// The settings in force.
    pub settings: Settings,
    /// The one clock of its services.
    pub clock: Clock,
    /// The folder of its data, held for it.
    pub folder: DataFolder,
    /// How its parts learn that it ends.
    pub shutdown: Shutdown,
    /// Whether the data goes at the end.
    pub ephemeral: bool,
    listener: TcpListener,
}

impl Process {
    /// Reads the settings, begins to log, takes the folder for the services
    /// and the port.
    pub async fn open(args: &ProcessArgs, services: &[&str]) -> anyhow::Result<Self> {
        let settings = Settings::of(args)?;
        refuse_in_the_open(&settings)?;
        refuse_clocks(&settings, settings.peers()?.is_empty())?;
        Self::with(settings, args.ephemeral, services).await
    }

    /// The same for a service that only the gateway calls. Until there is TLS
    /// between the two, both are on one machine, whatever their owner says.
    pub async fn open_inside(args: &ProcessArgs, service: &str) -> anyhow::Result<Self> {
        let settings = Settings::of(args)?;
        if !settings.listen.ip().is_loopback() {
            return Err(Usage::new(format!(
                "{} can be reached from other machines, and a service alone speaks no TLS yet: \
                 listen on 127.0.0.1, where the gateway runs too",
                settings.listen
            ))
            .into());
        }
        refuse_clocks(&settings, false)?;
        Self::with(settings, args.ephemeral, &[service]).await
    }

    async fn with(settings: Settings, ephemeral: bool, services: &[&str]) -> anyhow::Result<Self> {
        telemetry::start(&settings.log.filter, settings.log.format).map_err(Usage::new)?;
        let folder = match ephemeral {
            true => DataFolder::temporary(services)?,
            false => DataFolder::take(&settings.data, services)?,
        };
        let listener = TcpListener::bind(settings.listen).await;
        let listener = listener.with_context(|| format!("cannot listen on {}", settings.listen))?;
        Ok(Self {
            clock: settings.clock.clock(),
            settings,
            folder,
            shutdown: Shutdown::default(),
            ephemeral,
            listener,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Says the word, serves until the process is asked to end, and closes.
    pub async fn run<S: Served>(
        self,
        served: S,
        serving: ServeSettings,
        word: &str,
        close: impl Future<Output = ()> + Send,
    ) -> anyhow::Result<()> {
        let asked = shutdown::asked();
        say(word)?;
        let stop = self.shutdown.stop.clone();
        let serving = serve::serve(self.listener, served, serving, stop);
        self.shutdown.run(asked, serving, close).await;
        Ok(())
    }
}

/// Refuses an address that other machines reach, unless its owner says that
/// he knows: there is no TLS here, and a token in clear text is anyone's.
fn refuse_in_the_open(settings: &Settings) -> Result<(), Usage> {
    if settings.listen.ip().is_loopback() || settings.insecure_listen {
        return Ok(());
    }
    let listen = settings.listen;
    Err(Usage::new(format!(
        "{listen} can be reached from other machines, and tokens would cross the network in clear text: \
         listen on 127.0.0.1 behind a proxy that speaks TLS, or allow it with --insecure-listen"
    )))
}

/// Refuses a virtual clock for a part of a suite: there would be one for each.
fn refuse_clocks(settings: &Settings, whole: bool) -> Result<(), Usage> {
    match settings.clock {
        ClockChoice::Virtual if !whole => Err(Usage::new(
            "a virtual clock is one for all services: run them in one process",
        )),
        ClockChoice::Virtual | ClockChoice::Wall => Ok(()),
    }
}

/// Writes what a person reads at the start.
fn say(word: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{word}")?;
    out.flush()
}
