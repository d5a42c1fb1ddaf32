use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::tokens::tests::jwt;
use super::*;
use crate::failure::{UNAVAILABLE, USAGE};

fn registration(issuer: &str) -> Registration {
    Registration { issuer: issuer.to_owned(), client_id: "runs".to_owned(), client_secret: None }
}

fn args(base_url: Option<&str>, issuer: Option<&str>, client_id: Option<&str>) -> LoginArgs {
    let text = |text: Option<&str>| text.map(str::to_owned);
    LoginArgs { base_url: text(base_url), issuer: text(issuer), client_id: text(client_id), no_browser: true, ask_client_secret: false }
}

/// Starts a provider that responds to the token endpoint with this status and these fields. Returns its issuer.
async fn provider(status: u16, granted: impl Fn(&str) -> Value + Send + 'static) -> String {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", socket.local_addr().unwrap());
    let own = issuer.clone();
    tokio::spawn(async move {
        loop {
            let (mut connection, _) = socket.accept().await.unwrap();
            let mut request = [0; 8192];
            let size = connection.read(&mut request).await.unwrap();
            let (status, body) = if request[..size].starts_with(b"GET /.well-known/openid-configuration ") {
                let document = json!({"issuer": own, "authorization_endpoint": format!("{own}/authorize"), "token_endpoint": format!("{own}/token"),
                    "scopes_supported": ["openid", "offline_access"]});
                (200, document)
            } else {
                (status, granted(&own))
            };
            let body = body.to_string();
            let head = format!(
                "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            connection.write_all((head + &body).as_bytes()).await.unwrap();
        }
    });
    issuer
}

/// Returns the tokens of a login of Ada that expired long ago.
fn expired(refresh_token: Option<&str>) -> Tokens {
    Tokens { id_token: jwt(&json!({"sub": "ada"})), expires_at: 1_000, refresh_token: refresh_token.map(Secret::from) }
}

fn granted(issuer: &str, person: &str) -> Value {
    let claims = json!({"iss": issuer, "aud": "runs", "sub": person, "exp": 9_000_000_000_u64});
    json!({"access_token": "x", "token_type": "Bearer", "id_token": jwt(&claims).expose()})
}

#[test]
fn the_first_login_names_everything_and_a_later_one_nothing() {
    let first = target("a", None, args(Some("https://api"), Some("https://login"), Some("runs")), None, Some("s".into())).unwrap();
    assert_eq!(first, ("https://api".to_owned(), Registration { client_secret: Some("s".into()), ..registration("https://login") }));
    let login = Some(Login { registration: first.1.clone(), tokens: None });
    let known = Profile { base_url: first.0.clone(), api_key: None, login };
    assert_eq!(target("a", Some(&known), args(None, None, None), Some("https://other".to_owned()), None).unwrap(), first);
    let (_, moved) = target("a", Some(&known), args(None, Some("https://new"), None), None, None).unwrap();
    assert_eq!(moved, registration("https://new"), "the secret is not sent to another provider");
}

#[test]
fn a_first_login_that_lacks_something_says_what() {
    let environment = || Some("https://api".to_owned());
    for (args, environment, flag) in [
        (args(None, Some("https://login"), Some("runs")), None, "--base-url"),
        (args(None, None, Some("runs")), environment(), "--issuer"),
        (args(None, Some("https://login"), None), environment(), "--client-id"),
    ] {
        let failure = target("a", None, args, environment, None).unwrap_err();
        assert!(failure.code == USAGE && failure.to_string().contains(flag), "{failure}");
    }
    let with_key = Profile { base_url: "https://api".to_owned(), api_key: Some("qe_sk_live_x".into()), login: None };
    let failure = target("a", Some(&with_key), args(None, Some("https://login"), Some("runs")), None, None).unwrap_err();
    assert!(failure.to_string().contains("has a key"), "{failure}");
}

#[tokio::test]
async fn a_login_asks_for_what_it_needs() {
    let issuer = provider(200, |issuer| granted(issuer, "ada")).await;
    let provider = Provider::discover(&registration(&issuer)).await.unwrap();
    let begun = provider.begin("http://127.0.0.1:7/callback").unwrap();
    let query: std::collections::BTreeMap<_, _> = begun.url.query_pairs().into_owned().collect();
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "runs"),
        ("redirect_uri", "http://127.0.0.1:7/callback"),
        ("scope", "openid profile email offline_access"),
        ("code_challenge_method", "S256"),
        ("state", &begun.state),
    ] {
        assert_eq!(query[name], value);
    }
    assert!(query["nonce"].len() >= 16 && query["code_challenge"].len() == 43);
    let failure = provider.exchange(begun, "c".to_owned()).await.unwrap_err();
    assert_eq!((failure.code, failure.to_string().as_str()), (NOT_ALLOWED, "the ID token is of another login"), "it has no nonce");
    let other = Provider::discover(&registration(&format!("{issuer}/"))).await.unwrap_err();
    assert!(other.to_string().contains("another issuer"), "{other}");
}

