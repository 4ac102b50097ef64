//! What a file may say, and what comes of it beside flags. Variables are in the tests of the whole program.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use tempfile::TempDir;

use super::keys::Kind;
use super::*;
use crate::cli::{Command, ServeArguments};

struct Written {
    _folder: TempDir,
    path: PathBuf,
}

fn written(text: &str, mode: u32) -> Written {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bellwire.toml");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    Written { _folder: folder, path }
}

fn parsed(text: &str, mode: u32, flags: &[&str]) -> Result<(ServeArguments, Configured), Refusal> {
    let file = written(text, mode);
    let words = ["bellwire", "serve", "--config", file.path.to_str().unwrap()].into_iter().chain(flags.iter().copied());
    let (cli, configured) = parse(words.map(OsString::from).collect())?;
    let Command::Serve(arguments) = cli.command else { panic!("another command") };
    Ok((*arguments, configured))
}

/// The faults of a file without the folder that it is in.
#[track_caller]
fn faults(text: &str) -> Vec<String> {
    let refusal = parsed(text, 0o644, &[]).err().unwrap();
    let faults = refusal.faults();
    faults.iter().map(|fault| fault.split_once("bellwire.toml:").map_or(fault.clone(), |(_, fault)| fault.to_owned())).collect()
}

#[test]
fn every_flag_is_a_key_except_the_one_that_names_the_file() {
    let keys = keys::all();
    let of_kind = |kind| keys.iter().filter(|key| key.kind == kind).map(|key| key.name.as_str()).collect::<Vec<_>>();
    assert_eq!(of_kind(Kind::Switch), ["allow-http", "log-json"]);
    assert_eq!(of_kind(Kind::List), ["publish", "allow-network", "portal-frame-origin"]);
    assert!(of_kind(Kind::Number).contains(&"rate-max") && of_kind(Kind::Number).contains(&"retain-history"));
    assert!(keys.iter().all(|key| !["config", "help", "retention"].contains(&key.name.as_str())));
    let secret: Vec<_> = keys.iter().filter(|key| key.is_secret).map(|key| key.name.as_str()).collect();
    assert_eq!(secret, ["admin-key", "master-key", "master-key-command", "new-master-key", "oidc-client-secret"]);
}

#[test]
fn a_key_is_a_flag_and_a_flag_comes_first() {
    let text = "# ours\nlisten = \"127.0.0.1:9\"\nin_flight_max = 7\nallow-http = true\nlog-json = false\n\
                allow-network = [\"10.0.0.0/8\", \"10.1.0.0/16:443\"]\nrate-max = 1_000\n";
    let (arguments, configured) = parsed(text, 0o644, &["--listen", "127.0.0.1:10"]).unwrap();
    assert_eq!((arguments.listen.port(), arguments.in_flight_max), (10, 7));
    assert_eq!((arguments.allow_http, arguments.log_json, arguments.allow_network.len()), (true, false, 2));
    assert_eq!(arguments.rate_max.per_second().map(|limit| limit.to_string()).as_deref(), Some("1000/s"));
    let shown = configured.shown();
    let row = |key: &str| {
        let row = shown.iter().find(|row| row.key == key).unwrap();
        let source = row.source.rsplit('/').next().unwrap_or_default();
        (row.value.as_deref().unwrap_or("-"), source.to_owned())
    };
    assert_eq!(row("listen"), ("127.0.0.1:10", "flag --listen".to_owned()));
    assert_eq!(row("in-flight-max"), ("7", "bellwire.toml:3".to_owned()));
    assert_eq!(row("allow-http"), ("true", "bellwire.toml:4".to_owned()));
    assert_eq!(row("allow-network"), ("10.0.0.0/8,10.1.0.0/16:443", "bellwire.toml:6".to_owned()));
    assert_eq!(row("log"), ("info", "default".to_owned()));
    assert_eq!(row("contracts"), ("-", "not set".to_owned()));
    assert_eq!(configured.file_keys().count(), 6);
}

