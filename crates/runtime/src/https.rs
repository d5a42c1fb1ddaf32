//! The HTTP client of the SDK, configured for a fast cold start.

use std::net::IpAddr;
use std::path::PathBuf;

use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::RootCertStore;

/// The files in which systems keep their trusted roots: Amazon Linux, Debian, Alpine.
const BUNDLES: [&str; 3] = ["/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem"];

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Returns the client. It uses ring: AWS-LC, the default of the SDK, spends 23 ms of CPU on entropy at the first handshake.
pub(crate) fn client() -> SharedHttpClient {
    let builder = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
    match TlsContext::builder().with_trust_store(trusted()).build() {
        Ok(context) => builder.tls_context(context).build_https(),
        Err(_) => builder.build_https(),
    }
}

/// Returns a client that connects to these addresses, whatever the name in a URL is, and checks the certificate for that name.
pub(crate) fn connector_to(addresses: Vec<IpAddr>) -> Connector {
    let builder = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::Ring));
    let context = TlsContext::builder().with_trust_store(trusted()).build();
    let builder = if let Ok(context) = context { builder.tls_context(context) } else { builder };
    builder.build_with_resolver(KnownAddresses(addresses))
}

/// Gives the same addresses for every name.
#[derive(Debug, Clone)]
struct KnownAddresses(Vec<IpAddr>);

impl ResolveDns for KnownAddresses {
    fn resolve_dns<'a>(&'a self, _: &'a str) -> DnsFuture<'a> {
        DnsFuture::ready(Ok(self.0.clone()))
    }
}

/// Returns the trusted roots of the system, read once. By default the client reads the same roots three times, from the bundle and from
/// each file in its folder: 300 files and 2 ms of a cold start.
fn trusted() -> TrustStore {
    let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let places = named.map_or_else(|| BUNDLES.map(PathBuf::from).to_vec(), |file| vec![file]);
    let bundle = places.iter().find_map(|file| std::fs::read(file).ok()).unwrap_or_default();
    let roots = usable(&String::from_utf8_lossy(&bundle));
    // Without a root every call would fail, so the client searches by itself then.
    if roots.is_empty() { TrustStore::default() } else { TrustStore::empty().with_pem_certificate(roots) }
}

/// Returns the usable roots of a bundle, unchanged. The client ends the process if one root cannot be used, and some bundles have such
/// roots.
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
    fn the_roots_of_a_bundle_are_unchanged() {
        assert_eq!(usable(&format!("# a comment\n{ROOT}\n\n# another\n{ROOT}\n")), format!("{ROOT}\n{ROOT}\n"));
    }

    #[test]
    fn a_root_that_cannot_be_used_is_left_out() {
        let broken = ROOT.replacen("MII", "MIJ", 1);
        let text = "-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----";
        let cut = &ROOT[..ROOT.len() / 2];
        assert_eq!(usable(&format!("{broken}\n{text}\n{ROOT}\n{cut}")), format!("{ROOT}\n"));
        assert_eq!(usable(""), "");
    }

    #[test]
    fn a_client_is_built_on_every_system() {
        let client = client();
        assert!(!format!("{client:?}").is_empty());
    }
}
