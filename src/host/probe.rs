//! Asking a server whether it would answer, without wanting what it has.

use std::time::Duration;

use super::download::DownloadError;
use super::http::{Message, PendingResponse, Request};
use crate::env::Env;

/// How long a server may take: it is only asked in passing.
const PATIENCE: Duration = Duration::from_secs(10);

/// Returns the HTTP status that an address has, with the credentials in it. None, if there is no answer.
pub(crate) fn status(url: &str, env: &Env) -> Result<Option<u16>, DownloadError> {
    let request = Request { url, connect_timeout: PATIENCE, from: 0, validator: None };
    let Ok(response) = PendingResponse::start(&request, env) else { return Ok(None) };
    match response.next(PATIENCE, env)? {
        Message::Head(head) => Ok(Some(head.status)),
        Message::Body(_) | Message::End | Message::Failed(_) => Ok(None),
    }
}
