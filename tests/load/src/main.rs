//! `mainstay-load`, also `cargo bench-suite`: measures the release binary in
//! closed loops beside the limits of the same machine.

mod bench;
mod direct;
mod drive;
mod echo;
mod figures;
mod hold;
mod incidents;
mod report;
mod rows;
mod seed;
mod target;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};

use bench::{Bench, Plan};
use drive::Span;
use report::{Report, Samples};

// What the product runs on, so that the limits do too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures the release binary in closed loops beside the limits of the same machine.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The product's program; by default the one beside this program, built anew under cargo.
    #[arg(long, env = "MAINSTAY_BINARY")]
    binary: Option<PathBuf>,
    /// Where the figures go as JSON.
    #[arg(long, default_value = "figures.json")]
    json: PathBuf,
    /// Short loops and few incidents: whether the bench works, not how fast the product is.
    #[arg(long)]
    quick: bool,
    /// Figures to measure, such as `P1,P5`; by default all.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Numbers of incidents to measure at, rising.
    #[arg(long, value_delimiter = ',')]
    sizes: Vec<usize>,
    /// Number of repeats.
    #[arg(long, default_value_t = 3)]
    repeats: usize,
    /// Seconds that each loop is measured for.
    #[arg(long)]
    seconds: Option<f64>,
    /// A log to import with `mainstay import`, beside the generated one.
    #[arg(long, requires = "mapping")]
    import_file: Option<PathBuf>,
    /// The mapping of that log.
    #[arg(long, requires = "import_file")]
    mapping: Option<PathBuf>,
    /// Compare two earlier runs and measure nothing.
    #[arg(long, num_args = 2, value_names = ["BEFORE", "AFTER"])]
    compare: Option<Vec<PathBuf>>,
    /// Where servers keep their data for the time of the run; by default a temporary folder.
    #[arg(long)]
    scratch: Option<PathBuf>,
}

/// What this program does beside measuring.
#[derive(Debug, Subcommand)]
enum Command {
    /// Keeps a running server under load, for a profiler to be attached.
    Hold(hold::Hold),
    /// Serves an echo.
    #[command(hide = true)]
    ServeEcho,
    /// Serves the incident service without the gateway.
    #[command(hide = true)]
    ServeDirect {
        /// The folder of its data.
        data: PathBuf,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    match work(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "mainstay-load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Progress goes where it does not mix with the table.
fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

async fn work(arguments: Arguments) -> Result<()> {
    match &arguments.command {
        Some(Command::Hold(wish)) => {
            say(&hold::hold(wish).await?);
            return Ok(());
        }
        Some(Command::ServeEcho) => return echo::serve(say).await,
        Some(Command::ServeDirect { data }) => return direct::run(data, say).await,
        None => {}
    }
    if let Some([before, after]) = arguments.compare.as_deref() {
        say(&Report::read(before)?.compare(&Report::read(after)?));
        return Ok(());
    }
    let scratch = tempfile::Builder::new()
        .prefix("mainstay-load-")
        .tempdir_in(scratch(&arguments))?;
    let plan = plan(&arguments, scratch.path())?;
    let mut bench = Bench {
        plan,
        samples: Samples::default(),
        say: tell,
    };
    figures::measure(&mut bench).await?;
    let report = bench.samples.report();
    report.write(&arguments.json)?;
    say(&report.table());
    say(&format!("written to {}", arguments.json.display()));
    Ok(())
}

fn scratch(arguments: &Arguments) -> PathBuf {
    arguments.scratch.clone().unwrap_or_else(std::env::temp_dir)
}

fn plan(arguments: &Arguments, scratch: &Path) -> Result<Plan> {
    let quick = arguments.quick;
    ensure!(arguments.repeats > 0, "at least one repeat is needed");
    let seconds = arguments.seconds.unwrap_or(if quick { 0.4 } else { 3.0 });
    let sizes = match (arguments.sizes.is_empty(), quick) {
        (false, _) => arguments.sizes.clone(),
        (true, true) => vec![1_000, 3_000],
        (true, false) => vec![10_000, 100_000],
    };
    let measure = Duration::try_from_secs_f64(seconds).context("--seconds")?;
    Ok(Plan {
        binary: binary(arguments)?,
        scratch: scratch.to_owned(),
        repeats: arguments.repeats,
        span: Span {
            warm_up: measure / 3,
            measure,
        },
        sizes,
        import: if quick { (2_000, 200) } else { (65_533, 7_554) },
        only: arguments.only.clone(),
        log: arguments.import_file.clone().zip(arguments.mapping.clone()),
    })
}

/// The program to measure. Under cargo it is built first, so that no old one is measured.
fn binary(arguments: &Arguments) -> Result<PathBuf> {
    if let Some(path) = &arguments.binary {
        ensure!(path.is_file(), "there is no program at {}", path.display());
        return Ok(path.clone());
    }
    let own = std::env::current_exe()?;
    let folder = own.parent().context("a program lies in a folder")?;
    if let Some(cargo) = std::env::var_os("CARGO") {
        let mut build = std::process::Command::new(cargo);
        build.args(["build", "--package", "mainstay"]);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        ensure!(build.status()?.success(), "the product does not build");
    }
    Ok(folder.join("mainstay"))
}
