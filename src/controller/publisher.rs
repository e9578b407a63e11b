//! Events about resources, published by kube's recorder, whose memory is kept small.
//!
//! A recorder remembers every event for six minutes, to fold a repeat into a series, and goes through all of them for
//! each new one. After 10 000 resources had been taken in, it held more memory than everything else together. So a
//! recorder is given up for a new one after some events. What is lost: a repeat that comes after so many events of
//! others is an event of its own.

use std::sync::{Mutex, PoisonError};

use kube::Client;
use kube::runtime::events::{Recorder, Reporter};

/// Events that one recorder remembers at most; each takes about 3 kB.
const REMEMBERED: usize = 256;

/// Hands out a recorder for each event.
pub struct Publisher {
    client: Client,
    reporter: Reporter,
    current: Mutex<(Recorder, usize)>,
}

impl Publisher {
    /// A publisher for this process.
    pub fn new(client: Client, reporter: Reporter) -> Self {
        let recorder = Recorder::new(client.clone(), reporter.clone());
        Self { client, reporter, current: Mutex::new((recorder, 0)) }
    }

    /// The recorder for one more event.
    pub fn recorder(&self) -> Recorder {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let (recorder, used) = &mut *current;
        if *used == REMEMBERED {
            *recorder = Recorder::new(self.client.clone(), self.reporter.clone());
            *used = 0;
        }
        *used += 1;
        recorder.clone()
    }
}
