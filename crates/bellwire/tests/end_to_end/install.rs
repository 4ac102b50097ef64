//! What an installation needs beside the server: health for supervisors, completions for shells, the manual.

use std::fs;
use std::net::TcpListener;

use bellwire_testkit::authority::{Authority, pem};

use crate::harness::{Home, LOCAL, Run, bellwire, run, run_with};

fn health(url: &str) -> Run {
    run(bellwire().args(["health", "--timeout", "2", "--url", url]))
}

/// The one line that says why it is not well.
#[track_caller]
fn ill(run: &Run) -> &str {
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.lines().count()), (Some(1), "", 1), "{run:?}");
    &run.stderr
}

#[test]
fn health_is_asked_of_a_running_server() {
    let home = Home::new();
    let server = home.start_with(&[&LOCAL[..], &["--metrics-listen", "127.0.0.1:0"]].concat());
    let main = format!("http://{}", server.api.address);
    assert_eq!(health(&main).success(), "ready\n");
    assert_eq!(health(&format!("http://{}/", server.metrics_address())).success(), "ready\n");
    assert_eq!(run(bellwire().arg("health").env("BELLWIRE_HEALTH_URL", &main)).success(), "ready\n");
    server.kill();
    let gone = health(&main);
    assert!(ill(&gone).contains(&format!("{main}/readyz: ")), "{gone:?}");
}

#[test]
fn over_tls_health_is_asked_of_whom_the_certificate_names() {
    let (home, authority) = (Home::new(), Authority::new("ours"));
    let identity = authority.issue("127.0.0.1");
    let held = [
        ("cert.pem", pem("CERTIFICATE", &identity.certificate)),
        ("key.pem", pem("PRIVATE KEY", &identity.key)),
        ("authority.pem", pem("CERTIFICATE", &authority.certificate)),
    ];
    let [certificate, key, trusted] = held.map(|(name, text)| {
        fs::write(home.path(name), text).unwrap();
        home.path(name).to_str().unwrap().to_owned()
    });
    let server = home.start_with(&[&LOCAL[..], &["--tls-cert", &certificate, "--tls-key", &key]].concat());
    let ask = |url: String, trusted: &str| run(bellwire().args(["health", "--url", &url]).env("SSL_CERT_FILE", trusted));
    let (address, port) = (server.api.address, server.api.address.port());
    assert_eq!(ask(format!("https://{address}"), &trusted).success(), "ready\n");
    for unknown in [ask(format!("https://{address}"), "/dev/null"), ask(format!("https://localhost:{port}"), &trusted)] {
        assert!(ill(&unknown).contains("certificate"), "{unknown:?}");
    }
}

#[test]
fn health_says_why_there_is_none() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let run = health(&format!("http://{}", silent.local_addr().unwrap()));
    assert!(ill(&run).contains("/readyz: "), "{run:?}");
    let elsewhere = bellwire_testkit::sink::Sink::start(|_| 404);
    let run = health(&elsewhere.url(""));
    assert!(ill(&run).ends_with("status 404\n"), "{run:?}");
    let refused = health("127.0.0.1:8080");
    assert!(refused.refusal().contains("absolute URL"), "{refused:?}");
}

#[test]
fn shells_complete_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let completions = run(bellwire().args(["completions", shell]));
        for word in ["serve", "rotate-master", "allow-network", "completions"] {
            assert!(completions.success().contains(word), "{shell}: {word}");
        }
    }
    assert!(run(bellwire().args(["completions", "sh"])).refusal().contains("bash"));
    // The shell at hand takes it.
    let script = run(bellwire().args(["completions", "bash"])).stdout;
    let complete = "COMP_WORDS=(bellwire ser); COMP_CWORD=1; _bellwire bellwire ser bellwire; echo \"${COMPREPLY[*]}\"";
    let completed = run_with(format!("{script}\n{complete}").as_bytes(), &mut std::process::Command::new("bash"));
    assert_eq!(completed.success(), "serve\n");
}

#[test]
fn the_manual_has_a_page_for_each_command_and_no_secret_of_its_surroundings() {
    let home = Home::new();
    let folder = home.path("man/man1");
    let key = "a-key-that-is-in-no-manual";
    let written = run(bellwire().args(["man", "--out", folder.to_str().unwrap()]).env("BELLWIRE_ADMIN_KEY", key));
    assert_eq!(written.success(), "");
    let pages: Vec<_> = fs::read_dir(&folder).unwrap().map(|page| page.unwrap().file_name().into_string().unwrap()).collect();
    for page in ["bellwire.1", "bellwire-serve.1", "bellwire-keys-rotate-master.1", "bellwire-contract-check.1"] {
        assert!(pages.iter().any(|name| name == page), "{page}: {pages:?}");
    }
    let serve = fs::read_to_string(folder.join("bellwire-serve.1")).unwrap();
    assert!(serve.contains("BELLWIRE_LISTEN") && serve.contains("worker\\-threads") && !serve.contains(key), "{serve}");
    fs::write(home.path("file"), "").unwrap();
    let refused = run(bellwire().args(["man", "--out", home.path("file").to_str().unwrap()]));
    assert!(refused.refusal().contains("cannot write the manual"), "{refused:?}");
}
