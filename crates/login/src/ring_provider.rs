//! The cryptography of `jsonwebtoken`, by ring, which TLS links anyway: the crate's own providers would add AWS-LC, or three crates of RustCrypto.
//! It only verifies, and only with public keys.

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind};
use ring::signature as ring_signature;
use ring::signature::{RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};
use signature::Verifier;

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(Error::from(ErrorKind::UnsupportedAlgorithm)),
    verifier_factory: |algorithm, key| verifier(*algorithm, key),
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes `jsonwebtoken` use ring in this process.
pub(crate) fn install() {
    // Fails if it is installed already.
    _ = PROVIDER.install_default();
}

/// How a signature is verified.
enum Scheme {
    Rsa(&'static RsaParameters),
    Other(&'static dyn VerificationAlgorithm),
}

/// Returns the scheme of an algorithm, and the kind of key that it takes; none for one that is not asymmetric.
fn scheme(algorithm: Algorithm) -> Option<(Scheme, AlgorithmFamily)> {
    Some(match algorithm {
        Algorithm::RS256 => (Scheme::Rsa(&ring_signature::RSA_PKCS1_2048_8192_SHA256), AlgorithmFamily::Rsa),
        Algorithm::RS384 => (Scheme::Rsa(&ring_signature::RSA_PKCS1_2048_8192_SHA384), AlgorithmFamily::Rsa),
        Algorithm::RS512 => (Scheme::Rsa(&ring_signature::RSA_PKCS1_2048_8192_SHA512), AlgorithmFamily::Rsa),
        Algorithm::PS256 => (Scheme::Rsa(&ring_signature::RSA_PSS_2048_8192_SHA256), AlgorithmFamily::Rsa),
        Algorithm::PS384 => (Scheme::Rsa(&ring_signature::RSA_PSS_2048_8192_SHA384), AlgorithmFamily::Rsa),
        Algorithm::PS512 => (Scheme::Rsa(&ring_signature::RSA_PSS_2048_8192_SHA512), AlgorithmFamily::Rsa),
        Algorithm::ES256 => (Scheme::Other(&ring_signature::ECDSA_P256_SHA256_FIXED), AlgorithmFamily::Ec),
        Algorithm::ES384 => (Scheme::Other(&ring_signature::ECDSA_P384_SHA384_FIXED), AlgorithmFamily::Ec),
        Algorithm::EdDSA => (Scheme::Other(&ring_signature::ED25519), AlgorithmFamily::Ed),
        _ => return None,
    })
}

fn verifier(algorithm: Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    let (scheme, family) = scheme(algorithm).ok_or_else(|| Error::from(ErrorKind::UnsupportedAlgorithm))?;
    if key.family() != family {
        return Err(ErrorKind::InvalidKeyFormat.into());
    }
    Ok(Box::new(RingVerifier { algorithm, scheme, key: key.clone() }))
}

struct RingVerifier {
    algorithm: Algorithm,
    scheme: Scheme,
    key: DecodingKey,
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let verified = match (&self.scheme, self.key.kind()) {
            (Scheme::Rsa(parameters), DecodingKeyKind::RsaModulusExponent { n, e }) => {
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
            }
            (Scheme::Other(algorithm), DecodingKeyKind::SecretOrDer(key)) => {
                UnparsedPublicKey::new(*algorithm, key).verify(message, signature)
            }
            _ => return Err(signature::Error::new()),
        };
        verified.map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
