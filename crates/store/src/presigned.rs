//! URLs at which anyone who has them can read one object for a limited time.
//!
//! Signed here and not by the S3 client: a function that hands out URLs and reads no object does without that client, which is
//! a quarter of its binary. The signature itself is made by the signer that all clients use.

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{
    PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use domain::ports::PortError;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::error::corrupt;

/// The characters that are not encoded in a URI: "unreserved" in RFC 3986.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const KEY: &AsciiSet = &QUERY.remove(b'/');

/// Signs URLs of a bucket.
#[derive(Debug, Clone)]
pub(crate) struct Presigner {
    /// The URL of the bucket, with a slash at its end.
    base: String,
    region: String,
    credentials: Option<SharedCredentialsProvider>,
}

impl Presigner {
    pub(crate) fn new(config: &SdkConfig, bucket: &str) -> Self {
        let region = config.region().map(ToString::to_string).unwrap_or_default();
        let base = if let Some(endpoint) = config.endpoint_url() {
            // The local stack has no host name for each bucket.
            format!("{}/{bucket}/", endpoint.trim_end_matches('/'))
        } else {
            let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
            format!("https://{bucket}.s3.{region}.{suffix}/")
        };
        Self { base, region, credentials: config.credentials_provider() }
    }

    /// Returns a URL at which the object at `key` can be read for `seconds` from `now`. Fails with `Corrupt` if there are no
    /// credentials to sign with.
    pub(crate) async fn get(&self, key: &str, seconds: u64, now: SystemTime) -> Result<String, PortError> {
        let provider = self.credentials.as_ref().ok_or_else(|| corrupt("there are no credentials to sign a URL with"))?;
        let identity = provider.provide_credentials().await.map_err(|problem| PortError::Unavailable(problem.to_string()))?.into();
        let mut settings = SigningSettings::default();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_secs(seconds));
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let params = SigningParams::builder().identity(&identity).region(&self.region).name("s3").time(now).settings(settings);
        let params = params.build().map_err(corrupt)?.into();
        let url = format!("{}{}?x-id=GetObject", self.base, utf8_percent_encode(key, KEY));
        let request = SignableRequest::new("GET", &url, std::iter::empty(), SignableBody::UnsignedPayload).map_err(corrupt)?;
        let (signature, _) = sign(request, &params).map_err(corrupt)?.into_parts();
        let query = signature.params().iter().map(|(name, value)| format!("&{name}={}", utf8_percent_encode(value, QUERY)));
        Ok(query.fold(url, |url, parameter| url + &parameter))
    }
}

#[cfg(test)]
mod tests {
    use aws_config::{BehaviorVersion, Region};
    use aws_sdk_s3::config::Credentials;
    use aws_sdk_s3::presigning::PresigningConfig;

    use super::*;

    fn config(region: &'static str, token: Option<&str>, endpoint: Option<&str>) -> SdkConfig {
        let credentials = Credentials::new("AKIDEXAMPLE", "secret/with+signs", token.map(str::to_owned), None, "test");
        let mut config = SdkConfig::builder().behavior_version(BehaviorVersion::latest()).region(Region::new(region));
        config.set_endpoint_url(endpoint.map(str::to_owned));
        config.credentials_provider(SharedCredentialsProvider::new(credentials)).build()
    }

    #[tokio::test]
    async fn a_url_is_the_one_that_the_s3_client_would_make() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_hours(490_896);
        let keys = ["org_01/run_01/node-1/ab12", "org_01/run_01/@input/cd", "a/ä b+c&d=e%2F~/*'()!"];
        for (region, endpoint) in [
            ("us-east-1", None),
            ("eu-central-1", None),
            ("us-gov-west-1", None),
            ("cn-north-1", None),
            ("us-east-1", Some("http://127.0.0.1:4566")),
            ("us-east-1", Some("http://127.0.0.1:4566/")),
        ] {
            for token in [None, Some("session/token+=")] {
                let config = config(region, token, endpoint);
                let client = aws_sdk_s3::config::Builder::from(&config).force_path_style(endpoint.is_some()).build();
                let client = aws_sdk_s3::Client::from_conf(client);
                for key in keys {
                    let times = PresigningConfig::builder().start_time(now).expires_in(Duration::from_mins(15)).build().unwrap();
                    let expected = client.get_object().bucket("outputs-1").key(key).presigned(times).await.unwrap();
                    let signed = Presigner::new(&config, "outputs-1").get(key, 900, now).await.unwrap();
                    assert_eq!(signed, expected.uri(), "{region} {endpoint:?} {token:?} {key}");
                }
            }
        }
    }

    #[tokio::test]
    async fn without_credentials_there_is_no_url() {
        let config = SdkConfig::builder().region(Region::new("us-east-1")).build();
        assert!(Presigner::new(&config, "b").get("k", 1, SystemTime::UNIX_EPOCH).await.is_err());
    }
}
