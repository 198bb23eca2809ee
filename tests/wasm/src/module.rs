//! The plain module in wasmtime: everything that a Rust program needs to use it.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::Value;
use wasmtime::{Engine, Instance, Memory, Module, Result, Store, TypedFunc};

use crate::host::Host;

/// The plain module, loaded.
pub struct Plugin {
    store: Store<()>,
    memory: Memory,
    allocate: TypedFunc<u32, u32>,
    length: TypedFunc<u32, u32>,
    free: TypedFunc<u32, ()>,
    begin: TypedFunc<u32, u32>,
    resume: TypedFunc<(u32, u32), u32>,
    suspend: TypedFunc<u32, u32>,
    end: TypedFunc<u32, ()>,
    status: TypedFunc<u32, u32>,
}

/// Where `cargo run -p twg-wasm-pack` puts it.
#[must_use]
pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../js-pkg/wasm/twg_plugin.wasm")
}

/// The compiled module. It takes seconds, and serves any number of [`Plugin`]s.
///
/// # Panics
/// If it does not exist.
pub fn compiled() -> &'static Module {
    static COMPILED: LazyLock<Module> = LazyLock::new(|| {
        let module = Module::from_file(&Engine::default(), path());
        module.expect("the plain module, which `cargo run -p twg-wasm-pack` builds")
    });
    &COMPILED
}

impl Plugin {
    /// A new instance without flows.
    ///
    /// # Errors
    /// If it is another module.
    pub fn new(module: &Module) -> Result<Self> {
        let mut store = Store::new(module.engine(), ());
        // The module imports nothing.
        let instance = Instance::new(&mut store, module, &[])?;
        let version = instance.get_typed_func::<(), u32>(&mut store, "twg_abi_version")?;
        let version = version.call(&mut store, ())?;
        wasmtime::ensure!(version == 1, "this host speaks version 1, the module {version}");
        let memory = instance.get_memory(&mut store, "memory");
        let memory = memory.ok_or_else(|| wasmtime::format_err!("the module has no memory"))?;
        Ok(Self {
            allocate: instance.get_typed_func(&mut store, "twg_allocate")?,
            length: instance.get_typed_func(&mut store, "twg_length")?,
            free: instance.get_typed_func(&mut store, "twg_free")?,
            begin: instance.get_typed_func(&mut store, "twg_begin")?,
            resume: instance.get_typed_func(&mut store, "twg_resume")?,
            suspend: instance.get_typed_func(&mut store, "twg_suspend")?,
            end: instance.get_typed_func(&mut store, "twg_end")?,
            status: instance.get_typed_func(&mut store, "twg_status")?,
            memory,
            store,
        })
    }

    /// Puts octets into a buffer that the next call frees.
    ///
    /// # Errors
    /// If the module has no room.
    pub fn give(&mut self, octets: &[u8]) -> Result<u32> {
        let length = u32::try_from(octets.len())?;
        let address = self.allocate.call(&mut self.store, length)?;
        wasmtime::ensure!(address != 0, "the module has no room for {length} octets");
        self.memory.write(&mut self.store, address as usize, octets)?;
        Ok(address)
    }

    /// Takes a result and frees it.
    ///
    /// # Errors
    /// If there is no buffer at `address`.
    pub fn take(&mut self, address: u32) -> Result<Vec<u8>> {
        let length = self.length.call(&mut self.store, address)?;
        let mut octets = vec![0; length as usize];
        self.memory.read(&self.store, address as usize, &mut octets)?;
        self.free.call(&mut self.store, address)?;
        Ok(octets)
    }

    /// `twg_begin` with an address, which may be wrong.
    ///
    /// # Errors
    /// If the module traps, which it must not.
    pub fn begin_at(&mut self, input: u32) -> Result<Vec<u8>> {
        let result = self.begin.call(&mut self.store, input)?;
        self.take(result)
    }

    /// `twg_resume` with an address.
    ///
    /// # Errors
    /// As [`Plugin::begin_at`].
    pub fn resume_at(&mut self, flow: u32, input: u32) -> Result<Vec<u8>> {
        let result = self.resume.call(&mut self.store, (flow, input))?;
        self.take(result)
    }

    /// `twg_status` with an address.
    ///
    /// # Errors
    /// As [`Plugin::begin_at`].
    pub fn status_at(&mut self, input: u32) -> Result<Vec<u8>> {
        let result = self.status.call(&mut self.store, input)?;
        self.take(result)
    }

    /// `twg_free` with an address.
    ///
    /// # Errors
    /// As [`Plugin::begin_at`].
    pub fn free_at(&mut self, address: u32) -> Result<()> {
        self.free.call(&mut self.store, address)
    }

    /// The module's memory.
    #[must_use]
    pub fn memory(&self) -> &[u8] {
        self.memory.data(&self.store)
    }
}

impl Host for Plugin {
    fn begin(&mut self, input: &Value) -> Value {
        let input = self.give(input.to_string().as_bytes()).expect("room");
        parsed(self.begin_at(input))
    }

    fn resume(&mut self, flow: u32, input: &Value) -> Value {
        let input = self.give(input.to_string().as_bytes()).expect("room");
        parsed(self.resume_at(flow, input))
    }

    fn suspend(&mut self, flow: u32) -> Value {
        let result = self.suspend.call(&mut self.store, flow).expect("no trap");
        parsed(self.take(result))
    }

    fn end(&mut self, flow: u32) {
        self.end.call(&mut self.store, flow).expect("no trap");
    }

    fn status(&mut self, input: &Value) -> Value {
        let input = self.give(input.to_string().as_bytes()).expect("room");
        parsed(self.status_at(input))
    }
}

fn parsed(result: Result<Vec<u8>>) -> Value {
    serde_json::from_slice(&result.expect("no trap")).expect("a result is JSON")
}
