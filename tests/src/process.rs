//! Processes of the rig, whose words a thread hears.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A process, killed where this value is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    input: Option<ChildStdin>,
    lines: Arc<Mutex<Vec<String>>>,
    listener: Option<JoinHandle<()>>,
    heard: mpsc::Receiver<()>,
}

impl Process {
    /// Starts it.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn spawn(command: &mut Command) -> Self {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().expect("the process starts");
        let (hear, heard) = mpsc::channel();
        let lines = Arc::default();
        let listener = child.stdout.take().map(|out| {
            let lines = Arc::clone(&lines);
            thread::spawn(move || listen(out, &lines, &hear))
        });
        let input = child.stdin.take();
        Self { child, input, lines, listener, heard }
    }

    /// Waits for its first word, for 20 s at the most.
    pub fn wait_for_a_word(&self) {
        let _ = self.heard.recv_timeout(Duration::from_secs(20));
    }

    /// What it said so far, line by line.
    #[must_use]
    pub fn said(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells it that nothing more comes.
    pub fn end_input(&mut self) {
        drop(self.input.take());
    }

    /// The code it ended with, which is waited for.
    pub fn code(&mut self) -> Option<i32> {
        self.child.wait().ok().and_then(|status| status.code())
    }

    /// Waits for its end: what it said, and what it complained of.
    ///
    /// # Panics
    /// Where it said something that is no text.
    #[must_use]
    pub fn end(mut self) -> (Vec<String>, String) {
        self.end_input();
        if let Some(listener) = self.listener.take() {
            listener.join().expect("it says text");
        }
        let mut complaints = String::new();
        if let Some(mut errors) = self.child.stderr.take() {
            errors.read_to_string(&mut complaints).expect("it says text");
        }
        self.code();
        (self.said(), complaints)
    }

    /// Kills it: what it said.
    ///
    /// # Panics
    /// Where it complained of something before.
    #[must_use]
    pub fn kill(mut self) -> Vec<String> {
        self.child.kill().expect("it can be killed");
        let (lines, complaints) = self.end();
        assert!(complaints.is_empty(), "it said {complaints}");
        lines
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Where the test fails meanwhile.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(out: ChildStdout, lines: &Mutex<Vec<String>>, hear: &mpsc::Sender<()>) {
    let (mut out, mut line) = (BufReader::new(out), String::new());
    while out.read_line(&mut line).expect("it says text") > 0 {
        // A process that is killed leaves half a line: that was not heard.
        if line.ends_with('\n') {
            let whole = line.trim_end().to_owned();
            lines.lock().unwrap_or_else(PoisonError::into_inner).push(whole);
            let _ = hear.send(());
        }
        line.clear();
    }
}
