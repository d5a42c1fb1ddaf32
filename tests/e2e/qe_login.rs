//! `qe login`: a person signs in at the identity provider of the local stack, and uses the command line without a key.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

use crate::support::{Browser, Ended, Qe, unique};

/// A person at a terminal, with a file of profiles and without a key.
struct Person {
    file: PathBuf,
}

impl Person {
    fn new() -> Self {
        Self { file: std::env::temp_dir().join(unique("qe-login")).join("profiles.json") }
    }

    fn folder(&self) -> &Path {
        self.file.parent().unwrap()
    }

    async fn qe(&self, arguments: &[&str]) -> Ended {
        Qe::with_key("QE_API_KEY").run_with_profiles(&self.file, arguments, "").await
    }

    /// Begins a login, lets the browser do its part with the URL that was printed, and returns how the command ended.
    async fn login(&self, arguments: &[&str], browse: impl AsyncFnOnce(String)) -> Ended {
        let mut command = Command::new(Qe::binary());
        command.args([&["login", "--no-browser"], arguments].concat()).env("QE_CONFIG", &self.file);
        command.env_remove("QE_BASE_URL").env_remove("QE_API_KEY").env_remove("QE_PROFILE");
        // The provider takes any secret, and asks for one. It is stored: only the first login has it.
        command.envs((!self.file.exists()).then_some(("QE_CLIENT_SECRET", "any-secret-will-do")));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut stderr = String::new();
        let url = loop {
            let line = lines.next_line().await.unwrap().unwrap_or_else(|| panic!("it printed no URL: {stderr}"));
            stderr.extend([line.as_str(), "\n"]);
            if line.trim().starts_with("http://") {
                break line.trim().to_owned();
            }
        };
        browse(url).await;
        lines.into_inner().read_to_string(&mut stderr).await.unwrap();
        let output = child.wait_with_output().await.unwrap();
        Ended { code: output.status.code().unwrap(), stdout: String::from_utf8(output.stdout).unwrap(), stderr }
    }
}

/// Signs a person in at the URL of a login, as a browser does.
async fn sign_in(url: String, person: &str) {
    let mut browser = Browser::new();
    let callback = browser.identify(&url, person).await;
    assert!(callback.starts_with("http://127.0.0.1:"), "{callback}");
    let forged = callback.replace("state=", "state=x");
    assert_eq!(browser.visit(&forged).await.0, 400, "a callback of another login is refused");
    let page = browser.visit(&callback).await;
    assert_eq!((page.0, page.1["referrer-policy"].to_str().unwrap()), (200, "no-referrer"));
    assert!(page.2.contains("You can close this window"));
}

#[tokio::test]
async fn a_person_signs_in_works_without_a_key_and_signs_out() {
    let ada = Person::new();
    let (base_url, issuer) = (std::env::var("QE_BASE_URL").unwrap(), std::env::var("QE_LOGIN_URL").unwrap());
    let first = ["--base-url", &base_url, "--issuer", &issuer, "--client-id", "runs-local"];
    let ended = ada.login(&first, async |url| sign_in(url, "ada").await).await;
    assert_eq!(ended.ok(), "", "its standard output is for scripts");
    assert!(ended.stderr.contains("signed in as Ada Lovelace (usr_ada), profile default"), "{ended:?}");

    let who = ada.qe(&["whoami"]).await;
    assert!(who.ok().contains("usr_ada") && who.ok().contains("profile default") && who.ok().contains(&issuer), "{who:?}");
    assert_eq!(ada.qe(&["whoami", "--json"]).await.json()["caller"]["me"]["identity"]["method"], "login");
    ada.qe(&["approvals"]).await.ok();
    let text = std::fs::read_to_string(&ada.file).unwrap();
    assert!(text.contains("eyJ") && text.contains("any-secret-will-do"), "the file has the token and the secret");
    for printed in [ended, ada.qe(&["profiles", "list"]).await, who] {
        let printed = printed.stdout + &printed.stderr;
        assert!(!printed.contains("eyJ") && !printed.contains("any-secret"), "{printed}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&ada.file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    ada.qe(&["logout"]).await.ok();
    assert!(!std::fs::read_to_string(&ada.file).unwrap().contains("eyJ"), "the tokens are forgotten");
    let refused = ada.qe(&["approvals"]).await;
    assert_eq!(refused.failed(4), "qe: the profile `default` is signed out; run `qe login --profile default`");

    // The profile knows the rest.
    ada.login(&[], async |url| sign_in(url, "ada").await).await.ok();
    ada.qe(&["approvals"]).await.ok();
    std::fs::remove_dir_all(ada.folder()).unwrap();
}

#[tokio::test]
async fn a_login_that_the_provider_refuses_is_not_stored() {
    let ada = Person::new();
    let (base_url, issuer) = (std::env::var("QE_BASE_URL").unwrap(), std::env::var("QE_LOGIN_URL").unwrap());
    let first = ["--base-url", &base_url, "--issuer", &issuer, "--client-id", "runs-local"];
    let refused = ada
        .login(&first, async |url| {
            let url: reqwest::Url = url.parse().unwrap();
            let parameter = |name: &str| url.query_pairs().find(|(found, _)| found == name).unwrap().1.into_owned();
            let callback = format!("{}?error=access_denied&state={}", parameter("redirect_uri"), parameter("state"));
            assert_eq!(Browser::new().visit(&callback).await.0, 200);
        })
        .await;
    assert!(refused.failed(4).ends_with("qe: the identity provider has refused the login: access_denied"), "{refused:?}");
    assert!(!ada.file.exists());
    let elsewhere = ada.qe(&["login", "--base-url", &base_url, "--issuer", "http://127.0.0.1:1", "--client-id", "x"]).await;
    assert!(elsewhere.failed(5).starts_with("qe: the identity provider could not be reached"), "{elsewhere:?}");
    assert!(ada.qe(&["login", "--no-browser"]).await.failed(2).contains("--base-url"));
}
