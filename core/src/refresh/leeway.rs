//! The times of an interrupted refresh: how long its request may run, and what is left of the server's leeway.

use crate::credential::{Host, Pending};
use crate::time::{Now, Span, UnixTime};

/// How long a request may be on its way, whether or not its sender lives.
const LONGEST_QUARANTINE: Span = Span::from_secs(20);

/// After this time its sender gives a request up. A little less than the quarantine, which counts from just
/// before it is sent: whoever waited that long knows that it is not running any more.
pub(super) const REQUEST_TIMEOUT: Span = Span::from_secs(18);

/// The longest pause between attempts that nobody is waiting for.
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

/// How long after the `attempt`th one to leave the server alone if nobody needs a token now: a server in
/// trouble must not be asked by every command.
pub(super) fn backoff(leeway: Span, attempt: u32) -> Span {
    let doublings = attempt.saturating_sub(1).min(16);
    let millis = quarantine(leeway).as_millis() << doublings;
    Span::from_millis(millis).min(LONGEST_BACKOFF)
}

/// What is left of the leeway, `used` of which is over, for requests that shall reach the server within it.
pub(super) fn left_of(leeway: Span, used: Span) -> Option<Span> {
    let left = leeway.minus(quarantine(leeway))?.minus(used)?;
    (left > Span::ZERO).then_some(left)
}

/// Until when an interrupted refresh can be repaired for certain: a request with its token that is sent before
/// then reaches the server within its leeway. `None` if there is no such time, if it is over, or if no clock
/// tells.
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
