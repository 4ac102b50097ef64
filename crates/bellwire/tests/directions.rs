//! The crates' directions, as `ARCHITECTURE.md` draws them: an edge that is not in the table needs a decision first.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::process::Command;

use syn::visit::Visit;

/// Each crate and the workspace's crates that it may use.
const EDGES: &[(&str, &[&str])] = &[
    ("bellwire-domain", &[]),
    ("bellwire-schema", &["bellwire-domain"]),
    ("bellwire-contract", &["bellwire-domain", "bellwire-schema"]),
    ("bellwire-store", &["bellwire-domain"]),
    ("bellwire-egress", &["bellwire-domain"]),
    ("bellwire-engine", &["bellwire-contract", "bellwire-domain", "bellwire-egress", "bellwire-store"]),
    ("bellwire-app", &["bellwire-contract", "bellwire-domain", "bellwire-store"]),
    ("bellwire-http", &["bellwire-app", "bellwire-contract", "bellwire-domain", "bellwire-store"]),
    ("bellwire-api", &["bellwire-app", "bellwire-contract", "bellwire-domain", "bellwire-http", "bellwire-store"]),
    ("bellwire-book", &[]),
    ("bellwire-sso", &["bellwire-domain", "bellwire-egress"]),
    ("bellwire-console", &["bellwire-app", "bellwire-contract", "bellwire-domain", "bellwire-sso", "bellwire-store"]),
    (
        "bellwire",
        &[
            "bellwire-api",
            "bellwire-app",
            "bellwire-book",
            "bellwire-console",
            "bellwire-contract",
            "bellwire-domain",
            "bellwire-egress",
            "bellwire-engine",
            "bellwire-http",
            "bellwire-sso",
            "bellwire-store",
        ],
    ),
    ("bellwire-testkit", &["bellwire-domain"]),
    ("bellwire-bench", &["bellwire-contract", "bellwire-domain", "bellwire-testkit"]),
];

/// What a pure crate has no use for.
const IMPURE: &[&str] =
    &["tokio", "hyper", "axum", "rusqlite", "getrandom", "rand", "parking_lot", "tracing", "metrics", "reqwest"];

fn packages() -> Vec<serde_json::Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// What a package needs outside its tests.
fn dependencies(package: &serde_json::Value) -> BTreeSet<String> {
    let all = package["dependencies"].as_array().unwrap().iter();
    all.filter(|dependency| dependency["kind"].is_null())
        .map(|dependency| dependency["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn crates_use_only_what_stands_before_them() {
    let packages = packages();
    assert_eq!(packages.len(), EDGES.len(), "a crate is missing from the table");
    for package in &packages {
        let name = package["name"].as_str().unwrap();
        let allowed = EDGES.iter().find(|(of, _)| *of == name).unwrap_or_else(|| panic!("{name} is not in the table")).1;
        for used in dependencies(package).iter().filter(|used| used.starts_with("bellwire")) {
            assert!(allowed.contains(&used.as_str()), "{name} must not use {used}");
        }
    }
}

#[test]
fn the_pure_crates_know_no_io() {
    for package in packages().iter().filter(|package| {
        ["bellwire-domain", "bellwire-schema", "bellwire-contract"].contains(&package["name"].as_str().unwrap())
    }) {
        for used in dependencies(package) {
            assert!(!IMPURE.contains(&used.as_str()), "{} must not use {used}", package["name"]);
        }
    }
}

const PLATFORMS: [&str; 5] = ["develop-health", "b.well", "silver", "noyo", "novamed"];

/// The texts of production code, and which of them names a platform.
#[derive(Default)]
struct Texts {
    read: usize,
    naming: Vec<String>,
}

impl Texts {
    fn check(&mut self, literal: &proc_macro2::Literal) {
        let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string()) else { return };
        self.read += 1;
        let text = text.value();
        // A message may show what a good value looks like.
        let is_example = text.contains("such as ") || text.contains("as in ");
        if !is_example && PLATFORMS.iter().any(|name| text.to_lowercase().contains(name)) {
            self.naming.push(format!("line {}: {text:?}", literal.span().start().line));
        }
    }

    /// The tokens that a macro is given.
    fn check_tokens(&mut self, tokens: proc_macro2::TokenStream) {
        for token in tokens {
            match token {
                proc_macro2::TokenTree::Literal(literal) => self.check(&literal),
                proc_macro2::TokenTree::Group(group) => self.check_tokens(group.stream()),
                proc_macro2::TokenTree::Ident(_) | proc_macro2::TokenTree::Punct(_) => {}
            }
        }
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    let is_cfg_test = |list: &syn::MetaList| list.path.is_ident("cfg") && list.tokens.to_string() == "test";
    attributes.iter().any(|attribute| attribute.meta.require_list().is_ok_and(is_cfg_test))
}

impl<'ast> Visit<'ast> for Texts {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes: &[syn::Attribute] = match item {
            syn::Item::Const(item) => &item.attrs,
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Static(item) => &item.attrs,
            syn::Item::Macro(item) => &item.attrs,
            _ => &[],
        };
        if !is_test(attributes) {
            syn::visit::visit_item(self, item);
        }
    }

    /// Samples in the API's documentation show a real contract.
    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_test(&item.attrs) && item.sig.ident != "sample" {
            syn::visit::visit_impl_item_fn(self, item);
        }
    }

    /// Documentation, `--help` and the API's description speak to people.
    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        self.check(&text.token());
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.check_tokens(item.tokens.clone());
    }
}

#[test]
fn no_rust_code_knows_a_platform_by_name() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders = vec![root];
    let (mut files, mut texts, mut found) = (0, 0, Vec::new());
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            // Files named `tests.rs` are declared under `#[cfg(test)]`.
            let is_left_out = path.file_name().is_some_and(|name| name == "tests" || name == "tests.rs" || name == "shipped.rs");
            if path.is_dir() && !is_left_out {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !is_left_out {
                let file = syn::parse_file(&std::fs::read_to_string(&path).unwrap()).unwrap();
                let mut seen = Texts::default();
                seen.visit_file(&file);
                (files, texts) = (files + 1, texts + seen.read);
                found.extend(seen.naming.iter().map(|text| format!("{} {text}", path.display())));
            }
        }
    }
    assert!(files > 50 && texts > 1_000, "only {texts} texts in {files} files were read");
    assert!(found.is_empty(), "platforms are named in code:\n{}", found.join("\n"));
}

#[test]
fn a_platform_is_found_wherever_the_code_stands() {
    let code = r#"
        #[cfg(test)]
        mod before { const A: &str = "noyo"; }
        /// Like "silver".
        fn production() { let _ = format!("{}/novamed", "x"); matches!("b.well", "y"); }
        #[cfg(test)]
        fn helper() -> &'static str { "noyo" }
    "#;
    let mut texts = Texts::default();
    texts.visit_file(&syn::parse_file(code).unwrap());
    assert_eq!(texts.naming, ["line 5: \"{}/novamed\"", "line 5: \"b.well\""]);
}
