//! Config vars that stand in the way of what a dyno sets.

use super::catalogue::FindingCode;
use super::facts::Facts;
use super::finding::Finding;

/// Checks the config vars of this call, and those that app.json asks for.
pub(super) fn check_config_vars(facts: &Facts) -> Option<Finding> {
    const PORT: &str = "PORT";
    let finding = |message: String| Finding::new(FindingCode::ConfigVarPort, message);
    if let Some(value) = facts.config_vars.get(PORT) {
        return Some(finding(format!(
            "The config var PORT is `{value}`, but a dyno's port is the one that Heroku gives it."
        )));
    }
    let app: serde_json::Value = serde_json::from_str(facts.texts.get("app.json")?).ok()?;
    app.get("env")?.get(PORT)?;
    Some(
        finding(
            "app.json asks for a config var PORT, but a dyno's port is the one that Heroku gives it."
                .to_owned(),
        )
        .in_file("app.json"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::tests::app;

    // C30
    #[test]
    fn a_config_var_named_port_is_noted() {
        for (app_json, config_vars, expected) in [
            ("{}", &[("PORT", "8000")][..], true),
            ("{}", &[("PORT", "")], true),
            ("{\"env\": {\"PORT\": \"5000\"}}", &[], true),
            ("{\"env\": {\"PORT\": {\"value\": \"5000\"}}}", &[], true),
            ("{\"env\": {\"DB_PORT\": \"5000\"}}", &[("SMTP_PORT", "25")], false),
            ("not JSON", &[], false),
        ] {
            let mut facts = app(&[("app.json", app_json)]);
            facts.config_vars =
                config_vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            assert_eq!(check_config_vars(&facts).is_some(), expected, "{app_json} {config_vars:?}");
        }
    }
}
