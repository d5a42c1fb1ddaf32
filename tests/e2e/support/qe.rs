//! The command line client, run as a shell runs it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::stack::variable;

/// `qe` with an address and a key.
#[derive(Debug, Clone)]
pub struct Qe {
    base_url: String,
    key: String,
}

/// The result of a command.
#[derive(Debug)]
pub struct Ended {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Qe {
    /// Called with the key that the stack's environment has under this name.
    pub fn with_key(name: &str) -> Self {
        Self { base_url: variable("QE_BASE_URL"), key: variable(name) }
    }

    /// Called at another address.
    pub fn at(&self, base_url: &str) -> Self {
        Self { base_url: base_url.to_owned(), ..self.clone() }
    }

    /// Called with another key.
    pub fn with_secret(&self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self.clone() }
    }

    /// The binary, which `make test` builds with all the others.
    pub fn binary() -> PathBuf {
        let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let binary = target.parent().unwrap().join("debug/qe");
        assert!(binary.exists(), "{} is missing: cargo build -p qe", binary.display());
        binary
    }

    /// The variables that it reads.
    pub fn environment(&self) -> [(&str, &str); 2] {
        [("QE_BASE_URL", &self.base_url), ("QE_API_KEY", &self.key)]
    }

    /// Runs it to its end, without a terminal.
    pub async fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with_input(arguments, "").await
    }

    /// Runs it with this on its standard input.
    pub async fn run_with_input(&self, arguments: &[&str], input: &str) -> Ended {
        let mut command = Command::new(Self::binary());
        command.args(arguments).envs(self.environment());
        Self::ended(command, input).await
    }

    /// Runs it with a file of profiles, and without an address and a key in its environment.
    pub async fn run_with_profiles(&self, profiles: &Path, arguments: &[&str], input: &str) -> Ended {
        let mut command = Command::new(Self::binary());
        command.args(arguments).env("QE_CONFIG", profiles).env_remove("QE_BASE_URL").env_remove("QE_API_KEY").env_remove("QE_PROFILE");
        Self::ended(command, input).await
    }

    async fn ended(mut command: Command, input: &str) -> Ended {
        command.env_remove("CLICOLOR_FORCE");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A command that does not read its input may have ended before it was written.
        _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output = child.wait_with_output().await.unwrap();
        Ended {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ended {
    /// Its standard output, if it succeeded.
    pub fn ok(&self) -> &str {
        assert_eq!(self.code, 0, "{self:?}");
        self.stdout.trim_end()
    }

    /// Its standard error, if it ended with this exit code.
    pub fn failed(&self, code: i32) -> &str {
        assert_eq!(self.code, code, "{self:?}");
        self.stderr.trim_end()
    }

    /// The JSON that it printed.
    pub fn json(&self) -> Value {
        serde_json::from_str(self.ok()).unwrap_or_else(|problem| panic!("{problem}: {self:?}"))
    }
}
