//! The disk: the visible content, and the content that would survive a power failure.

use std::sync::Arc;

/// The content of a file; `None` if there is no file.
pub type Content = Option<Arc<str>>;

/// A name on the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Object {
    /// What a process reads.
    pub visible: Content,
    /// The content that certainly survives a power failure. If `visible` differs, either may
    /// survive.
    pub durable: Content,
}

impl Object {
    /// Sets content that is durable.
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

/// Half of the written content, in reserved room.
#[must_use]
pub fn torn(content: &str) -> Arc<str> {
    let half = content.len() / 2;
    format!("{}\0\0", content.get(..half).unwrap_or_default()).into()
}

/// The content after a power failure if it was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Survives {
    /// The old content.
    Durable,
    /// The new content.
    Visible,
    /// A part of the new content; for bytes, not for names.
    Torn,
}

/// A lasting failure of the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// No failure.
    #[default]
    None,
    /// Every file system is full (ENOSPC, EDQUOT): only reserved room can be written.
    Full,
    /// The configuration's file system refuses every write (EIO, EROFS), also into reserved room.
    Broken,
}

/// The three files that a refresh writes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Disk {
    /// The record of the connection.
    pub record: Object,
    /// The stage beside the record.
    pub stage: Object,
    /// The rescued response, on another file system.
    pub rescue: Object,
    /// The failure now.
    pub trouble: Trouble,
}

impl Disk {
    /// The record is replaced and its directory synced, which makes every other changed name in it
    /// durable too.
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

    /// Every file from which a process could read a token.
    pub fn readable(&self) -> impl Iterator<Item = &str> {
        [&self.record, &self.stage, &self.rescue]
            .into_iter()
            .filter_map(|object| object.visible.as_deref())
    }
}
