//! The pace, measured where it counts: at the receiving side.

use std::time::Duration;

use futures::future::join_all;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until};

use super::destroy;
use crate::gaap::client::ClientConfig;
use crate::gaap::pace::Pace;
use crate::gaap::testing::{Log, Server, client, client_with, cloud, config};

const SECOND: Duration = Duration::from_secs(1);

fn most_in_a_second(log: &Log) -> usize {
    let log = log.lock().unwrap();
    let count = |from: Instant| log.iter().filter(|other| other.at >= from && other.at < from + SECOND).count();
    log.iter().map(|received| count(received.at)).max().unwrap_or_default()
}

#[tokio::test]
async fn the_cloud_never_counts_more_than_twenty_attempts_in_a_second_and_gets_nearly_eighteen() {
    let (server, log) = cloud(|_| async {
        sleep(Duration::from_millis(fastrand::u64(0..80))).await;
        json!({})
    })
    .await;
    let client = client(&server.url);
    let begun = Instant::now();
    join_all((0..60).map(|_| destroy(&client, &server.url))).await.into_iter().for_each(|result| drop(result.unwrap()));
    assert!(most_in_a_second(&log) <= 20);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs_f64(60.0 / 15.0) + SECOND, "slower than need be: {took:?}");
}

/// Passes connections on, but lets what the client sends through only every 1.5 s, all at once.
async fn bunching_relay(target: &Server) -> Server {
    let address = target.url.socket_addrs(|| None).unwrap()[0];
    let period = Duration::from_millis(1_500);
    Server::tcp(move |listener| async move {
        let begun = Instant::now();
        loop {
            let (client, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = TcpStream::connect(address).await.unwrap().into_split();
                tokio::spawn(async move { copy(&mut from_server, &mut to_client).await });
                let mut buffer = [0; 16 * 1024];
                loop {
                    let read = from_client.read(&mut buffer).await.unwrap_or(0);
                    if read == 0 {
                        return;
                    }
                    let periods = begun.elapsed().div_duration_f64(period).floor() + 1.0;
                    sleep_until(begun + period.mul_f64(periods)).await;
                    to_server.write_all(&buffer[..read]).await.unwrap();
                }
            });
        }
    })
    .await
}

#[tokio::test]
async fn a_network_that_bunches_what_was_sent_evenly_cannot_break_the_limit() {
    let (server, log) = cloud(|_| async { json!({}) }).await;
    let relay = bunching_relay(&server).await;
    let config = ClientConfig { requests_per_second: Pace::MAX_RATE, ..config(&relay.url) };
    let client = client_with(config);
    join_all((0..60).map(|_| destroy(&client, &relay.url))).await.into_iter().for_each(|result| drop(result.unwrap()));
    let most = most_in_a_second(&log);
    assert!(most <= 20, "{most} arrived within a second");
    assert!(most > 10, "the relay did not bunch: {most}");
}
