//! Programs of the system that a test plays: they note how they are called, and stand first on `PATH`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::twg::TwgCommand;

/// The directory with the programs.
#[derive(Debug)]
pub struct Played(PathBuf);

impl Played {
    /// None yet.
    #[must_use]
    pub fn new(home: &Path) -> Self {
        let played = Self(home.join("played"));
        fs::create_dir_all(&played.0).expect("a directory");
        played
    }

    /// Those that a schedule needs on Linux.
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

    /// What a program does beside noting its call.
    pub fn program(&self, name: &str, script: &str) {
        let path = self.0.join(name);
        let text =
            format!("#!/bin/sh\necho {name} \"$@\" >>'{}/calls'\n{script}\n", self.0.display());
        fs::write(&path, text).expect("it can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    }

    /// Where they are.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What systemd says of the timer.
    pub fn timer_is(&self, active: &str, file: &str) {
        let state = format!("LoadState=loaded\nActiveState={active}\nUnitFileState={file}\n");
        fs::write(self.0.join("systemctl.state"), state).expect("it can be written");
    }

    /// The command, to which these programs are the system's.
    #[must_use]
    pub fn before(&self, command: TwgCommand) -> TwgCommand {
        let path = std::env::var("PATH").expect("a PATH");
        command.env("PATH", format!("{}:{path}", self.0.display()))
    }

    /// The same, and the program itself is on `PATH`, as one that somebody installed is.
    #[must_use]
    pub fn before_installed(&self, command: TwgCommand) -> TwgCommand {
        let path = std::env::var("PATH").expect("a PATH");
        let program = crate::twg::twg_program().parent().expect("a directory").display();
        command.env("PATH", format!("{}:{program}:{path}", self.0.display()))
    }

    /// The calls since this was asked last.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.0.join("calls")).unwrap_or_default();
        let _ = fs::remove_file(self.0.join("calls"));
        text.lines().map(str::to_owned).collect()
    }
}
