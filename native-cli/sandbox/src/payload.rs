//! Response bodies, whole or broken by a fault.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};

/// The body of the `huge` fault.
const HUGE: u64 = 100 * 1024 * 1024;

/// The part of it that is sent at a time.
const CHUNK: u64 = 64 * 1024;

/// A response body, whole or broken by a fault.
pub(crate) enum Payload {
    /// The whole body.
    Whole(Option<Bytes>),
    /// The first half, and then the connection breaks.
    Cut {
        /// The first half, until it is sent.
        half: Option<Bytes>,
        /// The length that the headers announce.
        announced: u64,
        /// Whether the first half had time to leave.
        flushed: bool,
    },
    /// A body that is far too long.
    Huge {
        /// The bytes that are not sent yet.
        left: u64,
    },
}

impl Payload {
    /// The whole body.
    pub(crate) fn whole(body: Vec<u8>) -> Self {
        Self::Whole((!body.is_empty()).then(|| body.into()))
    }

    /// Half of the body; the headers announce all of it.
    pub(crate) fn cut(mut body: Vec<u8>) -> Self {
        let announced = body.len() as u64;
        body.truncate(body.len() / 2);
        Self::Cut { half: Some(body.into()), announced, flushed: false }
    }

    /// 100 MB instead of the body.
    pub(crate) fn huge(_: Vec<u8>) -> Self {
        Self::Huge { left: HUGE }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Whole(body) => Poll::Ready(body.take().map(|body| Ok(Frame::data(body)))),
            Self::Cut { half, flushed, .. } => {
                if let Some(half) = half.take() {
                    return Poll::Ready(Some(Ok(Frame::data(half))));
                }
                if !*flushed {
                    // hyper flushes when there is nothing to write for the moment.
                    *flushed = true;
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())))
            }
            Self::Huge { left } => {
                let length = (*left).min(CHUNK);
                *left -= length;
                let chunk = usize::try_from(length).ok().filter(|length| *length > 0);
                Poll::Ready(chunk.map(|length| Ok(Frame::data(vec![b'x'; length].into()))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_none(),
            Self::Cut { .. } => false,
            Self::Huge { left } => *left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Whole(body) => body.as_ref().map_or(0, |body| body.len() as u64),
            Self::Cut { announced, half, .. } => {
                // Once the first half is gone, the rest is what is still announced.
                if half.is_some() { *announced } else { announced.div_ceil(2) }
            }
            Self::Huge { left } => *left,
        })
    }
}
