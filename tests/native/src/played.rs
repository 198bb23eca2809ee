//! Programs of the system that a test replaces: they record their calls, and come first on `PATH`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::twg::TwgCommand;

/// The directory of the programs.
#[derive(Debug)]
pub struct Played(PathBuf);

impl Played {
    /// An empty directory.
    #[must_use]
    pub fn new(home: &Path) -> Self {
        let played = Self(home.join("played"));
        fs::create_dir_all(&played.0).expect("a directory");
        played
    }

    /// The programs that a schedule needs on Linux.
    #[must_use]
    pub fn scheduler(home: &Path) -> Self {
        let played = Self::new(home);
        played.program(
            "systemctl",
            "case \"$*\" in *show*timer*) cat \"$0.state\" 2>/dev/null;; esac; true",
        );
        played.program("loginctl", "echo Linger=no");
        played.program("busctl", "");
        played
    }

    /// Adds a program that records its call and then runs `script`.
    pub fn program(&self, name: &str, script: &str) {
        let path = self.0.join(name);
        let text =
            format!("#!/bin/sh\necho {name} \"$@\" >>'{}/calls'\n{script}\n", self.0.display());
        fs::write(&path, text).expect("it can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Sets what `systemctl` says about the timer.
    pub fn timer_is(&self, active: &str, file: &str) {
        let state = format!("LoadState=loaded\nActiveState={active}\nUnitFileState={file}\n");
        fs::write(self.0.join("systemctl.state"), state).expect("it can be written");
    }

    /// `command` with these programs first on its `PATH`.
    #[must_use]
    pub fn before(&self, command: TwgCommand) -> TwgCommand {
        let path = std::env::var("PATH").expect("a PATH");
        command.env("PATH", format!("{}:{path}", self.0.display()))
    }

    /// The same, with twg itself on `PATH`, as if the user had installed it.
    #[must_use]
    pub fn before_installed(&self, command: TwgCommand) -> TwgCommand {
        let path = std::env::var("PATH").expect("a PATH");
        let program = crate::twg::twg_program().parent().expect("a directory").display();
        command.env("PATH", format!("{}:{program}:{path}", self.0.display()))
    }

    /// The calls since the last time this was called.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.0.join("calls")).unwrap_or_default();
        let _ = fs::remove_file(self.0.join("calls"));
        text.lines().map(str::to_owned).collect()
    }
}
