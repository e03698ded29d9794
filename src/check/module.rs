//! What a Python file does when it is imported, read from its text: nothing is executed. The grammar is
//! tree-sitter's, which goes on after what it doesn't know, so that a newer Python's syntax costs a finding and
//! no more.

use std::collections::BTreeSet;

use tree_sitter::{Node, Parser};

use crate::error::Snippet;

/// A Python file, as far as checks want to know it.
#[derive(Debug, Default)]
pub(super) struct Module {
    /// What it imports.
    pub(super) imports: Vec<Import>,
    /// The names that it may bind at its top level.
    pub(super) names: BTreeSet<String>,
    /// The modules whose names it takes all: `from x import *`, with the dots of a relative one.
    pub(super) stars: Vec<String>,
    /// Whether it may bind names in ways that its text doesn't show.
    pub(super) is_open: bool,
    /// Whether a part of it can't be parsed.
    pub(super) has_error: bool,
    /// The assignments at its top level, and those of class bodies, to names or to items such as `config["X"]`.
    pub(super) assignments: Vec<Assignment>,
    /// The calls that are made wherever in the file.
    pub(super) calls: Vec<Call>,
}

/// An import statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Import {
    /// The module, with its dots if it is relative.
    pub(super) module: String,
    /// The names that are imported from it; empty for `import x`.
    pub(super) names: Vec<String>,
    /// Whether it runs for certain when the file is imported: not in a function, `try` or `if`.
    pub(super) certain: bool,
    /// Whether it may run when the file is imported: `if TYPE_CHECKING` and functions don't.
    pub(super) at_import: bool,
    /// Where it is.
    pub(super) place: Place,
}

/// An assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assignment {
    /// What is assigned to, as it is written.
    pub(super) target: String,
    /// The value, as it is written.
    pub(super) value: String,
    /// The value, if it is one plain string.
    pub(super) string: Option<String>,
    /// Whether it happens for certain.
    pub(super) certain: bool,
    /// Where the value is.
    pub(super) place: Place,
}

/// A call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    /// What is called, as it is written.
    pub(super) callee: String,
    /// The arguments by position, as they are written.
    pub(super) args: Vec<String>,
    /// The arguments by name, as they are written.
    pub(super) keywords: Vec<(String, String)>,
    /// Whether it is in a function.
    pub(super) in_function: bool,
    /// Where it is.
    pub(super) place: Place,
}

/// Lines and columns of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The number of the line, from 1.
    pub(super) line: usize,
    /// The first byte in that line.
    pub(super) start: usize,
    /// The byte after the last one in that line.
    pub(super) end: usize,
}

impl Place {
    /// Makes the excerpt that a finding shows.
    pub(super) fn snippet(&self, file: &str, text: &str, label: impl Into<String>) -> Option<Snippet> {
        let line = text.lines().nth(self.line - 1)?;
        let start = self.start.min(line.len());
        let end = self.end.clamp(start, line.len());
        let (file, label) = (file.to_owned(), label.into());
        Some(Snippet { file, line: self.line, text: line.to_owned(), span: start..end, label })
    }
}

impl Call {
    /// Returns the argument of this name, as it is written.
    pub(super) fn keyword(&self, name: &str) -> Option<&str> {
        self.keywords.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Returns the content of a plain string literal.
pub(super) fn string_literal(text: &str) -> Option<String> {
    let text = text.trim();
    let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| text.starts_with(quote))?;
    let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
    (!inner.contains(['\\', '\n']) && !inner.contains(quote)).then(|| inner.to_owned())
}

/// Reads a Python file. Nothing is known of a text that can't be parsed.
pub(super) fn parse_module(text: &str) -> Option<Module> {
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_python::LANGUAGE.into()).ok()?;
    let tree = parser.parse(text, None)?;
    let has_error = tree.root_node().has_error();
    let mut module = Module { is_open: has_error, has_error, ..Module::default() };
    let mut walk = Walk { text, module: &mut module };
    walk.block(tree.root_node(), Context { certain: true, at_import: true, ..Context::default() });
    Some(module)
}

#[derive(Clone, Copy, Default)]
struct Context {
    in_function: bool,
    in_class: bool,
    certain: bool,
    at_import: bool,
}

struct Walk<'a> {
    text: &'a str,
    module: &'a mut Module,
}

