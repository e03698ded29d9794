//! What can go wrong with a request: Heroku's codes, as <https://devcenter.heroku.com/articles/error-codes> has them.

/// A failure that Heroku's router has a code for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    AppCrashed,
    RequestTimeout,
    ClosedWithoutResponse,
    NoWebDynos,
    IdleConnection,
    PoorlyFormatted,
    ServerInterrupted,
    ConnectTimeout,
    BootTimeout,
    Refused,
    UnsupportedExpectation,
    ClientInterrupted,
    ClientIdle,
    /// The router was stopped, or has failed itself.
    Platform,
}

/// What is said about a failure.
pub(super) struct Facts {
    pub(super) code: &'static str,
    /// The text of the log line.
    pub(super) desc: &'static str,
    pub(super) status: u16,
    /// Whose connection was closed, where the log line says so.
    pub(super) sock: Option<&'static str>,
    /// What happened, for whoever sees the page.
    pub(super) what: &'static str,
}

impl Fault {
    /// Looks the facts up.
    pub(super) fn facts(self) -> Facts {
        let facts = |code, desc, status, sock, what| Facts { code, desc, status, sock, what };
        match self {
            Self::AppCrashed => {
                facts("H10", "App crashed", 503, None, "The web process has crashed. Its log says why.")
            }
            Self::RequestTimeout => {
                let what = "The web process was given the request, and sent no response in time.";
                facts("H12", "Request timeout", 503, None, what)
            }
            Self::ClosedWithoutResponse => {
                let what = "The web process took the connection, and closed it without a response.";
                facts("H13", "Connection closed without response", 503, None, what)
            }
            Self::NoWebDynos => {
                facts("H14", "No web processes running", 503, None, "There are no web dynos running.")
            }
            Self::IdleConnection => {
                let what = "Neither the web process nor the client has sent anything for too long.";
                facts("H15", "Idle connection", 503, None, what)
            }
            Self::PoorlyFormatted => {
                let what = "What the web process sent isn't an HTTP response.";
                facts("H17", "Poorly formatted HTTP response", 503, None, what)
            }
            Self::ServerInterrupted => {
                let what = "The web process closed the connection in the middle of its response.";
                facts("H18", "Server Request Interrupted", 503, Some("backend"), what)
            }
            Self::ConnectTimeout => {
                let what = "The web process didn't take the connection in time.";
                facts("H19", "Backend connection timeout", 503, None, what)
            }
            Self::BootTimeout => {
                let what = "The web process is starting, and wasn't ready in time.";
                facts("H20", "App boot timeout", 503, None, what)
            }
            Self::Refused => {
                let what = "Nobody listens on the port that the web process was given.";
                facts("H21", "Backend connection refused", 503, None, what)
            }
            Self::UnsupportedExpectation => {
                let what = "The only expectation that a request may have is 100-continue.";
                facts("H26", "Request Error", 417, None, what)
            }
            Self::ClientInterrupted => {
                let what = "The client closed the connection before it had the response.";
                facts("H27", "Client Request Interrupted", 499, Some("client"), what)
            }
            Self::ClientIdle => {
                let what = "The client didn't send the whole request, and stopped for too long.";
                facts("H28", "Client Connection Idle", 499, Some("client"), what)
            }
            Self::Platform => facts("H99", "Platform error", 500, None, "The router was stopped."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_said_needs_to_be_escaped() {
        use Fault::*;
        let all = [
            AppCrashed,
            RequestTimeout,
            ClosedWithoutResponse,
            NoWebDynos,
            IdleConnection,
            PoorlyFormatted,
            ServerInterrupted,
            ConnectTimeout,
            BootTimeout,
            Refused,
            UnsupportedExpectation,
            ClientInterrupted,
            ClientIdle,
            Platform,
        ];
        let mut codes: Vec<&str> = all.map(|fault| fault.facts().code).to_vec();
        codes.dedup();
        assert_eq!(codes.len(), all.len());
        for fault in all {
            let Facts { code, desc, what, .. } = fault.facts();
            let is_plain = |text: &str| !text.contains(['"', '\\', '<', '&', '\n']);
            assert!(is_plain(code) && is_plain(desc) && is_plain(what), "{fault:?}");
        }
    }
}
