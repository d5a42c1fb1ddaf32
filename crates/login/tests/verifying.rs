//! Whose a token is, and everything that must not get in: a real provider's keys over HTTP, and tokens signed with them.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot be set up should stop at once")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::access::{Environment, Grant, RecordedActor, Scope};
use domain::id::OrgId;
use domain::login::{ClaimPaths, Discovered, IdentityProvider};
use domain::ports::IdentityProviders as _;
use domain::time::Time;
use egress::lookup::SystemLookup;
use login::{Accepted, TokenError, TokenVerifier, Web};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use testkit::build::at;
use testkit::{Faults, Memory};

/// A provider that serves one key set over HTTP, and counts how often it was asked.
struct Provider {
    issuer: String,
    asked: Arc<AtomicUsize>,
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Provider {
    fn start() -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let ec = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap();
        let ed = Ed25519KeyPair::from_pkcs8(Ed25519KeyPair::generate_pkcs8(&random).unwrap().as_ref()).unwrap();
        let (x, y) = ec.public_key().as_ref()[1..].split_at(32);
        let keys = json!({"keys": [
            {"kty": "EC", "crv": "P-256", "kid": "ec", "use": "sig", "alg": "ES256", "x": encoded(x), "y": encoded(y)},
            {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": encoded(ed.public_key())},
            {"kty": "EC", "crv": "P-256", "kid": "for-encryption", "use": "enc", "x": encoded(x), "y": encoded(y)},
            {"kty": "oct", "kid": "shared", "k": encoded("secret")},
            {"kty": "something new"},
        ]});
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let (count, body) = (Arc::clone(&asked), keys.to_string());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                _ = stream.read(&mut [0; 4096]);
                count.fetch_add(1, Ordering::SeqCst);
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                _ = stream.write_all(format!("{head}{body}").as_bytes());
            }
        });
        Self { issuer, asked, ec, ed }
    }

    fn registration(&self, number: u128, client: &str) -> IdentityProvider {
        let url = |path: &str| format!("{}/{path}", self.issuer);
        IdentityProvider {
            org: OrgId::new(at(0), number),
            issuer: self.issuer.clone(),
            client_id: client.to_owned(),
            client_secret: None,
            audience: Some(format!("https://{client}.example.org")),
            claims: ClaimPaths::default(),
            role_scopes: [("reviewer".to_owned(), [Grant::One(Scope::ApprovalsDecide)].into())].into(),
            discovered: Discovered { authorization_endpoint: url("authorize"), token_endpoint: url("token"), jwks_uri: url("jwks") },
            environment: Environment::Sandbox,
            updated_at: at(0),
            updated_by: RecordedActor::named("usr_root"),
        }
    }

    fn claims(&self) -> Value {
        let now = now().seconds();
        json!({"iss": self.issuer, "aud": "runs", "sub": "ada", "exp": now + 300, "iat": now, "roles": ["reviewer"], "name": "Ada"})
    }

    fn signed(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        let signature = if header["alg"] == "EdDSA" {
            self.ed.sign(message.as_bytes()).as_ref().to_vec()
        } else {
            self.ec.sign(&SystemRandom::new(), message.as_bytes()).unwrap().as_ref().to_vec()
        };
        format!("{message}.{}", encoded(signature))
    }
}

fn now() -> Time {
    at(1_000)
}

struct Setup {
    provider: Provider,
    store: Memory,
    verifier: TokenVerifier,
    runtime: tokio::runtime::Runtime,
}

