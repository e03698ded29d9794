//! uv.lock, as far as something is decided by it: uv itself installs what it says.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::distribution::{MarkerValues, evaluate_marker};
use super::locked::ExpectedPackage;
use super::requirements::normalised_name;

/// Which of the lock's packages are installed.
pub(crate) struct Selection<'a> {
    /// The app's Python and platform.
    pub values: &'a MarkerValues,
    /// The dependency groups.
    pub groups: &'a BTreeSet<String>,
}

/// Returns where a package is in the app, or on this machine's disk, as the lock has it.
pub(crate) fn place(package: &Table) -> Option<&str> {
    let source = package.get("source")?;
    ["editable", "directory", "path"].iter().find_map(|key| source.get(*key)?.as_str())
}

/// Lists what `uv sync` installs: what can be reached from the projects of the lock. Nothing, if that can't be told.
pub(crate) fn expected(lock: &Table, selection: &Selection<'_>) -> Option<Vec<ExpectedPackage>> {
    // Then markers say in uv's own way which extras and groups are installed together.
    let has_conflicts =
        lock.get("conflicts").and_then(Value::as_array).is_some_and(|listed| !listed.is_empty());
    if has_conflicts && !selection.groups.is_empty() {
        return None;
    }
    let packages: Vec<&Table> =
        lock.get("package")?.as_array()?.iter().map(Value::as_table).collect::<Option<_>>()?;
    let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (position, package) in packages.iter().enumerate() {
        by_name.entry(text(package, "name")?).or_default().push(position);
    }
    let mut waiting: Vec<(usize, Option<String>)> = Vec::new();
    let mut reached: BTreeSet<(usize, Option<String>)> = BTreeSet::new();
    let mut dependencies: Vec<&Value> = Vec::new();
    let roots = roots(lock, &packages);
    for root in &roots {
        waiting.push((*root, None));
        let groups = packages[*root].get("dev-dependencies").and_then(Value::as_table);
        for (_, group) in groups.into_iter().flatten().filter(|(name, _)| selection.groups.contains(*name)) {
            dependencies.extend(group.as_array()?);
        }
    }
    loop {
        for dependency in std::mem::take(&mut dependencies) {
            let dependency = dependency.as_table()?;
            if !holds(text(dependency, "marker"), selection)? {
                continue;
            }
            let position = find(dependency, &packages, &by_name, selection)?;
            waiting.push((position, None));
            let extras = dependency.get("extra").and_then(Value::as_array).into_iter().flatten();
            waiting.extend(extras.filter_map(Value::as_str).map(|extra| (position, Some(extra.to_owned()))));
        }
        let Some((position, extra)) = waiting.pop() else { break };
        if !reached.insert((position, extra.clone())) {
            continue;
        }
        let listed = match extra {
            None => packages[position].get("dependencies"),
            Some(_) if has_conflicts && is_in_conflict(lock, packages[position]) => return None,
            Some(extra) => packages[position].get("optional-dependencies").and_then(|by| by.get(&extra)),
        };
        dependencies.extend(listed.and_then(Value::as_array).into_iter().flatten());
    }
    let reached: BTreeSet<usize> = reached.into_iter().map(|(position, _)| position).collect();
    let installed = reached.into_iter().map(|position| packages[position]);
    Some(installed.filter(|package| !is_virtual(package)).map(expect).collect())
}

/// The project in the lock's directory, else every member of the workspace.
fn roots(lock: &Table, packages: &[&Table]) -> Vec<usize> {
    let is_here = |package: &Table| {
        let source = package.get("source");
        ["virtual", "editable", "directory"].iter().any(|key| {
            source.and_then(|source| source.get(*key)).and_then(Value::as_str).is_some_and(|path| path == ".")
        })
    };
    let positions = |wanted: &dyn Fn(&Table) -> bool| -> Vec<usize> {
        packages.iter().enumerate().filter(|(_, package)| wanted(package)).map(|(at, _)| at).collect()
    };
    let here = positions(&is_here);
    if !here.is_empty() {
        return here;
    }
    let members = lock.get("manifest").and_then(|manifest| manifest.get("members")).and_then(Value::as_array);
    let members: BTreeSet<&str> = members.into_iter().flatten().filter_map(Value::as_str).collect();
    positions(&|package| text(package, "name").is_some_and(|name| members.contains(name)))
}

/// Finds the package that a dependency means: its version and its source are only told where there are several.
fn find(
    dependency: &Table,
    packages: &[&Table],
    by_name: &BTreeMap<&str, Vec<usize>>,
    selection: &Selection<'_>,
) -> Option<usize> {
    let same = |position: &usize, key: &str| {
        dependency.get(key).is_none_or(|wanted| packages[*position].get(key) == Some(wanted))
    };
    let named = by_name.get(text(dependency, "name")?)?;
    let candidates = named.iter().filter(|at| same(at, "version") && same(at, "source"));
    let mut fitting = candidates.filter(|at| {
        let markers = packages[**at].get("resolution-markers").and_then(Value::as_array);
        let holds = |marker: &Value| holds(marker.as_str(), selection) != Some(false);
        markers.is_none_or(|markers| markers.iter().any(holds))
    });
    let first = fitting.next()?;
    fitting.next().is_none().then_some(*first)
}

