//! Which dynos there are: their names, their ports, and what each runs.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::boot;
use super::launch::{Launcher, Order, Prepared};
use super::log::ProcessLog;
use super::{DynoCommand, DynoError};
use crate::error::Result;

const ROUTER: &str = "router";

/// The ports of the process types of a formation begin here, and are this far apart: as with `heroku local`.
const FIRST_PORT: u16 = 5000;
const PORTS_PER_TYPE: u16 = 100;

/// Decides what a single dyno runs.
pub(super) fn single(launcher: &Launcher<'_>, command: &DynoCommand, prepared: &Prepared) -> Result<Order> {
    let spec = launcher.spec;
    let (line, is_once) = match command {
        DynoCommand::Command(args) if args.is_empty() => return Err(DynoError::NoCommand.into()),
        DynoCommand::Command(args) => (boot::command_line(args).map_err(|_| DynoError::NulInCommand)?, true),
        DynoCommand::ProcessType(name) => (line_of(name, &launcher.process_types(prepared)?)?, false),
        DynoCommand::Formation(_) => return Err(DynoError::EmptyFormation.into()),
    };
    let is_web = matches!(command, DynoCommand::ProcessType(name) if name == "web");
    // Behind the router, any port will do.
    let (asked_port, port) = if is_web && spec.has_router {
        let port = Some(boot::free_or(0));
        (port, port)
    } else {
        (spec.port, boot::resolve_port(spec.port, command, &spec.config_vars))
    };
    Ok(Order {
        name: boot::dyno_name(command, std::process::id()),
        process_type: match command {
            DynoCommand::ProcessType(name) => Some(name.clone()),
            _ => None,
        },
        line,
        asked_port,
        port,
        is_web,
        is_once,
    })
}

/// Finds the command of a process type.
pub(super) fn line_of(
    name: &str,
    process_types: &BTreeMap<String, String>,
) -> std::result::Result<OsString, DynoError> {
    match process_types.get(name) {
        Some(command) if command.trim().is_empty() => Err(DynoError::EmptyCommand { name: name.to_owned() }),
        Some(command) => Ok(command.into()),
        None => {
            let declared = process_types.keys().cloned().collect();
            Err(DynoError::NoSuchType { name: name.to_owned(), declared })
        }
    }
}

/// One process type of a formation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TypeOf {
    name: String,
    line: OsString,
    count: u16,
}

/// Replaces `all` by the process types that aren't named, `web` first. `release` isn't one to keep running.
pub(super) fn expand(
    formation: &[(String, u16)],
    process_types: &BTreeMap<String, String>,
) -> std::result::Result<Vec<TypeOf>, DynoError> {
    let mut types: Vec<TypeOf> = Vec::new();
    let is_named = |name: &str| formation.iter().any(|(named, _)| named == name);
    let mut others: Vec<&String> =
        process_types.keys().filter(|name| *name != "release" && !is_named(name)).collect();
    others.sort_by_key(|name| *name != "web");
    for (name, count) in formation {
        let names =
            if name == "all" && !process_types.contains_key("all") { others.clone() } else { vec![name] };
        for name in names {
            types.push(TypeOf { name: name.clone(), line: line_of(name, process_types)?, count: *count });
        }
    }
    if types.iter().all(|of| of.count == 0) {
        return Err(DynoError::EmptyFormation);
    }
    Ok(types)
}

/// Returns the dynos of a formation, each with the voice that speaks of it, and the router's voice.
pub(super) fn orders_of(types: &[TypeOf], launcher: &Launcher<'_>) -> (Vec<(Order, ProcessLog)>, ProcessLog) {
    let names: Vec<(usize, &TypeOf, u16)> = types
        .iter()
        .enumerate()
        .flat_map(|(index, of)| (0..of.count).map(move |number| (index, of, number)))
        .collect();
    let name_of = |of: &TypeOf, number: u16| format!("{}.{}", of.name, number + 1);
    let longest = names.iter().map(|(_, of, number)| name_of(of, *number).len()).max().unwrap_or_default();
    let width = if launcher.spec.has_router { longest.max(ROUTER.len()) } else { longest };
    let router = ProcessLog::among(&launcher.spec.log, launcher.output, ROUTER, types.len(), width);
    let order = |(index, of, number): (usize, &TypeOf, u16)| {
        let name = name_of(of, number);
        let process_log = ProcessLog::among(&launcher.spec.log, launcher.output, &name, index, width);
        let port = port_of(index, number);
        let order = Order {
            name,
            process_type: Some(of.name.clone()),
            line: of.line.clone(),
            asked_port: port,
            port,
            is_web: of.name == "web",
            is_once: false,
        };
        (order, process_log)
    };
    (names.into_iter().map(order).collect(), router)
}

/// web.1 has port 5000, web.2 5001, the first of the next process type 5100; or a free one if that is taken.
fn port_of(type_index: usize, number: u16) -> Option<u16> {
    let index = u16::try_from(type_index).ok()?;
    let port = FIRST_PORT.checked_add(index.checked_mul(PORTS_PER_TYPE)?)?.checked_add(number)?;
    Some(boot::free_or(port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process_types(names: &[&str]) -> BTreeMap<String, String> {
        names.iter().map(|name| ((*name).to_owned(), format!("run {name}"))).collect()
    }

    #[test]
    fn all_stands_for_what_is_not_named() {
        let types = process_types(&["clock", "release", "web", "worker"]);
        let expanded = |formation: &[(&str, u16)]| {
            let formation: Vec<_> =
                formation.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
            expand(&formation, &types).map(|types| {
                types.into_iter().map(|of| format!("{}={}", of.name, of.count)).collect::<Vec<_>>().join(" ")
            })
        };
        for (formation, expected) in [
            (&[("web", 2), ("worker", 1)][..], "web=2 worker=1"),
            (&[("all", 1)], "web=1 clock=1 worker=1"),
            (&[("worker", 3), ("all", 1)], "worker=3 web=1 clock=1"),
            (&[("web", 0), ("release", 1)], "web=0 release=1"),
        ] {
            assert_eq!(expanded(formation).unwrap(), expected, "{formation:?}");
        }
        for (formation, expected) in [
            (&[("web", 0)][..], "The formation has no dynos."),
            (
                &[("cron", 1)],
                "The slug declares the process types clock, release, web, worker, and no \"cron\".",
            ),
        ] {
            assert_eq!(expanded(formation).unwrap_err().to_string(), expected, "{formation:?}");
        }
    }

    #[test]
    fn ports_are_far_apart_for_each_type() {
        // One that is taken is replaced, so only those that are free can be told.
        for (index, number, expected) in [(0, 0, 5000), (0, 1, 5001), (1, 0, 5100), (3, 7, 5307)] {
            if !boot::is_port_taken(expected) {
                assert_eq!(port_of(index, number), Some(expected));
            }
        }
        assert_eq!(port_of(10_000, 0), None);
    }
}
