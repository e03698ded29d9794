//! What may be left out, kind by kind. A kind that something could need isn't said: that it is *rarely* needed is no
//! reason. docs/inspect.md says the same for users.

use std::collections::BTreeSet;

use super::kinds::Kind;
use super::known::{COMPILE, FOR_DEVELOPERS, ONLY_NAME_IT, READ_STUBS, is_compiler};
use super::mentions::{DIRECTORIES, Mention, Mentions, Word, of_command};
use crate::inspect::contents::Content;
use crate::inspect::inspection::{FROM_HEADER, Inspection};
use crate::inspect::owners::Owner;
use crate::python::distribution::split_site_packages;

/// Where Python's headers are.
const INCLUDE: &str = ".heroku/python/include";

/// What is known of a slug, for the rules.
pub(super) struct Facts<'a> {
    inspection: &'a Inspection,
    mentions: Vec<(Who, &'a str, &'a Mention)>,
    commands: BTreeSet<Mention>,
    /// The normalised names of the distributions.
    pub(super) names: BTreeSet<String>,
    /// The directories of tests that nothing needs: what is in them needs nothing either.
    idle: BTreeSet<&'a str>,
}

/// Who names something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Distribution(usize),
    Runtime,
    App,
}

/// Whether a distribution makes clients of AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Talks {
    Never,
    ForOthers,
    Maybe,
}

impl<'a> Facts<'a> {
    /// Gathers them; there are none if there is code that can't be read.
    pub(super) fn of(inspection: &'a Inspection) -> Option<Self> {
        let entries = &inspection.contents.entries;
        let all: &Mentions = &inspection.contents.mentions;
        let mut mentions = Vec::new();
        for (path, found) in all {
            let Ok(place) = entries.binary_search_by(|entry| entry.path.cmp(path)) else { continue };
            let who = match inspection.owners[place] {
                Owner::Distribution(number) => Who::Distribution(number),
                // No distribution's, and as good as the app's.
                Owner::Runtime if in_site_packages(path) => Who::App,
                // What Python brings for the maintenance of itself runs only if something else names it.
                Owner::Runtime | Owner::Generated => Who::Runtime,
                Owner::App => Who::App,
            };
            let path = std::str::from_utf8(path).ok()?;
            mentions.extend(found.iter().map(|mention| (who, path, mention)));
        }

        if mentions.iter().any(|(_, _, mention)| **mention == Mention::Unread) {
            return None;
        }
        let mut facts = Self {
            inspection,
            mentions,
            idle: BTreeSet::new(),
            commands: inspection.process_types.values().flat_map(|command| of_command(command)).collect(),
            names: inspection.installed.iter().map(|found| found.distribution.key()).collect(),
        };
        facts.idle = facts.idle_directories(DIRECTORIES[0]);
        Some(facts)
    }

    /// Returns the numbers of the entries of a kind that surely may go.
    pub(super) fn entries_of(&self, kind: Kind) -> Vec<usize> {
        match kind {
            Kind::Pip => self.pip(),
            Kind::PipWheel => match self.somebody_names(Word::Ensurepip) {
                true => Vec::new(),
                false => self.select(|path, owner| {
                    owner == Owner::Runtime
                        && (path.ends_with("/ensurepip/_bundled") || path.contains("/ensurepip/_bundled/"))
                }),
            },
            Kind::Directory(name) => self.directories(name),
            Kind::Stubs => self.stubs(),
            Kind::Translations => self.translations(),
            Kind::Headers => self.headers(),
            Kind::StaticLibraries => self.static_libraries(),
            Kind::ManualPages => self.select(|path, owner| {
                owner != Owner::App
                    && [".heroku/python/share/man", ".heroku/python/share/doc"].iter().any(|directory| {
                        path.strip_prefix(directory)
                            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                    })
            }),
            Kind::Notebooks => self.without(Word::Notebooks, |path, _| path.ends_with(".ipynb")),
            Kind::NodeModules => match self.has_node() {
                true => Vec::new(),
                false => self.without(Word::NodeModules, |path, owner| {
                    owner == Owner::App && has_part(path, "node_modules")
                }),
            },
            Kind::Git => self.without(Word::Git, |path, owner| {
                owner == Owner::App && (path == ".git" || path.starts_with(".git/"))
            }),
        }
    }

    fn select(&self, is_one: impl Fn(&str, Owner) -> bool) -> Vec<usize> {
        let Inspection { contents, owners, .. } = self.inspection;
        let numbered = contents.entries.iter().zip(owners).enumerate();
        numbered
            .filter(|(_, (entry, owner))| {
                std::str::from_utf8(&entry.path).is_ok_and(|path| is_one(path, **owner))
            })
            .map(|(number, _)| number)
            .collect()
    }

    fn without(&self, word: Word, is_one: impl Fn(&str, Owner) -> bool) -> Vec<usize> {
        if self.somebody_names(word) { Vec::new() } else { self.select(is_one) }
    }

