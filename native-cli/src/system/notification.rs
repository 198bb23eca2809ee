//! Notifications: one short text that the desktop shows.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::tool::{Invocation, Runner, trouble};
use crate::environment::NOTIFICATION;

/// The text to show. It is plain, and every part from outside was checked before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notification {
    pub(crate) title: String,
    pub(crate) body: String,
}

/// Shows it.
///
/// # Errors
/// A description of the problem. There may be no desktop, so the caller goes on.
pub(crate) fn show(notification: &Notification, runner: &impl Runner) -> Result<(), String> {
    let invocation = if cfg!(target_os = "macos") {
        notification.in_macos()
    } else if cfg!(windows) {
        notification.in_windows()
    } else {
        notification.over_dbus()
    };
    let result: io::Result<_> = runner.run(&invocation);
    match &result {
        Ok(ended) if ended.well() => Ok(()),
        _ => Err(trouble(&invocation, &result)),
    }
}

impl Notification {
    /// Desktop Notifications Specification 1.2, `Notify`: app_name, replaces_id, app_icon, summary,
    /// body, no actions, no hints, and the desktop's own duration. On some desktops the body is
    /// markup.
    fn over_dbus(&self) -> Invocation {
        const NAME: &str = "org.freedesktop.Notifications";
        let body = self.body.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        Invocation::new("busctl", &["--user", "--", "call", NAME, "/org/freedesktop/Notifications"])
            .arg(NAME)
            .arg("Notify")
            .arg("susssasa{sv}i")
            .arg("twg")
            .arg("0")
            .arg("")
            .arg(&self.title)
            .arg(body)
            .arg("0")
            .arg("0")
            .arg("-1")
    }

    /// The texts are arguments of the script, not part of it.
    fn in_macos(&self) -> Invocation {
        const SCRIPT: [&str; 3] = [
            "on run argv",
            "display notification (item 2 of argv) with title (item 1 of argv)",
            "end run",
        ];
        let invocation = Invocation::new("/usr/bin/osascript", &[]);
        let invocation =
            SCRIPT.iter().fold(invocation, |invocation, line| invocation.arg("-e").arg(line));
        invocation.arg(&self.title).arg(&self.body)
    }

    /// A toast in the name of PowerShell, because toasts need an app identity, and PowerShell has
    /// one. The texts are in its environment, not in the script.
    fn in_windows(&self) -> Invocation {
        const SCRIPT: &str = r"
$ErrorActionPreference = 'Stop'
$manager = [Windows.UI.Notifications.ToastNotificationManager, Windows.UI.Notifications, ContentType = WindowsRuntime]
$template = [Windows.UI.Notifications.ToastTemplateType]::ToastText02
$toast = $manager::GetTemplateContent($template)
$texts = $toast.GetElementsByTagName('text')
[void]$texts.Item(0).AppendChild($toast.CreateTextNode($env:TWG_NOTIFICATION_TITLE))
[void]$texts.Item(1).AppendChild($toast.CreateTextNode($env:TWG_NOTIFICATION_BODY))
$app = '{1AC14E77-02E7-4E5D-B744-2EB1AE5198B7}\WindowsPowerShell\v1.0\powershell.exe'
$shown = [Windows.UI.Notifications.ToastNotification, Windows.UI.Notifications, ContentType = WindowsRuntime]::new($toast)
$manager::CreateToastNotifier($app).Show($shown)
";
        let utf16: Vec<u8> = SCRIPT.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let options = ["-NoProfile", "-NonInteractive", "-WindowStyle", "Hidden"];
        Invocation::new("powershell.exe", &options)
            .arg("-EncodedCommand")
            .arg(STANDARD.encode(utf16))
            .env(NOTIFICATION[0], &self.title)
            .env(NOTIFICATION[1], &self.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(invocation: &Invocation) -> Vec<&str> {
        invocation.args.iter().map(|word| word.to_str().unwrap()).collect()
    }

    fn evil() -> Notification {
        Notification {
            title: "$(id) \"; 'x' -e".to_owned(),
            body: "\" & do shell script \"id\" <b>".to_owned(),
        }
    }

    #[test]
    fn texts_are_words_of_their_own() {
        let evil = evil();
        let invocation = evil.in_macos();
        assert_eq!(words(&invocation)[6..], [&evil.title, &evil.body]);
        let invocation = evil.over_dbus();
        assert_eq!(words(&invocation)[..3], ["--user", "--", "call"]);
        assert_eq!(
            words(&invocation)[8..],
            [
                "twg",
                "0",
                "",
                &evil.title,
                "\" &amp; do shell script \"id\" &lt;b&gt;",
                "0",
                "0",
                "-1"
            ]
        );
    }

    #[test]
    fn on_windows_they_stand_in_the_environment() {
        let evil = evil();
        let invocation = evil.in_windows();
        assert_eq!(invocation.env[0].1, evil.title);
        let script = STANDARD.decode(words(&invocation)[5]).unwrap();
        let units: Vec<u16> =
            script.chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        let script = String::from_utf16(&units).unwrap();
        assert!(script.contains("$env:TWG_NOTIFICATION_BODY") && !script.contains("shell script"));
    }
}
