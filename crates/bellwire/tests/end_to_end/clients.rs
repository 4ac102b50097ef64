//! The clients in `clients/`: their types are those of the API, they do what they say, and their quick starts work, word for word but for
//! the ports.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use bellwire_testkit::process::Process;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Home, KEY, Run, Server, run};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A client, built in a folder in which its language finds it.
struct Language {
    folder: TempDir,
    /// Its name in `clients/`.
    name: &'static str,
    program: PathBuf,
    ending: &'static str,
}

impl Language {
    fn python() -> Self {
        let program = root().join(".tools/venv/bin/python");
        assert!(program.exists(), "Python's packages are missing: run scripts/setup first");
        Self { folder: tempfile::tempdir().unwrap(), name: "python", program, ending: "py" }
    }

    fn typescript() -> Self {
        let (folder, client) = (tempfile::tempdir().unwrap(), root().join("clients/typescript"));
        let package = folder.path().join("node_modules/bellwire-client");
        fs::create_dir_all(&package).unwrap();
        fs::copy(client.join("package.json"), package.join("package.json")).unwrap();
        let compiler = client.join("node_modules/.bin/tsc");
        assert!(compiler.exists(), "the packages of the TypeScript client are missing: run scripts/setup first");
        let mut compile = Command::new(compiler);
        run(compile.arg("--project").arg(&client).arg("--outDir").arg(package.join("dist"))).success();
        Self { folder, name: "typescript", program: "node".into(), ending: "mjs" }
    }

    fn client(&self) -> PathBuf {
        root().join("clients").join(self.name)
    }

    /// A script's start, in the folder.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(words).current_dir(self.folder.path());
        // Only what stands in the folder is Python's.
        command.env("PYTHONPATH", self.client()).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    fn readme(&self) -> String {
        fs::read_to_string(self.client().join("README.md")).unwrap()
    }

    /// Writes each script of the quick start to a file of the name in its first line.
    fn write_scripts(&self, port: u16) {
        for name in ["receive", "publish", "catch_up"] {
            let file = format!("{name}.{}", self.ending);
            let script = self.block(&file);
            fs::write(self.folder.path().join(file), script.replace("9101", &port.to_string())).unwrap();
        }
    }

    /// The block that names a file in its first line.
    fn block(&self, file: &str) -> String {
        let readme = self.readme();
        let found =
            readme.split("\n```").find(|block| block.lines().nth(1).is_some_and(|line| line.ends_with(&format!(" {file}"))));
        found.unwrap_or_else(|| panic!("{file} is not in the README")).split_once('\n').unwrap().1.to_owned()
    }

    fn quick_start(&self, server: &Server) {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        self.write_scripts(port);
        let url = format!("http://{}", server.api.address);
        let readme = self.readme();
        let setting_up = readme.split("```sh\n").map(|rest| rest.split("```").next().unwrap());
        let setting_up = setting_up.filter(|block| block.contains("curl")).collect::<String>();
        let setting_up = setting_up.replace("http://127.0.0.1:8080", &url).replace("9101", &port.to_string());
        let answered = run(Command::new("bash").args(["-euo", "pipefail", "-c", &setting_up]).env("BELLWIRE_ADMIN_KEY", KEY));
        let endpoint: Value = serde_json::from_str(answered.success().lines().nth(1).unwrap()).unwrap();
        let secret = endpoint["secret"].as_str().unwrap();

        let receive = format!("receive.{}", self.ending);
        let receiver = Process::start(self.command(&[&receive]).env("WEBHOOK_SECRET", secret));
        assert_eq!(receiver.line(), "ready");
        let said = |words: &[&str]| -> Run {
            let mut command = self.command(words);
            run(command.env("BELLWIRE_URL", &url).env("BELLWIRE_ADMIN_KEY", KEY))
        };
        for _ in 0..2 {
            assert_eq!(said(&[&format!("publish.{}", self.ending)]).success(), "1 appointment-7-booked\n");
        }
        let seen = receiver.line();
        let event = seen.strip_prefix("appointment-7-booked appointment.booked ").unwrap_or_else(|| panic!("{seen}"));
        assert_eq!(serde_json::from_str::<Value>(event).unwrap(), serde_json::json!({ "appointment": 7 }));
        let catch_up = format!("catch_up.{}", self.ending);
        assert_eq!(said(&[&catch_up, "0"]).success(), "1 appointment-7-booked appointment.booked\n");
        server.api.publish("clinic-1", "appointment.moved", r#"{"appointment":7}"#);
        let later = said(&[&catch_up, "1"]);
        assert!(later.success().starts_with("2 ") && later.success().lines().count() == 1, "{later:?}");
    }
}

/// What a generator makes now, and what is kept. With `BELLWIRE_REGENERATE=1` in the environment it is kept from now on.
fn keep_current(made: &Path, kept: &Path) {
    let current = fs::read_to_string(made).unwrap();
    if std::env::vars_os().any(|(name, _)| name == "BELLWIRE_REGENERATE") {
        fs::write(kept, &current).unwrap();
    }
    let is_current = fs::read_to_string(kept).unwrap() == current;
    assert!(
        is_current,
        "{} is stale; write it anew with: BELLWIRE_REGENERATE=1 cargo test -p bellwire clients::",
        kept.display()
    );
}

#[test]
fn python_has_the_types_of_the_api() {
    let language = Language::python();
    let made = language.folder.path().join("types.py");
    let mut generate = language.command(&["-m", "datamodel_code_generator", "--input"]);
    generate.arg(root().join("docs/openapi.json")).args(["--input-file-type", "openapi"]);
    generate.args(["--output-model-type", "typing.TypedDict", "--no-use-closed-typed-dict", "--use-schema-description"]);
    generate.args(["--target-python-version", "3.11", "--enum-field-as-literal", "all", "--disable-timestamp"]);
    run(generate.args(["--formatters", "builtin", "--output"]).arg(&made)).success();
    keep_current(&made, &language.client().join("bellwire_client/types.py"));
}

#[test]
fn typescript_has_the_types_of_the_api() {
    let client = root().join("clients/typescript");
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("types.ts");
    let mut generate = Command::new(client.join("node_modules/.bin/openapi-typescript"));
    run(generate.arg("../../docs/openapi.json").arg("--output").arg(&made).current_dir(&client)).success();
    keep_current(&made, &client.join("src/types.ts"));
}

#[test]
fn python() {
    let language = Language::python();
    let tests = language.client().join("tests");
    let tested = run(&mut language.command(&["-m", "unittest", "discover", "-s", tests.to_str().unwrap()]));
    assert_eq!(tested.code, Some(0), "{tested:?}");
    let home = Home::new();
    language.quick_start(&home.start());
}

#[test]
fn typescript() {
    let language = Language::typescript();
    fs::copy(language.client().join("test/client.test.mjs"), language.folder.path().join("client.test.mjs")).unwrap();
    let tested = run(&mut language.command(&["--test", "client.test.mjs"]));
    assert_eq!(tested.code, Some(0), "{tested:?}");
    let home = Home::new();
    language.quick_start(&home.start());
}
