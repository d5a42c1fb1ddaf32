//! The dead-letter queue of a worker that reads the stream.

use aws_config::SdkConfig;
use aws_sdk_sqs::Client;
use domain::ports::{DeadLetters, PortError};
use runtime::{BadSetting, setting};

use crate::error::port;

/// A dead-letter queue in SQS.
#[derive(Debug, Clone)]
pub struct DeadLetterQueue {
    client: Client,
    url: String,
}

impl DeadLetterQueue {
    /// Returns the queue with this URL.
    pub fn new(config: &SdkConfig, url: impl Into<String>) -> Self {
        Self { client: Client::new(config), url: url.into() }
    }

    /// Returns the queue that `DEAD_LETTERS_URL` names.
    pub fn from_env(config: &SdkConfig) -> Result<Self, BadSetting> {
        Ok(Self::new(config, setting("DEAD_LETTERS_URL")?))
    }
}

impl DeadLetters for DeadLetterQueue {
    async fn put(&self, letter: &str) -> Result<(), PortError> {
        self.client.send_message().queue_url(&self.url).message_body(letter).send().await.map_err(port)?;
        Ok(())
    }
}