impl Walk<'_> {
    fn slice(&self, node: Node<'_>) -> String {
        self.text.get(node.byte_range()).unwrap_or_default().to_owned()
    }

    fn field(&self, node: Node<'_>, name: &str) -> String {
        node.child_by_field_name(name).map(|node| self.slice(node)).unwrap_or_default()
    }

    fn bind(&mut self, name: String, context: Context) {
        if !context.in_function && !context.in_class && !name.is_empty() {
            // A module with `__getattr__` may have any name.
            self.module.is_open |= name == "__getattr__";
            self.module.names.insert(name);
        }
    }

    /// Visits what is in a node. Iterative over siblings, recursive over nesting, which Python itself limits to
    /// a hundred levels of blocks; expressions are cut off at a depth that nobody writes.
    fn block(&mut self, node: Node<'_>, context: Context) {
        self.children(node, context, 0);
    }

    fn children(&mut self, node: Node<'_>, context: Context, depth: usize) {
        const MAX_DEPTH: usize = 400;
        if depth > MAX_DEPTH {
            self.module.is_open = true;
            return;
        }
        let mut cursor = node.walk();
        for child in node.named_children(&mut cursor) {
            self.visit(child, context, depth + 1);
        }
    }

    fn visit(&mut self, node: Node<'_>, context: Context, depth: usize) {
        let maybe = Context { certain: false, ..context };
        match node.kind() {
            "import_statement" => return self.import(node, context),
            "import_from_statement" => return self.import_from(node, context),
            "function_definition" => {
                let name = self.field(node, "name");
                self.bind(name, context);
                let inside = Context { in_function: true, certain: false, at_import: false, ..context };
                return self.children(node, inside, depth);
            }
            "lambda" => {
                let inside = Context { in_function: true, certain: false, at_import: false, ..context };
                return self.children(node, inside, depth);
            }
            "class_definition" => {
                self.bind(self.field(node, "name"), context);
                return self.children(node, Context { in_class: true, ..context }, depth);
            }
            "if_statement" if is_type_checking(&self.field(node, "condition")) => {
                return self.children(node, Context { certain: false, at_import: false, ..context }, depth);
            }
            "if_statement" if is_main(&self.field(node, "condition")) => {
                return self.children(node, Context { certain: false, at_import: false, ..context }, depth);
            }
            "if_statement" | "try_statement" | "with_statement" | "for_statement" | "while_statement"
            | "match_statement" => {
                self.bind_targets(node, context);
                return self.children(node, maybe, depth);
            }
            "global_statement" => {
                let mut cursor = node.walk();
                for name in node.named_children(&mut cursor) {
                    let name = self.slice(name);
                    self.module.names.insert(name);
                }
            }
            "delete_statement" => self.module.is_open = true,
            "assignment" => self.assignment(node, context),
            "augmented_assignment" => self.augmented(node, context),
            "named_expression" => self.bind(self.field(node, "name"), context),
            "type_alias_statement" => self.names_in(node, context),
            "as_pattern" | "except_clause" | "case_clause" => self.names_in(node, context),
            "call" => self.call(node, context),
            _ => {}
        }
        self.children(node, context, depth);
    }

    fn import(&mut self, node: Node<'_>, context: Context) {
        let mut cursor = node.walk();
        for name in node.children_by_field_name("name", &mut cursor) {
            let (module, bound) = self.alias(name);
            let bound = bound.unwrap_or_else(|| module.split('.').next().unwrap_or_default().to_owned());
            self.bind(bound, context);
            self.push_import(module, Vec::new(), name, context);
        }
    }

    fn import_from(&mut self, node: Node<'_>, context: Context) {
        let Some(module_node) = node.child_by_field_name("module_name") else { return };
        let module = self.slice(module_node);
        let mut names = Vec::new();
        let mut cursor = node.walk();
        for name in node.children_by_field_name("name", &mut cursor) {
            let (imported, bound) = self.alias(name);
            self.bind(bound.unwrap_or_else(|| imported.clone()), context);
            names.push(imported);
        }
        let mut cursor = node.walk();
        if node.children(&mut cursor).any(|child| child.kind() == "wildcard_import") {
            self.module.stars.push(module.clone());
        }
        self.push_import(module, names, module_node, context);
    }

    fn alias(&self, node: Node<'_>) -> (String, Option<String>) {
        match node.kind() {
            "aliased_import" => (self.field(node, "name"), Some(self.field(node, "alias"))),
            _ => (self.slice(node), None),
        }
    }

    fn push_import(&mut self, module: String, names: Vec<String>, node: Node<'_>, context: Context) {
        // White space is allowed around dots.
        let module = module.split_whitespace().collect();
        let Context { certain, at_import, .. } = context;
        self.module.imports.push(Import { module, names, certain, at_import, place: place(node) });
    }

    fn assignment(&mut self, node: Node<'_>, context: Context) {
        let Some(left) = node.child_by_field_name("left") else { return };
        let Some(right) = node.child_by_field_name("right") else { return };
        self.names_in_target(left, context);
        let value = self.slice(right);
        let string = (right.kind() == "string").then(|| string_literal(&value)).flatten();
        let target = self.slice(left);
        if !context.in_function {
            let certain = context.certain;
            self.module.assignments.push(Assignment { target, value, string, certain, place: place(right) });
        } else if left.kind() == "subscript" || left.kind() == "attribute" {
            // A factory sets the app's configuration in a function.
            self.module.assignments.push(Assignment {
                target,
                value,
                string,
                certain: true,
                place: place(right),
            });
        }
    }

    fn augmented(&mut self, node: Node<'_>, context: Context) {
        let (Some(left), Some(right)) = (node.child_by_field_name("left"), node.child_by_field_name("right"))
        else {
            return;
        };
        if !context.in_function {
            self.module.assignments.push(Assignment {
                target: self.slice(left),
                value: self.slice(right),
                string: None,
                certain: false,
                place: place(right),
            });
        }
    }

    /// Binds the loop variables of `for`, and what `with` calls its values.
    fn bind_targets(&mut self, node: Node<'_>, context: Context) {
        if let Some(left) = node.child_by_field_name("left") {
            self.names_in_target(left, context);
        }
    }

    fn names_in_target(&mut self, node: Node<'_>, context: Context) {
        match node.kind() {
            "identifier" => self.bind(self.slice(node), context),
            "attribute" => {
                // `sys.modules[__name__].x = …` and the like.
                self.module.is_open |= self.slice(node).contains("modules");
            }
            "subscript" => {
                let text = self.slice(node);
                self.module.is_open |= text.contains("globals()") || text.contains("modules[");
            }
            _ => self.names_in(node, context),
        }
    }

    /// Binds every name in a pattern: too many rather than too few.
    fn names_in(&mut self, node: Node<'_>, context: Context) {
        let mut pending = vec![node];
        while let Some(node) = pending.pop() {
            if node.kind() == "identifier" {
                self.bind(self.slice(node), context);
            }
            if node.kind() != "block" {
                let mut cursor = node.walk();
                pending.extend(node.named_children(&mut cursor));
            }
        }
    }

    fn call(&mut self, node: Node<'_>, context: Context) {
        let callee = self.field(node, "function");
        if ["globals", "exec", "setattr", "vars"].contains(&callee.as_str()) {
            self.module.is_open = true;
        }
        let (mut args, mut keywords) = (Vec::new(), Vec::new());
        if let Some(list) = node.child_by_field_name("arguments") {
            let mut cursor = list.walk();
            for argument in list.named_children(&mut cursor) {
                match argument.kind() {
                    "keyword_argument" => {
                        keywords.push((self.field(argument, "name"), self.field(argument, "value")));
                    }
                    "comment" => {}
                    _ => args.push(self.slice(argument)),
                }
            }
        }
        let in_function = context.in_function;
        self.module.calls.push(Call { callee, args, keywords, in_function, place: place(node) });
    }
}

