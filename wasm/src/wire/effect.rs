//! Effects, on their way out.

use serde::Serialize;
use twg_core::flow::{self, AuthorizationPrompt, DevicePrompt, Notice as CoreNotice};
use twg_core::http::HttpRequest;

use super::Key;

/// What the host has to do. It has no `Debug`, which would show secrets.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Effect {
    /// See `wire.ts`, as for all of them.
    SendHttp {
        method: &'static str,
        url: String,
        headers: Vec<(&'static str, String)>,
        body: String,
        timeout: u64,
        max_response_bytes: u32,
        single_use: bool,
    },
    WaitUntil {
        time: u64,
    },
    ShowUserCode {
        verification_uri: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        verification_uri_complete: Option<String>,
        user_code: String,
        expires_at: u64,
        open: bool,
    },
    ObtainRedirectUri {
        #[serde(skip_serializing_if = "Option::is_none")]
        port: Option<u16>,
        path: String,
    },
    OpenUserAgent {
        url: String,
        redirect_uri: String,
        deadline: u64,
        open: bool,
    },
    AwaitRedirect {
        deadline: u64,
    },
    Notify {
        notice: Notice,
    },
    PreflightStore {
        key: Key,
    },
    AcquireLock {
        key: Key,
        deadline: u64,
    },
    ReleaseLock {
        key: Key,
    },
    LoadRecord {
        key: Key,
    },
    ReplaceRecord {
        key: Key,
        /// In decimal digits: a generation can be larger than JavaScript's integers.
        #[serde(skip_serializing_if = "Option::is_none")]
        expected: Option<String>,
        record: String,
    },
    SetAsideRecord {
        key: Key,
    },
    RemoveRecord {
        key: Key,
    },
    OpenStage {
        key: Key,
        attempt: String,
    },
    StageReply {
        key: Key,
        attempt: String,
        reply: String,
    },
    LoadStage {
        key: Key,
        attempt: String,
    },
    RescueReply {
        key: Key,
        attempt: String,
        reply: String,
    },
    LoadRescue {
        key: Key,
        attempt: String,
    },
    SetAsideStage {
        key: Key,
        attempt: String,
    },
    DiscardStage {
        key: Key,
        attempt: String,
    },
    ArmRecovery {
        key: Key,
        at: u64,
    },
}

/// Something that the user should know now.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Notice {
    RedirectIgnored,
    StillTrying { trouble: String },
    Recovering,
    DeviceGrantNotEnabled,
    RecordSetAside { place: String, reason: String },
}

impl From<flow::Effect> for Effect {
    fn from(effect: flow::Effect) -> Self {
        use flow::Effect as Core;
        let text = |id: &twg_core::credential::AttemptId| id.as_str().to_owned();
        match effect {
            Core::SendHttp(request) => send(&request),
            Core::WaitUntil(time) => Self::WaitUntil { time: time.as_millis() },
            Core::ShowUserCode(prompt) => show(prompt),
            Core::ObtainRedirectUri(target) => {
                Self::ObtainRedirectUri { port: target.port, path: target.path }
            }
            Core::OpenUserAgent(prompt) => open(prompt),
            Core::AwaitRedirect { deadline } => {
                Self::AwaitRedirect { deadline: deadline.as_millis() }
            }
            Core::Notify(notice) => Self::Notify { notice: notice.into() },
            Core::PreflightStore(key) => Self::PreflightStore { key: (&key).into() },
            Core::AcquireLock { key, deadline } => {
                Self::AcquireLock { key: (&key).into(), deadline: deadline.as_millis() }
            }
            Core::ReleaseLock(key) => Self::ReleaseLock { key: (&key).into() },
            Core::LoadRecord(key) => Self::LoadRecord { key: (&key).into() },
            Core::ReplaceRecord { key, expected, bytes } => Self::ReplaceRecord {
                key: (&key).into(),
                expected: expected.map(|generation| generation.get().to_string()),
                record: bytes.expose().to_owned(),
            },
            Core::SetAsideRecord(key) => Self::SetAsideRecord { key: (&key).into() },
            Core::RemoveRecord(key) => Self::RemoveRecord { key: (&key).into() },
            Core::OpenStage { key, id } => {
                Self::OpenStage { key: (&key).into(), attempt: text(&id) }
            }
            Core::StageReply { key, id, bytes } => Self::StageReply {
                key: (&key).into(),
                attempt: text(&id),
                reply: bytes.expose().to_owned(),
            },
            Core::LoadStage { key, id } => {
                Self::LoadStage { key: (&key).into(), attempt: text(&id) }
            }
            Core::RescueReply { key, id, bytes } => Self::RescueReply {
                key: (&key).into(),
                attempt: text(&id),
                reply: bytes.expose().to_owned(),
            },
            Core::LoadRescue { key, id } => {
                Self::LoadRescue { key: (&key).into(), attempt: text(&id) }
            }
            Core::SetAsideStage { key, id } => {
                Self::SetAsideStage { key: (&key).into(), attempt: text(&id) }
            }
            Core::DiscardStage { key, id } => {
                Self::DiscardStage { key: (&key).into(), attempt: text(&id) }
            }
            Core::ArmRecovery { key, at } => {
                Self::ArmRecovery { key: (&key).into(), at: at.as_millis() }
            }
        }
    }
}

fn send(request: &HttpRequest) -> Effect {
    let headers = request.headers.iter();
    Effect::SendHttp {
        method: request.method.as_str(),
        url: request.url.clone(),
        headers: headers.map(|(name, value)| (*name, value.expose().to_owned())).collect(),
        body: request.body.expose().to_owned(),
        timeout: request.timeout.as_millis(),
        max_response_bytes: request.max_response_bytes,
        single_use: request.single_use,
    }
}

fn show(prompt: DevicePrompt) -> Effect {
    Effect::ShowUserCode {
        verification_uri: prompt.verification_uri,
        verification_uri_complete: prompt.verification_uri_complete,
        user_code: prompt.user_code,
        expires_at: prompt.expires_at.as_millis(),
        open: prompt.open,
    }
}

fn open(prompt: AuthorizationPrompt) -> Effect {
    Effect::OpenUserAgent {
        url: prompt.url,
        redirect_uri: prompt.redirect_uri,
        deadline: prompt.deadline.as_millis(),
        open: prompt.open,
    }
}

impl From<CoreNotice> for Notice {
    fn from(notice: CoreNotice) -> Self {
        match notice {
            CoreNotice::RedirectIgnored => Self::RedirectIgnored,
            CoreNotice::StillTrying(trouble) => Self::StillTrying { trouble },
            CoreNotice::Recovering => Self::Recovering,
            CoreNotice::DeviceGrantNotEnabled => Self::DeviceGrantNotEnabled,
            CoreNotice::RecordSetAside { place, reason } => Self::RecordSetAside { place, reason },
        }
    }
}