#[test]
fn what_is_wrong_is_said_with_its_line_and_without_the_value() {
    assert_eq!(faults("lisen = \"127.0.0.1:9\""), ["1: there is no key `lisen`; did you mean `listen`?"]);
    assert_eq!(faults("\n[server]\nlisten = 1"), ["2: there is no key `server`; keys are the flags of `bellwire serve`"]);
    assert_eq!(faults("config = \"x\""), ["1: there is no key `config`; keys are the flags of `bellwire serve`"]);
    assert_eq!(
        faults("listen = 80\nin-flight-max = \"7\"\nallow-http = 1\npublish = \"a=b\"\nlog = [\"x\"]\nin-flight-max = 1.5"),
        ["6: duplicate key"],
    );
    assert_eq!(
        faults("listen = 80\nin-flight-max = \"7\"\nallow-http = 1\npublish = \"a=b\"\nlog = [\"x\"]\nnode-lease = 1.5"),
        [
            "1: `listen` takes a string",
            "2: `in-flight-max` takes a number",
            "3: `allow-http` takes true or false",
            "4: `publish` takes a list of strings",
            "5: `log` takes a string",
            "6: `node-lease` takes a number",
        ]
    );
    assert_eq!(faults("in-flight-max = 1\nin_flight_max = 2"), ["2: `in_flight_max` is set twice"]);
    assert_eq!(faults("listen = \"s3cret\""), ["1: `listen`: invalid socket address syntax"]);
    assert_eq!(faults("in-flight-max = 0"), ["1: `in-flight-max`: 0 is not in 1..=65535"]);
    assert!(faults("allow-network = [\"10.0.0.0/8\", \"s3cret\"]")[0].starts_with("1: `allow-network`: "));
    for broken in ["log = \"s3cret", "listen = ", "= 1", "log = s3cret", "log = \"a\" s3cret", "\u{0}"] {
        let fault = faults(broken);
        assert!(fault.len() == 1 && fault[0].starts_with("1: ") && !fault[0].contains("s3cret"), "{fault:?}");
    }
}

#[test]
fn a_secret_stands_only_in_a_file_that_others_cannot_read() {
    let text = "admin-key = \"s3cret-s3cret-of-mine\"\ndatabase = \"postgres://me:s3cret@db.example/b\"\n";
    for mode in [0o600, 0o640, 0o400] {
        let (arguments, configured) = parsed(text, mode, &[]).unwrap();
        assert_eq!(arguments.admin_key.as_deref(), Some("s3cret-s3cret-of-mine"));
        let shown = configured.shown();
        assert!(shown.iter().all(|row| !row.value.as_deref().unwrap_or_default().contains("s3cret")), "{shown:?}");
    }
    for mode in [0o644, 0o602, 0o604, 0o601] {
        let said = parsed(text, mode, &[]).err().unwrap().faults();
        assert!(said.len() == 2 && said.iter().all(|fault| fault.contains("chmod o= ") && !fault.contains("s3cret")), "{said:?}");
    }
    assert!(parsed("database = \"postgres://me@db.example/b\"\n", 0o644, &[]).is_ok());
}

#[test]
fn keys_that_need_or_exclude_each_other_do_so_wherever_they_stand() {
    let said = parsed("oidc-issuer = \"https://login.example\"\n", 0o644, &[]).err().unwrap().one_line();
    assert!(said.contains("--oidc-client-id") && said.contains("bellwire.toml"), "{said}");
    let (arguments, _) = parsed("oidc-issuer = \"https://login.example\"\n", 0o644, &["--oidc-client-id", "us"]).unwrap();
    assert_eq!(arguments.oidc_issuer.as_deref(), Some("https://login.example"));
    let (arguments, configured) = parsed("master-key = \"in the file\"\n", 0o600, &["--master-key-command", "x"]).unwrap();
    assert_eq!((arguments.master_key.current.master_key, configured.file().unwrap().1), (None, 1));
    let both = parsed("master-key = \"in the file\"\nmaster-key-command = \"x\"\n", 0o600, &[]).err().unwrap().one_line();
    assert!(both.contains("cannot be used with"), "{both}");
}

#[test]
fn a_file_that_is_not_there_or_is_none_ends_it() {
    let words = |path: &str| ["bellwire", "serve", "--config", path].map(OsString::from).to_vec();
    let said = |path: &str| parse(words(path)).err().unwrap().one_line();
    assert!(said("/no/such/file").contains("No such file"));
    assert!(said("/").contains("cannot read /"));
    assert!(said("/dev/zero").contains("more than 1048576 bytes") || said("/dev/zero").contains("UTF-8"));
    let many = parsed("a = 1\nb = 1\nc = 1\n", 0o644, &[]).err().unwrap().one_line();
    assert!(many.ends_with("and 2 more: see `bellwire config check`"), "{many}");
}
