//! Collects what is embedded: the pages that `docs/SUMMARY.md` lists, the pictures and files of `docs` that they show or lead to,
//! and the two files of Swagger UI that the API reference needs.

#![expect(clippy::print_stdout, reason = "what a build is to look at again is said so")]

mod archive;
mod files;
mod summary;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    let given = |name: &str| std::env::var_os(name).map(PathBuf::from).ok_or_else(|| format!("there is no {name}"));
    let (root, out) = (given("CARGO_MANIFEST_DIR")?.join("../..").canonicalize()?, given("OUT_DIR")?);
    println!("cargo::rerun-if-changed=build");
    let code = book(&root)?;
    std::fs::write(out.join("embedded.rs"), code)?;
    for (ending, name) in [("/dist/swagger-ui-bundle.js", "swagger-ui.js.gz"), ("/dist/swagger-ui.css", "swagger-ui.css.gz")] {
        std::fs::write(out.join(name), archive::gzip_of(utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED, ending)?)?;
    }
    Ok(())
}

/// The table of contents with every page's text, and the files beside them, as Rust.
fn book(root: &Path) -> Result<String, Error> {
    let summary = read(root, "docs/SUMMARY.md")?;
    let mut code = String::from("pub(crate) const PARTS: &[Part] = &[\n");
    let mut found = files::Found::default();
    for part in summary::parse(&summary)? {
        writeln!(code, "    Part {{ title: {:?}, chapters: &[", part.title)?;
        for chapter in part.chapters {
            found.look(root, &chapter.path, &read(root, &chapter.path)?);
            let file = root.join(&chapter.path).display().to_string();
            let (title, depth, path) = (chapter.title, chapter.depth, chapter.path);
            writeln!(
                code,
                "        Chapter {{ title: {title:?}, depth: {depth}, path: {path:?}, text: include_str!({file:?}) }},"
            )?;
        }
        code.push_str("    ] },\n");
    }
    code.push_str("];\npub(crate) const FILES: &[File] = &[\n");
    for (path, kind) in found.0 {
        let file = root.join(&path).display().to_string();
        println!("cargo::rerun-if-changed={file}");
        writeln!(code, "    File {{ path: {path:?}, kind: {kind:?}, bytes: include_bytes!({file:?}) }},")?;
    }
    code.push_str("];\n");
    Ok(code)
}

fn read(root: &Path, path: &str) -> Result<String, Error> {
    let file = root.join(path);
    println!("cargo::rerun-if-changed={}", file.display());
    std::fs::read_to_string(&file).map_err(|error| format!("docs/SUMMARY.md names {path}: {error}").into())
}
