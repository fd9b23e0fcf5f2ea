//! Tests in a process of their own, which has little memory and little time: what loops, waits for
//! ever or believes a length fails there, and spoils nothing else.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The address space of such a process, in KiB: threads and maps take some of it.
const MEMORY_KIB: u32 = 1 << 20;
/// The time of such a process, on a machine that has other things to do.
const TIME: Duration = Duration::from_secs(120);
const VARIABLE: &str = "ANNALS_CONFINED";

/// Runs `body`, which is all of the test called `name`, confined. New files get all rights there that
/// who makes them does not withhold.
///
/// # Panics
/// Where the test fails there, or does not end.
pub fn confined(name: &str, body: impl FnOnce()) {
    if std::env::var_os(VARIABLE).is_some_and(|confined| confined == name) {
        return body();
    }
    let script = format!(r#"umask 0; ulimit -v {MEMORY_KIB}; exec "$0" --exact "$1" --nocapture"#);
    let program = std::env::current_exe().expect("the test's own program");
    let mut child = Command::new("sh")
        .args(["-c", &script])
        .arg(program)
        .arg(name)
        .env(VARIABLE, name)
        .stdin(Stdio::null())
        .spawn()
        .expect("a shell");
    let begun = Instant::now();
    while begun.elapsed() < TIME {
        if let Some(status) = child.try_wait().expect("a child to wait for") {
            assert!(status.success(), "{name}, confined: {status}, see above");
            return;
        }
        sleep(Duration::from_millis(5));
    }
    child.kill().and_then(|()| child.wait()).expect("a child to end");
    panic!("{name}, confined, does not end");
}
