//! Incident management as a process of its own.

fn main() -> std::process::ExitCode {
    mainstay_practice::process::main(mainstay_incident::NAME, mainstay_incident::open)
}
