//! The plain module, for any WebAssembly runtime: it imports nothing, and needs neither WASI nor generated glue.
//!
//! # ABI, version 1
//!
//! Everything that crosses is JSON in UTF-8, in the shapes of `wire.ts`, in a **buffer** in the module's memory, named by
//! its address. `length` and addresses are unsigned 32-bit integers.
//!
//! | export | what it does |
//! |---|---|
//! | `twg_abi_version() -> version` | 1 |
//! | `twg_allocate(length) -> address` | a new buffer of zeros; 0 if there is no room or `length` is over 256 MiB |
//! | `twg_length(address) -> length` | how long that buffer is; 0 if there is none |
//! | `twg_free(address)` | overwrites and frees that buffer, if there is one |
//! | `twg_begin(input) -> result` | begins a flow: `{"request": FlowRequest, "now": Now, "entropy": "128 hexadecimal digits"}` |
//! | `twg_resume(flow, input) -> result` | continues it: `{"id": number, "outcome": Outcome, "now": Now}` |
//! | `twg_suspend(flow) -> result` | `{"suspended": string}`, or `{"suspended": null}` unless the flow waits for its user |
//! | `twg_end(flow)` | forgets that flow, done or not |
//! | `twg_status(input) -> result` | what a record says: `{"record": string, "profile": string or object, "now": milliseconds, "chance": 0 to 255 or absent}` |
//!
//! The result of `twg_begin` and `twg_resume` is `{"flow": number, "step": Step}`, that of `twg_status` is
//! `{"status": {"ok": Status}}` or `{"status": {"error": CoreError}}`. Each of the four may return `{"error": HostError}`
//! instead, for a mistake of the host. It changed nothing; after such a `twg_begin` there is no flow.
//!
//! **Who frees what.** The host frees every result. The call always frees its input. Both are overwritten then, because they
//! may hold secrets. The host ends every flow that it began.
//!
//! **Entropy** comes from a cryptographic generator, 64 octets for each flow, never used again.
//!
//! An unknown address or flow, invalid JSON, an outcome of another effect: each of these is a `HostError`. Flows are numbered
//! from 1, and no number is used twice. No input makes the module trap; only a host that has no more memory does.

mod buffers;
mod calls;

pub use buffers::Buffer;
pub use calls::Calls;

use std::cell::RefCell;

thread_local! {
    static CALLS: RefCell<Calls> = const { RefCell::new(Calls::new()) };
}

/// It changes when a host that worked before would fail.
const ABI_VERSION: u32 = 1;

/// The version of this interface.
#[unsafe(no_mangle)]
pub extern "C" fn twg_abi_version() -> u32 {
    ABI_VERSION
}

/// A new buffer of zeros, or 0.
#[unsafe(no_mangle)]
pub extern "C" fn twg_allocate(length: usize) -> usize {
    buffers::allocate(length)
}

/// How long a buffer is; 0 if there is none.
#[unsafe(no_mangle)]
pub extern "C" fn twg_length(address: usize) -> usize {
    buffers::length(address)
}

/// Overwrites and frees a buffer.
#[unsafe(no_mangle)]
pub extern "C" fn twg_free(address: usize) {
    drop(buffers::take(address));
}

/// Begins a flow.
#[unsafe(no_mangle)]
pub extern "C" fn twg_begin(input: usize) -> usize {
    let input = buffers::take(input);
    buffers::give(CALLS.with_borrow_mut(|calls| calls.begin(&input)))
}

/// Continues a flow.
#[unsafe(no_mangle)]
pub extern "C" fn twg_resume(flow: u32, input: usize) -> usize {
    let input = buffers::take(input);
    buffers::give(CALLS.with_borrow_mut(|calls| calls.resume(flow, &input)))
}

/// A login that waits for its user, as text that holds secrets.
#[unsafe(no_mangle)]
pub extern "C" fn twg_suspend(flow: u32) -> usize {
    buffers::give(CALLS.with_borrow(|calls| calls.suspend(flow)))
}

/// Forgets a flow.
#[unsafe(no_mangle)]
pub extern "C" fn twg_end(flow: u32) {
    CALLS.with_borrow_mut(|calls| calls.end(flow));
}

/// What a record says.
#[unsafe(no_mangle)]
pub extern "C" fn twg_status(input: usize) -> usize {
    let input = buffers::take(input);
    buffers::give(Calls::status(&input))
}
