//! The disk: what is visible, and what would survive a power failure.

use std::sync::Arc;

/// What lies under a name; `None` if nothing does.
pub type Content = Option<Arc<str>>;

/// A name on the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Object {
    /// What a process reads.
    pub visible: Content,
    /// What is certain to be there after a power failure. Where it differs from `visible`, either may be.
    pub durable: Content,
}

impl Object {
    /// Something that is on the disk for certain.
    pub fn set(&mut self, content: Content) {
        self.visible.clone_from(&content);
        self.durable = content;
    }

    /// Power fails.
    fn lose_power(&mut self, survives: Survives) {
        self.visible = match survives {
            Survives::Durable => self.durable.clone(),
            Survives::Visible => self.visible.clone(),
            Survives::Torn => self.visible.as_deref().map(torn),
        };
        self.durable.clone_from(&self.visible);
    }
}

/// Half of what was written, in a place that had been reserved.
#[must_use]
pub fn torn(content: &str) -> Arc<str> {
    let half = content.len() / 2;
    format!("{}\0\0", content.get(..half).unwrap_or_default()).into()
}

/// What becomes of something that was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Survives {
    /// The state before.
    Durable,
    /// The state after.
    Visible,
    /// A part of the state after; for bytes, not for names.
    Torn,
}

/// Something that is wrong for longer than a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// Nothing.
    #[default]
    None,
    /// Every file system is full (ENOSPC, EDQUOT): nothing new can be written, only what was reserved.
    Full,
    /// The file system of the configuration takes nothing (EIO, EROFS), not even where room was reserved.
    Broken,
}

/// The three things that a refresh writes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Disk {
    /// The record of the connection.
    pub record: Object,
    /// The stage beside it.
    pub stage: Object,
    /// What was rescued to another file system.
    pub rescue: Object,
    /// What is wrong now.
    pub trouble: Trouble,
}

impl Disk {
    /// The record is replaced and its directory synced, and with it whatever other name in it changed.
    pub fn replace_record(&mut self, bytes: Content) {
        self.record.set(bytes);
        if self.stage.visible.is_none() {
            self.stage.durable = None;
        }
    }

    /// Power fails, and comes back.
    pub fn lose_power(&mut self, record: Survives, stage: Survives) {
        self.record.lose_power(record);
        self.stage.lose_power(stage);
        self.rescue.lose_power(Survives::Durable);
    }

    /// Everything that a process could find a token in.
    pub fn readable(&self) -> impl Iterator<Item = &str> {
        [&self.record, &self.stage, &self.rescue]
            .into_iter()
            .filter_map(|object| object.visible.as_deref())
    }
}
