//! Reads command lines and scripts as bash does: into simple commands, their words, and what stands between them. The
//! grammar is tree-sitter's. Nothing is expanded; of each word it is known what a shell would still do with it.

use tree_sitter::{Node, Parser};

/// A word of a command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Word {
    /// Its text without quotes; expansions stay as they are written.
    pub(super) text: String,
    /// Whether an expansion outside of quotes may make no word of it, or several.
    pub(super) splits: bool,
    /// Whether it has a `$` that isn't expanded, because of single quotes or a backslash.
    pub(super) literal_dollar: bool,
    /// Whether a part of it is in quotes.
    pub(super) quoted: bool,
}

/// What follows a simple command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum End {
    /// The end of the line, or `;`.
    #[default]
    Line,
    /// `&&`
    And,
    /// `||`
    Or,
    /// `|`
    Pipe,
    /// `&`
    Background,
}

/// A simple command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Simple {
    /// Its words, variables before the program included, redirections not.
    pub(super) words: Vec<Word>,
    /// The files that its output goes to.
    pub(super) outputs: Vec<Word>,
    /// What follows it.
    pub(super) end: End,
    /// The subshells that it is in, the outermost first.
    pub(super) subshells: Vec<usize>,
    /// Whether something decides if it is run: `if`, `while`, a function, `||`, or a test before `&&`.
    pub(super) is_conditional: bool,
    /// The number of its line, from 1.
    pub(super) line: usize,
}

/// Reads a text. Nothing is known of one that isn't valid, as far as the grammar knows.
pub(super) fn read_commands(text: &str) -> Option<Vec<Simple>> {
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_bash::LANGUAGE.into()).ok()?;
    let tree = parser.parse(text, None)?;
    let root = tree.root_node();
    if root.has_error() {
        return None;
    }
    let mut reader = Reader { text, ..Reader::default() };
    reader.visit(root, &Context::default());
    Some(reader.commands)
}

#[derive(Debug, Clone, Default)]
struct Context {
    end: End,
    subshells: Vec<usize>,
    is_conditional: bool,
    depth: usize,
}

#[derive(Default)]
struct Reader<'a> {
    text: &'a str,
    commands: Vec<Simple>,
    subshells: usize,
}

