//! Tokens, codes and their hashes. The state has only the SHA-256 of a token, never the token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::families::Millis;
use crate::http::Response;
use crate::values::Shape;

/// The letters of user codes that RFC 8628 section 6.1 recommends: no vowels, so no words.
const USER_CODE_LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// The SHA-256 of a token, in hexadecimal.
pub(crate) fn hash(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}

/// The S256 challenge of a verifier: `BASE64URL-ENCODE(SHA256(ASCII(code_verifier)))`, RFC 7636 section 4.6.
pub(crate) fn s256(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Random bytes from the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Response> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|_| Response::error(500, "server_error", "No random numbers are available."))?;
    Ok(bytes)
}

/// A random name, 128 bits.
pub(crate) fn name() -> Result<String, Response> {
    Ok(hex(&random::<16>()?))
}

/// A random token without structure, at least `least` characters long.
pub(crate) fn opaque(least: usize) -> Result<String, Response> {
    let mut token = URL_SAFE_NO_PAD.encode(random::<48>()?);
    pad(&mut token, least);
    Ok(token)
}

/// What a JWT-shaped access token says.
pub(crate) struct Claims<'a> {
    /// The issuer.
    pub(crate) issuer: &'a str,
    /// The client id.
    pub(crate) client: &'a str,
    /// The account id.
    pub(crate) account: &'a str,
    /// The scopes, separated by spaces.
    pub(crate) scope: &'a str,
    /// When it was issued.
    pub(crate) issued: Millis,
    /// When it expires.
    pub(crate) expires: Millis,
}

/// An access token, at least `least` characters long. The signature of a JWT-shaped one is random: the
/// sandbox's API knows its tokens by hash, and clients must not look inside.
pub(crate) fn access(shape: Shape, least: usize, claims: &Claims<'_>) -> Result<String, Response> {
    if shape == Shape::Opaque {
        return opaque(least);
    }
    let payload = json!({
        "jti": name()?,
        "iss": claims.issuer,
        "sub": claims.account,
        "aud": "api.atlassian.com",
        "client_id": claims.client,
        "scope": claims.scope,
        "iat": claims.issued / 1000,
        "nbf": claims.issued / 1000,
        "exp": claims.expires / 1000,
    });
    let mut token = format!(
        "{}.{}.",
        // Atlassian's start with `eyJraW`, so `kid` comes first.
        URL_SAFE_NO_PAD.encode(r#"{"kid":"twg-sandbox/1","alg":"RS256"}"#),
        URL_SAFE_NO_PAD.encode(payload.to_string()),
    );
    token.push_str(&URL_SAFE_NO_PAD.encode(random::<256>()?));
    pad(&mut token, least);
    Ok(token)
}

/// A user code like `BCDF-GHJK`.
pub(crate) fn user_code() -> Result<String, Response> {
    let mut code = String::new();
    for byte in random::<8>()? {
        if code.len() == 4 {
            code.push('-');
        }
        // 256 is not a multiple of 20; the small bias does not matter here.
        code.push(char::from(USER_CODE_LETTERS[usize::from(byte) % USER_CODE_LETTERS.len()]));
    }
    Ok(code)
}

/// The user code that a person typed in any case and with any separators.
pub(crate) fn normal_user_code(typed: &str) -> String {
    let mut letters: String = typed.chars().filter(char::is_ascii_alphanumeric).take(16).collect();
    letters.make_ascii_uppercase();
    if letters.len() == 8 {
        letters.insert(4, '-');
    }
    letters
}

fn pad(token: &mut String, least: usize) {
    if token.len() < least {
        token.extend(std::iter::repeat_n('x', least - token.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_of_rfc_7636_appendix_b() {
        assert_eq!(
            s256("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn shapes_and_lengths() {
        let claims =
            Claims { issuer: "i", client: "c", account: "a", scope: "s", issued: 0, expires: 1 };
        let Ok(jwt) = access(Shape::Jwt, 65_536, &claims) else { panic!("no random numbers") };
        assert!(jwt.starts_with("eyJraW") && jwt.len() == 65_536);
        let Ok(opaque) = opaque(0) else { panic!("no random numbers") };
        assert_eq!(opaque.len(), 64);
    }

    #[test]
    fn user_codes_as_typed() {
        assert_eq!(normal_user_code(" bcdf ghjk"), "BCDF-GHJK");
        assert_eq!(normal_user_code("bcdf"), "BCDF");
        let Ok(code) = user_code() else { panic!("no random numbers") };
        assert_eq!(normal_user_code(&code), code);
    }
}
