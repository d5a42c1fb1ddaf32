//! Payloads over 100 KB, in S3.

use std::ops::Deref;
use std::sync::OnceLock;
use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{DisplayErrorContext, SdkError};
use domain::flow::NodeId;
use domain::json::{canonical, sha256_hex_of};
use domain::ports::PortError;
use domain::run::Run;
use domain::step::{MAX_INLINE_BYTES, ObjectRef, Payload};
use serde_json::Value;

use crate::presigned::Presigner;

/// The bucket for large payloads.
#[derive(Debug, Clone)]
pub struct Objects {
    client: OnDemand,
    presigner: Presigner,
    bucket: String,
}

/// A client that is built when it is first used: a function that only signs URLs neither builds nor links it.
#[derive(Debug, Clone)]
struct OnDemand {
    config: SdkConfig,
    client: OnceLock<Client>,
}

impl Deref for OnDemand {
    type Target = Client;

    fn deref(&self) -> &Client {
        self.client.get_or_init(|| {
            // The local stack has no host name for each bucket; on AWS both forms of address work.
            let path_style = self.config.endpoint_url().is_some();
            Client::from_conf(aws_sdk_s3::config::Builder::from(&self.config).force_path_style(path_style).build())
        })
    }
}

impl Objects {
    /// The bucket called `bucket`.
    pub fn new(config: &SdkConfig, bucket: impl Into<String>) -> Self {
        let bucket = bucket.into();
        let client = OnDemand { config: config.clone(), client: OnceLock::new() };
        Self { client, presigner: Presigner::new(config, &bucket), bucket }
    }

    /// The payload as it is to be recorded: a large one is uploaded first, under a key that ends with its hash, so that
    /// the same payload uploaded again is the same object. One that lies beside another run's record is copied.
    pub(crate) async fn offload(&self, run: &Run, place: Place<'_>, payload: Payload) -> Result<Payload, PortError> {
        let value = match &payload {
            Payload::Inline(value) => value,
            Payload::Stored(object) => return self.copy(run, place, object).await.map(Payload::Stored),
        };
        let text = canonical(value);
        if text.len() <= MAX_INLINE_BYTES {
            return Ok(payload);
        }
        let sha256 = sha256_hex_of(text.as_bytes());
        let key = key(run, place, &sha256);
        let bytes = text.len() as u64;
        let upload =
            self.client.put_object().bucket(&self.bucket).key(&key).content_type("application/json").body(text.into_bytes().into());
        upload.send().await.map_err(unavailable)?;
        Ok(Payload::Stored(ObjectRef { key, bytes, sha256 }))
    }

    async fn copy(&self, run: &Run, place: Place<'_>, object: &ObjectRef) -> Result<ObjectRef, PortError> {
        let key = key(run, place, &object.sha256);
        if key != object.key {
            // Ids, names of nodes and hashes: nothing that a header would have to encode.
            let source = format!("{}/{}", self.bucket, object.key);
            self.client.copy_object().bucket(&self.bucket).key(&key).copy_source(source).send().await.map_err(unavailable)?;
        }
        Ok(ObjectRef { key, ..object.clone() })
    }

    pub(crate) async fn fetch(&self, object: &ObjectRef) -> Result<Value, PortError> {
        let answer = self.client.get_object().bucket(&self.bucket).key(&object.key).send().await.map_err(unavailable)?;
        let bytes = answer.body.collect().await.map_err(|problem| PortError::Unavailable(problem.to_string()))?.into_bytes();
        if sha256_hex_of(&bytes) != object.sha256 {
            return Err(PortError::Corrupt(format!("object {} does not have its hash", object.key)));
        }
        serde_json::from_slice(&bytes).map_err(|problem| PortError::Corrupt(problem.to_string()))
    }

    pub(crate) async fn sign(&self, object: &ObjectRef, seconds: u64) -> Result<String, PortError> {
        self.presigner.get(&object.key, seconds, SystemTime::now()).await
    }
}

fn key(run: &Run, place: Place<'_>, sha256: &str) -> String {
    format!("{}/{}/{}/{sha256}", run.org, run.id, place.name())
}

/// Which payload of a run it is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'a> {
    Input,
    Step(&'a NodeId),
}

impl Place<'_> {
    fn name(self) -> String {
        match self {
            // `@` cannot stand in a node's name.
            Self::Input => "@input".to_owned(),
            Self::Step(node) => node.to_string(),
        }
    }
}

fn unavailable<E: std::error::Error + 'static, R: std::fmt::Debug>(error: SdkError<E, R>) -> PortError {
    PortError::Unavailable(DisplayErrorContext(error).to_string())
}
