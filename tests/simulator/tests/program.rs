//! The program `gaap-simulator`: its flags, its first line, its end.

// The exemptions of clippy.toml cover test functions, not the helpers beside them.
#![allow(clippy::expect_used)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

struct Program {
    child: Child,
    url: String,
}

impl Program {
    fn start(flags: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gaap-simulator"));
        let mut child = command.args(flags).stdout(Stdio::piped()).spawn().expect("the program starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("a pipe");
        BufReader::new(output).read_line(&mut line).expect("a line");
        let url = line.trim().strip_prefix("listening on ").expect("the URL").to_owned();
        Self { child, url }
    }

    fn end_by(&mut self, signal: &str) -> Option<i32> {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().expect("kill");
        assert!(sent.success());
        self.child.wait().expect("an end").code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Only after a failed test is there still something to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn output(flags: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gaap-simulator")).args(flags).output().expect("the program runs")
}

#[test]
fn it_ends_cleanly_on_both_signals() {
    for signal in ["-INT", "-TERM"] {
        assert_eq!(Program::start(&["--listen", "localhost:0"]).end_by(signal), Some(0), "{signal}");
    }
}

#[tokio::test]
async fn its_flags_make_the_accounts_the_proxies_and_the_destroy_duration() {
    // Needed although nothing here speaks TLS: the client wants to know its provider when it is made.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let flags = ["--account", "AKIDTWO:key-two:100000000002", "--proxies", "2", "--destroy-duration", "1500ms"];
    let program = Program::start(&flags);
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let read = |path: &str| {
        let request = http.get(format!("{}/_sim/{path}", program.url));
        async { request.send().await.expect("an answer").json::<serde_json::Value>().await.expect("JSON") }
    };
    let proxies = read("proxies").await;
    let ids: Vec<_> = proxies.as_array().expect("a list").iter().map(|proxy| proxy["id"].clone()).collect();
    assert_eq!(ids, ["link-sim00001", "link-sim00002"]);
    assert_eq!(read("settings").await["destroyDurationMs"], 1_500);
    assert_eq!(read("credentials").await[1]["uin"], "100000000002");
}

#[test]
fn a_wrong_value_ends_it_with_a_sentence_that_names_the_flag() {
    for flags in
        [["--listen", "nowhere"], ["--account", "AKIDTWO"], ["--destroy-duration", "soon"], ["--proxies", "many"]]
    {
        let ended = output(&flags);
        assert!(!ended.status.success());
        let sentence = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(flags.iter().all(|part| sentence.contains(part)), "{sentence}");
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let program = Program::start(&[]);
    let address = program.url.trim_start_matches("http://");
    let sentence = String::from_utf8_lossy(&output(&["--listen", address]).stderr).into_owned();
    assert!(sentence.contains(address) && sentence.contains("cannot listen"), "{sentence}");
}
