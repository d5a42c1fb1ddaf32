//! Secrets that have to be used again, and so cannot be stored as a hash: keys of services, and secrets that sign webhooks.
//!
//! They are stored encrypted. The encryption is bound to the organisation and the purpose, so that a ciphertext that is copied to
//! another organisation, or to another place in the same one, cannot be decrypted there.

use secrecy::SecretString;

use crate::access::base32;
use crate::id::OrgId;

/// The purpose of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SecretKind {
    /// The key of a service; the name is the slug of the connection.
    ServiceConnection,
    /// The secret that signs the calls of a flow's inbound webhook; the name is the id of the flow.
    FlowWebhook,
    /// The secret that signs deliveries to a webhook endpoint; the name is the id of the endpoint.
    WebhookEndpoint,
    /// The secret that the identity provider of the organisation knows us by; the name is `client-secret`.
    IdentityProvider,
}

impl SecretKind {
    fn name(self) -> &'static str {
        match self {
            Self::ServiceConnection => "service-connection",
            Self::FlowWebhook => "flow-webhook",
            Self::WebhookEndpoint => "webhook-endpoint",
            Self::IdentityProvider => "identity-provider",
        }
    }
}

/// The place that a secret is sealed for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SecretPlace {
    /// The organisation.
    pub org: OrgId,
    /// The purpose.
    pub kind: SecretKind,
    /// The name among the secrets of that purpose.
    pub name: String,
}

impl SecretPlace {
    /// Returns the place as pairs, for an encryption context of KMS. It is not secret: AWS writes it to its logs.
    pub fn context(&self) -> [(&'static str, String); 3] {
        [("org", self.org.to_string()), ("kind", self.kind.name().to_owned()), ("name", self.name.clone())]
    }
}

/// A secret as it is stored: ciphertext in base64. It can be decrypted only in the place that it was sealed for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Sealed(String);

impl Sealed {
    /// Wraps a ciphertext that a vault made.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the ciphertext.
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// Makes a secret to sign webhooks with: `whsec_` and 32 base32 characters, which are the lower 80 bits of two random numbers.
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
    fn a_signing_secret_has_160_random_bits_and_is_not_in_its_debug_text() {
        let secret = new_signing_secret([0, u128::MAX]);
        assert_eq!(secret.expose_secret(), format!("whsec_{}{}", "a".repeat(16), "7".repeat(16)));
        assert!(!format!("{secret:?}").contains("whsec"));
    }
}
