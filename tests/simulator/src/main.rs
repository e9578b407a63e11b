//! `gaap-simulator`: a GAAP cloud to try things on.

use std::io::Write;
use std::net::{SocketAddr, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use gaap_simulator::{Config, Credential, DEFAULT_SECRET_ID, DEFAULT_SECRET_KEY, DEFAULT_UIN, Settings, Simulator};
use tokio::signal::unix::{SignalKind, signal};

/// A stateful GAAP cloud on loopback HTTP: the real wire format at /, a control API below /_sim/.
#[derive(Parser)]
#[command(version, about)]
struct Options {
    /// Address to listen on; with port 0 a free one is taken. The URL is printed as `listening on URL`.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0", value_parser = parse_address)]
    listen: SocketAddr,
    /// SecretId of the first account, which is 100000000001.
    #[arg(long, value_name = "ID", default_value = DEFAULT_SECRET_ID)]
    secret_id: String,
    /// SecretKey of the first account.
    #[arg(long, value_name = "KEY", default_value = DEFAULT_SECRET_KEY, hide_default_value = true)]
    secret_key: String,
    /// A further key: SecretId, SecretKey and the account number it belongs to. Repeatable.
    #[arg(long = "account", value_name = "ID:KEY:UIN", value_parser = parse_account)]
    accounts: Vec<Credential>,
    /// So many proxies of the first account from the start: link-sim00001 and so on, RUNNING, an hour old.
    #[arg(long, value_name = "N", default_value_t = 0)]
    proxies: u32,
    /// How long an accepted destroy shows DESTROYING before the proxy vanishes, as 3s, 1500ms or 2m.
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = parse_duration)]
    destroy_duration: Duration,
    /// Requests in any second per account and action; 0 switches the limit off.
    #[arg(long, value_name = "N", default_value_t = 20)]
    rate_limit: u32,
    /// Entries the request log keeps before it drops the oldest.
    #[arg(long, value_name = "N", default_value_t = gaap_simulator::DEFAULT_CAPACITY)]
    log_capacity: usize,
}

/// Takes a name too, as `localhost:8080`.
fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let mut addresses = text.to_socket_addrs().map_err(|error| error.to_string())?;
    addresses.next().ok_or_else(|| "the name has no address".to_owned())
}

fn parse_account(text: &str) -> Result<Credential, String> {
    match text.split(':').collect::<Vec<_>>().as_slice() {
        [id, key, uin] if [id, key, uin].iter().all(|part| !part.is_empty()) => Ok(Credential::new(*id, *key, *uin)),
        _ => Err("an account is written ID:KEY:UIN".to_owned()),
    }
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration such as 3s, 1500ms or 2m");
    let unit_at = text.find(|letter: char| letter.is_ascii_alphabetic()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(unit_at);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "ms" => number / 1_000.0,
        "s" => number,
        "m" => number * 60.0,
        "h" => number * 3_600.0,
        _ => return Err(wrong()),
    };
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

impl Options {
    fn config(self) -> Config {
        let first = Credential::new(self.secret_id, self.secret_key, DEFAULT_UIN);
        let destroy_duration_ms = u64::try_from(self.destroy_duration.as_millis()).unwrap_or(u64::MAX);
        Config {
            listen: self.listen,
            credentials: std::iter::once(first).chain(self.accounts).collect(),
            proxies: self.proxies,
            settings: Settings { destroy_duration_ms, rate_limit: self.rate_limit, ..Settings::default() },
            log_capacity: self.log_capacity,
            ..Config::default()
        }
    }
}

async fn run(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    // Before anything is started, so that no signal finds the program without a handler.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let simulator = Simulator::start(options.config()).await?;
    let mut output = std::io::stdout();
    writeln!(output, "listening on {}", simulator.url())?;
    output.flush()?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    simulator.stop().await;
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    match run(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            eprintln!("gaap-simulator: {error}{cause}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_in_go() {
        for (text, milliseconds) in
            [("3s", 3_000), ("1500ms", 1_500), ("2m", 120_000), ("0.5s", 500), ("1h", 3_600_000)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)));
        }
        for text in ["3", "s", "-1s", "3 parsecs", ""] {
            assert!(parse_duration(text).is_err_and(|sentence| sentence.contains("duration")), "{text}");
        }
    }

    #[test]
    fn an_account_has_three_parts() {
        assert_eq!(parse_account("a:b:1"), Ok(Credential::new("a", "b", "1")));
        assert!(parse_account("a:b").is_err() && parse_account("a::1").is_err());
    }

    #[test]
    fn the_flags_make_sense() {
        use clap::CommandFactory;
        Options::command().debug_assert();
    }
}
