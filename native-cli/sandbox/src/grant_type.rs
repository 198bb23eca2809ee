//! The values of `grant_type` at the token endpoints.

/// RFC 6749 section 4.1.3.
pub(crate) const AUTHORIZATION_CODE: &str = "authorization_code";

/// RFC 6749 section 4.4.2; only Bitbucket knows it.
pub(crate) const CLIENT_CREDENTIALS: &str = "client_credentials";

/// RFC 8628 section 3.4: a poll.
pub(crate) const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// RFC 6749 section 6.
pub(crate) const REFRESH_TOKEN: &str = "refresh_token";