#[tokio::test]
async fn a_token_that_expires_is_renewed() {
    let issuer = provider(200, |issuer| granted(issuer, "ada")).await;
    let new = renewed(&registration(&issuer), &expired(Some("first")), 2_000).await.unwrap().unwrap();
    assert_eq!(
        (new.expires_at, new.refresh_token),
        (9_000_000_000, Some("first".into())),
        "the refresh token stays if there is no new one"
    );
    let fresh = Tokens { expires_at: 3_000, ..expired(Some("first")) };
    assert_eq!(renewed(&registration("https://nowhere.invalid"), &fresh, 2_000).await.unwrap(), None);
    let short = Tokens { expires_at: 2_010, ..expired(None) };
    assert_eq!(renewed(&registration("https://nowhere.invalid"), &short, 2_000).await.unwrap(), None, "it is valid and nothing renews it");
}

#[tokio::test]
async fn a_login_that_cannot_be_renewed_has_ended() {
    let refused = provider(400, |_| json!({"error": "invalid_grant"})).await;
    let other_person = provider(200, |issuer| granted(issuer, "grace")).await;
    let other_client = provider(200, |issuer| {
        let claims = json!({"iss": issuer, "aud": "another", "sub": "ada", "exp": 9_000_000_000_u64});
        json!({"access_token": "x", "token_type": "Bearer", "id_token": jwt(&claims).expose()})
    })
    .await;
    let without_id_token = provider(200, |_| json!({"access_token": "x", "token_type": "Bearer"})).await;
    for issuer in [refused, other_person, other_client, without_id_token] {
        let failure = renewed(&registration(&issuer), &expired(Some("first")), 2_000).await.unwrap_err();
        assert!(failure.code == NOT_ALLOWED && failure.to_string().starts_with("the login has ended; run `qe login`"), "{failure}");
    }
    let failure = renewed(&registration("https://nowhere.invalid"), &expired(None), 2_000).await.unwrap_err();
    assert_eq!((failure.code, failure.to_string().as_str()), (NOT_ALLOWED, "the login has ended; run `qe login`"));
    let failure = renewed(&registration("http://127.0.0.1:1"), &expired(Some("first")), 2_000).await.unwrap_err();
    assert_eq!(failure.code, UNAVAILABLE, "another try may succeed: {failure}");
}

#[tokio::test]
async fn renewed_tokens_are_stored_and_used_by_the_next_command() {
    let issuer = provider(200, |issuer| granted(issuer, "ada")).await;
    let folder = std::env::temp_dir().join(format!("qe-renewed-{}", std::process::id()));
    let path = folder.join("profiles.json");
    let login = Login { registration: registration(&issuer), tokens: Some(expired(Some("first"))) };
    let profile = Profile { base_url: "https://api".to_owned(), api_key: None, login: Some(login.clone()) };
    Profiles { current: None, profiles: [("a".to_owned(), profile)].into() }.save(&path).unwrap();
    let token = id_token(&path, "a", &login).await.unwrap();
    let stored = Profiles::load(&path).unwrap().named("a").unwrap().login.unwrap();
    assert_eq!(stored.tokens.as_ref().unwrap().id_token, token);
    assert_eq!(id_token(&path, "a", &login).await.unwrap(), token, "the one that the other process has stored");
    let signed_out = id_token(&path, "a", &Login { tokens: None, ..login }).await.unwrap_err();
    assert!(signed_out.code == NOT_ALLOWED && signed_out.to_string().contains("qe login --profile a"), "{signed_out}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn tokens_are_not_in_the_debug_text() {
    let registration = Registration { client_secret: Some("s3cr3t".into()), ..registration("https://login") };
    let text = format!("{:?}", Login { registration, tokens: Some(expired(Some("s3cr3t"))) });
    assert!(!text.contains("s3cr3t") && !text.contains("eyJ"), "{text}");
}
