//! The request that every grant of a sign-in works on.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;
use serde_json::Value;

use crate::client::Client;
use crate::json::{FromJson, Members, Mistakes};
use crate::provider::{Grant, ProviderProfile};
use crate::time::Span;

/// What a sign-in must do.
#[derive(Clone, Debug, Serialize)]
pub struct LoginRequest {
    /// The connection's name; the provider's is in the profile.
    pub connection: String,
    /// The provider.
    pub profile: ProviderProfile,
    /// The client registration.
    pub client: Client,
    /// The scopes to request.
    pub scopes: Vec<String>,
    /// The grants to try, in order. A later one is tried only if the client may not use the earlier one.
    pub grants: VecDeque<Grant>,
    /// Whether to open a browser.
    pub open: bool,
    /// How long the user may take.
    pub timeout: Span,
}

impl FromJson for LoginRequest {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        Self {
            connection: members.required("connection"),
            profile: members.required("profile"),
            client: members.required("client"),
            scopes: members.required("scopes"),
            grants: members.required::<Vec<Grant>>("grants").into(),
            open: members.required("open"),
            timeout: members.required("timeout"),
        }
    }
}
