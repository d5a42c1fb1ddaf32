//! A person at a browser, as far as the login needs one: cookies, and the form of the local identity provider.

use reqwest::header::{COOKIE, HeaderMap, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Url};
use serde_json::{Value, json};

use super::recording::{Sent, record};
use super::stack::variable;
use super::{Api, Stack};

/// The client that the local stack registers.
const CLIENT: &str = "runs-local";

/// A browser that has begun a login.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    base: String,
    cookies: Vec<String>,
}

impl Browser {
    /// A browser without cookies.
    pub fn new() -> Self {
        // Fails if another test of this process has installed it already.
        _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        Self { client, base: variable("QE_BASE_URL"), cookies: Vec::new() }
    }

    /// The value of the header `Cookie`.
    pub fn cookie(&self) -> String {
        self.cookies.join("; ")
    }

    /// Goes to a URL with the cookies, and keeps those that come back. Returns the status, the headers and the body.
    pub async fn visit(&mut self, url: &str) -> (u16, HeaderMap, String) {
        let response = self.client.get(url).header(COOKIE, self.cookie()).send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        if let Some(path) = url.strip_prefix(&self.base) {
            record(Sent { method: &Method::GET, path, headers: &[], body: None }, status, &headers, &text);
        }
        for cookie in headers.get_all(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let pair = cookie.split(';').next().unwrap();
            let name = pair.split('=').next().unwrap();
            self.cookies.retain(|kept| kept.split('=').next() != Some(name));
            if !pair.ends_with('=') {
                self.cookies.push(pair.to_owned());
            }
        }
        (status, headers, text)
    }

    /// Goes to a URL that leads to another one, and returns that.
    pub async fn follow(&mut self, url: &str) -> String {
        let (status, headers, text) = self.visit(url).await;
        assert_eq!(status, 302, "{text}");
        location(&headers)
    }

    /// Begins a login of the first organisation. Returns where the provider asks who it is.
    pub async fn begin(&mut self, redirect: &str) -> String {
        self.begin_at(&format!("organisation={}&redirect={redirect}", variable("QE_ORG"))).await
    }

    /// Begins a login with this query. Returns where the provider asks who it is.
    pub async fn begin_at(&mut self, query: &str) -> String {
        self.follow(&format!("{}/api/auth/login?{query}", self.base)).await
    }

    /// Says who it is, at the provider. Returns the callback, with the code.
    pub async fn identify(&self, at: &str, person: &str) -> String {
        let form = format!("sub={person}");
        let request = self.client.post(at).header("content-type", "application/x-www-form-urlencoded").body(form);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 302, "{:?}", response.text().await);
        location(response.headers())
    }

    /// Signs in. Returns the address at which the browser is afterwards.
    pub async fn sign_in(&mut self, person: &str, redirect: &str) -> String {
        let at = self.begin(redirect).await;
        let callback = self.identify(&at, person).await;
        self.follow(&callback).await
    }

    /// Gets an ID token for a client with the code flow, as a program of a person does.
    pub async fn id_token(&self, person: &str, client: &str) -> String {
        // The example of RFC 7636, appendix B.
        let (verifier, challenge) = ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        let (issuer, redirect) = (variable("QE_LOGIN_URL"), "http://127.0.0.1:9/callback");
        let at = format!(
            "{issuer}/oauth2/authorize?response_type=code&client_id={client}&redirect_uri={redirect}&scope=openid%20profile%20email&state=s&\
             code_challenge={challenge}&code_challenge_method=S256"
        );
        let callback: Url = self.identify(&at, person).await.parse().unwrap();
        let code = callback.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
        let form = format!(
            "grant_type=authorization_code&code={code}&redirect_uri={redirect}&client_id={client}&client_secret=any&code_verifier={verifier}"
        );
        let request = self.client.post(format!("{issuer}/oauth2/token")).header("content-type", "application/x-www-form-urlencoded");
        let answer: Value = serde_json::from_str(&request.body(form).send().await.unwrap().text().await.unwrap()).unwrap();
        answer["id_token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
    }
}

fn location(headers: &HeaderMap) -> String {
    headers[LOCATION].to_str().unwrap().to_owned()
}

/// Returns the API, called with the token of a person who has signed in.
pub async fn signed_in(stack: &Stack, person: &str) -> Api {
    let token = Browser::new().id_token(person, CLIENT).await;
    stack.without_key.authorized_by(&format!("Bearer {token}"))
}

/// Returns the identity that a record of Ada's login has, without the times.
pub fn ada() -> Value {
    json!({"method": "login", "name": "Ada Lovelace", "mail": "ada@example.org", "issuer": variable("QE_LOGIN_URL"), "subject": "ada"})
}
