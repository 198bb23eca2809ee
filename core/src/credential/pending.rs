//! The intent of a refresh: what a record holds while its refresh token may be spent already.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::json::{FromJson, Members, Mistakes};
use crate::secret::Secret;
use crate::time::{Now, Span, UnixTime};

/// A refresh request that was about to be sent. It is durable before the first byte of the request is sent.
///
/// If one is found under the lock, its writer died or never got the response: the refresh token of the record may be
/// spent, and its successor may be in the stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pending {
    /// Names the attempt and its stage.
    pub id: AttemptId,
    /// SHA-256 of the refresh token that was to be sent, in hexadecimal digits.
    pub refresh_token_sha256: String,
    /// The time just before the request was to be sent.
    pub at: UnixTime,
    /// The same time by the host's clock that cannot be set, as [`Now::uptime`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uptime: Option<Span>,
    /// How long before `at` the first attempt with this token was: the server's leeway counts from then. An
    /// attempt after the leeway counts as a first one.
    pub since_first: Span,
    /// Counts the attempts with this token, from 1.
    pub attempt: u32,
    /// Where it was sent from.
    pub host: Host,
}

impl FromJson for Pending {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        Self {
            id: members.required("id"),
            refresh_token_sha256: members.required("refresh_token_sha256"),
            at: members.required("at"),
            uptime: members.optional("uptime"),
            since_first: members.or_default("since_first"),
            attempt: members.required("attempt"),
            host: members.or_default("host"),
        }
    }
}

impl Pending {
    /// How long ago this was, or `None` if no clock can tell.
    ///
    /// In the boot session that wrote it, the clock that cannot be set can tell. Otherwise the wall clock can, but not
    /// on another machine, and not if it shows a time before `at`.
    #[must_use]
    pub fn age(&self, host: &Host, now: Now) -> Option<Span> {
        match (now.uptime, self.uptime) {
            (Some(now), Some(then)) if self.host.is_same_boot(host) => now.minus(then),
            _ if self.host.is_other_machine(host) || now.wall < self.at => None,
            _ => Some(now.wall.since(self.at)),
        }
    }

    /// Whether this is about that refresh token.
    #[must_use]
    pub fn is_about(&self, refresh_token: &Secret) -> bool {
        self.refresh_token_sha256 == sha256_hex(refresh_token.expose().as_bytes())
    }
}

/// SHA-256 in hexadecimal digits.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A machine and one of its boot sessions: an uptime counts only there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Host {
    /// A name that no other machine has, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// A name that changes when the machine starts again, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot: Option<String>,
}

impl FromJson for Host {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        Self { machine: members.optional("machine"), boot: members.optional("boot") }
    }
}

impl Host {
    /// A host from the names that its operating system gives. They are only compared, so that a hash of them is
    /// enough: machine-id(5) asks programs not to spread the machine ID.
    #[must_use]
    pub fn new(machine: Option<&str>, boot: Option<&str>) -> Self {
        let hashed = |name: &str| {
            let mut digits = sha256_hex(format!("twg host {}", name.trim()).as_bytes());
            digits.truncate(32);
            digits
        };
        Self { machine: machine.map(hashed), boot: boot.map(hashed) }
    }

    /// The ID of a boot session is random, so that no two machines have the same.
    fn is_same_boot(&self, other: &Self) -> bool {
        self.boot.is_some() && self.boot == other.boot
    }

    fn is_other_machine(&self, other: &Self) -> bool {
        self.machine.is_some() && other.machine.is_some() && self.machine != other.machine
    }
}

/// Names one attempt: 32 hexadecimal digits, so that it can be part of a file's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct AttemptId(String);

impl AttemptId {
    /// Half of a SHA-256 of entropy and a number: unique, and it reveals nothing about the entropy.
    pub(crate) fn new(entropy: &[u8], number: u32) -> Self {
        let mut hash = Sha256::new();
        hash.update(entropy);
        hash.update(number.to_le_bytes());
        let digits = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Self(digits)
    }

    /// Reads an ID, such as from the name of a file.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_id =
            text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        is_id.then(|| Self(text.to_owned()))
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromJson for AttemptId {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        Self::parse(&String::from_json(value, mistakes)).unwrap_or_else(|| {
            mistakes.note("not the ID of an attempt");
            Self(String::new())
        })
    }
}
