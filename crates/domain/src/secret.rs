//! Secrets that must be used again, and so cannot be kept as a hash: keys of services, keys that webhooks are signed with.
//!
//! They are stored encrypted. What they are encrypted under says whose they are and what they are for, so that a ciphertext which
//! is moved to another organisation, or to another place of the same one, opens nothing.

use secrecy::SecretString;

use crate::access::base32;
use crate::id::OrgId;

/// What a kept secret is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SecretKind {
    /// The key of a service; the name is the slug of the connection.
    ServiceConnection,
    /// What calls of a flow's webhook are signed with; the name is the flow's id.
    FlowWebhook,
    /// What deliveries to a webhook endpoint are signed with; the name is the endpoint's id.
    WebhookEndpoint,
}

impl SecretKind {
    fn name(self) -> &'static str {
        match self {
            Self::ServiceConnection => "service-connection",
            Self::FlowWebhook => "flow-webhook",
            Self::WebhookEndpoint => "webhook-endpoint",
        }
    }
}

/// Where a secret belongs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SecretPlace {
    /// Whose it is.
    pub org: OrgId,
    /// What it is for.
    pub kind: SecretKind,
    /// Which one of those.
    pub name: String,
}

impl SecretPlace {
    /// The place as pairs, for an encryption context of KMS. It is not secret: AWS writes it into its logs.
    pub fn context(&self) -> [(&'static str, String); 3] {
        [("org", self.org.to_string()), ("kind", self.kind.name().to_owned()), ("name", self.name.clone())]
    }
}

/// A secret as it is stored: ciphertext in base64. It opens only in the place that it was sealed for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Sealed(String);

impl Sealed {
    /// A ciphertext that a vault made.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The ciphertext.
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// A new secret to sign webhooks with: `whsec_` and 32 base32 characters, which are the lower 80 bits of two random numbers.
pub fn new_signing_secret(random: [u128; 2]) -> SecretString {
    SecretString::from(format!("whsec_{}", base32(random)))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::time::Time;

    #[test]
    fn no_two_places_have_the_same_context() {
        let orgs = [OrgId::new(Time::from_millis(0), 1), OrgId::new(Time::from_millis(0), 2)];
        let kinds = [SecretKind::ServiceConnection, SecretKind::FlowWebhook, SecretKind::WebhookEndpoint];
        let places = orgs.into_iter().flat_map(|org| {
            kinds.into_iter().flat_map(move |kind| ["aml", "crm"].map(|name| SecretPlace { org, kind, name: name.to_owned() }))
        });
        let contexts: std::collections::BTreeSet<_> = places.map(|place| place.context()).collect();
        assert_eq!(contexts.len(), 12);
    }

    #[test]
    fn a_signing_secret_has_160_random_bits_and_does_not_show_itself_in_logs() {
        let secret = new_signing_secret([0, u128::MAX]);
        assert_eq!(secret.expose_secret(), format!("whsec_{}{}", "a".repeat(16), "7".repeat(16)));
        assert!(!format!("{secret:?}").contains("whsec"));
    }
}