    /// Tells whether the app or a package names something, other than for its development.
    fn somebody_names(&self, word: Word) -> bool {
        self.commands.contains(&Mention::Word(word))
            || self.mentions.iter().any(|(who, path, mention)| {
                **mention == Mention::Word(word)
                    && *who != Who::Runtime
                    && !self.is_for_developers(*who, path)
            })
    }

    fn is_for_developers(&self, who: Who, path: &str) -> bool {
        // pip is no exception: what it needs itself goes with it.
        let is_tool = matches!(who, Who::Distribution(number)
            if ["pip", "setuptools", "wheel"].contains(&self.inspection.installed[number].distribution.key().as_str()));
        is_tool
            || matches!(who, Who::Distribution(_))
                && (self.is_idle(path) || FOR_DEVELOPERS.iter().any(|part| path.contains(part)))
    }

    fn is_idle(&self, path: &str) -> bool {
        directory_in_package(path, DIRECTORIES[0]).is_some_and(|directory| self.idle.contains(directory))
    }

    fn pip(&self) -> Vec<usize> {
        let installed = &self.inspection.installed;
        let requires_pip = installed
            .iter()
            .any(|found| found.distribution.requires.iter().any(|required| required.name == "pip"));
        if requires_pip || self.somebody_names(Word::Pip) {
            return Vec::new();
        }
        self.select(|_, owner| matches!(owner, Owner::Distribution(number) if installed[number].distribution.key() == "pip"))
    }

    /// The outermost directories of this name in packages that nothing names; what only other such directories name
    /// goes with them.
    fn directories(&self, name: &'static str) -> Vec<usize> {
        let directories = self.idle_directories(name);
        self.select(|path, _| {
            directory_in_package(path, name).is_some_and(|directory| directories.contains(directory))
        })
    }

