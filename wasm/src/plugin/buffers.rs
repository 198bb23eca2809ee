//! The memory that the host sees. Its addresses are looked up, never trusted, so there is no unsafe code, and a wrong address
//! can do no harm.

use std::cell::RefCell;

use zeroize::Zeroizing;

/// More than the largest response of an API needs, written as numbers.
const LARGEST: usize = 256 * 1024 * 1024;

/// The input or result of a call; overwritten when it is dropped.
pub type Buffer = Zeroizing<Vec<u8>>;

thread_local! {
    /// One or two at a time: a search is as fast as a map, and smaller.
    static BUFFERS: RefCell<Vec<Buffer>> = const { RefCell::new(Vec::new()) };
}

/// The address of a new buffer of zeros; 0 if there is no room.
pub(super) fn allocate(length: usize) -> usize {
    let mut bytes = Vec::new();
    if length > LARGEST || bytes.try_reserve_exact(length).is_err() {
        return 0;
    }
    bytes.resize(length, 0);
    give(Zeroizing::new(bytes))
}

/// Puts a buffer where the host can see it.
pub(super) fn give(mut buffer: Buffer) -> usize {
    // An empty buffer has no address of its own.
    buffer.reserve(1);
    let address = address_of(&buffer);
    BUFFERS.with_borrow_mut(|buffers| buffers.push(buffer));
    address
}

/// How long a buffer is.
pub(super) fn length(address: usize) -> usize {
    BUFFERS.with_borrow(|buffers| {
        buffers.iter().find(|buffer| address_of(buffer) == address).map_or(0, |buffer| buffer.len())
    })
}

/// The buffer, taken from the host; an empty one if there is none.
pub(super) fn take(address: usize) -> Buffer {
    BUFFERS.with_borrow_mut(|buffers| {
        let at = buffers.iter().position(|buffer| address_of(buffer) == address);
        at.map(|at| buffers.swap_remove(at)).unwrap_or_default()
    })
}

fn address_of(buffer: &Buffer) -> usize {
    buffer.as_ptr().addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_given_is_taken_and_only_once() {
        let address = allocate(3);
        assert_eq!(length(address), 3);
        assert_eq!((length(address + 1), length(0)), (0, 0));
        assert!(take(address + 1).is_empty());
        assert_eq!(**take(address), [0, 0, 0]);
        assert!(take(address).is_empty());
        assert_eq!(length(address), 0);
    }

    #[test]
    fn empty_buffers_have_addresses_of_their_own() {
        let (one, two) = (allocate(0), allocate(0));
        assert!(one != 0 && two != 0 && one != two);
    }

    #[test]
    fn there_is_not_room_for_everything() {
        assert_eq!(allocate(LARGEST + 1), 0);
        assert_eq!(allocate(usize::MAX), 0);
    }
}