impl Reader<'_> {
    fn slice(&self, node: Node<'_>) -> &str {
        self.text.get(node.byte_range()).unwrap_or_default()
    }

    fn visit(&mut self, node: Node<'_>, context: &Context) {
        const MAX_DEPTH: usize = 200;
        let context = &Context { depth: context.depth + 1, ..context.clone() };
        if context.depth > MAX_DEPTH {
            return;
        }
        match node.kind() {
            "command"
            | "declaration_command"
            | "unset_command"
            | "variable_assignment"
            | "variable_assignments" => self.command(node, context),
            "redirected_statement" => self.redirected(node, context),
            "list" => self.list(node, context),
            "subshell" => {
                let inner = self.subshell(context);
                self.sequence(node, &inner);
            }
            "program" | "compound_statement" | "do_group" => self.sequence(node, context),
            "pipeline" => self.pipeline(node, context),
            "if_statement"
            | "elif_clause"
            | "else_clause"
            | "while_statement"
            | "for_statement"
            | "c_style_for_statement"
            | "case_statement"
            | "case_item"
            | "function_definition" => {
                self.sequence(node, &Context { is_conditional: true, ..context.clone() });
            }
            "negated_command" => self.sequence(node, context),
            // Tests run nothing, and words of blocks are no commands.
            _ => {}
        }
    }

    fn subshell(&mut self, context: &Context) -> Context {
        self.subshells += 1;
        let mut inner = context.clone();
        inner.subshells.push(self.subshells);
        inner
    }

    /// Commands with `;`, `&` or the ends of lines between them.
    fn sequence(&mut self, node: Node<'_>, context: &Context) {
        let mut cursor = node.walk();
        let children: Vec<Node<'_>> = node.children(&mut cursor).collect();
        let last = children.iter().rposition(Node::is_named);
        for (index, child) in children.iter().enumerate().filter(|(_, child)| child.is_named()) {
            let in_background = children.get(index + 1).is_some_and(|next| next.kind() == "&");
            if in_background {
                let inner = self.subshell(context);
                self.visit(*child, &Context { end: End::Background, ..inner });
            } else {
                let end = if last == Some(index) { context.end } else { End::Line };
                self.visit(*child, &Context { end, ..context.clone() });
            }
        }
    }

    /// `left && right`, `left || right`
    fn list(&mut self, node: Node<'_>, context: &Context) {
        let mut cursor = node.walk();
        let children: Vec<Node<'_>> = node.children(&mut cursor).collect();
        let mut is_conditional = context.is_conditional;
        for (index, child) in children.iter().enumerate().filter(|(_, child)| child.is_named()) {
            let end = match children.get(index + 1).map(Node::kind) {
                Some("&&") => End::And,
                Some("||") => End::Or,
                _ => context.end,
            };
            self.visit(*child, &Context { end, is_conditional, ..context.clone() });
            is_conditional |= end == End::Or || self.decides(*child);
        }
    }

    /// Whether a command only tells if something is there: `[ -f x ]`, `test -f x`, `command -v x`.
    fn decides(&self, node: Node<'_>) -> bool {
        const TESTS: &[&str] = &["test", "[", "command", "which", "type", "hash", "grep"];
        let mut cursor = node.walk();
        match node.kind() {
            "test_command" => true,
            "command" => {
                let name = node.child_by_field_name("name").map(|name| self.slice(name));
                name.is_some_and(|name| TESTS.contains(&name))
            }
            "redirected_statement" => node.child_by_field_name("body").is_some_and(|body| self.decides(body)),
            "negated_command" | "pipeline" => {
                node.named_children(&mut cursor).last().is_some_and(|last| self.decides(last))
            }
            // A test on either side of `&&` decides; of `||` both would have to.
            "list" => {
                let is_or = node.children(&mut cursor).any(|child| child.kind() == "||");
                let mut cursor = node.walk();
                let mut sides = node.named_children(&mut cursor);
                if is_or {
                    sides.all(|side| self.decides(side))
                } else {
                    sides.any(|side| self.decides(side))
                }
            }
            _ => false,
        }
    }

    fn pipeline(&mut self, node: Node<'_>, context: &Context) {
        let mut cursor = node.walk();
        let parts: Vec<Node<'_>> = node.named_children(&mut cursor).collect();
        for (index, part) in parts.iter().enumerate() {
            let end = if index + 1 == parts.len() { context.end } else { End::Pipe };
            let inner = self.subshell(context);
            self.visit(*part, &Context { end, ..inner });
        }
    }

    fn redirected(&mut self, node: Node<'_>, context: &Context) {
        let mut cursor = node.walk();
        let body = node.child_by_field_name("body");
        if let Some(body) = body {
            self.visit(body, context);
        }
        let outputs: Vec<Word> = node
            .children_by_field_name("redirect", &mut cursor)
            .filter_map(|redirect| self.output(redirect))
            .collect();
        // The grammar puts a redirection around all of `a && b >file`; it is the last command's.
        if let Some(last) = self.commands.last_mut().filter(|_| body.is_some()) {
            last.outputs.extend(outputs);
        }
    }

    /// Returns the file that a redirection writes to.
    fn output(&self, redirect: Node<'_>) -> Option<Word> {
        let mut cursor = redirect.walk();
        let operators = [">", ">>", ">|", "&>", "&>>"];
        let writes = redirect.children(&mut cursor).any(|child| operators.contains(&child.kind()));
        let destination = redirect.child_by_field_name("destination")?;
        (redirect.kind() == "file_redirect" && writes).then(|| self.word(destination))
    }

    fn command(&mut self, node: Node<'_>, context: &Context) {
        let mut simple = Simple {
            end: context.end,
            subshells: context.subshells.clone(),
            is_conditional: context.is_conditional,
            line: node.start_position().row + 1,
            ..Simple::default()
        };
        if node.kind() == "variable_assignment" {
            simple.words.push(self.word(node));
        } else {
            let mut cursor = node.walk();
            for child in node.children(&mut cursor) {
                match child.kind() {
                    "file_redirect" => simple.outputs.extend(self.output(child)),
                    kind if kind.ends_with("redirect") => {}
                    _ => simple.words.push(self.word(child)),
                }
            }
        }
        self.commands.push(simple);
    }

    fn word(&self, node: Node<'_>) -> Word {
        let mut word = Word::default();
        self.add(node, &mut word);
        word
    }

    fn add(&self, node: Node<'_>, word: &mut Word) {
        match node.kind() {
            "raw_string" => {
                let inner = self.slice(node).trim_matches('\'');
                word.literal_dollar |= inner.contains('$');
                word.text.push_str(inner);
                word.quoted = true;
            }
            "ansi_c_string" => {
                word.text.push_str(self.slice(node).trim_start_matches('$').trim_matches('\''));
                word.quoted = true;
            }
            "simple_expansion"
            | "expansion"
            | "command_substitution"
            | "arithmetic_expansion"
            | "process_substitution" => {
                word.text.push_str(self.slice(node));
                word.splits = true;
            }
            "string" | "translated_string" => {
                let splits = word.splits;
                self.in_double_quotes(node, word);
                word.quoted = true;
                // In quotes, only the list of arguments is more than one word.
                word.splits = splits || self.slice(node).contains("$@");
            }
            "concatenation" | "command_name" | "variable_assignment" => self.add_parts(node, word),
            _ => unescape(self.slice(node), "", word),
        }
    }

    /// Adds the parts of a node, and what stands between them.
    fn add_parts(&self, node: Node<'_>, word: &mut Word) {
        let mut at = node.start_byte();
        let mut cursor = node.walk();
        for child in node.children(&mut cursor) {
            unescape(self.text.get(at..child.start_byte()).unwrap_or_default(), "", word);
            self.add(child, word);
            at = child.end_byte();
        }
        unescape(self.text.get(at..node.end_byte()).unwrap_or_default(), "", word);
    }

    fn in_double_quotes(&self, node: Node<'_>, word: &mut Word) {
        let slice = self.slice(node);
        let start = node.start_byte() + slice.find('"').map_or(0, |at| at + 1);
        let end = node.end_byte().saturating_sub(1);
        let mut at = start;
        let mut cursor = node.walk();
        for child in node.named_children(&mut cursor).filter(|child| child.kind() != "string_content") {
            if child.start_byte() < at {
                continue;
            }
            unescape(self.text.get(at..child.start_byte()).unwrap_or_default(), "$`\"\\", word);
            word.text.push_str(self.slice(child));
            at = child.end_byte();
        }
        unescape(self.text.get(at..end).unwrap_or_default(), "$`\"\\", word);
    }
}

