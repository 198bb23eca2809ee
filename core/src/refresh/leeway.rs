//! The times of an interrupted refresh: how long its request may run, and what is left of the server's leeway.

use crate::credential::{Host, Pending};
use crate::time::{Now, Span, UnixTime};

/// How long a request may be on its way, whether or not its sender lives.
const LONGEST_QUARANTINE: Span = Span::from_secs(20);

/// After this time the sender gives up its request. A little less than the quarantine, which counts from just before
/// the request is sent: after the quarantine, the request cannot be running.
pub(super) const REQUEST_TIMEOUT: Span = Span::from_secs(18);

/// The longest pause between attempts that no command waits for.
const LONGEST_BACKOFF: Span = Span::from_mins(5);

/// How long after an attempt the same token is not sent again: until then the interrupted request may
/// still reach the server, and would count as a second use of the token.
///
/// A third of the leeway where that is short: one third for the lost request to arrive, one to come back in,
/// one for the new request to arrive.
pub(super) const fn quarantine(leeway: Span) -> Span {
    let third = Span::from_millis(leeway.as_millis() / 3);
    if third.as_millis() == 0 || third.as_millis() > LONGEST_QUARANTINE.as_millis() {
        LONGEST_QUARANTINE
    } else {
        third
    }
}

/// How long to leave the server alone after the `attempt`th attempt if no command needs a token now: not every
/// command may ask a failing server.
pub(super) fn backoff(leeway: Span, attempt: u32) -> Span {
    let doublings = attempt.saturating_sub(1).min(16);
    let millis = quarantine(leeway).as_millis() << doublings;
    Span::from_millis(millis).min(LONGEST_BACKOFF)
}

/// What is left of the leeway, `used` of which is over, for requests that must reach the server within it.
pub(super) fn left_of(leeway: Span, used: Span) -> Option<Span> {
    let left = leeway.minus(quarantine(leeway))?.minus(used)?;
    (left > Span::ZERO).then_some(left)
}

/// Until when the repair of an interrupted refresh is guaranteed: a request with its token that is sent before
/// then reaches the server within its leeway. `None` if there is no such time, if it is over, or if no clock can
/// tell.
#[must_use]
pub fn repairable_until(
    pending: &Pending,
    leeway: Span,
    host: &Host,
    now: Now,
) -> Option<UnixTime> {
    let used = pending.since_first.plus(pending.age(host, now)?);
    left_of(leeway, used).map(|left| now.wall.plus(left))
}
