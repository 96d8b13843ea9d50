//! `mainstay timers`: what is armed, and what does not fire.

use mainstay_proto::mainstay::practice::v1 as pb;
use mainstay_proto::mainstay::practice::v1::timer_service_client::TimerServiceClient;

use crate::client::ServerArgs;
use crate::output;

/// Which timers to list.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only those that stand so.
    #[arg(long, value_name = "STATE")]
    state: Option<Standing>,
    /// Only those of this record, such as `incidents/INC-1042`.
    #[arg(long, value_name = "NAME")]
    record: Option<String>,
    /// Only those with this name, such as `auto_close`.
    #[arg(long, value_name = "TIMER")]
    timer: Option<String>,
    /// Print one JSON object per timer.
    #[arg(long)]
    json: bool,
}

/// How a timer stands.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Standing {
    /// Not due yet.
    Armed,
    /// Due, and not fired yet.
    Late,
    /// Failed ten times or more.
    Stuck,
}

/// Lists them, those due first before the others.
pub(crate) async fn run(server: &ServerArgs, args: Args) -> anyhow::Result<()> {
    let mut client = TimerServiceClient::new(server.connect()?);
    let state = match args.state {
        Some(Standing::Armed) => pb::TimerState::Armed,
        Some(Standing::Late) => pb::TimerState::Late,
        Some(Standing::Stuck) => pb::TimerState::Stuck,
        None => pb::TimerState::Unspecified,
    };
    let mut request = pb::ListTimersRequest {
        page_size: 500,
        record: args.record.unwrap_or_default(),
        timer: args.timer.unwrap_or_default(),
        state: state.into(),
        ..Default::default()
    };
    loop {
        let page = client.list_timers(request.clone()).await;
        let page = page.map_err(|status| server.explain(&status))?.into_inner();
        for timer in &page.timers {
            output::say(match args.json {
                true => output::json("mainstay.practice.v1.Timer", timer)?,
                false => line(timer),
            })?;
        }
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return Ok(());
        }
    }
}

/// A timer on one line.
fn line(timer: &pb::Timer) -> String {
    let state = match timer.state() {
        pb::TimerState::Armed => "armed",
        pb::TimerState::Late => "late",
        pb::TimerState::Stuck => "stuck",
        pb::TimerState::Unspecified => "-",
    };
    let due = output::instant(timer.due_time.as_ref());
    let mut line = format!("{due}  {state:<5}  {}  {}", timer.timer, timer.record);
    if timer.attempts > 0 {
        line += &format!("  failed {} times: {}", timer.attempts, timer.error);
    }
    line
}
