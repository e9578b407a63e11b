//! Flags and environment: everything that can be set, checked before anything starts.
//!
//! A wrong value ends the program at once with a sentence that names it. Credentials are no flags: they come from files
//! or from the variables of Tencent's own tools (`gaap::credentials`), and may come later.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use reqwest::Url;

use crate::gaap::{Pace, default_sts_endpoint};
use crate::process::leader::RENEW_DEADLINE;
use crate::process::server::parse_address;
use crate::process::telemetry::LogFormat;

/// Destroys Tencent Cloud GAAP proxies from Kubernetes, exactly once.
#[derive(Debug, Parser)]
#[command(
    name = "gaap-operator",
    version,
    about,
    args_conflicts_with_subcommands = true,
    max_term_width = 110,
    after_help = "Credentials: files secretId, secretKey and (optional) token in --credentials-dir, else the environment \
variables TENCENTCLOUD_SECRET_ID, TENCENTCLOUD_SECRET_KEY, and TENCENTCLOUD_TOKEN or TENCENTCLOUD_SECURITY_TOKEN.\n\
Cluster: KUBECONFIG, or the ServiceAccount of the pod.\nLogs: RUST_LOG (info)."
)]
pub struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator (the default)
    Run(Box<Settings>),
    /// Check what the operator needs, with the flags that it runs with: permissions, credentials, the cloud
    Check(Box<Settings>),
    /// Print the CustomResourceDefinition as YAML
    Crd,
}

/// What the program was asked to do.
#[derive(Debug)]
pub enum Task {
    /// Run with these settings.
    Run(Box<Settings>),
    /// Check what a run with these settings needs.
    Check(Box<Settings>),
    /// Print the CRD.
    Crd,
}

impl CommandLine {
    /// What to do.
    pub fn task(self) -> Task {
        match self.command {
            Some(Command::Crd) => Task::Crd,
            Some(Command::Run(settings)) => Task::Run(settings),
            Some(Command::Check(settings)) => Task::Check(settings),
            None => Task::Run(Box::new(self.settings)),
        }
    }
}

/// The settings of the operator.
#[derive(Clone, Debug, Args)]
pub struct Settings {
    /// Watch only this namespace; repeat it for more [default: all namespaces]
    #[arg(long, env = "GAAP_WATCH_NAMESPACE", value_name = "NAMESPACE", value_delimiter = ',', value_parser = namespace, help_heading = "Cluster")]
    pub watch_namespace: Vec<String>,