/// Adds a text without its backslashes; in quotes, only some letters need one.
fn unescape(text: &str, only_before: &str, word: &mut Word) {
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            word.text.push(letter);
            continue;
        }
        match letters.next() {
            // A line that goes on.
            Some('\n') => {}
            Some(next) => {
                if !only_before.is_empty() && !only_before.contains(next) {
                    word.text.push('\\');
                }
                word.literal_dollar |= next == '$';
                word.text.push(next);
            }
            None => word.text.push('\\'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(simple: &Simple) -> String {
        let words = simple.words.iter().map(|word| match word.text.contains(' ') {
            true => format!("[{}]", word.text),
            false => word.text.clone(),
        });
        let end = match simple.end {
            End::Line => ";",
            End::And => "&&",
            End::Or => "||",
            End::Pipe => "|",
            End::Background => "&",
        };
        words.collect::<Vec<_>>().join(" ") + end
    }

    #[test]
    fn a_line_is_split_as_bash_splits_it() {
        for (line, expected) in [
            ("a b  c", "a b c;"),
            ("a 'x y' \"z $V\"", "a [x y] [z $V];"),
            ("a;b|c||d & e", "a;b|c||d&e;"),
            ("a && b", "a&&b;"),
            ("(cd x && a) && b", "cd x&&a&&b;"),
            ("(a) &", "a&;"),
            ("a 2>&1 >out <in", "a;"),
            ("a &>log", "a;"),
            ("a # b c", "a;"),
            ("a x#y", "a x#y;"),
            ("a $(b; c) `d e` ${F:-g h}", "a [$(b; c)] [`d e`] [${F:-g h}];"),
            ("a \\$B '$C' \"\\$D x\\y\"", "a $B $C [$D x\\y];"),
            ("a\\ b", "[a b];"),
            ("A=1 B=\"x y\" a", "A=1 [B=x y] a;"),
            ("A=1; export B=$C; a", "A=1;export B=$C;a;"),
            ("gunicorn -b [::]:$PORT --x=${PORT:-80} a:b", "gunicorn -b [::]:$PORT --x=${PORT:-80} a:b;"),
            ("[ -f x ] && a", "a;"),
            ("if [ -f x ]; then a; else b; fi", "a;b;"),
            ("a && \\\nb", "a&&b;"),
            ("\"a b\" c", "[a b] c;"),
            ("a \"  $B  $C \"", "a [  $B  $C ];"),
        ] {
            let commands = read_commands(line).unwrap_or_else(|| panic!("{line}"));
            let found: String = commands.iter().map(shown).collect();
            assert_eq!(found.replace("&;", "&"), expected.replace("&;", "&"), "{line}");
        }
        for line in ["a 'b", "a \"b", "a $(b", "a `b", "a ${b", "a b()c)"] {
            assert_eq!(read_commands(line), None, "{line}");
        }
    }

    #[test]
    fn it_is_known_what_a_shell_would_do_with_a_word() {
        for (line, splits, literal_dollar) in [
            ("x $A", true, false),
            ("x \"$A\"", false, false),
            ("x \"$@\"", true, false),
            ("x '$A'", false, true),
            ("x \\$A", false, true),
            ("x \"\\$A\"", false, true),
            ("x x$(a)", true, false),
            ("x \"x$(a)\"", false, false),
            ("x plain", false, false),
        ] {
            let word = read_commands(line).unwrap()[0].words[1].clone();
            assert_eq!((word.splits, word.literal_dollar), (splits, literal_dollar), "{line}");
        }
        for (line, expected) in
            [("a > logs/x 2>>logs/y 2>&1", &["logs/x", "logs/y"][..]), ("a && b >z", &["z"]), ("a <z", &[])]
        {
            let commands = read_commands(line).unwrap();
            let outputs: Vec<&str> =
                commands.iter().flat_map(|simple| &simple.outputs).map(|word| word.text.as_str()).collect();
            assert_eq!(outputs, expected, "{line}");
        }
    }

    #[test]
    fn it_is_known_what_is_run_for_certain() {
        for (line, expected) in [
            ("a && b", &[false, false][..]),
            ("a || b", &[false, true]),
            ("[ x ] && b", &[true]),
            ("if x; then a; fi; b", &[true, true, false]),
            ("f() { a; }; b", &[true, false]),
            ("for x in 1 2; do a; done", &[true]),
            ("case $x in a) b;; esac", &[true]),
        ] {
            let found: Vec<bool> =
                read_commands(line).unwrap().iter().map(|simple| simple.is_conditional).collect();
            assert_eq!(found, expected, "{line}");
        }
    }
}