/// Tells whether an extra or a group of a package conflicts with another.
fn is_in_conflict(lock: &Table, package: &Table) -> bool {
    let sets = lock.get("conflicts").and_then(Value::as_array).into_iter().flatten();
    let mut items = sets.filter_map(Value::as_array).flatten();
    items.any(|item| item.get("package") == package.get("name"))
}

fn holds(marker: Option<&str>, selection: &Selection<'_>) -> Option<bool> {
    marker.map_or(Some(true), |marker| evaluate_marker(marker, selection.values, &BTreeSet::new()))
}

fn is_virtual(package: &Table) -> bool {
    package.get("source").is_some_and(|source| source.get("virtual").is_some())
}

fn expect(package: &Table) -> ExpectedPackage {
    let from_index = package.get("source").is_some_and(|source| source.get("registry").is_some());
    ExpectedPackage {
        name: normalised_name(text(package, "name").unwrap_or_default()),
        version: text(package, "version").filter(|_| from_index).map(str::to_owned),
        // It was evaluated on the way.
        marker: None,
        in_app: place(package).is_some(),
    }
}

fn text<'a>(table: &'a Table, key: &str) -> Option<&'a str> {
    table.get(key).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "
[[package]]
name = 'shop'
version = '0.1'
source = { editable = '.' }
dependencies = [{ name = 'web', extra = ['fast'] }, { name = 'win', marker = \"sys_platform == 'win32'\" },
  { name = 'fork', version = '1', source = { registry = 'r' }, marker = \"python_version < '3.11'\" },
  { name = 'fork', version = '2', source = { registry = 'r' }, marker = \"python_version >= '3.11'\" }, { name = 'lib' }]
[package.dev-dependencies]
dev = [{ name = 'tester' }]
[[package]]
name = 'web'
version = '3.0'
source = { registry = 'r' }
dependencies = [{ name = 'base' }]
[package.optional-dependencies]
fast = [{ name = 'speed' }]
slow = [{ name = 'sloth' }]
[[package]]
name = 'base'
version = '1'
source = { registry = 'r' }
dependencies = [{ name = 'web' }]
[[package]]
name = 'speed'
version = '1'
source = { git = 'https://h/r.git' }
[[package]]
name = 'sloth'
version = '1'
source = { registry = 'r' }
[[package]]
name = 'win'
version = '1'
source = { registry = 'r' }
[[package]]
name = 'fork'
version = '1'
source = { registry = 'r' }
[[package]]
name = 'fork'
version = '2'
source = { registry = 'r' }
[[package]]
name = 'lib'
version = '1'
source = { virtual = 'lib' }
dependencies = [{ name = 'tail' }]
[[package]]
name = 'tail'
version = '1'
source = { directory = 'tail' }
[[package]]
name = 'tester'
version = '1'
source = { registry = 'r' }
";

    fn found(lock: &str, python: &str, groups: &[&str]) -> Option<Vec<String>> {
        let values = MarkerValues::of_linux(python, "x86_64");
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        let packages = expected(&lock.parse().unwrap(), &Selection { values: &values, groups: &groups })?;
        let shown = packages.iter().map(|ExpectedPackage { name, version, in_app, .. }| {
            format!("{name} {}{}", version.as_deref().unwrap_or("?"), if *in_app { " here" } else { "" })
        });
        Some(shown.collect())
    }

    #[test]
    fn what_uv_installs_is_what_the_project_leads_to_on_this_platform() {
        let always = ["shop ? here", "web 3.0", "base 1", "speed ?"];
        for (python, groups, expected) in [
            ("3.10.2", &[][..], [&always[..], &["fork 1", "tail ? here"]].concat()),
            ("3.13.0", &[], [&always[..], &["fork 2", "tail ? here"]].concat()),
            ("3.13.0", &["dev"], [&always[..], &["fork 2", "tail ? here", "tester 1"]].concat()),
        ] {
            assert_eq!(found(LOCK, python, groups).unwrap(), expected, "{python} {groups:?}");
        }
        let workspace = LOCK.replace("editable = '.'", "editable = 'shop'");
        assert_eq!(found(&workspace, "3.13.0", &[]).unwrap(), [""; 0]);
        let members = format!("[manifest]\nmembers = ['lib']\n{workspace}");
        assert_eq!(found(&members, "3.13.0", &[]).unwrap(), ["tail ? here"]);
        let conflicts =
            |package: &str| format!("conflicts = [[{{ package = '{package}', extra = 'fast' }}]]\n{LOCK}");
        assert_eq!(found(&conflicts("shop"), "3.13.0", &[]).unwrap().len(), 6);
        assert_eq!(found(&conflicts("shop"), "3.13.0", &["dev"]), None);
        assert_eq!(found(&conflicts("web"), "3.13.0", &[]), None);
        for unknown in [
            LOCK.replace("sys_platform == 'win32'", "nonsense == 'x'"),
            LOCK.replace("{ name = 'lib' }", "{ name = 'gone' }"),
            LOCK.replace("version = '2', source", "source"),
            "version = 1\n".to_owned(),
        ] {
            assert_eq!(found(&unknown, "3.13.0", &[]), None, "{unknown}");
        }
    }
}
