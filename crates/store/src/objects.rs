//! Payloads over 100 KB, in S3.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::OnceLock;
use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{DisplayErrorContext, SdkError};
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use domain::flow::NodeId;
use domain::json::{CanonicalJson, sha256_hex_of};
use domain::ports::PortError;
use domain::run::Run;
use domain::step::{MAX_INLINE_BYTES, ObjectRef, Payload, StepKey};
use serde_json::Value;

use crate::error::corrupt;
use crate::presigned::Presigner;

/// The folder of inputs. No purge deletes it, because it is not the name of a node: those of a spec have no `@`.
const INPUT: &str = "@input";

/// The bucket of large payloads.
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
    /// Returns the bucket called `bucket`.
    pub fn new(config: &SdkConfig, bucket: impl Into<String>) -> Self {
        let bucket = bucket.into();
        let client = OnDemand { config: config.clone(), client: OnceLock::new() };
        Self { client, presigner: Presigner::new(config, &bucket), bucket }
    }

    /// Returns a payload as it is recorded: a large one is uploaded, under a key that ends with its hash, so that the same payload uploaded
    /// again is the same object. An object of another run is copied.
    pub(crate) async fn offload(&self, run: &Run, place: Place<'_>, payload: Payload) -> Result<Payload, PortError> {
        match payload {
            Payload::Inline(json) if json.text().len() <= MAX_INLINE_BYTES => Ok(Payload::Inline(json)),
            Payload::Inline(json) => self.upload(run, place, &json).await,
            stored @ Payload::Stored(_) => self.store(run, place, stored).await,
        }
    }

    /// Puts a payload of any size into an object, and returns the reference to it.
    pub(crate) async fn store(&self, run: &Run, place: Place<'_>, payload: Payload) -> Result<Payload, PortError> {
        match payload {
            Payload::Inline(json) => self.upload(run, place, &json).await,
            Payload::Stored(object) => self.copy(run, place, &object).await.map(Payload::Stored),
        }
    }

    async fn upload(&self, run: &Run, place: Place<'_>, json: &CanonicalJson) -> Result<Payload, PortError> {
        let sha256 = json.sha256().to_owned();
        let key = place.key(run, &sha256);
        let (bytes, body) = (json.text().len() as u64, json.text().as_bytes().to_vec());
        let upload = self.client.put_object().bucket(&self.bucket).key(&key).content_type("application/json").body(body.into());
        upload.send().await.map_err(unavailable)?;
        Ok(Payload::Stored(ObjectRef { key, bytes, sha256 }))
    }

    async fn copy(&self, run: &Run, place: Place<'_>, object: &ObjectRef) -> Result<ObjectRef, PortError> {
        let key = place.key(run, &object.sha256);
        if key != object.key {
            // A key consists of ids, names of nodes and hashes: no character of it has to be encoded in a header.
            let source = format!("{}/{}", self.bucket, object.key);
            self.client.copy_object().bucket(&self.bucket).key(&key).copy_source(source).send().await.map_err(unavailable)?;
        }
        Ok(ObjectRef { key, ..object.clone() })
    }

    /// Deletes an object. Succeeds if there is none.
    pub(crate) async fn delete(&self, object: &ObjectRef) -> Result<(), PortError> {
        self.client.delete_object().bucket(&self.bucket).key(&object.key).send().await.map_err(unavailable)?;
        Ok(())
    }

    /// Returns the payload in an object. Fails with `Corrupt` if the object does not have its hash or is not JSON.
    pub(crate) async fn fetch(&self, object: &ObjectRef) -> Result<Value, PortError> {
        let answer = self.client.get_object().bucket(&self.bucket).key(&object.key).send().await.map_err(unavailable)?;
        let bytes = answer.body.collect().await.map_err(|problem| PortError::Unavailable(problem.to_string()))?.into_bytes();
        if sha256_hex_of(&bytes) != object.sha256 {
            return Err(PortError::Corrupt(format!("object {} does not have its hash", object.key)));
        }
        serde_json::from_slice(&bytes).map_err(|problem| PortError::Corrupt(problem.to_string()))
    }

    /// Deletes the objects of a run's steps: those of `steps`, or all of them. The objects of its input and of its gates stay.
    pub(crate) async fn purge(&self, run: &Run, steps: Option<&BTreeSet<StepKey>>) -> Result<(), PortError> {
        let of_run = format!("{}/{}/", run.org, run.id);
        let folders: Option<BTreeSet<String>> = steps.map(|steps| steps.iter().map(StepKey::to_string).collect());
        // One list request for all steps: listing costs more than everything else here.
        let prefix = match folders.as_ref().map(|folders| (folders.len(), folders.first())) {
            Some((1, Some(only))) => format!("{of_run}{only}/"),
            _ => of_run.clone(),
        };
        let wanted = |key: &str| {
            let place = key.strip_prefix(&of_run).and_then(|rest| rest.split_once('/')).map(|(place, _)| place);
            place.filter(|place| *place != INPUT).is_some_and(|place| folders.as_ref().is_none_or(|folders| folders.contains(place)))
        };
        let mut after = None;
        loop {
            let listed = self.client.list_objects_v2().bucket(&self.bucket).prefix(&prefix).set_continuation_token(after);
            let page = listed.send().await.map_err(unavailable)?;
            let keys = page.contents().iter().filter_map(|object| object.key()).filter(|key| wanted(key));
            let found: Vec<_> = keys.map(|key| ObjectIdentifier::builder().key(key).build()).collect::<Result<_, _>>().map_err(corrupt)?;
            if !found.is_empty() {
                let these = Delete::builder().set_objects(Some(found)).quiet(true).build().map_err(corrupt)?;
                let answer = self.client.delete_objects().bucket(&self.bucket).delete(these).send().await.map_err(unavailable)?;
                if let Some(left) = answer.errors().first() {
                    let why = left.message().unwrap_or("no reason was given");
                    return Err(PortError::Unavailable(format!("{} was not deleted: {why}", left.key().unwrap_or("an object"))));
                }
            }
            after = page.next_continuation_token;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Returns a URL at which anyone can read the object for `seconds`.
    pub(crate) async fn sign(&self, object: &ObjectRef, seconds: u64) -> Result<String, PortError> {
        self.presigner.get(&object.key, seconds, SystemTime::now()).await
    }
}

/// Where in the bucket a payload of a run belongs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'a> {
    /// The input of the run.
    Input,
    /// An input or output of a step. Each round has a folder of its own, so that no round depends on the objects of another one.
    Step(&'a StepKey),
    /// An action or its data. These objects are apart from the others: what a decision refers to never expires, and no function may delete
    /// below `gates/`.
    Gate(&'a NodeId),
}

impl Place<'_> {
    fn key(self, run: &Run, sha256: &str) -> String {
        let (org, id) = (run.org, run.id);
        match self {
            Self::Input => format!("{org}/{id}/{INPUT}/{sha256}"),
            Self::Step(step) => format!("{org}/{id}/{step}/{sha256}"),
            Self::Gate(node) => format!("gates/{org}/{id}/{node}/{sha256}"),
        }
    }
}

fn unavailable<E: std::error::Error + 'static, R: std::fmt::Debug>(error: SdkError<E, R>) -> PortError {
    PortError::Unavailable(DisplayErrorContext(error).to_string())
}