    /// Endpoint of the GAAP API
    #[arg(
        long,
        env = "GAAP_ENDPOINT",
        value_name = "URL",
        default_value = "https://gaap.tencentcloudapi.com",
        help_heading = "Cloud"
    )]
    pub gaap_endpoint: Url,
    /// Endpoint of the STS API [default: the GAAP endpoint with `gaap.` replaced by `sts.`; any other host as it is]
    #[arg(long, env = "GAAP_STS_ENDPOINT", value_name = "URL", help_heading = "Cloud")]
    sts_endpoint: Option<Url>,
    /// Allow endpoints with plain http or on a loopback host (tests only)
    #[arg(
        long,
        env = "GAAP_ALLOW_INSECURE_ENDPOINT",
        value_name = "true|false",
        num_args = 0..=1,
        require_equals = true,
        default_value = "false",
        default_missing_value = "true",
        value_parser = clap::builder::BoolishValueParser::new(),
        help_heading = "Cloud"
    )]
    pub allow_insecure_endpoint: bool,
    /// PEM file of certificate authorities that are trusted beside the built-in ones
    #[arg(long, env = "GAAP_CA_BUNDLE", value_name = "FILE", help_heading = "Cloud")]
    pub ca_bundle: Option<PathBuf>,
    /// Language of the messages that the cloud sends
    #[arg(long, env = "GAAP_LANGUAGE", value_name = "LANGUAGE", default_value = "en-US", value_parser = ["en-US", "zh-CN"], help_heading = "Cloud")]
    pub language: String,
    /// Folder with the files secretId, secretKey and (optional) token, re-read when they change
    #[arg(long, env = "GAAP_CREDENTIALS_DIR", value_name = "FOLDER", help_heading = "Cloud")]
    pub credentials_dir: Option<PathBuf>,

    /// Most calls a second of each API action; the API allows 20, and more than 19 could reach it as 21 in one second
    #[arg(long, env = "GAAP_REQUESTS_PER_SECOND", value_name = "NUMBER", default_value = "18", value_parser = rate, help_heading = "Pace")]
    pub requests_per_second: f64,
    /// Pause between looks at a proxy that is being destroyed
    #[arg(long, env = "GAAP_DESTROY_POLL", value_name = "DURATION", default_value = "5s", value_parser = pause, help_heading = "Pace")]
    pub destroy_poll: Duration,
    /// Pause between looks at a proxy whose resource is not being deleted; shortened by up to a quarter, at random
    #[arg(long, env = "GAAP_RESYNC", value_name = "DURATION", default_value = "10m", value_parser = pause, help_heading = "Pace")]
    pub resync: Duration,
    /// Age under which the cloud destroys no proxy
    #[arg(long, env = "GAAP_MINIMUM_AGE", value_name = "DURATION", default_value = "120s", value_parser = duration, help_heading = "Pace")]
    pub minimum_age: Duration,
    /// Pause between the two negative answers that prove a proxy gone
    #[arg(long, env = "GAAP_ABSENCE_SPACING", value_name = "DURATION", default_value = "5s", value_parser = pause, help_heading = "Pace")]
    pub absence_spacing: Duration,
    /// How long an accepted request may show no effect before a new one is made
    #[arg(long, env = "GAAP_SETTLE_TIME", value_name = "DURATION", default_value = "60s", value_parser = pause, help_heading = "Pace")]
    pub settle_time: Duration,
    /// Deadline of one call to the cloud
    #[arg(long, env = "GAAP_REQUEST_TIMEOUT", value_name = "DURATION", default_value = "10s", value_parser = call_deadline, help_heading = "Pace")]
    pub request_timeout: Duration,
    /// Most reconciles at once
    #[arg(long, env = "GAAP_CONCURRENCY", value_name = "NUMBER", default_value = "16", value_parser = clap::value_parser!(u16).range(1..=1024), help_heading = "Pace")]
    pub concurrency: u16,

    /// Act only while holding the Lease gaap-operator: for more than one replica
    #[arg(
        long,
        env = "GAAP_LEADER_ELECT",
        value_name = "true|false",
        num_args = 0..=1,
        require_equals = true,
        default_value = "false",
        default_missing_value = "true",
        value_parser = clap::builder::BoolishValueParser::new(),
        help_heading = "High availability"
    )]
    pub leader_elect: bool,
    /// Namespace of the Lease [default: the namespace of the pod, or of the kubeconfig]
    #[arg(long, env = "GAAP_LEADER_ELECTION_NAMESPACE", value_name = "NAMESPACE", value_parser = namespace, help_heading = "High availability")]
    pub leader_election_namespace: Option<String>,

    /// Where /metrics is served
    #[arg(long, env = "GAAP_METRICS_BIND_ADDRESS", value_name = "ADDRESS", default_value = ":8080", value_parser = parse_address, help_heading = "Serving")]
    pub metrics_bind_address: SocketAddr,
    /// Where /healthz and /readyz are served
    #[arg(long, env = "GAAP_HEALTH_PROBE_BIND_ADDRESS", value_name = "ADDRESS", default_value = ":8081", value_parser = parse_address, help_heading = "Serving")]
    pub health_probe_bind_address: SocketAddr,
    /// Form of the logs
    #[arg(long, env = "GAAP_LOG_FORMAT", value_name = "FORMAT", default_value = "text", help_heading = "Serving")]
    pub log_format: LogFormat,
}

