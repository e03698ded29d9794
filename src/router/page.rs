//! The pages that the router makes itself: what a client gets when no dyno answers it.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Response, StatusCode};

use super::fault::{Facts, Fault};

/// What kind of page a client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Html,
    Json,
}

impl Language {
    /// Reads the client's choice: a program that asks for JSON, and not for HTML, gets it.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let accepts = |wanted: &str| {
            headers
                .get_all(ACCEPT)
                .iter()
                .filter_map(|value| value.to_str().ok())
                .flat_map(|value| value.split(','))
                .filter_map(|range| range.split(';').next())
                .any(|range| range.trim().to_ascii_lowercase().ends_with(wanted))
        };
        if accepts("json") && !accepts("html") { Self::Json } else { Self::Html }
    }
}

/// Makes the page of a failure.
pub(super) fn render_fault(fault: Fault, request_id: &str, language: Language) -> Response<Full<Bytes>> {
    let Facts { code, desc, status, what, .. } = fault.facts();
    let text = match language {
        Language::Json => {
            serde_json::json!({"id": code, "message": desc, "detail": what, "request_id": request_id})
                .to_string()
        }
        Language::Html => {
            html("Application error", &[what], &format!("{code} · {desc} · request {request_id}"))
        }
    };
    // 499 is for logs: there is no such status, and mostly nobody to answer.
    respond(if status == 499 { 400 } else { status }, text, language)
}

/// Makes the page of a request that isn't passed on to any dyno.
pub(super) fn render_refusal(status: StatusCode, what: &str, language: Language) -> Response<Full<Bytes>> {
    let title = status.canonical_reason().unwrap_or("Refused");
    let text = match language {
        Language::Json => {
            serde_json::json!({"id": status.as_u16(), "message": title, "detail": what}).to_string()
        }
        Language::Html => html(title, &[what], status.as_str()),
    };
    respond(status.as_u16(), text, language)
}

fn respond(status: u16, text: String, language: Language) -> Response<Full<Bytes>> {
    let content_type = match language {
        Language::Html => "text/html; charset=utf-8",
        Language::Json => "application/json",
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store"));
    response
}

/// All that comes in is the router's own, or was checked: nothing is escaped here.
fn html(title: &str, paragraphs: &[&str], small: &str) -> String {
    let paragraphs: String = paragraphs.iter().map(|text| format!("<p>{text}</p>\n")).collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>:root{{color-scheme:light dark}}body{{font:1rem/1.5 system-ui,sans-serif;max-width:36rem;\
         margin:15vh auto;padding:0 1rem}}small{{opacity:.7}}</style>\n</head>\n<body>\n<h1>{title}</h1>\n\
         {paragraphs}<small>{small}</small>\n</body>\n</html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_that_ask_for_json_get_it() {
        for (accept, expected) in [
            (None, Language::Html),
            (Some("*/*"), Language::Html),
            (Some("text/html,application/xhtml+xml,*/*;q=0.8"), Language::Html),
            (Some("application/json"), Language::Json),
            (Some("application/json, text/plain, */*"), Language::Json),
            (Some("application/vnd.api+JSON; q=0.9"), Language::Json),
            (Some("text/html, application/json"), Language::Html),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(ACCEPT, HeaderValue::from_static(accept));
            }
            assert_eq!(Language::of(&headers), expected, "{accept:?}");
        }
    }
}