    fn idle_directories(&self, name: &'static str) -> BTreeSet<&'a str> {
        let entries = &self.inspection.contents.entries;
        let mut candidates: BTreeSet<(&'a str, usize)> = BTreeSet::new();
        for (entry, owner) in entries.iter().zip(&self.inspection.owners) {
            if let (Owner::Distribution(number), Ok(path)) = (owner, std::str::from_utf8(&entry.path))
                && let Some(directory) = directory_in_package(path, name)
            {
                candidates.insert((directory, *number));
            }
        }
        // Where several distributions have a part in one, it isn't clear whose it is.
        let mut owners_of: Vec<&str> = candidates.iter().map(|(directory, _)| *directory).collect();
        owners_of.retain({
            let all = owners_of.clone();
            move |directory| all.iter().filter(|other| *other == directory).count() > 1
        });
        candidates.retain(|(directory, _)| !owners_of.contains(directory));
        loop {
            let before = candidates.len();
            let needed = self.needed(name, &candidates);
            candidates.retain(|candidate| !needed.contains(candidate));
            if candidates.len() == before {
                break;
            }
        }
        candidates.into_iter().map(|(directory, _)| directory).collect()
    }

    /// Returns which of the directories something outside of them names.
    fn needed<'b>(
        &self,
        name: &'static str,
        candidates: &BTreeSet<(&'b str, usize)>,
    ) -> BTreeSet<(&'b str, usize)> {
        let mut needed = BTreeSet::new();
        let inside = |path: &str| {
            directory_in_package(path, name)
                .is_some_and(|directory| candidates.iter().any(|(candidate, _)| *candidate == directory))
        };
        let from_commands = self.commands.iter().map(|mention| (Who::App, "", mention));
        for (who, path, mention) in self.mentions.iter().copied().chain(from_commands) {
            if !matches!(mention, Mention::Own(_) | Mention::Module(_))
                || inside(path)
                || who != Who::App && FOR_DEVELOPERS.iter().any(|part| path.contains(part))
            {
                continue;
            }
            match mention {
                _ if ONLY_NAME_IT.iter().any(|file| path.ends_with(file)) => {}
                Mention::Own(named) if *named == name => {
                    if let Who::Distribution(owner) = who {
                        needed.extend(candidates.iter().filter(|(_, number)| *number == owner));
                    }
                }
                Mention::Module(module) if module.ends_with(name) => {
                    let path = format!("/{}", module.replace('.', "/"));
                    let is_meant = |(directory, _): &&(&str, usize)| directory.ends_with(&path);
                    needed.extend(candidates.iter().filter(is_meant));
                }
                _ => {}
            }
        }
        needed
    }

    fn stubs(&self) -> Vec<usize> {
        if READ_STUBS.iter().any(|name| self.names.contains(*name)) {
            return Vec::new();
        }
        let readers = self.distributions_that_name(Word::Stubs);
        self.select(|path, owner| {
            path.ends_with(".pyi")
                && matches!(owner, Owner::Distribution(number) if !readers.contains(&number))
        })
    }

    fn distributions_that_name(&self, word: Word) -> BTreeSet<usize> {
        let of = |(who, path, mention): &(Who, &str, &Mention)| match who {
            Who::Distribution(number)
                if **mention == Mention::Word(word) && !self.is_for_developers(*who, path) =>
            {
                Some(*number)
            }
            _ => None,
        };
        self.mentions.iter().filter_map(of).collect()
    }

    /// Sources of catalogues that are there compiled, too.
    fn translations(&self) -> Vec<usize> {
        let entries = &self.inspection.contents.entries;
        self.without(Word::Translations, |path, owner| {
            let is_compiled = |stem: &str| {
                let compiled = format!("{stem}.mo").into_bytes();
                entries.binary_search_by(|entry| entry.path.cmp(&compiled)).is_ok()
            };
            matches!(owner, Owner::Distribution(_)) && path.strip_suffix(".po").is_some_and(is_compiled)
        })
    }

    fn can_compile(&self) -> bool {
        COMPILE.iter().any(|name| self.names.contains(*name))
            || self.inspection.contents.entries.iter().any(is_compiler)
    }

    fn headers(&self) -> Vec<usize> {
        let app_reads = self
            .mentions
            .iter()
            .any(|(who, _, mention)| *who == Who::App && **mention == Mention::Word(Word::Headers));
        if app_reads || self.can_compile() {
            return Vec::new();
        }
        // Where nothing else tells which Python it is, a header does.
        let are_read = self.inspection.python.as_ref().is_none_or(|python| python.read_from == FROM_HEADER);
        let readers = self.distributions_that_name(Word::Headers);
        self.select(|path, owner| {
            let is_header = [".h", ".hpp", ".hh", ".hxx"].iter().any(|end| path.ends_with(end));
            match owner {
                Owner::Distribution(number) => is_header && !readers.contains(&number),
                Owner::Runtime => !are_read && (path == INCLUDE || path.starts_with(&format!("{INCLUDE}/"))),
                _ => false,
            }
        })
    }

    fn static_libraries(&self) -> Vec<usize> {
        if self.can_compile() {
            return Vec::new();
        }
        let archives: BTreeSet<&str> = self
            .mentions
            .iter()
            .filter(|(who, _, mention)| *who != Who::App && **mention == Mention::Word(Word::Archive))
            .map(|(_, path, _)| *path)
            .collect();
        self.select(|path, _| archives.contains(path))
    }

    /// Returns the services of AWS that clients are made for; nothing if one can't be told.
    pub(super) fn services(&self) -> Option<BTreeSet<&'a str>> {
        let mut services = BTreeSet::new();
        for (who, path, mention) in &self.mentions {
            let Mention::Service(service) = mention else { continue };
            let who_talks = match who {
                Who::App => Talks::Maybe,
                Who::Runtime => continue,
                Who::Distribution(_) if self.is_idle(path) => continue,
                Who::Distribution(number) => self.talks_to_aws(*number),
            };
            match (who_talks, service) {
                (Talks::Never, _) => {}
                // They make the clients that they are asked for, and some of their own.
                (Talks::ForOthers, service) => services.extend(service.as_deref()),
                (Talks::Maybe, Some(service)) => drop(services.insert(service.as_str())),
                (Talks::Maybe, None) => return None,
            }
        }
        Some(services)
    }

    fn talks_to_aws(&self, number: usize) -> Talks {
        const SDK: [&str; 3] = ["boto3", "botocore", "s3transfer"];
        let distribution = &self.inspection.installed[number].distribution;
        let wrappers = ["aiobotocore", "aioboto3"];
        match distribution.key().as_str() {
            name if SDK.contains(&name) || wrappers.contains(&name) => Talks::ForOthers,
            // Where it isn't required, it may be used if it is there.
            _ if self.names_boto(number) => Talks::Maybe,
            _ if distribution.requires.iter().any(|required| {
                SDK.contains(&required.name.as_str()) || wrappers.contains(&required.name.as_str())
            }) =>
            {
                Talks::Maybe
            }
            _ => Talks::Never,
        }
    }

    fn names_boto(&self, number: usize) -> bool {
        self.mentions.iter().any(|(who, _, mention)| {
            *who == Who::Distribution(number) && **mention == Mention::Word(Word::Boto)
        })
    }

    fn has_node(&self) -> bool {
        let runs = ["node", "bun", "deno"];
        self.inspection.contents.entries.iter().any(|entry| {
            let name = entry.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            runs.iter().any(|program| name == program.as_bytes()) && entry.content != Content::Directory
        })
            // Stacks may have one.
            || self.inspection.process_types.values().any(|command| {
                command.split(|letter: char| !(letter.is_alphanumeric() || letter == '-')).any(|word| {
                    ["node", "nodejs", "npm", "npx", "yarn", "pnpm", "bun", "deno"].contains(&word)
                })
            })
    }
}

fn in_site_packages(path: &[u8]) -> bool {
    std::str::from_utf8(path).is_ok_and(|path| split_site_packages(path).is_some())
}

fn has_part(path: &str, name: &str) -> bool {
    path.split('/').any(|part| part == name)
}

/// Returns the outermost directory of this name that is inside of a package.
fn directory_in_package<'a>(path: &'a str, name: &str) -> Option<&'a str> {
    let (site, inside) = split_site_packages(path)?;
    let mut at = site.len() + 1;
    for part in inside.split('/') {
        let end = at + part.len();
        // At the top it would be a package of its own.
        if part == name && at > site.len() + 1 {
            return Some(&path[..end]);
        }
        at = end + 1;
    }
    None
}
