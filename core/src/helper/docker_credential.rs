//! What docker asks a credential helper: the protocol of docker/docker-credential-helpers.

use crate::endpoint_url::EndpointUrl;

/// Bitbucket's container registry.
/// <https://support.atlassian.com/bitbucket-cloud/docs/getting-started-with-packages/>: "docker login --username
/// <your_atlassian_account_email_address> crg.apkg.io", with the API token as the password.
pub const BITBUCKET_REGISTRY: &str = "https://crg.apkg.io";

/// What docker shows, and looks for, where a helper has no credential.
pub const NOT_FOUND: &str = "credentials not found in native keychain";

/// Whether docker's text means this registry: its host, in upper or lower case, or its URL with any path.
#[must_use]
pub fn is_for(asked: &str, registry: &EndpointUrl) -> bool {
    let asked = asked.trim_end_matches('\n');
    let scheme = registry.as_str().split(':').next().unwrap_or_default();
    let address = match asked.split_once("://") {
        Some((named, rest)) if named == scheme => rest,
        Some(_) => return false,
        None => asked,
    };
    let host = address.split('/').next().unwrap_or_default();
    // `\`, `@`, `%` and the like are not interpreted: such a host equals no registry.
    let wanted = registry.host();
    let host = match host.strip_suffix(":443") {
        Some(host) if scheme == "https" && !wanted.contains(':') => host,
        _ => host,
    };
    let is_plain = asked.bytes().all(|b| b.is_ascii_graphic());
    is_plain && !wanted.is_empty() && host.eq_ignore_ascii_case(&wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Look-alike hosts, and the incidents of CR, LF and NUL in a field.
    #[test]
    fn one_registry_and_no_other() {
        let registry = EndpointUrl::parse(BITBUCKET_REGISTRY).unwrap();
        for asked in [
            "crg.apkg.io",
            "crg.apkg.io\n",
            "https://crg.apkg.io",
            "https://crg.apkg.io/v2/",
            "https://CRG.apkg.io:443/",
            "crg.apkg.io/acme",
        ] {
            assert!(is_for(asked, &registry), "{asked:?}");
        }
        for asked in [
            "",
            "https://index.docker.io/v1/",
            "http://crg.apkg.io",
            "crg.apkg.io.evil.example",
            "evil-crg.apkg.io",
            "apkg.io",
            "crg.apkg.io.",
            "crg.apkg.io:8443",
            "crg.apkg.io:443:443",
            "user@crg.apkg.io",
            "crg.apkg.io@evil.example",
            "https://crg.apkg.io@evil.example/",
            "https://evil.example/https://crg.apkg.io",
            "evil.example\ncrg.apkg.io",
            "crg.apkg.io\nevil.example",
            "crg.apkg.io\r\n",
            "crg.apkg.io\0",
            "crg.apkg.io\\evil.example",
            "crg.apkg.io%2eevil.example",
            "сrg.apkg.io",
            " crg.apkg.io",
        ] {
            assert!(!is_for(asked, &registry), "{asked:?}");
        }
        let local = EndpointUrl::parse("http://127.0.0.1:5000").unwrap();
        assert!(is_for("127.0.0.1:5000", &local) && is_for("http://127.0.0.1:5000/v2/", &local));
        assert!(!is_for("127.0.0.1", &local) && !is_for("https://127.0.0.1:5000", &local));
    }
}
