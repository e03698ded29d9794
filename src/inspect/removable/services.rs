//! The data of AWS's services that botocore has: the services that nothing talks to may go.

use std::collections::BTreeSet;

use super::lines::pattern;
use super::rules::Facts;
use crate::inspect::contents::Content;
use crate::inspect::inspection::Inspection;
use crate::inspect::owners::Owner;

/// Services that botocore itself talks to, to find credentials.
const FOR_CREDENTIALS: [&str; 4] = ["signin", "sso", "sso-oidc", "sts"];

/// Programs that talk to any service.
const TALK_TO_ANY: [&str; 4] = ["awscli", "awscli-local", "aws-shell", "moto"];

/// What may go.
pub(super) struct Services {
    /// The numbers of the entries, sorted.
    pub(super) entries: Vec<usize>,
    /// The lines that leave them out.
    pub(super) lines: Vec<String>,
}

/// Finds the services that nothing in a slug talks to, if it can be told which it does talk to.
pub(super) fn unused_services(inspection: &Inspection, facts: &Facts<'_>) -> Option<Services> {
    let is_botocore = |number: &usize| inspection.installed[*number].distribution.key() == "botocore";
    let number = (0..inspection.installed.len()).find(is_botocore)?;
    if TALK_TO_ANY.iter().any(|name| facts.names.contains(*name)) {
        return None;
    }
    let data = format!("{}/botocore/data", inspection.installed[number].site_packages);
    let mut there = BTreeSet::new();
    let mut of_services = Vec::new();
    for (at, (entry, owner)) in inspection.contents.entries.iter().zip(&inspection.owners).enumerate() {
        let Ok(path) = std::str::from_utf8(&entry.path) else { continue };
        let inside = path.strip_prefix(&data).and_then(|rest| rest.strip_prefix('/'));
        let Some(inside) = inside.filter(|_| *owner == Owner::Distribution(number)) else { continue };
        // What lies beside the services is for all of them.
        let service = match inside.split_once('/') {
            Some((service, _)) => service,
            None if entry.content == Content::Directory => inside,
            None => continue,
        };
        there.insert(service);
        of_services.push((at, service));
    }
    let used = facts.services()?;
    // One that has another name in the data could be any.
    if used.is_empty() || used.iter().any(|service| !there.contains(service)) {
        return None;
    }
    let kept: BTreeSet<&str> =
        used.into_iter().chain(FOR_CREDENTIALS).filter(|service| there.contains(service)).collect();
    let entries: Vec<usize> =
        of_services.iter().filter(|(_, service)| !kept.contains(service)).map(|(at, _)| *at).collect();
    let data = pattern(&data);
    let keep = kept.iter().map(|service| format!("!{data}{}/", pattern(service)));
    let lines = std::iter::once(format!("{data}/*/")).chain(keep).collect();
    (!entries.is_empty()).then_some(Services { entries, lines })
}
