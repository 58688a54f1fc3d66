//! TLS to an engine, with the files that Docker's own client takes: the authority in `ca.pem` and
//! no other, and `cert.pem` with `key.pem` to show who asks.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::client::EngineError;

/// What the environment asks for: nothing, or TLS.
pub(super) fn from_environment() -> Result<Option<Arc<ClientConfig>>, EngineError> {
    let given = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    if given("DOCKER_TLS_VERIFY").is_none() {
        return Ok(None);
    }
    let folder = given("DOCKER_CERT_PATH")
        .or_else(|| given("DOCKER_CONFIG"))
        .map(PathBuf::from)
        .or_else(|| env::home_dir().map(|home| home.join(".docker")));
    let folder = folder.unwrap_or_default();
    let config = config(&folder).map_err(|problem| EngineError::Certificates {
        folder: folder.display().to_string(),
        problem,
    })?;
    Ok(Some(Arc::new(config)))
}

fn config(folder: &Path) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&folder.join("ca.pem"))? {
        roots
            .add(certificate)
            .map_err(|error| format!("ca.pem: {error}"))?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots);
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    if !certificate.exists() && !key.exists() {
        return Ok(builder.with_no_client_auth());
    }
    let chain = certificates(&certificate)?;
    let bytes = fs::read(&key).map_err(|error| format!("key.pem: {error}"))?;
    let key = PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| format!("key.pem: {error}"))?;
    let config = builder.with_client_auth_cert(chain, key);
    config.map_err(|error| format!("cert.pem and key.pem: {error}"))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let name = file.file_name().unwrap_or_default().display();
    let bytes = fs::read(file).map_err(|error| format!("{name}: {error}"))?;
    let found = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| format!("{name}: {error}"))?;
    if found.is_empty() {
        return Err(format!("{name}: it holds no certificate"));
    }
    Ok(found)
}
