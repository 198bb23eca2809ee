//! The calls without their memory: JSON in, JSON out.

use serde::Serialize;
use serde_json::Value;
use twg_core::json::{self, FromJson, Members, Mistakes};
use twg_core::secret::Secret;
use zeroize::Zeroizing;

use super::buffers::Buffer;
use crate::wire::{
    CoreError, FlowRequest, HostError, HostErrorCode, Millis, Now, Outcome, Profile, Status, Step,
};
use crate::{AnyFlow, Seed};

/// The flows that have begun and not ended.
pub struct Calls {
    last: u32,
    /// Few at a time: a search is as fast as a map, and smaller.
    flows: Vec<(u32, AnyFlow)>,
}

struct Begin {
    request: FlowRequest,
    now: Now,
    entropy: Secret,
}

struct Resume {
    id: u64,
    outcome: Outcome,
    now: Now,
}

struct Look {
    record: Secret,
    profile: Profile,
    now: Millis,
    chance: Option<u8>,
}

#[derive(Serialize)]
struct Stepped {
    flow: u32,
    step: Step,
}

#[derive(Serialize)]
struct Suspended<'a> {
    suspended: Option<&'a str>,
}

#[derive(Serialize)]
struct Looked {
    status: Found,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Found {
    Ok(Box<Status>),
    Error(CoreError),
}

#[derive(Serialize)]
struct Refused {
    error: HostError,
}

impl FromJson for Begin {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        let begin = Self {
            request: members.required("request"),
            now: members.required("now"),
            entropy: members.required("entropy"),
        };
        members.end();
        begin
    }
}

impl FromJson for Resume {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        let resume = Self {
            id: members.required("id"),
            outcome: members.required("outcome"),
            now: members.required("now"),
        };
        members.end();
        resume
    }
}

impl FromJson for Look {
    fn from_json(value: Value, mistakes: &mut Mistakes) -> Self {
        let mut members = Members::of(value, mistakes);
        let look = Self {
            record: members.required("record"),
            profile: members.required("profile"),
            now: members.required("now"),
            chance: members.optional("chance"),
        };
        members.end();
        look
    }
}

impl Calls {
    /// No flows yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { last: 0, flows: Vec::new() }
    }

    /// `twg_begin`
    #[must_use]
    pub fn begin(&mut self, input: &[u8]) -> Buffer {
        written(self.try_begin(input))
    }

    fn try_begin(&mut self, input: &[u8]) -> Result<Stepped, HostError> {
        let Begin { request, now, entropy } = read("input of twg_begin", input)?;
        let seed = seed(entropy.expose()).ok_or_else(|| HostError::malformed("entropy"))?;
        let number = self.last.checked_add(1).ok_or_else(|| none("there are no numbers left"))?;
        let mut flow = AnyFlow::new(request, &seed);
        let step = flow.begin(now)?;
        self.last = number;
        self.flows.push((number, flow));
        Ok(Stepped { flow: number, step })
    }

    /// `twg_resume`
    #[must_use]
    pub fn resume(&mut self, flow: u32, input: &[u8]) -> Buffer {
        written(self.try_resume(flow, input))
    }

    fn try_resume(&mut self, number: u32, input: &[u8]) -> Result<Stepped, HostError> {
        let flow = self.flows.iter_mut().find(|(begun, _)| *begun == number);
        let (_, flow) = flow.ok_or_else(|| none("there is no such flow"))?;
        let Resume { id, outcome, now } = read("input of twg_resume", input)?;
        Ok(Stepped { flow: number, step: flow.resume(id, outcome, now)? })
    }

    /// `twg_suspend`
    #[must_use]
    pub fn suspend(&self, flow: u32) -> Buffer {
        let Some((_, flow)) = self.flows.iter().find(|(begun, _)| *begun == flow) else {
            return written::<()>(Err(none("there is no such flow")));
        };
        let text = flow.suspend();
        written(Ok(Suspended { suspended: text.as_ref().map(Secret::expose) }))
    }

    /// `twg_status`
    #[must_use]
    pub fn status(input: &[u8]) -> Buffer {
        written(try_status(input))
    }

    /// `twg_end`
    pub fn end(&mut self, flow: u32) {
        self.flows.retain(|(begun, _)| *begun != flow);
    }
}

impl Default for Calls {
    fn default() -> Self {
        Self::new()
    }
}

fn try_status(input: &[u8]) -> Result<Looked, HostError> {
    let Look { record, profile, now, chance } = read("input of twg_status", input)?;
    let status =
        crate::status(record.expose(), &profile, now.into(), chance.unwrap_or(0)).map(Box::new);
    Ok(Looked { status: status.map_or_else(|error| Found::Error((&error).into()), Found::Ok) })
}

fn read<T: FromJson>(what: &str, input: &[u8]) -> Result<T, HostError> {
    let json = std::str::from_utf8(input).map_err(|_| HostError::malformed(what))?;
    json::parse(json).map_err(|_| HostError::malformed(what))
}

fn written<T: Serialize>(result: Result<T, HostError>) -> Buffer {
    let json = match result {
        Ok(value) => serde_json::to_string(&value),
        Err(error) => serde_json::to_string(&Refused { error }),
    };
    // It cannot fail: all maps have text as keys.
    Zeroizing::new(json.unwrap_or_default().into_bytes())
}

fn none(why: &str) -> HostError {
    HostError { code: HostErrorCode::NotWaiting, message: why.to_owned() }
}

/// 64 octets, from 128 hexadecimal digits.
fn seed(digits: &str) -> Option<Seed> {
    let mut octets = Zeroizing::new([0; 64]);
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if pairs.len() != octets.len() || !rest.is_empty() {
        return None;
    }
    for (octet, [high, low]) in octets.iter_mut().zip(pairs) {
        let digit = |digit: &u8| char::from(*digit).to_digit(16).and_then(|d| u8::try_from(d).ok());
        *octet = digit(high)? << 4 | digit(low)?;
    }
    Some(Seed::new(octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_is_128_digits() {
        let good = "0f".repeat(64);
        assert!(seed(&good).is_some());
        for bad in
            ["", "0f", &good[1..], &format!("{good}0"), &good.replace('f', "g"), &"é".repeat(64)]
        {
            assert!(seed(bad).is_none(), "{bad}");
        }
    }
}
