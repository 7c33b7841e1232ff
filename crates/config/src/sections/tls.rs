//! `server.tls`

use davmux_server::TlsFiles;

use crate::keys;
use crate::secret::is_world_readable;
use crate::walk::Section;

/// Both files are read, so that a pair that cannot be served is a mistake of the file.
pub(crate) fn tls(server: &Section<'_>) -> Option<TlsFiles> {
    let walk = server.walk;
    let section = walk.section(&server.pair("tls")?.node, "tls", keys::TLS)?;
    let (cert, key) = (section.required_text("cert_file"), section.required_text("key_file"));
    let (cert, key) = (cert?, key?);
    let files = TlsFiles { cert_file: walk.resolve(cert.as_str()), key_file: walk.resolve(key.as_str()) };
    match files.check() {
        Ok(None) => {}
        Ok(Some(warning)) => walk.warn(cert.at, format!("cert_file: {warning}")),
        Err(error) if error.is_about_the_key(&files) => walk.mistake(key.at, format!("key_file: {error}")),
        Err(error) => walk.mistake(cert.at, format!("cert_file: {error}")),
    }
    if is_world_readable(&files.key_file) {
        let message = format!("key_file: every user of this machine may read {}; chmod 600 it", key.shown());
        walk.warn(key.at, message);
    }
    Some(files)
}
