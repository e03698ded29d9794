//! Editable and local installs: paths of the build become paths relative to site-packages, so that nothing
//! has to be rewritten when the app starts.

use super::BuildPlaces;

/// From site-packages (`.heroku/python/lib/python3.N/site-packages`) up to the app's root.
const UP_TO_APP: &str = "../../../../..";

/// Relocates a `.pth` or `.egg-link` file: lines that are paths, and strings in lines of code.
pub(super) fn relocate_path_file(contents: &[u8], places: &BuildPlaces) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(contents).ok()?;
    let lines: Vec<String> = text.split('\n').map(|line| relocate_line(line, places)).collect();
    changed(text, lines.join("\n"))
}

fn relocate_line(line: &str, places: &BuildPlaces) -> String {
    if line.starts_with("import ") || line.starts_with("import\t") {
        return relocate_strings(line, places, "__import__('os').path.join(sitedir, ");
    }
    match below_app(line.trim_end(), places) {
        Some(rest) => format!("{UP_TO_APP}{rest}"),
        None => line.to_owned(),
    }
}

/// Relocates a finder module of setuptools: strings that are paths of the build are computed instead.
pub(super) fn relocate_module(contents: &[u8], places: &BuildPlaces) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(contents).ok()?;
    changed(
        text,
        relocate_strings(
            text,
            places,
            "__import__('os').path.join(__import__('os').path.dirname(__file__), ",
        ),
    )
}

/// Replaces `'/build/place/x'` by an expression that joins site-packages and the way from there.
fn relocate_strings(text: &str, places: &BuildPlaces, join: &str) -> String {
    let mut result = text.to_owned();
    for root in roots(places) {
        for quote in ['\'', '"'] {
            let start = format!("{quote}{root}");
            let mut rest = std::mem::take(&mut result);
            while let Some(at) = rest.find(&start) {
                let tail = &rest[at + start.len()..];
                let end = tail.find(quote).filter(|_| tail.starts_with(['/', quote]));
                let Some(end) = end else {
                    result.push_str(&rest[..at + start.len()]);
                    rest = rest[at + start.len()..].to_owned();
                    continue;
                };
                result.push_str(&rest[..at]);
                let path = format!("{UP_TO_APP}{}", &tail[..end]);
                result.push_str(&format!("__import__('os').path.normpath({join}{quote}{path}{quote}))"));
                rest = tail[end + 1..].to_owned();
            }
            result.push_str(&rest);
        }
    }
    result
}

/// Relocates the URLs in `direct_url.json` and METADATA, which names packages of the app as requirements: an app is at
/// `/app` in a dyno.
pub(super) fn relocate_urls(contents: &[u8], places: &BuildPlaces) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(contents).ok()?;
    let mut result = text.to_owned();
    for root in roots(places).into_iter().flat_map(|root| [in_url(&root), root]) {
        for end in ['/', '"', '\n', ' '] {
            result = result.replace(&format!("file://{root}{end}"), &format!("file:///app{end}"));
        }
    }
    changed(text, result)
}

/// Writes a path as it stands in a URL.
fn in_url(path: &str) -> String {
    path.bytes()
        .map(|byte| match byte {
            b' ' | b'"' | b'#' | b'<' | b'>' | b'?' | b'`' | b'{' | b'}' | b'%' | 0..=31 | 127.. => {
                format!("%{byte:02X}")
            }
            _ => char::from(byte).to_string(),
        })
        .collect()
}

fn below_app<'a>(path: &'a str, places: &BuildPlaces) -> Option<&'a str> {
    roots(places).iter().find_map(|root| {
        path.strip_prefix(root.as_str()).filter(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// The places that become the app's root. None is inside another.
fn roots(places: &BuildPlaces) -> Vec<String> {
    places.staged_app.iter().chain([&places.tree]).map(|path| path.display().to_string()).collect()
}

fn changed(old: &str, new: String) -> Option<Vec<u8>> {
    (new != old).then(|| new.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> BuildPlaces {
        BuildPlaces { tree: "/w/tree".into(), staged_app: Some("/w/app".into()), runtime: "/w/python".into() }
    }

    #[test]
    fn path_files_become_relative() {
        for (contents, expected) in [
            ("/w/app/src\n", Some("../../../../../src\n")),
            ("/w/app", Some("../../../../..")),
            ("/w/tree/.heroku/python/src/x\n", Some("../../../../../.heroku/python/src/x\n")),
            ("/w/application\n", None),
            ("../relative\n", None),
            ("import finder; finder.install()", None),
        ] {
            let relocated = relocate_path_file(contents.as_bytes(), &places());
            assert_eq!(relocated.as_deref(), expected.map(str::as_bytes), "{contents:?}");
        }
    }

    #[test]
    fn strings_in_a_finder_are_computed() {
        let module = "MAPPING: dict[str, str] = {'lib': '/w/app/lib', \"b\": \"/w/app\", 'c': '/w/apple'}\n";
        let relocated = String::from_utf8(relocate_module(module.as_bytes(), &places()).unwrap()).unwrap();
        assert!(!relocated.contains("'/w/app/"), "{relocated}");
        assert!(relocated.contains("'/w/apple'"), "{relocated}");
        assert!(relocated.contains("'../../../../../lib'"), "{relocated}");
        assert!(relocated.contains("\"../../../../..\""), "{relocated}");
    }

    #[test]
    fn direct_urls_name_the_dyno() {
        let relocated = relocate_urls(br#"{"url":"file:///w/app/lib","dir_info":{}}"#, &places());
        assert_eq!(relocated.unwrap(), br#"{"url":"file:///app/lib","dir_info":{}}"#);
        assert_eq!(relocate_urls(br#"{"url":"https://x.test/w/app"}"#, &places()), None);
        let metadata =
            b"Name: shop\nRequires-Dist: a @ file:///w/app/a\nRequires-Dist: b @ file:///w/apple/b\n";
        let expected =
            b"Name: shop\nRequires-Dist: a @ file:///app/a\nRequires-Dist: b @ file:///w/apple/b\n";
        assert_eq!(relocate_urls(metadata, &places()).as_deref(), Some(&expected[..]));
        let places = BuildPlaces { staged_app: Some("/w/a b#c/app".into()), ..places() };
        let relocated = relocate_urls(br#"{"url":"file:///w/a%20b%23c/app"}"#, &places);
        assert_eq!(relocated.unwrap(), br#"{"url":"file:///app"}"#);
    }
}
