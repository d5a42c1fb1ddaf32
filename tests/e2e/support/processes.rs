//! Kills the stack's function processes as a crash does, without a signal handler.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::Stack;

impl Stack {
    /// Sends SIGKILL to the processes of one function of this stack, or of all. Returns their number.
    pub fn kill_functions(&self, only: Option<&str>) -> usize {
        // The same machine may run a second stack, whose functions talk to another endpoint.
        let mark = format!("AWS_ENDPOINT_URL={}", self.aws.endpoint);
        let found: Vec<String> =
            processes().filter(|(pid, name)| only.is_none_or(|only| name == only) && is_marked(pid, &mark)).map(|(pid, _)| pid).collect();
        for pid in &found {
            // It may have ended meanwhile.
            _ = Command::new("kill").args(["-KILL", pid]).status().expect("there is a `kill`");
        }
        // A signal is delivered with a delay: until then the stack would still send work to the processes.
        for _ in 0..500 {
            if !processes().any(|(pid, _)| found.contains(&pid)) {
                return found.len();
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("{found:?} do not die");
    }
}

/// Process id and function name of every function process. A binary that was rebuilt meanwhile is called `… (deleted)`.
fn processes() -> impl Iterator<Item = (String, String)> {
    let entries = fs::read_dir("/proc").expect("these tests find processes through /proc, as Linux has it");
    entries.filter_map(|entry| {
        let pid = entry.ok()?.file_name().into_string().ok().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))?;
        let executable: PathBuf = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
        let name = executable.file_name()?.to_str()?.trim_end_matches(" (deleted)").to_owned();
        Some((pid, name))
    })
}

fn is_marked(pid: &str, mark: &str) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let variables: Vec<&[u8]> = environment.split(|byte| *byte == 0).collect();
    // Functions alone have both: MiniStack itself also knows the endpoint.
    variables.contains(&mark.as_bytes()) && variables.iter().any(|variable| variable.starts_with(b"AWS_LAMBDA_FUNCTION_NAME="))
}
