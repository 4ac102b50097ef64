//! The modules of every crate form layers: no circle among them, and in `store` no import of a layer above.
//!
//! Each file is one module. What it uses is read from its source: every `use`, and every path that is written out. A name that
//! a module only re-exports counts as a use of the module that defines it. Tests may use what they like.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// A module's path within its crate: `["queue", "handoff"]`.
type ModulePath = Vec<String>;

/// The layers of `store`, the lowest first. A module may use its own layer and those below it.
const STORE_LAYERS: &[&[&str]] = &[
    &["error", "page"],
    &["sql"],
    &["location", "schema", "seal"],
    &["rows"],
    &["moves", "audit"],
    &["queue"],
    &["records"],
    &["sqlite", "postgres"],
    &["open", "doctor", "evidence", "relocation", "rotation"],
];

struct Krate {
    name: String,
    modules: BTreeMap<ModulePath, Module>,
}

#[derive(Default)]
struct Module {
    /// Paths that the file writes, from the root of the crate.
    written: Vec<ModulePath>,
    /// Names that it re-exports, and where from.
    exports: BTreeMap<String, ModulePath>,
}

impl Krate {
    fn read(root: &Path) -> Option<Self> {
        let source = root.join("src");
        let name = root.file_name()?.to_string_lossy().into_owned();
        let mut files = rust_files(&source);
        // Beside a library, it is a crate of its own, which only starts the program.
        files.retain(|file| !(file.ends_with("src/main.rs") && source.join("lib.rs").exists()));
        let paths: BTreeMap<ModulePath, PathBuf> = files.iter().map(|file| (module_path(&source, file), file.clone())).collect();
        let known: BTreeSet<ModulePath> = paths.keys().cloned().collect();
        let modules = paths.iter().map(|(path, file)| (path.clone(), Module::read(path, file, &known)));
        Some(Self { name, modules: modules.collect() })
    }

    /// The module that defines what a path names, with re-exports followed.
    fn resolve(&self, path: &[String]) -> Option<ModulePath> {
        let mut target = path.to_vec();
        for _ in 0..16 {
            let depth = (0..=target.len()).rev().find(|depth| self.modules.contains_key(&target[..*depth]))?;
            let (module, rest) = target.split_at(depth);
            let Some(exported) = rest.first().and_then(|name| self.modules[module].exports.get(name)) else {
                return Some(module.to_vec());
            };
            target = exported.iter().chain(&rest[1..]).cloned().collect();
        }
        None
    }

    /// Which modules each module uses.
    fn uses(&self) -> BTreeMap<&ModulePath, BTreeSet<ModulePath>> {
        let of = |path: &ModulePath, module: &Module| {
            let targets = module.written.iter().filter_map(|written| self.resolve(written));
            targets.filter(|target| target != path).collect()
        };
        self.modules.iter().filter(|(path, _)| !path.is_empty()).map(|(path, module)| (path, of(path, module))).collect()
    }
}

impl Module {
    fn read(path: &ModulePath, file: &Path, known: &BTreeSet<ModulePath>) -> Self {
        let text = std::fs::read_to_string(file).unwrap();
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let mut reader = Reader { here: path, known, module: Self::default() };
        reader.visit_file(&parsed);
        reader.module
    }
}

struct Reader<'r> {
    here: &'r ModulePath,
    known: &'r BTreeSet<ModulePath>,
    module: Module,
}

impl Reader<'_> {
    /// A path as written, from the root of the crate; `None`: it begins elsewhere.
    fn absolute(&self, segments: &[String]) -> Option<ModulePath> {
        let mut base = self.here.clone();
        let rest = match segments.first()?.as_str() {
            "crate" => {
                base.clear();
                &segments[1..]
            }
            "self" => &segments[1..],
            "super" => {
                let ups = segments.iter().take_while(|segment| *segment == "super").count();
                (0..ups).for_each(|_| drop(base.pop()));
                &segments[ups..]
            }
            first => {
                let child: ModulePath = base.iter().cloned().chain([first.to_owned()]).collect();
                if !self.known.contains(&child) {
                    return None;
                }
                segments
            }
        };
        Some(base.into_iter().chain(rest.iter().cloned()).collect())
    }

    fn note(&mut self, segments: &[String]) {
        if let Some(path) = self.absolute(segments) {
            self.module.written.push(path);
        }
    }

    fn note_tree(&mut self, tree: &syn::UseTree, before: &mut ModulePath, is_export: bool) {
        let leaf = |reader: &mut Self, before: &ModulePath, name: &str, shown: String| {
            let path: ModulePath = before.iter().cloned().chain((name != "self").then(|| name.to_owned())).collect();
            match reader.absolute(&path) {
                Some(from) if is_export => drop(reader.module.exports.insert(shown, from)),
                _ => reader.note(&path),
            }
        };
        match tree {
            syn::UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.note_tree(&path.tree, before, is_export);
                before.pop();
            }
            syn::UseTree::Name(name) => {
                let name = name.ident.to_string();
                leaf(self, before, &name, if name == "self" { before.last().cloned().unwrap_or_default() } else { name.clone() });
            }
            syn::UseTree::Rename(rename) => leaf(self, before, &rename.ident.to_string(), rename.rename.to_string()),
            syn::UseTree::Glob(_) => self.note(before),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.note_tree(tree, before, is_export)),
        }
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let is_cfg_test = |list: &syn::MetaList| list.path.is_ident("cfg") && list.tokens.to_string() == "test";
        attribute.path().is_ident("test") || attribute.meta.require_list().is_ok_and(is_cfg_test)
    })
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes: &[syn::Attribute] = match item {
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            syn::Item::Const(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            syn::Item::Struct(item) => &item.attrs,
            _ => &[],
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_test(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let is_export = !matches!(item.vis, syn::Visibility::Inherited);
        self.note_tree(&item.tree, &mut Vec::new(), is_export);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 {
            self.note(&segments);
        }
        visit::visit_path(self, path);
    }

    /// What a macro is given is not parsed: paths from the crate's root are looked for in its words.
    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        let text = item.tokens.to_string().replace(' ', "");
        for (at, _) in text.match_indices("crate::") {
            let word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
            let path: String = text[at..].chars().take_while(|c| word(*c)).collect();
            let segments: Vec<String> = path.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect();
            self.note(&segments);
        }
        visit::visit_macro(self, item);
    }
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.ends_with("tests") || path.ends_with("tests.rs") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files
}

