//! The environment of a function: an AWS configuration that starts fast, settings, the clock, randomness.

mod https;

use std::net::IpAddr;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
pub use aws_smithy_http_client::Connector;
use domain::ports::{Clock, Entropy};
use domain::time::Time;

/// Returns the AWS configuration of a function, from the environment that Lambda gives it: the region, the function's own credentials, and
/// `AWS_ENDPOINT_URL` on the local stack. It reads no profile and asks no metadata service, because the code for those is 1.5 MB of binary.
#[expect(clippy::unused_async, reason = "callers must not depend on it not waiting")]
pub async fn aws() -> SdkConfig {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new()))
        .http_client(https::client());
    config.set_region(variable("AWS_REGION").map(Region::new));
    config.set_endpoint_url(variable("AWS_ENDPOINT_URL"));
    config.set_app_name(variable("AWS_SDK_UA_APP_ID").and_then(|name| AppName::new(name).ok()));
    config.build()
}

/// Returns an HTTP client that connects to these addresses, whatever the name in a URL is: for requests whose addresses were judged before.
/// It has no timeout of its own and follows no redirect.
pub fn connector_to(addresses: Vec<IpAddr>) -> Connector {
    https::connector_to(addresses)
}

/// Returns the AWS configuration of an operator at a terminal: profiles, single sign-on and everything else that the AWS CLI knows.
pub async fn operator_aws() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest()).http_client(https::client()).load().await
}

/// A setting is missing or cannot be read, so the function does not start.
#[derive(Debug, thiserror::Error)]
pub enum BadSetting {
    /// The variable is not set.
    #[error("the environment variable {0} is not set; template.yaml sets it")]
    Missing(&'static str),
    /// The value of the variable cannot be read.
    #[error("the environment variable {0} cannot be read: `{1}`")]
    Unreadable(&'static str, String),
}

/// Returns the environment variable `name`. Fails if it is not set or empty.
pub fn setting(name: &'static str) -> Result<String, BadSetting> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).ok_or(BadSetting::Missing(name))
}

/// Returns the environment variable `name` as a number or another simple value. Fails if it is not set or cannot be parsed.
pub fn parsed_setting<T: FromStr>(name: &'static str) -> Result<T, BadSetting> {
    let text = setting(name)?;
    text.parse().map_err(|_| BadSetting::Unreadable(name, text))
}

/// Returns the environment variable `name` as a value, and the default if it is not set or empty. Fails if it cannot be parsed.
pub fn optional_setting<T: FromStr + Default>(name: &'static str) -> Result<T, BadSetting> {
    match setting(name) {
        Ok(text) => text.parse().map_err(|_| BadSetting::Unreadable(name, text)),
        Err(_) => Ok(T::default()),
    }
}

/// Returns the address that mails come from, which `MAIL_FROM` has. `None` if the deployment sends no mail.
pub fn mail_from() -> Option<String> {
    setting("MAIL_FROM").ok()
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Time {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Time::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    async fn sleep(&self, millis: u64) {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
}

/// The random numbers of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    #[expect(clippy::expect_used, reason = "without random numbers no id is unique, so the invocation must end")]
    fn random(&self) -> u128 {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the operating system gives random numbers");
        u128::from_be_bytes(bytes)
    }
}