impl Settings {
    /// What no single value shows to be wrong.
    ///
    /// # Errors
    /// A sentence that names the flags.
    pub fn check(&self) -> Result<(), String> {
        if self.leader_elect && self.request_timeout > RENEW_DEADLINE {
            return Err(format!(
                "--request-timeout {:?}: with --leader-elect at most {RENEW_DEADLINE:?}, for a request must be over \
                 before another replica can act",
                self.request_timeout
            ));
        }
        Ok(())
    }

    /// The namespaces to watch, each once: of two watches of one namespace the later would take what the other has told for
    /// old news. Empty: all.
    pub fn namespaces(&self) -> Vec<String> {
        self.watch_namespace.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The STS endpoint: as set, or the one that belongs to the GAAP endpoint.
    pub fn sts_endpoint(&self) -> Url {
        self.sts_endpoint.clone().unwrap_or_else(|| default_sts_endpoint(&self.gaap_endpoint))
    }
}

fn namespace(text: &str) -> Result<String, String> {
    let label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !text.is_empty() && text.len() <= 63 && text.chars().all(label) && !text.starts_with('-') && !text.ends_with('-')
    {
        Ok(text.to_owned())
    } else {
        Err("a namespace has 1 to 63 characters of a-z, 0-9 and '-', and begins and ends with none of '-'".to_owned())
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "a number is needed, such as 18".to_owned())?;
    let allowed = Pace::MIN_RATE..=Pace::MAX_RATE;
    if allowed.contains(&rate) {
        Ok(rate)
    } else {
        Err(format!("allowed is from {} to {}", Pace::MIN_RATE, Pace::MAX_RATE))
    }
}

/// Durations as Go writes them, read by kube's own type for them.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "a duration is needed as Go writes it, such as 500ms, 90s, 2m or 1h30m".to_owned();
    let duration: kube::core::Duration = text.parse().map_err(|_| wrong())?;
    if duration.is_negative() { Err(wrong()) } else { Ok(Duration::from(duration)) }
}

fn pause(text: &str) -> Result<Duration, String> {
    between(text, Duration::from_millis(10), Duration::from_secs(86_400))
}

fn call_deadline(text: &str) -> Result<Duration, String> {
    between(text, Duration::from_millis(100), Duration::from_secs(60))
}

