//! A server that a file configures: what comes before what, and what is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::harness::{Api, Home, KEY, Run, bellwire, run};

fn write(home: &Home, text: &str, mode: u32) -> PathBuf {
    let file = home.path("bellwire.toml");
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    file
}

fn check(home: &Home) -> Run {
    run(bellwire().args(["config", "check"]).arg(home.path("bellwire.toml")))
}

#[test]
fn a_server_is_what_the_file_says_unless_a_variable_or_a_flag_says_otherwise() {
    let home = Home::new();
    let file = write(
        &home,
        "listen = \"127.0.0.1:1\" # nobody may listen there\nadmin-key = \"the-key-in-the-file\"\nrate-max = 5\nlog = \"off\"\n\
         metrics-listen = \"127.0.0.1:0\"\nallow-network = [\"127.0.0.0/8\"]\nallow_http = true\n",
        0o600,
    );
    let named = file.to_str().unwrap();
    let server = home.start_in(&[("BELLWIRE_RATE_MAX", "0"), ("BELLWIRE_CONFIG", named)], &[]);
    server.metrics_address(); // of the file
    server.api.get("/v1/accounts").expect(200); // with the key of the variable
    let wrong = Api::new(server.api.address, "the-key-in-the-file");
    wrong.get("/v1/accounts").expect(401);
    let started = server.api.get("/v1/audit?action=node.started").expect(200).to_string();
    assert!(started.contains("metrics-listen") && !started.contains("127.0.0.0/8"), "{started}");
    let shown = run(bellwire()
        .args(["config", "show", "--config", named, "--listen", "127.0.0.1:2"])
        .envs([("BELLWIRE_ADMIN_KEY", KEY), ("BELLWIRE_RATE_MAX", "0")]));
    let row = |key: &str| {
        let found = shown.success().lines().find(|line| line.starts_with(&format!("{key} "))).unwrap();
        found.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(row("listen"), ["127.0.0.1:2", "flag", "--listen"]);
    assert_eq!(row("admin-key"), ["***", "variable", "BELLWIRE_ADMIN_KEY"]);
    assert_eq!(row("rate-max"), ["0", "variable", "BELLWIRE_RATE_MAX"]);
    assert_eq!(row("log"), ["off", &format!("{named}:4")]);
    assert_eq!(row("shutdown-grace"), ["30", "default"]);
    assert!(!shown.stdout.contains("the-key-in-the-file"), "{shown:?}");
}

#[test]
fn a_file_is_checked_before_it_is_used() {
    let home = Home::new();
    write(&home, "listen = \"127.0.0.1:0\"\nretain-history = 90\n", 0o644);
    let fine = check(&home);
    assert!(fine.success().ends_with("bellwire.toml can be used\n"), "{fine:?}");
    write(&home, "lisen = \"x\"\nallow-network = [\"10.0.0.0/33\"]\nadmin-key = \"s3cret-s3cret-s3cret\"\n", 0o644);
    let wrong = check(&home);
    let lines: Vec<&str> = wrong.stderr.lines().collect();
    assert_eq!((wrong.code, lines.len()), (Some(1), 3), "{wrong:?}");
    assert!(lines[0].contains("bellwire.toml:1: ") && lines[0].contains("did you mean `listen`"), "{wrong:?}");
    assert!(lines[1].contains("bellwire.toml:2: ") && lines[1].contains("ADDRESS/BITS"), "{wrong:?}");
    assert!(lines[2].contains("bellwire.toml:3: ") && lines[2].contains("chmod o= "), "{wrong:?}");
    assert!(!wrong.stderr.contains("s3cret"), "{wrong:?}");
    let text = "contracts = \"/no/such/folder\"\nadmin-key = \"short\"\nmaster-key = \"short\"\nlog = \"a=b=c\"\n\
                tls-cert = \"/no/such/cert\"\ntls-key = \"/no/such/key\"\n";
    write(&home, text, 0o600);
    let wrong = check(&home);
    for word in ["/no/such/folder", "admin key", "32 bytes in base64", "a=b=c", "/no/such/"] {
        assert!(wrong.stderr.contains(word), "`{word}` is not in {wrong:?}");
    }
    assert_eq!((wrong.code, wrong.stderr.lines().count()), (Some(1), 5), "{wrong:?}");
    write(&home, "allow-network = [\"10.0.0.0/8@nobody\"]\npublish = [\"nobody=127.0.0.1:0\"]\n", 0o644);
    assert!(check(&home).stderr.contains("there is no contract `nobody`"));
}

#[test]
fn a_server_does_not_start_with_a_file_that_is_wrong() {
    let home = Home::new();
    let file = write(&home, "in-flight-max = \"many\"\n", 0o644);
    let serve = |file: &str| run(bellwire().args(["serve", "--config", file]));
    let wrong = serve(file.to_str().unwrap());
    assert!(wrong.refusal().contains("bellwire.toml:1: `in-flight-max` takes a number"), "{wrong:?}");
    assert!(serve("/no/such/file").refusal().contains("cannot read /no/such/file"));
}
