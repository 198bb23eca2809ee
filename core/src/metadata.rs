//! Authorization server metadata: RFC 8414, and OpenID Connect Discovery 1.0.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use serde_json::Value;

use crate::endpoint_url::EndpointUrl;
use crate::json;
use crate::provider::Endpoints;
use crate::text::printable;

/// What a server says about itself, as far as the flows need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationServerMetadata {
    /// Exactly the issuer that was expected.
    pub issuer: EndpointUrl,
    /// The endpoints it names.
    pub endpoints: Endpoints,
    /// OpenID Connect's endpoint for the account's name.
    pub userinfo: Option<EndpointUrl>,
    /// `authorization_response_iss_parameter_supported`, RFC 9207 section 3.
    pub iss_parameter: bool,
}

impl AuthorizationServerMetadata {
    /// Reads a metadata document.
    ///
    /// # Errors
    /// What is wrong with it. An absent endpoint is no error here.
    pub fn parse(issuer: &EndpointUrl, document: &[u8]) -> Result<Self, String> {
        let members =
            json::object_in(document).ok_or_else(|| "it is not a JSON object".to_owned())?;
        // RFC 8414 section 3.3: "The "issuer" value returned MUST be identical to the authorization server's
        // issuer identifier value into which the well-known URI string was inserted [...]. If these values are
        // not identical, the data contained in the response MUST NOT be used."
        match members.get("issuer").and_then(Value::as_str) {
            Some(said) if said == issuer.as_str() => {}
            Some(said) => {
                return Err(format!("it is for the issuer '{}', not '{issuer}'", printable(said)));
            }
            None => return Err("it names no issuer".to_owned()),
        }
        let endpoint = |name: &str| match members.get(name) {
            None | Some(Value::Null) => Ok(None),
            // A remote server must not name an endpoint on this machine.
            Some(Value::String(text)) => EndpointUrl::parse_beside(issuer, text)
                .map(Some)
                .map_err(|e| format!("its {name} '{}' cannot be used: {e}", printable(text))),
            Some(_) => Err(format!("its {name} is not a string")),
        };
        Ok(Self {
            issuer: issuer.clone(),
            endpoints: Endpoints {
                authorization: endpoint("authorization_endpoint")?,
                token: endpoint("token_endpoint")?,
                device_authorization: endpoint("device_authorization_endpoint")?,
                revocation: endpoint("revocation_endpoint")?,
            },
            userinfo: endpoint("userinfo_endpoint")?,
            iss_parameter: members
                .get("authorization_response_iss_parameter_supported")
                .and_then(Value::as_bool)
                .unwrap_or(false),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> EndpointUrl {
        EndpointUrl::parse(text).unwrap()
    }

    /// A51: metadata of another issuer is not used, not even one that differs by a slash.
    #[test]
    fn issuer_is_compared_exactly() {
        let issuer = url("https://a.example/t");
        let parse = |said: &str| {
            AuthorizationServerMetadata::parse(
                &issuer,
                format!(r#"{{"issuer":"{said}"}}"#).as_bytes(),
            )
        };
        assert!(parse("https://a.example/t").is_ok());
        for other in ["https://a.example/t/", "https://A.example/t", "https://a.example", ""] {
            assert!(parse(other).is_err(), "{other}");
        }
        assert!(AuthorizationServerMetadata::parse(&issuer, b"{}").is_err());
        assert!(AuthorizationServerMetadata::parse(&issuer, b"<html>").is_err());
    }

    /// A13: a discovered endpoint must be https, without a fragment.
    #[test]
    fn discovered_endpoints_are_checked() {
        let issuer = url("https://a.example");
        for bad in ["http://a.example/token", "javascript:1", "https://a.example/t#f"] {
            let document = format!(r#"{{"issuer":"https://a.example","token_endpoint":"{bad}"}}"#);
            assert!(AuthorizationServerMetadata::parse(&issuer, document.as_bytes()).is_err());
        }
    }
}
