//! A response of the token endpoint, kept as it came until its tokens are safe.

use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;
use serde_json::Value;

use super::pending::{AttemptId, sha256_hex};
use crate::http::HttpResponse;
use crate::json::{self, FromJson, Members, Mistakes};
use crate::secret::{Secret, serialize_exposed};

/// What a stage holds.
#[derive(Clone, Debug)]
pub enum StagedReply {
    /// Nothing was written for this attempt: no response came, or the process died before it could write.
    Empty,
    /// A whole response.
    Complete(HttpResponse),
    /// A part of a response: the power failed while it was written, or another program wrote there.
    Damaged,
}

/// One line of JSON. The rest of the file is reserved room.
#[derive(Serialize)]
struct Line {
    schema_version: u32,
    id: AttemptId,
    status: u16,
    /// Of the body, to tell a whole response from a torn one.
    sha256: String,
    #[serde(serialize_with = "serialize_exposed")]
    body: Secret,
}

impl FromJson for Line {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        Self {
            schema_version: members.required("schema_version"),
            id: members.required("id"),
            status: members.required("status"),
            sha256: members.required("sha256"),
            body: members.required("body"),
        }
    }
}

impl StagedReply {
    /// A response as it is written into a stage. No token endpoint sends a body that is not UTF-8, so only the text in
    /// it is kept.
    #[must_use]
    pub fn write(id: &AttemptId, response: &HttpResponse) -> Secret {
        let body = Secret::new(String::from_utf8_lossy(&response.body));
        let sha256 = sha256_hex(body.expose().as_bytes());
        let line =
            Line { schema_version: 1, id: id.clone(), status: response.status, sha256, body };
        // Strings and numbers: this cannot fail.
        let mut text = serde_json::to_string(&line).unwrap_or_default();
        text.push('\n');
        Secret::new(text)
    }

    /// Reads the stage of the attempt `id`.
    #[must_use]
    pub fn parse(id: &AttemptId, stage: &str) -> Self {
        let written = stage.trim_end_matches('\0');
        if written.is_empty() {
            return Self::Empty;
        }
        match json::parse::<Line>(written) {
            // Left over from an earlier attempt.
            Ok(line) if line.id != *id => Self::Empty,
            Ok(line)
                if line.schema_version == 1
                    && line.sha256 == sha256_hex(line.body.expose().as_bytes()) =>
            {
                Self::Complete(HttpResponse {
                    status: line.status,
                    headers: Vec::new(),
                    body: line.body.expose().into(),
                })
            }
            _ => Self::Damaged,
        }
    }
}