impl Setup {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (provider, store) = (Provider::start(), Memory::new(Faults::none()));
        runtime.block_on(store.put_identity_provider(&provider.registration(1, "runs"), None)).unwrap();
        let web = Web::new("loopback".parse().unwrap(), Arc::new(SystemLookup));
        Self { provider, store, verifier: TokenVerifier::new(web), runtime }
    }

    fn verify_at(&self, token: &str, now: Time) -> Result<Accepted, TokenError> {
        self.runtime.block_on(self.verifier.verify(&self.store, token, now))
    }

    fn refuses(&self, token: &str, why: &str) {
        let refused = self.verify_at(token, now());
        assert!(matches!(&refused, Err(TokenError::Refused(_))), "{why}: {refused:?}");
    }

    fn changed(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = self.provider.claims();
        change(&mut claims);
        self.provider.signed(&json!({"alg": "ES256", "kid": "ec"}), &claims)
    }
}

#[test]
fn a_token_of_the_provider_says_who_has_signed_in() {
    let setup = Setup::new();
    let claims = setup.provider.claims();
    for header in [
        json!({"alg": "ES256", "kid": "ec", "typ": "JWT"}),
        json!({"alg": "ES256"}),
        json!({"alg": "EdDSA", "kid": "ed"}),
        json!({"alg": "EdDSA"}),
    ] {
        let accepted = setup.verify_at(&setup.provider.signed(&header, &claims), now()).unwrap();
        assert_eq!((accepted.person.actor.id.as_str(), accepted.provider.org), ("ada", OrgId::new(at(0), 1)), "{header}");
        assert_eq!(accepted.person.grants, [Grant::One(Scope::ApprovalsDecide)].into());
    }
    assert_eq!(setup.provider.asked.load(Ordering::SeqCst), 1, "the keys are fetched once");
    for audience in [json!(["else", "runs"]), json!("https://runs.example.org")] {
        assert!(setup.verify_at(&setup.changed(|claims| claims["aud"] = audience), now()).is_ok());
    }
}

#[test]
fn algorithms_without_a_key_of_the_provider_are_refused() {
    let setup = Setup::new();
    let claims = setup.provider.claims();
    let unsigned = |header: &Value| format!("{}.{}.", encoded(header.to_string()), encoded(claims.to_string()));
    for algorithm in ["none", "None", "NONE", "HS256", "HS512", "ES256K", "", "RS1"] {
        let header = json!({"alg": algorithm, "kid": "ec"});
        setup.refuses(&unsigned(&header), algorithm);
        setup.refuses(&setup.provider.signed(&header, &claims), algorithm);
    }
    assert_eq!(setup.provider.asked.load(Ordering::SeqCst), 0, "nothing was asked for these");
    for header in [
        json!({"alg": "RS256", "kid": "ec"}),
        json!({"alg": "ES384", "kid": "ec"}),
        json!({"alg": "EdDSA", "kid": "ec"}),
        json!({"alg": "ES256", "kid": "ed"}),
        json!({"alg": "ES256", "kid": "for-encryption"}),
        json!({"alg": "ES256", "kid": "shared"}),
        json!({"alg": "ES256", "kid": "ec", "crit": ["exp"]}),
    ] {
        setup.refuses(&setup.provider.signed(&header, &claims), &header.to_string());
    }
}

