//! TLS to PostgreSQL by rustls.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::PostgresUrl;
use super::url::SslMode;
use crate::diagnostic::{Code, Problem};
use crate::files;

/// The TLS settings for `url`.
///
/// `verify-full` verifies the server's certificate against the system's roots or `sslrootcert`, and
/// that it names the host. `prefer` and `require` encrypt without verifying, as libpq does, so that
/// they withstand a listener but not a man in the middle; with `sslrootcert`, `require` verifies too.
///
/// # Errors Root certificates are unreadable, or missing where needed.
pub fn client_config(url: &PostgresUrl) -> Result<ClientConfig, Problem> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Problem::new(Code::Tls, format!("TLS can't be set up: {error}")))?;
    let roots = match (url.ssl_mode, &url.ssl_root_cert) {
        (SslMode::VerifyFull | SslMode::Require, Some(path)) => roots_from_file(path)?,
        (SslMode::VerifyFull, None) => system_roots()?,
        _ => {
            return Ok(builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyServer(provider)))
                .with_no_client_auth());
        }
    };
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn roots_from_file(path: &Path) -> Result<RootCertStore, Problem> {
    let wrong = |message: String| {
        Problem::new(Code::Sslrootcert, message)
            .in_file(path)
            .help("sslrootcert names a PEM file of the certificates to trust")
    };
    let mut roots = RootCertStore::empty();
    let text = files::read(path, files::SMALL)
        .map_err(|error| wrong(format!("the root certificates can't be read: {error}")))?;
    for certificate in CertificateDer::pem_slice_iter(&text) {
        certificate
            .map_err(|error| error.to_string())
            .and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()))
            .map_err(|error| wrong(format!("a root certificate is damaged: {error}")))?;
    }
    if roots.is_empty() {
        return Err(wrong("the file holds no certificate".to_owned()));
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, Problem> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(Problem::new(Code::Tls, "the system has no root certificates")
            .help("install them (ca-certificates), or give sslrootcert=FILE in the store's URL"));
    }
    Ok(roots)
}

/// Takes any server for the right one; only the handshake itself is checked.
#[derive(Debug)]
struct AnyServer(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
