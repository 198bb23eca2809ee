//! How a profile is read. An unknown member is a mistake at every level.

use serde_json::Value;

use super::{
    ClientAuthentication, ClientProfile, Endpoints, Grant, IdentityProfile, IssParameter,
    LoginLifetime, ProviderProfile, RedirectProfile, SecretNeed, TokenRequestFormat,
};
use crate::json::{FromJson, Members, Mistakes, one_of};

/// [`ProviderProfile::assumed_token_lifetime_seconds`], unless the profile sets it.
const ASSUMED_TOKEN_LIFETIME_SECONDS: u64 = 3600;

impl FromJson for ProviderProfile {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        let profile = Self {
            schema_version: members.required("schema_version"),
            name: members.required("name"),
            display_name: members.required("display_name"),
            issuer: members.optional("issuer"),
            endpoints: members.or_default("endpoints"),
            iss_parameter: members.or_default("iss_parameter"),
            grants: members.required("grants"),
            client: members.or_default("client"),
            token_request_format: members.or_default("token_request_format"),
            audience: members.optional("audience"),
            authorize_parameters: members.or_default("authorize_parameters"),
            token_request_has_redirect_uri: members.or_default("token_request_has_redirect_uri"),
            scopes: members.or_default("scopes"),
            scope_separator: members.or_default("scope_separator"),
            redirect: members.or_default("redirect"),
            reuse_leeway_seconds: members.or_default("reuse_leeway_seconds"),
            login_lifetime: members.or_default("login_lifetime"),
            assumed_token_lifetime_seconds: members
                .optional("assumed_token_lifetime_seconds")
                .unwrap_or(ASSUMED_TOKEN_LIFETIME_SECONDS),
            revocation_ends_grant: members.optional("revocation_ends_grant").unwrap_or(true),
            identity: members.optional("identity"),
            sites: members.optional("sites"),
            site_address: members.optional("site_address"),
            api_hosts: members.or_default("api_hosts"),
        };
        members.end();
        profile
    }
}

impl FromJson for Endpoints {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        let endpoints = Self {
            authorization: members.optional("authorization"),
            token: members.optional("token"),
            device_authorization: members.optional("device_authorization"),
            revocation: members.optional("revocation"),
        };
        members.end();
        endpoints
    }
}

impl FromJson for IssParameter {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let said = [
            ("required", Self::Required),
            ("optional", Self::Optional),
            ("unsupported", Self::Unsupported),
        ];
        one_of(&value, mistakes, &said, Self::Unsupported)
    }
}

impl FromJson for Grant {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let grants =
            [("device_code", Self::DeviceCode), ("authorization_code", Self::AuthorizationCode)];
        one_of(&value, mistakes, &grants, Self::DeviceCode)
    }
}

impl FromJson for ClientProfile {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        let client = Self {
            authentication: members.or_default("authentication"),
            secret: members.or_default("secret"),
            id: members.optional("id"),
            console: members.optional("console"),
        };
        members.end();
        client
    }
}

impl FromJson for ClientAuthentication {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let ways = [
            ("client_secret_post", Self::ClientSecretPost),
            ("client_secret_basic", Self::ClientSecretBasic),
        ];
        one_of(&value, mistakes, &ways, Self::ClientSecretPost)
    }
}

impl FromJson for SecretNeed {
    /// People write the secret itself here by mistake.
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let needs =
            [("required", Self::Required), ("optional", Self::Optional), ("none", Self::None)];
        if !needs.iter().any(|(name, _)| value == *name) {
            mistakes.note(
                "use one of \"required\", \"optional\", \"none\"; the secret itself does not belong in a profile",
            );
        }
        one_of(&value, mistakes, &needs, Self::None)
    }
}

impl FromJson for TokenRequestFormat {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        one_of(&value, mistakes, &[("form", Self::Form), ("json", Self::Json)], Self::Form)
    }
}

impl FromJson for RedirectProfile {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        let redirect = Self {
            port: members.optional("port"),
            path: members.optional("path").unwrap_or(Self::default().path),
        };
        members.end();
        redirect
    }
}

impl FromJson for LoginLifetime {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        let lifetime = Self {
            idle_seconds: members.optional("idle_seconds"),
            absolute_seconds: members.optional("absolute_seconds"),
        };
        members.end();
        lifetime
    }
}

impl FromJson for IdentityProfile {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        let standard = Self::default();
        let identity = Self {
            url: members.optional("url"),
            id: members.optional("id").unwrap_or(standard.id),
            name: members.optional("name").unwrap_or(standard.name),
            email: members.optional("email").unwrap_or(standard.email),
            status: members.optional("status"),
        };
        members.end();
        identity
    }
}