fn module_path(source: &Path, file: &Path) -> ModulePath {
    let relative = file.strip_prefix(source).unwrap().with_extension("");
    let path: ModulePath = relative.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if path == ["lib"] || path == ["main"] { Vec::new() } else { path }
}

fn crates() -> Vec<Krate> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders = std::fs::read_dir(root.join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<Krate> = folders.chain([root.join("bench")]).filter_map(|folder| Krate::read(&folder)).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// Every module that can be reached from `from`.
fn reachable<'u>(uses: &'u BTreeMap<&ModulePath, BTreeSet<ModulePath>>, from: &ModulePath) -> BTreeSet<&'u ModulePath> {
    let mut seen = BTreeSet::new();
    let mut left: Vec<&ModulePath> = uses.get(from).into_iter().flatten().collect();
    while let Some(next) = left.pop() {
        if seen.insert(next) {
            left.extend(uses.get(next).into_iter().flatten());
        }
    }
    seen
}

/// The modules that use each other, in groups.
fn circles(uses: &BTreeMap<&ModulePath, BTreeSet<ModulePath>>) -> BTreeSet<Vec<String>> {
    let reached: BTreeMap<&ModulePath, BTreeSet<&ModulePath>> = uses.keys().map(|path| (*path, reachable(uses, path))).collect();
    let in_circle = reached.iter().filter(|(path, reached)| reached.contains(**path));
    let group = |(path, reached_here): (&&ModulePath, &BTreeSet<&ModulePath>)| {
        let members = reached_here.iter().filter(|other| reached.get(**other).is_some_and(|back| back.contains(*path)));
        members.map(|member| member.join("::")).collect()
    };
    in_circle.map(group).collect()
}

#[test]
fn no_modules_of_a_crate_use_each_other_in_a_circle() {
    let mut found = Vec::new();
    for krate in crates() {
        assert!(!krate.modules.is_empty(), "{} has no files", krate.name);
        let uses = krate.uses();
        for circle in circles(&uses) {
            found.push(format!("{}: {}", krate.name, circle.join(", ")));
            for (path, targets) in uses.iter().filter(|(path, _)| circle.contains(&path.join("::"))) {
                let within: Vec<String> =
                    targets.iter().map(|target| target.join("::")).filter(|name| circle.contains(name)).collect();
                found.push(format!("    {} uses {}", path.join("::"), within.join(", ")));
            }
        }
    }
    assert!(found.is_empty(), "modules that use each other in a circle:\n{}", found.join("\n"));
}

#[test]
fn no_layer_of_the_store_uses_one_above_it() {
    let store = crates().into_iter().find(|krate| krate.name == "store").unwrap();
    let layer_of = |path: &ModulePath| {
        let top = path.first().unwrap().as_str();
        STORE_LAYERS.iter().position(|layer| layer.contains(&top)).unwrap_or_else(|| panic!("`{top}` stands in no layer"))
    };
    for (path, targets) in store.uses() {
        for target in targets.iter().filter(|target| !target.is_empty()) {
            assert!(layer_of(target) <= layer_of(path), "{} uses {}, which stands above it", path.join("::"), target.join("::"));
        }
    }
}

#[test]
fn a_circle_is_found() {
    let path = |name: &str| vec![name.to_owned()];
    let (a, b, c) = (path("a"), path("b"), path("c"));
    let uses: BTreeMap<&ModulePath, BTreeSet<ModulePath>> =
        [(&a, [b.clone()].into()), (&b, [a.clone(), c.clone()].into()), (&c, BTreeSet::new())].into();
    assert_eq!(circles(&uses), [vec!["a".to_owned(), "b".to_owned()]].into());
}