fn between(text: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    let duration = duration(text)?;
    if (least..=most).contains(&duration) {
        Ok(duration)
    } else {
        Err(format!("allowed is from {least:?} to {most:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Settings, String> {
        let all = std::iter::once(&"gaap-operator").chain(arguments);
        match CommandLine::try_parse_from(all).map_err(|error| error.to_string())?.task() {
            Task::Run(settings) | Task::Check(settings) => Ok(*settings),
            Task::Crd => Err("crd".to_owned()),
        }
    }

    #[test]
    fn defaults_are_those_of_the_design() {
        let settings = parse(&[]).unwrap();
        let seconds = |duration: Duration| duration.as_secs();
        assert_eq!(settings.gaap_endpoint.as_str(), "https://gaap.tencentcloudapi.com/");
        assert_eq!(settings.sts_endpoint().as_str(), "https://sts.tencentcloudapi.com/");
        assert_eq!([settings.destroy_poll, settings.resync, settings.minimum_age].map(seconds), [5, 600, 120]);
        assert_eq!(
            [settings.absence_spacing, settings.settle_time, settings.request_timeout].map(seconds),
            [5, 60, 10]
        );
        assert_eq!((settings.requests_per_second, settings.concurrency), (18.0, 16));
        assert_eq!(settings.metrics_bind_address.to_string(), "0.0.0.0:8080");
        assert_eq!(settings.health_probe_bind_address.port(), 8081);
    }

    #[test]
    fn the_sts_endpoint_stands_beside_the_gaap_endpoint() {
        for (gaap, sts) in [
            ("https://gaap.intl.tencentcloudapi.com", "https://sts.intl.tencentcloudapi.com/"),
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000/"),
            ("https://proxy.example.com/", "https://proxy.example.com/"),
        ] {
            assert_eq!(parse(&["--gaap-endpoint", gaap]).unwrap().sts_endpoint().as_str(), sts);
        }
    }

    #[test]
    fn a_wrong_value_is_refused_with_a_sentence_that_names_the_flag() {
        for (flag, value, words) in [
            ("--requests-per-second", "0", "to 19"),
            ("--requests-per-second", "19.5", "to 19"),
            ("--requests-per-second", "many", "a number is needed"),
            ("--destroy-poll", "5", "as Go writes it"),
            ("--destroy-poll", "0s", "allowed is from"),
            ("--absence-spacing", "-5s", "as Go writes it"),
            ("--request-timeout", "10m", "allowed is from"),
            ("--concurrency", "0", "1..=1024"),
            ("--gaap-endpoint", "gaap.tencentcloudapi.com", "relative URL"),
            ("--language", "fr-FR", "en-US"),
            ("--log-format", "xml", "json"),
            ("--watch-namespace", "No", "a-z"),
            ("--metrics-bind-address", "8080", ":PORT"),
        ] {
            let error = parse(&[&format!("{flag}={value}")]).unwrap_err();
            assert!(error.contains(flag) && error.contains(words), "{flag} {value}: {error}");
        }
    }

    #[test]
    fn every_flag_has_the_variable_that_its_name_says() {
        use clap::CommandFactory;
        let command = CommandLine::command();
        for argument in command.get_arguments().filter(|argument| argument.get_long().is_some()) {
            let flag = argument.get_long().unwrap();
            if ["help", "version"].contains(&flag) {
                continue;
            }
            let plain = flag.strip_prefix("gaap-").unwrap_or(flag).replace('-', "_").to_uppercase();
            assert_eq!(argument.get_env().unwrap().to_str(), Some(format!("GAAP_{plain}").as_str()), "{flag}");
            assert!(argument.get_help().is_some() && argument.get_help_heading().is_some(), "{flag}");
        }
    }

    #[test]
    fn the_switch_is_written_as_go_writes_it_too() {
        for (flags, allowed) in [
            (&[][..], false),
            (&["--allow-insecure-endpoint"][..], true),
            (&["--allow-insecure-endpoint=true"][..], true),
            (&["--allow-insecure-endpoint=false"][..], false),
        ] {
            assert_eq!(parse(flags).unwrap().allow_insecure_endpoint, allowed, "{flags:?}");
        }
        assert!(parse(&["--allow-insecure-endpoint=perhaps"]).unwrap_err().contains("--allow-insecure-endpoint"));
    }

    #[test]
    fn a_request_that_could_outlast_a_leadership_is_refused() {
        let settings = |flags: &[&str]| parse(flags).unwrap().check();
        assert_eq!(settings(&["--leader-elect"]), Ok(()));
        assert_eq!(settings(&["--request-timeout", "30s"]), Ok(()));
        let refused = settings(&["--leader-elect", "--request-timeout", "11s"]).unwrap_err();
        assert!(refused.contains("--request-timeout 11s") && refused.contains("at most 10s"), "{refused}");
    }

    #[test]
    fn namespaces_can_be_repeated_and_separated_by_commas() {
        let settings = parse(&["--watch-namespace", "a,b", "--watch-namespace", "c"]).unwrap();
        assert_eq!(settings.namespaces(), ["a", "b", "c"]);
        assert_eq!(parse(&["--watch-namespace", "b,a,b"]).unwrap().namespaces(), ["a", "b"]);
        assert_eq!(parse(&["run", "--watch-namespace", "a"]).unwrap().watch_namespace, ["a"]);
        assert_eq!(parse(&["check", "--watch-namespace", "a"]).unwrap().watch_namespace, ["a"]);
        assert_eq!(parse(&["crd"]).unwrap_err(), "crd");
    }
}