#[test]
fn a_token_for_somebody_else_or_of_somebody_else_or_of_another_time_is_refused() {
    let setup = Setup::new();
    let second = now().seconds();
    setup.refuses(&setup.changed(|claims| claims["iss"] = json!("https://evil.example")), "another issuer");
    setup.refuses(&setup.changed(|claims| claims["iss"] = json!(format!("{}/", setup.provider.issuer))), "almost the issuer");
    setup.refuses(&setup.changed(|claims| claims["aud"] = json!("else")), "another audience");
    setup.refuses(&setup.changed(|claims| claims["aud"] = json!([])), "no audience");
    setup.refuses(&setup.changed(|claims| claims["exp"] = json!(second - 61)), "expired");
    setup.refuses(&setup.changed(|claims| claims["exp"] = json!("tomorrow")), "no time");
    setup.refuses(&setup.changed(|claims| _ = claims.as_object_mut().unwrap().remove("exp")), "without an end");
    setup.refuses(&setup.changed(|claims| claims["nbf"] = json!(second + 62)), "not yet valid");
    setup.refuses(&setup.changed(|claims| claims["iat"] = json!(second + 62)), "made in the future");
    setup.refuses(&setup.changed(|claims| claims["sub"] = json!("trigger:cron")), "nobody's name");
    setup.refuses(
        &setup.changed(|claims| (claims["aud"], claims["azp"]) = (json!(["runs", "else"]), json!("else"))),
        "given to somebody else",
    );
    for skew in [json!({"exp": second - 59}), json!({"nbf": second + 59}), json!({"iat": second + 59})] {
        let token = setup.changed(|claims| claims.as_object_mut().unwrap().extend(skew.as_object().unwrap().clone()));
        assert!(setup.verify_at(&token, now()).is_ok(), "{skew}");
    }
    let good = setup.changed(|_| {});
    let (head, signature) = good.rsplit_once('.').unwrap();
    let other = encoded(json!({"iss": setup.provider.issuer, "aud": "runs", "sub": "eve", "exp": second + 300}).to_string());
    setup.refuses(&format!("{}.{other}.{signature}", head.split('.').next().unwrap()), "tampered with");
    setup.refuses(&format!("{head}.{}", encoded([0; 64])), "another signature");
    for nonsense in ["", "a.b.c", "ey.ey.ey", "eyJ9..", &good.replace('.', ""), &format!("{good}.x")] {
        setup.refuses(nonsense, nonsense);
    }
}

#[test]
fn an_unknown_key_is_asked_for_and_not_all_the_time() {
    let setup = Setup::new();
    let claims = setup.provider.claims();
    let invented = |kid: &str| setup.provider.signed(&json!({"alg": "ES256", "kid": kid}), &claims);
    for number in 0..20 {
        setup.refuses(&invented(&format!("invented-{number}")), "an invented key");
    }
    assert_eq!(setup.provider.asked.load(Ordering::SeqCst), 1);
    assert!(setup.verify_at(&invented("invented"), now().plus_seconds(31)).is_err());
    assert_eq!(setup.provider.asked.load(Ordering::SeqCst), 2, "half a minute later it may have a new one");
    assert!(setup.verify_at(&invented("ec"), now().plus_seconds(32)).is_ok());
}

#[test]
fn a_provider_that_does_not_answer_is_no_reason_to_let_somebody_in() {
    let setup = Setup::new();
    let mut moved = setup.provider.registration(1, "runs");
    let before = moved.clone();
    moved.discovered.jwks_uri = "http://127.0.0.1:1/jwks".to_owned();
    setup.runtime.block_on(setup.store.put_identity_provider(&moved, Some(&before))).unwrap();
    assert!(matches!(setup.verify_at(&setup.changed(|_| {}), now()), Err(TokenError::Port(_))));
    // The guard stands before the network.
    let strict = TokenVerifier::new(Web::default());
    let refused = setup.runtime.block_on(strict.verify(&setup.store, &setup.changed(|_| {}), now()));
    assert!(matches!(refused, Err(TokenError::Port(_))));
}

#[test]
fn two_organisations_with_one_issuer_are_told_apart_by_their_audience() {
    let setup = Setup::new();
    setup.runtime.block_on(setup.store.put_identity_provider(&setup.provider.registration(2, "other"), None)).unwrap();
    let stolen = setup.runtime.block_on(setup.store.put_identity_provider(&setup.provider.registration(3, "runs"), None));
    assert!(stolen.is_err(), "an audience has one organisation");
    let theirs = setup.verify_at(&setup.changed(|claims| claims["aud"] = json!("other")), now()).unwrap();
    assert_eq!(theirs.provider.org, OrgId::new(at(0), 2));
    let ours = setup.verify_at(&setup.changed(|_| {}), now()).unwrap();
    assert_eq!(ours.provider.org, OrgId::new(at(0), 1));
}
