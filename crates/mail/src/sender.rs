//! The sender of mails over the API of SES, version 2.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::error::{BuildError, DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_sesv2::operation::send_email::SendEmailError;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message};
use domain::ports::MailSender;
use domain::webhook::{AttemptResult, Mail};
use runtime::mail_from;

/// The time that SES has for one mail, the retries of the SDK included.
const TIMEOUT: Duration = Duration::from_secs(10);
const CHARSET: &str = "UTF-8";

/// Sends mails through SES.
#[derive(Debug, Clone)]
pub struct SesMailSender {
    client: Client,
    /// The address that mails come from, an identity that is verified in SES. `None` if the deployment sends no mail.
    from: Option<String>,
}

impl SesMailSender {
    /// Returns a sender of mails from this address.
    pub fn new(config: &SdkConfig, from: Option<String>) -> Self {
        Self { client: Client::new(config), from }
    }

    /// Returns a sender of mails from the address that `MAIL_FROM` has, and one that sends nothing if it has none.
    pub fn from_env(config: &SdkConfig) -> Self {
        Self::new(config, mail_from())
    }
}

impl MailSender for SesMailSender {
    async fn send(&self, mail: &Mail) -> AttemptResult {
        let Some(from) = &self.from else {
            return AttemptResult::Failed("this deployment sends no mail any more; its operator can set the parameter MailFrom".to_owned());
        };
        let content = match content(mail) {
            Ok(content) => content,
            Err(error) => return AttemptResult::Failed(format!("the mail could not be made: {error}")),
        };
        let to = Destination::builder().set_to_addresses(Some(mail.to.clone())).build();
        let call = self.client.send_email().from_email_address(from).destination(to).content(content).send();
        match tokio::time::timeout(TIMEOUT, call).await {
            Ok(Ok(_)) => answered(200, String::new()),
            Ok(Err(error)) => refused(&error),
            Err(_) => AttemptResult::Failed(format!("SES did not answer within {} s", TIMEOUT.as_secs())),
        }
    }
}

fn content(mail: &Mail) -> Result<EmailContent, BuildError> {
    let text = |data: &str| Content::builder().data(data).charset(CHARSET).build();
    let body = Body::builder().text(text(&mail.text)?).build();
    let message = Message::builder().subject(text(&mail.subject)?).body(body).build();
    Ok(EmailContent::builder().simple(message).build())
}

fn answered(status: u16, body: String) -> AttemptResult {
    AttemptResult::Answered { status, body: body.into_bytes(), retry_after_seconds: None }
}

/// Returns the result of a mail that SES did not take. A refusal is tried again like any 4xx of an endpoint: the address that mails come from
/// may get verified, and a quota is for a time.
///
/// The organisation sees why its mail was rejected. Every other message of AWS may name parts of the deployment, so only its code is shown.
fn refused(error: &SdkError<SendEmailError>) -> AttemptResult {
    let (Some(refusal), Some(response)) = (error.as_service_error(), error.raw_response()) else {
        tracing::warn!(error = %DisplayErrorContext(error), "SES did not answer");
        return AttemptResult::Failed("SES could not be reached".to_owned());
    };
    let (status, code) = (response.status().as_u16(), refusal.code().unwrap_or("no code"));
    tracing::warn!(status, code, "SES did not take a mail");
    let shown = match refusal {
        SendEmailError::MessageRejected(_) | SendEmailError::BadRequestException(_) => {
            format!("{code}: {}", refusal.message().unwrap_or_default())
        }
        _ => code.to_owned(),
    };
    answered(status, shown)
}
