//! What git and docker ask their credential helpers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use twg_core::helper::docker_credential;
use twg_core::endpoint_url::EndpointUrl;
use twg_core::helper::git_credential::Question;
use twg_core::secret::Secret;

const HOSTS: [&str; 2] = ["bitbucket.org", "bitbucket.org:443"];

fuzz_target!(|input: &[u8]| {
    let Ok(server) = EndpointUrl::parse("https://bitbucket.org/x") else { return };
    if let Some(question) = Question::parse(input)
        && question.is_for(&server)
    {
        let text = String::from_utf8_lossy(input);
        assert!(!text.contains(['\r', '\0']));
        let said = text.split("\n\n").next().unwrap_or_default();
        let hosts: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("host=")).collect();
        let [host] = hosts[..] else { panic!("{hosts:?}") };
        assert!(HOSTS.contains(&&*host.to_ascii_lowercase()), "{host}");
        assert!(said.lines().any(|line| line == "protocol=https"));
        let answer = question
            .answer("user", &Secret::new("token"), None)
            .expect("the answer can be written");
        let lines = answer.expose().lines().count();
        assert!(lines == 2 || lines == 4, "{}", answer.expose());
    }
    let Ok(asked) = std::str::from_utf8(input) else { return };
    if docker_credential::is_for(asked, &server) {
        let address = asked.trim_end_matches('\n');
        let address = address.strip_prefix("https://").unwrap_or(address);
        let host = address.split('/').next().unwrap_or_default();
        assert!(HOSTS.contains(&&*host.to_ascii_lowercase()), "{asked:?}");
    }
});