fn is_type_checking(condition: &str) -> bool {
    condition == "TYPE_CHECKING" || condition.ends_with(".TYPE_CHECKING")
}

fn is_main(condition: &str) -> bool {
    condition.contains("__name__") && condition.contains("__main__")
}

fn place(node: Node<'_>) -> Place {
    let (start, end) = (node.start_position(), node.end_position());
    let last = if end.row == start.row { end.column } else { usize::MAX };
    Place { line: start.row + 1, start: start.column, end: last }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        parse_module(text).unwrap().names.into_iter().collect()
    }

    #[test]
    fn the_names_of_the_top_level_are_found_however_they_are_bound() {
        for (text, expected) in [
            ("app = 1", &["app"][..]),
            ("app: Flask = Flask(__name__)", &["app"]),
            ("app: Flask", &[]),
            ("a = b = 1", &["a", "b"]),
            ("a, (b, *c) = f()", &["a", "b", "c"]),
            ("import os.path", &["os"]),
            ("import os.path as p, sys", &["p", "sys"]),
            ("from . import views as v, models", &["models", "v"]),
            ("from x import (a,\n  b as c,\n)", &["a", "c"]),
            ("def create_app():\n    inner = 1", &["create_app"]),
            ("async def main(): pass", &["main"]),
            ("@decorated\ndef f(): pass", &["f"]),
            ("class App:\n    field = 1\n    def method(self): pass", &["App"]),
            ("if x:\n    a = 1\nelif y:\n    b = 1\nelse:\n    c = 1", &["a", "b", "c"]),
            ("try:\n    a = 1\nexcept E as e:\n    b = 2\nfinally:\n    c = 3", &["a", "b", "c"]),
            ("with f() as g:\n    h = 1", &["g", "h"]),
            ("for i in x:\n    j = i", &["i", "j"]),
            ("while (n := f()):\n    pass", &["n"]),
            ("def f():\n    global app\n    app = 1", &["app", "f"]),
            ("x = lambda y: y", &["x"]),
            ("# app = 1\n'app = 2'\n\"\"\"\napp = 3\n\"\"\"", &[]),
        ] {
            let found = names(text);
            let found: Vec<&str> = found.iter().map(String::as_str).collect();
            for name in expected {
                assert!(found.contains(name), "{text}: {found:?}");
            }
            assert!(!found.iter().any(|name| ["inner", "field", "method", "y"].contains(name)), "{text}");
            if expected.is_empty() {
                assert!(found.is_empty(), "{text}: {found:?}");
            }
        }
    }

    #[test]
    fn what_the_text_does_not_show_makes_a_module_open() {
        for (text, open) in [
            ("app = 1", false),
            ("globals()['app'] = 1", true),
            ("exec('app = 1')", true),
            ("def __getattr__(name): return 1", true),
            ("class A:\n    def __getattr__(self, name): return 1", false),
            ("setattr(sys.modules[__name__], 'app', 1)", true),
            ("sys.modules[__name__] = X()", true),
            ("app = = 1", true),
            ("del app", true),
        ] {
            assert_eq!(parse_module(text).unwrap().is_open, open, "{text}");
        }
    }

    #[test]
    fn an_import_is_certain_only_where_nothing_guards_it() {
        for (text, certain, at_import) in [
            ("import a", true, true),
            ("class X:\n    import a", true, true),
            ("try:\n    import a\nexcept ImportError:\n    a = None", false, true),
            ("if sys.version_info < (3, 11):\n    import a", false, true),
            ("if TYPE_CHECKING:\n    import a", false, false),
            ("if typing.TYPE_CHECKING:\n    import a", false, false),
            ("if __name__ == '__main__':\n    import a", false, false),
            ("def f():\n    import a", false, false),
            ("with suppress(ImportError):\n    import a", false, true),
        ] {
            let module = parse_module(text).unwrap();
            let import = module.imports.iter().find(|import| import.module == "a").unwrap();
            assert_eq!((import.certain, import.at_import), (certain, at_import), "{text}");
        }
    }

    #[test]
    fn calls_and_assignments_have_their_values() {
        let text = "DEBUG = True\nURI = 'sqlite:///x.db'\napp.run(host='0.0.0.0', port=5000, debug=True)\n";
        let module = parse_module(text).unwrap();
        assert_eq!(module.assignments[0].value, "True");
        assert_eq!(module.assignments[1].string.as_deref(), Some("sqlite:///x.db"));
        let call = &module.calls[0];
        assert_eq!((call.callee.as_str(), call.keyword("port")), ("app.run", Some("5000")));
        let snippet = call.place.snippet("app.py", text, "here").unwrap();
        assert_eq!(
            (snippet.line, &snippet.text[snippet.span]),
            (3, "app.run(host='0.0.0.0', port=5000, debug=True)")
        );
    }
}
