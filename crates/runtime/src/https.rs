//! The HTTP client of the SDK, put together so that a cold start pays for little.

use std::path::PathBuf;

use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::RootCertStore;

/// Where systems keep the roots they trust in one file: Amazon Linux, Debian, Alpine.
const BUNDLES: [&str; 3] = ["/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem"];

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// AWS-LC, the SDK's default, spends 23 ms of CPU on entropy at the first handshake; ring spends none.
pub(crate) fn client() -> SharedHttpClient {
    let builder = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
    match TlsContext::builder().with_trust_store(trusted()).build() {
        Ok(context) => builder.tls_context(context).build_https(),
        Err(_) => builder.build_https(),
    }
}

/// What the system trusts, read once. Left alone, the client reads the same roots three times over, from the bundle and then
/// from each file beside it: 300 files and 2 ms of a cold start.
fn trusted() -> TrustStore {
    let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let places = named.map_or_else(|| BUNDLES.map(PathBuf::from).to_vec(), |file| vec![file]);
    let bundle = places.iter().find_map(|file| std::fs::read(file).ok()).unwrap_or_default();
    let roots = usable(&String::from_utf8_lossy(&bundle));
    // Trusting nobody would only be noticed at the first call: then it is the client's own search.
    if roots.is_empty() { TrustStore::default() } else { TrustStore::empty().with_pem_certificate(roots) }
}

/// The roots of a bundle that can be used, as they stand there. The client would end the process over one that cannot, and
/// collections of roots hold odd ones.
fn usable(bundle: &str) -> String {
    let mut store = RootCertStore::empty();
    let mut kept = String::with_capacity(bundle.len());
    for block in bundle.split_inclusive(END) {
        let Some((_, body)) = block.split_once(BEGIN) else { continue };
        let Some(body) = body.strip_suffix(END) else { continue };
        let text: String = body.split_ascii_whitespace().collect();
        let is_usable = STANDARD.decode(text).is_ok_and(|der| store.add(der.into()).is_ok());
        if is_usable {
            kept.extend([BEGIN, body, END, "\n"]);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A root made for this test, valid until 2126.
    const ROOT: &str = "-----BEGIN CERTIFICATE-----
MIIBfjCCASWgAwIBAgIUevpIN9e5NBb4+jHPI5ivTN0EBPMwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJVGVzdCBSb290MCAXDTI2MTEyNTAxMTQ1M1oYDzIxMjYxMTAx
MDExNDUzWjAUMRIwEAYDVQQDDAlUZXN0IFJvb3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATcYyqjL3U+mi1/cyXEeQu0EPlo2gTDEQIYk8lL/IXNgf6I2fdpHmbo
FwQpTVaD+c4pJSAonjEc704DRnTeeT7do1MwUTAdBgNVHQ4EFgQU6n7U0F6dmFzP
QOrTh9RTrusIP64wHwYDVR0jBBgwFoAU6n7U0F6dmFzPQOrTh9RTrusIP64wDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNHADBEAiAf5dldwqtgcYRvldmkoR13
Ref7eIkgqol8kU1KA5hT1wIgVh21by7m8jsOCXMepIbMhVwNQf95Vbwah+GgKP7p
EBs=
-----END CERTIFICATE-----";

    #[test]
    fn the_roots_of_a_bundle_are_kept_as_they_stand() {
        assert_eq!(usable(&format!("# a comment\n{ROOT}\n\n# another\n{ROOT}\n")), format!("{ROOT}\n{ROOT}\n"));
    }

    #[test]
    fn what_is_no_usable_root_is_left_out() {
        let broken = ROOT.replacen("MII", "MIJ", 1);
        let text = "-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----";
        let cut = &ROOT[..ROOT.len() / 2];
        assert_eq!(usable(&format!("{broken}\n{text}\n{ROOT}\n{cut}")), format!("{ROOT}\n"));
        assert_eq!(usable(""), "");
    }

    #[test]
    fn a_client_is_built_whatever_the_system_has() {
        let client = client();
        assert!(!format!("{client:?}").is_empty());
    }
}
