//! Proof Key for Code Exchange, RFC 7636, with the `S256` method only.
//!
//! RFC 7636 section 4.2: "If the client is capable of using "S256", it MUST use "S256", as "S256" is Mandatory
//! To Implement (MTI) on the server." So `plain` does not exist here.

use alloc::string::String;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::entropy::Entropy;
use crate::json::{FromJson, Mistakes};
use crate::secret::{Secret, serialize_exposed};

/// The secret of one authorization request. Not `Clone`: it belongs to one attempt.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct CodeVerifier(#[serde(serialize_with = "serialize_exposed")] Secret);

impl FromJson for CodeVerifier {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        Self(Secret::from_json(value, mistakes))
    }
}

impl CodeVerifier {
    /// RFC 7636 section 4.1: "It is RECOMMENDED that the output of a suitable random number generator be used
    /// to create a 32-octet sequence. The octet sequence is then base64url-encoded to produce a
    /// 43-octet URL safe string to use as the code verifier."
    #[must_use]
    pub fn new(entropy: Entropy) -> Self {
        Self(entropy.into_text())
    }

    /// What goes into the authorization request: `BASE64URL(SHA256(ASCII(verifier)))`.
    #[must_use]
    pub fn challenge(&self) -> CodeChallenge {
        CodeChallenge(URL_SAFE_NO_PAD.encode(Sha256::digest(self.0.expose().as_bytes())))
    }

    /// The verifier, for the token request only.
    pub(crate) const fn secret(&self) -> &Secret {
        &self.0
    }
}

/// The public half of a [`CodeVerifier`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeChallenge(String);

impl CodeChallenge {
    /// The value of `code_challenge`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A2: the vector of RFC 7636 Appendix B.
    #[test]
    fn rfc_7636_appendix_b() {
        let octets = [
            116, 24, 223, 180, 151, 153, 224, 37, 79, 250, 96, 125, 216, 173, 187, 186, 22, 212,
            37, 77, 105, 214, 191, 240, 91, 88, 5, 88, 83, 132, 141, 121,
        ];
        let verifier = CodeVerifier::new(Entropy::new(octets));
        assert_eq!(verifier.secret().expose(), "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(verifier.challenge().as_str(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    /// A1: 43 to 128 unreserved characters, for every octet.
    #[test]
    fn verifiers_are_43_unreserved_characters() {
        for octet in 0..=255 {
            let verifier = CodeVerifier::new(Entropy::new([octet; 32]));
            let text = verifier.secret().expose();
            assert_eq!(text.len(), 43);
            assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)));
        }
    }
}
